"""De-identification of files without DICOM tags: what names a person there is beside the pixels."""

from __future__ import annotations

import gzip
import io
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np

from osler.core import BadFileError, InputError, atomic

from .files import read, write
from .image import Image
from .limits import content_of
from .sniff import Format, suffix_of
from .text import TextBox, blank_text, burned_in_text, without_text

_NIFTI_TEXT = ("data_type", "db_name", "descrip", "aux_file", "intent_name")


def strip_file(
    path: Path, kind: Format, out: Path, key: str, *, text: bool
) -> tuple[int, tuple[TextBox, ...], tuple[TextBox, ...]]:
    """Write a copy that holds pixels and geometry only.

    PNG, JPEG, BMP and TIFF are written anew from their pixels (EXIF, comments, colour profiles
    are gone; a JPEG is compressed again); NIfTI keeps its voxels bit for bit and loses free text
    and extensions; NPZ gets ``key`` in place of its patient key.

    Returns
    -------
    removed, found, left
        How many blocks of text were dropped; burned-in text that was blanked, and what is left.

    Raises
    ------
    BadFileError
        If the file is broken or cut off.
    InputError
        If ``text`` is asked for on a volume.
    """
    if kind == "nifti":
        if text:
            raise InputError(f"{path} is a volume; text is looked for in planes and cines only")
        return _strip_nifti(path, out), (), ()
    image = read(path)
    removed = _blocks(path) if kind in ("png", "jpeg", "bmp", "tiff") else bool(image.patient)
    if image.patient:
        image = replace(image, patient=key)
    found: tuple[TextBox, ...] = ()
    left: tuple[TextBox, ...] = ()
    if text:
        image, found, left = _without_text(image)
    write(replace(image, source=""), out)
    return int(removed), found, left


def _without_text(image: Image) -> tuple[Image, tuple[TextBox, ...], tuple[TextBox, ...]]:
    if image.axes not in ("yx", "yxc"):
        raise InputError(f"{image.source} holds several frames; take them apart to blank text")
    current = [image]

    def blank(boxes: list[TextBox]) -> None:
        current[0] = blank_text(current[0], boxes)

    found, left = without_text(lambda: burned_in_text(current[0]), blank)
    return current[0], found, left


def _blocks(path: Path) -> int:
    """Number of metadata blocks that Pillow sees in a picture."""
    from PIL import Image as Pillow

    try:
        with Pillow.open(path) as picture:
            return len(picture.info) + len(picture.getexif())
    except (OSError, ValueError, SyntaxError):
        return 0


def _strip_nifti(path: Path, out: Path) -> int:
    content = content_of(path)
    second = content[4:7] == b"n+2"
    if content[344:347] != b"n+1" and not second:
        raise BadFileError(path, "is a .hdr/.img pair", "convert it to .nii first")
    read(path)  # what is broken or cut off is told, not handed on
    kind, size = (nib.Nifti2Header, 540) if second else (nib.Nifti1Header, 348)
    header = kind(content[:size], check=False)
    start = int(header["vox_offset"])
    removed = int(start > size + 4)
    for name in _NIFTI_TEXT:
        if name in header.keys():  # noqa: SIM118 - a header is no mapping
            removed += bool(bytes(np.asarray(header[name]).item()).strip(b"\0 "))
            header[name] = b""
    header["vox_offset"] = size + 4
    stream = io.BytesIO()
    stream.write(header.binaryblock + b"\0\0\0\0" + content[start:])
    with atomic(out) as handle:
        if suffix_of(out) == ".nii.gz":
            with gzip.GzipFile(fileobj=handle, mode="wb", mtime=0, filename="") as packed:
                packed.write(stream.getvalue())
        else:
            handle.write(stream.getvalue())
    return removed
