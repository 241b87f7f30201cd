"""Caps that keep a small hostile file from becoming a huge array."""

from __future__ import annotations

import gzip
import io
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


_CHUNK = 1 << 22


def content_of(path: str | Path, cap: int = MAX_FILE_BYTES, *, enough: int | None = None) -> bytes:
    """All bytes of a file, uncompressed if it is gzip; at most ``cap`` of them.

    ``enough`` ends the unpacking of a gzip file after so many bytes: what the header of an image
    does not announce is not unpacked, so that a small file cannot fill the memory.

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
        unpacked = io.BytesIO()
        with gzip.open(path) as handle:
            most = cap + 1 if enough is None else min(enough, cap + 1)
            while (left := most - unpacked.tell()) > 0:
                piece = handle.read(min(left, _CHUNK))
                if not piece:
                    break
                unpacked.write(piece)
        content = unpacked.getvalue()
    except (OSError, EOFError, zlib.error) as error:
        raise BadFileError(
            path, f"is a truncated or broken gzip file ({error})", "copy or download it again"
        ) from error
    if len(content) > cap:
        raise BadFileError(path, f"unpacks to more than {cap / 1024**3:.1f} GiB", "split it first")
    return content
