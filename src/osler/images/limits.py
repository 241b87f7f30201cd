"""Caps that keep a small hostile file from becoming a huge array."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

from osler.core import BadFileError

from .sniff import head_of

MAX_FILE_BYTES = 8 * 1024**3
"""Largest file that is read into memory."""

MAX_VALUES = 1024**3
"""Most pixel values (all frames and channels) of one image: 1024 slices of 1024 x 1024."""

MAX_SIDE = 65_536
"""Longest side of a plane, the limit of DICOM."""


def check_shape(path: object, shape: Sequence[int]) -> None:
    """Refuse a shape that is empty or beyond the caps, before anything is allocated.

    Raises
    ------
    BadFileError
        Naming the shape and the cap.
    """
    if not shape or any(n <= 0 for n in shape):
        raise BadFileError(
            path, f"states the impossible shape {tuple(shape)}", "the file is broken"
        )
    if max(shape) > MAX_SIDE or math.prod(shape) > MAX_VALUES:
        raise BadFileError(
            path,
            f"states {' x '.join(map(str, shape))} values, beyond the cap of {MAX_VALUES:,} values "
            f"or {MAX_SIDE:,} a side",
            "crop or tile it first",
        )


def content_of(path: str | Path, cap: int = MAX_FILE_BYTES) -> bytes:
    """All bytes of a file, uncompressed if it is gzip; at most ``cap`` of them.

    Raises
    ------
    BadFileError
        If the file is missing, empty, larger than ``cap`` or a broken gzip stream.
    """
    path = Path(path)
    head = head_of(path)
    if path.stat().st_size > cap:
        raise BadFileError(path, f"is larger than {cap / 1024**3:.1f} GiB", "split it first")
    if head[:2] != b"\x1f\x8b":
        return path.read_bytes()
    try:
        with gzip.open(path) as handle:
            content = handle.read(cap + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadFileError(
            path, f"is a truncated or broken gzip file ({error})", "copy or download it again"
        ) from error
    if len(content) > cap:
        raise BadFileError(path, f"unpacks to more than {cap / 1024**3:.1f} GiB", "split it first")
    return content
