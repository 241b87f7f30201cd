"""Blanking burned-in text inside the pixel data of a DICOM data set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from .dicom import image_of
from .dicom_pixels import has_pixels, stored_values, values_of
from .dicom_tags import text, whole
from .geometry import planes
from .image import Image
from .text import TextBox, blank_text, burned_in_text, without_text

_PALETTE_GROUP = range(0x00281101, 0x00281224)


def blank_dataset(ds: Dataset, name: str) -> tuple[tuple[TextBox, ...], tuple[TextBox, ...]]:
    """Blank the text of all frames in place; the pixel data become uncompressed.

    Text is looked for in the first, the middle and the last frame, and blanked in all.

    Returns
    -------
    found, left
        The boxes that were blanked, and what a second look still reads.
    """
    if not has_pixels(ds):
        return (), ()
    return without_text(lambda: _read(ds, name), lambda boxes: _blank(ds, name, boxes))


def _blank(ds: Dataset, name: str, boxes: list[TextBox]) -> None:
    pixels = _stored(ds, name)
    black = None
    if text(ds, "PhotometricInterpretation") == "MONOCHROME1":  # high is dark
        signed = pixels.dtype.kind == "i"
        black = 2 ** ((whole(ds, "BitsStored") or 8) - signed) - 1
    carrier = Image(pixels, "tyxc" if pixels.ndim == 4 else "tyx")
    _store(ds, blank_text(carrier, boxes, black=black).pixels)


def _read(ds: Dataset, name: str) -> list[TextBox]:
    image = image_of(ds, name)
    shown = list(planes(image)) if image.axes not in ("yx", "yxc") else [image]
    chosen = sorted({0, len(shown) // 2, len(shown) - 1})
    boxes: dict[tuple[int, int, int, int], TextBox] = {}
    for index in chosen:
        for box in burned_in_text(shown[index]):
            boxes.setdefault(box.box, box)
    return list(boxes.values())


def _stored(ds: Dataset, name: str) -> NDArray[Any]:
    """Stored grey values, or RGB for every kind of colour."""
    if text(ds, "PhotometricInterpretation") == "PALETTE COLOR":
        return values_of(ds, name).pixels
    return stored_values(ds, name)


def _store(ds: Dataset, pixels: NDArray[Any]) -> None:
    colour = pixels.ndim == 4
    ds.SamplesPerPixel = 3 if colour else 1
    if colour:
        ds.PhotometricInterpretation = "RGB"
        ds.PlanarConfiguration = 0
        for tag in [t for t in ds.keys() if int(t) in _PALETTE_GROUP]:  # noqa: SIM118
            del ds[tag]
    bits = pixels.dtype.itemsize * 8
    if bits != ds.BitsAllocated:
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OW" if bits > 8 else "OB"
    ds["PixelData"].is_undefined_length = False
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in ds:
            delattr(ds, keyword)
