"""One door for all formats: read by content, write by suffix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from osler.core import BadFileError, InputError

from .image import Image, Unit, Window
from .limits import content_of
from .modality import Modality
from .sniff import SUFFIXES, Format, format_of, suffix_of, unknown_format

_RASTER = ("png", "jpeg", "bmp")


def read(
    path: str | Path,
    *,
    window: tuple[float, float] | Window | None = None,
    frame: int | None = None,
    modality: Modality | None = None,
    unit: Unit | None = None,
) -> Image:
    """An image from a file of any known format, or from a folder with one DICOM series.

    The format is judged by content, not by name. Nothing is guessed: modality, unit, spacing and
    window are those the file states; what the caller knows better is given by keyword.

    Parameters
    ----------
    path
        DICOM, NIfTI, PNG, JPEG, TIFF, BMP, NPY or NPZ file, or a folder of DICOM slices.
    window
        (center, width) to keep with the image in place of the file's; pixels stay as they are.
    frame
        Only this frame of a cine, page of a TIFF, or time point of a 4-D volume (from 0).
    modality, unit
        What the caller states, in place of what the file does.

    Raises
    ------
    BadFileError
        If the file is missing, empty, broken, cut off, too large or of no known format.
    InputError
        If there is no such frame.
    """
    path = Path(path)
    if path.is_dir():
        from .series import read_series

        image = read_series(path)
        image = image if frame is None else _chosen(image, frame)
    else:
        kind = format_of(path)
        if kind is None:
            raise unknown_format(path)
        image = _read(path, kind, frame)
    changes: dict[str, Any] = {}
    if window is not None:
        changes["window"] = window if isinstance(window, Window) else Window(*window)
    if modality is not None:
        changes["modality"] = modality
    if unit is not None:
        changes["unit"] = unit
    return replace(image, **changes) if changes else image


def _read(path: Path, kind: Format, frame: int | None) -> Image:
    if kind == "dicom":
        from .dicom import read_dicom

        return read_dicom(path, frame)
    if kind == "nifti":
        from .nifti import read_nifti

        return read_nifti(path, frame)
    if kind == "tiff":
        from .tiff import read_tiff

        return read_tiff(content_of(path), path, frame)
    image = read_bytes(content_of(path), str(path), kind)
    return image if frame is None else _chosen(image, frame)


def read_bytes(content: bytes, source: str = "image", kind: Format | None = None) -> Image:
    """An image from encoded bytes: PNG, JPEG, BMP, TIFF, NPY or NPZ.

    Raises
    ------
    BadFileError
        If the bytes are broken or of another format.
    """
    from .sniff import format_of_bytes

    kind = kind or format_of_bytes(content[:4096], source)
    if kind in _RASTER:
        from .raster import read_raster

        return read_raster(content, source)
    if kind == "tiff":
        from .tiff import read_tiff

        return read_tiff(content, source)
    if kind in ("npy", "npz"):
        from .npy import read_npy, read_npz

        return read_npy(content, source) if kind == "npy" else read_npz(content, source)
    raise BadFileError(source, "is no PNG, JPEG, BMP, TIFF, NPY or NPZ")


def _chosen(image: Image, frame: int) -> Image:
    axis = image.axes.find("t")
    count = image.shape[axis] if axis >= 0 else 1
    if not 0 <= frame < count:
        raise InputError(f"{image.source} has {count} frame(s), 0 to {count - 1}, no {frame}")
    if axis < 0:
        return image
    axes: Any = image.axes.replace("t", "")
    return image.with_pixels(image.pixels.take(frame, axis=axis), axes=axes)


def write(image: Image, path: str | Path) -> Path:
    """Write an image in the format that the suffix of ``path`` names; whole or not at all.

    PNG, JPEG and BMP take 8-bit planes (PNG also 16-bit) and lose all but the pixels; TIFF also
    stacks and floats; NIfTI keeps volumes with affine; DICOM keeps geometry, rescale and window;
    NPZ keeps everything.

    Raises
    ------
    InputError
        If the suffix is unknown, the image does not fit the format, or the disk refuses.
    """
    path = Path(path)
    kind = SUFFIXES.get(suffix_of(path))
    if kind is None:
        known = ", ".join(sorted(SUFFIXES))
        raise InputError(f"cannot write {path}: unknown suffix {path.suffix!r}; use one of {known}")
    if kind == "dicom":
        from .dicom_write import write_dicom

        write_dicom(image, path)
    elif kind == "nifti":
        from .nifti import write_nifti

        write_nifti(image, path)
    elif kind == "tiff":
        from .tiff import write_tiff

        write_tiff(image, path)
    elif kind in _RASTER:
        from .raster import write_raster

        write_raster(image, path)
    else:
        from .npy import write_npy, write_npz

        (write_npy if kind == "npy" else write_npz)(image, path)
    return path


def find_images(path: str | Path) -> list[Path]:
    """All files of known formats at or below ``path``, sorted; judged by content, not by name.

    Hidden files, DICOM indexes and files of other kinds are passed over. A file that is named
    like an image is listed even when it holds none, so that reading it says so, and a DICOM file
    even when it turns out to hold no pixels.

    Raises
    ------
    BadFileError
        If ``path`` does not exist, or is a file that is no image.
    """
    root = Path(path)
    if root.is_file():
        if format_of(root) is None:
            raise unknown_format(root)
        return [root]
    if not root.is_dir():
        raise BadFileError(root, "there is no such file or folder", "check the path")
    return [
        found
        for found in sorted(root.rglob("*"))
        if found.is_file()
        and not any(part.startswith(".") for part in found.relative_to(root).parts)
        and found.name.upper() != "DICOMDIR"
        and (
            suffix_of(found) in SUFFIXES or (found.stat().st_size and format_of(found) is not None)
        )
    ]


def read_folder(path: str | Path) -> Iterator[Image]:
    """Every image file at or below ``path``, one by one, in the order of :func:`find_images`."""
    for found in find_images(path):
        yield read(found)
