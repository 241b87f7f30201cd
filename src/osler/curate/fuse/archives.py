"""Archives unpacked without trust: no way out of the folder, no links, no bombs."""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from osler.core import BadFileError

MAX_BYTES = 1 << 40
MAX_FILES = 5_000_000
MAX_RATIO = 1000
"""Bytes that a byte of the archive may unpack to, on the whole."""

_SLACK = 1 << 26
_CHUNK = 1 << 20
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError,
           NotImplementedError, OSError, RuntimeError, ValueError)  # fmt: skip


def is_archive(path: Path) -> bool:
    """Whether ``path`` is a zip or tar archive, by its content."""
    return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)


def unpack(path: Path, folder: Path) -> int:
    """Unpack ``path`` into the new folder ``folder``; gives the number of files.

    It appears whole or not at all. Owners, modes and times of the archive are not kept.

    Raises
    ------
    BadFileError
        The archive is broken, names a file outside its folder, holds links or devices, names one
        place twice, or unpacks to more than the caps.
    """
    building = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        count = _unpacked(path, building)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        os.replace(building, folder)
    except BadFileError:
        raise
    except _BROKEN as error:
        raise BadFileError(path, f"cannot be unpacked ({error})", "fetch it again") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return count


def _unpacked(path: Path, building: Path) -> int:
    left = min(MAX_BYTES, path.stat().st_size * MAX_RATIO + _SLACK)
    count = 0
    seen: set[str] = set()
    for name, stated, content in _members(path):
        place = _inside(path, building, name)
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
            continue
        count += 1
        if count > MAX_FILES:
            raise BadFileError(path, f"holds more than {MAX_FILES:,} files")
        key = str(place).casefold()
        if key in seen:
            raise BadFileError(path, f"names {name!r} twice")
        seen.add(key)
        if stated > left:
            raise BadFileError(path, "unpacks to more than its size allows; it may be a bomb")
        place.parent.mkdir(parents=True, exist_ok=True)
        with content, place.open("xb") as target:
            left -= _copied(path, content, target, left)
    return count


def _copied(path: Path, content: IO[bytes], target: IO[bytes], left: int) -> int:
    """Bytes copied; what the archive states of sizes is not believed."""
    size = 0
    while part := content.read(_CHUNK):
        size += len(part)
        if size > left:
            raise BadFileError(path, "unpacks to more than its size allows; it may be a bomb")
        target.write(part)
    return size


def _members(path: Path) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    """Name, stated size and content of every member; content None for folders."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                kind = (info.external_attr >> 16) & 0o170000
                if kind not in (0, 0o100000, 0o040000):
                    raise BadFileError(path, f"holds a link or device ({info.filename!r})")
                if info.flag_bits & 1:
                    raise BadFileError(path, "is encrypted; unpack it yourself")
                yield info.filename, info.file_size, None if info.is_dir() else archive.open(info)
        return
    with tarfile.open(path) as tar:
        for member in tar:
            if not (member.isfile() or member.isdir()):
                raise BadFileError(path, f"holds a link or device ({member.name!r})")
            content = tar.extractfile(member) if member.isfile() else None
            yield member.name, member.size, content


def _inside(path: Path, building: Path, name: str) -> Path:
    """Where a member goes; a name that leads out, or that systems read differently, is refused."""
    parts = PurePosixPath(name).parts
    odd = "\\" in name or "\x00" in name or name.startswith("/") or ".." in parts
    if odd or not parts or any(":" in part for part in parts):
        with contextlib.suppress(UnicodeError):
            name = name.encode("unicode_escape").decode()
        raise BadFileError(path, f"names a file outside its folder ({name})", "do not trust it")
    return building.joinpath(*parts)
