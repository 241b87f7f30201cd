"""Which format a file is, by its content; the name is only a promise."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Literal

from osler.core import BadFileError

Format = Literal["dicom", "nifti", "png", "jpeg", "tiff", "bmp", "npy", "npz"]

SUFFIXES: dict[str, Format] = {
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".bmp": "bmp",
    ".npy": "npy",
    ".npz": "npz",
}

_HEAD = 1024
_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x93NUMPY", "npy"),
)


def suffix_of(path: str | Path) -> str:
    """The suffix in lower case, ``.nii.gz`` and ``.dcm.gz`` taken whole."""
    name = Path(path).name.lower()
    for double in (".nii.gz", ".dcm.gz"):
        if name.endswith(double):
            return double
    return Path(name).suffix


def format_of(path: str | Path) -> Format | None:
    """The format of the file at ``path`` judged by its first bytes, or None if we read none such.

    Raises
    ------
    BadFileError
        If the file does not exist, is a folder, is empty or cannot be opened.
    """
    return format_of_bytes(head_of(path), Path(path).name)


def format_of_bytes(head: bytes, name: str = "") -> Format | None:
    """As :func:`format_of`, from the first kilobyte (or more) of the content."""
    if head[:2] == b"\x1f\x8b":
        head = _first_of_gzip(head)
    if head[128:132] == b"DICM":  # before all else: its preamble may be a TIFF header
        return "dicom"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:2] == b"BM" and len(head) > 26 and head[6:10] == b"\0\0\0\0":
        return "bmp"
    if head.startswith(b"PK\x03\x04") and name.lower().endswith(".npz"):
        return "npz"
    if head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0"):
        return "nifti"
    return "dicom" if _bare_dicom(head) else None


def _bare_dicom(head: bytes) -> bool:
    """A data set without preamble: it begins with an element of group 0002 or 0008."""
    if len(head) < 16 or head[:4] == b"\0\0\0\0":
        return False
    little, big = head[:2] in (b"\x02\0", b"\x08\0"), head[:2] in (b"\0\x02", b"\0\x08")
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    if explicit:
        return little or big
    length = int.from_bytes(head[4:8], "little")
    return little and head[3] == 0 and 0 < length <= 256


def first_bytes(path: str | Path) -> bytes:
    """About the first kilobyte of the content of a file, uncompressed if it is gzip."""
    head = head_of(path)
    return _first_of_gzip(head) if head[:2] == b"\x1f\x8b" else head


def _first_of_gzip(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error:
        return b""


def head_of(path: str | Path, length: int = 4 * _HEAD) -> bytes:
    """The first bytes of a file that must exist and not be empty; see :func:`format_of`."""
    path = Path(path)
    if not path.exists():
        raise BadFileError(path, "there is no such file", "check the path")
    if path.is_dir():
        raise BadFileError(path, "is a folder, not a file", "name a file in it")
    if not path.is_file():
        raise BadFileError(path, "is a device or pipe, not a file", "store it as a file first")
    try:
        with path.open("rb") as handle:
            head = handle.read(length)
    except OSError as error:
        raise BadFileError(
            path, f"cannot be opened ({error.strerror})", "check its rights"
        ) from error
    if not head:
        raise BadFileError(path, "is empty (0 bytes)", "copy or download it again")
    return head


def unknown_format(path: str | Path) -> BadFileError:
    """The error for a file that is none of our formats, with what its name promised."""
    head = head_of(path)
    looks = "text" if _is_text(head) else "data of an unknown kind"
    promised = SUFFIXES.get(suffix_of(path))
    what = f"is named like a {promised.upper()} but holds {looks}" if promised else f"holds {looks}"
    return BadFileError(
        path,
        f"{what}, not an image",
        "Osler reads DICOM, NIfTI, PNG, JPEG, TIFF, BMP, NPY and NPZ",
    )


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return all(char.isprintable() or char in "\r\n\t\f" for char in text)
