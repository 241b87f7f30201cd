"""Arrays in NPZ archives of strangers: headers first, numbers only, sizes capped."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ..faults import LayoutError
from ..volumes.files import fetched

MAX_BYTES = 16 * 1024**3
"""Largest array that is unpacked (TissueMNIST at 224 pixels has 12 GiB)."""

_BROKEN = (
    *(zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError, TypeError, SyntaxError),
    *(zlib.error, RuntimeError, NotImplementedError, TokenError, RecursionError, MemoryError),
)


@dataclass(frozen=True, slots=True)
class Header:
    """Shape and type of one array of an archive."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def headers_of(path: Path) -> dict[str, Header]:
    """The arrays of an NPZ archive by name; no values are read.

    Raises
    ------
    LayoutError
        ``file-unsafe``: it holds Python objects (a pickle), or unpacks beyond :data:`MAX_BYTES`.
        ``file-unreadable``: it is no archive of arrays.
    """
    fetched(path)
    found: dict[str, Header] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    raise ValueError(f"it holds {member.filename[:60]!r}, which is no array")
                with archive.open(member) as handle:
                    found[member.filename[:-4]] = _header(handle)
    except _BROKEN as error:
        raise LayoutError(
            "file-unreadable", path, f"is no NPZ archive ({error})", "fetch it again"
        ) from error
    for name, header in found.items():
        if header.dtype.hasobject:
            raise LayoutError(
                "file-unsafe",
                path,
                f"holds Python objects in {name!r}; they are pickles and could run any code",
                "save it as numbers",
            )
        size = int(np.prod(header.shape, dtype=np.float64)) * header.dtype.itemsize
        if size > MAX_BYTES or header.dtype.kind not in "biuf":
            raise LayoutError(
                "file-unsafe",
                path,
                f"{name!r} states {header.shape} values of {header.dtype}",
                f"arrays of numbers up to {MAX_BYTES >> 30} GiB are read",
            )
    return found


def _header(handle: IO[bytes]) -> Header:
    version = npy_format.read_magic(handle)
    read = (
        npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    )
    shape, _, dtype = read(handle)
    return Header(tuple(shape), dtype)


def array_of(path: Path, name: str) -> NDArray[Any]:
    """An array of an archive whose headers were checked.

    The last two are kept in memory, since a compressed array cannot be read in parts and its cases
    are read one by one; a file that changed is read anew.

    Raises
    ------
    LayoutError
        ``file-unreadable``.
    """
    state = path.stat()
    return _array(path, name, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _array(path: Path, name: str, changed: int, size: int) -> NDArray[Any]:
    headers_of(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = np.asarray(archive[name])
    except _BROKEN as error:
        raise LayoutError(
            "file-unreadable", path, f"{name!r} is truncated or broken ({error})", "fetch it again"
        ) from error
    found.setflags(write=False)
    return found
