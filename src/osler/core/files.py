"""Files appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from .errors import InputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _refuse(path: Path, error: OSError) -> InputError:
    cause: BaseException | None = error
    while isinstance(cause, OSError) and cause.errno is None:  # writers wrap the system's error
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, OSError):
        reason, full = cause.strerror or str(cause), cause.errno in _FULL
    else:
        reason, full = str(error).partition("\n")[0], True
    todo = "free some space or choose another place" if full else "choose another place"
    return InputError(f"cannot write {path}: {reason}; {todo}")


@contextlib.contextmanager
def atomic(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path`` that replaces it when the block ends well.

    Folders that are not there yet are made. On any error (disk full included) the temporary file
    and the folders made for it are removed and ``path`` stays as it was.

    Raises
    ------
    InputError
        When the system refuses to write (no space, no permission); exit code 2.
    """
    path = Path(path)
    made = _missing(path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    except OSError as error:
        _remove_empty(made)
        raise _refuse(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(fd, mode, encoding=None if "b" in mode else "utf-8") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise _refuse(path, error) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        if made and not path.exists():
            _remove_empty(made)


def _missing(folder: Path) -> list[Path]:
    """``folder`` and those above it that do not exist yet, the deepest first."""
    return [place for place in (folder, *folder.parents) if not os.path.lexists(place)]


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically; see :func:`atomic`."""
    with atomic(path) as handle:
        handle.write(data)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 ``text`` to ``path`` atomically; see :func:`atomic`."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically, keys in the given order."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
