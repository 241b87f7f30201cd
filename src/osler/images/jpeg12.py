"""JPEG Extended with 12 bits (process 4), which pydicom leaves to a GPL decoder; GDCM reads it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames

from .dicom_tags import whole


def is_jpeg12(ds: Dataset) -> bool:
    """True for a grey data set of this one syntax with more than 8 stored bits."""
    from pydicom.uid import JPEGExtended12Bit

    grey = (whole(ds, "SamplesPerPixel") or 1) == 1
    extended = ds.file_meta.TransferSyntaxUID == JPEGExtended12Bit
    return extended and grey and (whole(ds, "BitsStored") or 8) > 8


def decode_jpeg12(ds: Dataset, frames: int, index: int | None = None) -> NDArray[np.uint16]:
    """Decoded frames (n, rows, columns), or the one at ``index``.

    Raises
    ------
    ValueError
        If a frame is missing or cannot be decoded.
    """
    total = whole(ds, "NumberOfFrames") or 1
    found = generate_frames(ds.PixelData, number_of_frames=total)
    start = index or 0
    parts = [_decode(ds, data) for data in islice(found, start, start + frames)]
    if len(parts) != frames:
        raise ValueError(f"{frames} frames are stated, {len(parts)} are there")
    return np.stack(parts)


def _decode(ds: Dataset, data: bytes) -> NDArray[np.uint16]:
    import gdcm

    rows, columns = int(ds.Rows), int(ds.Columns)
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(data)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image: Any = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    syntax = gdcm.TransferSyntax.GetTSType(str(ds.file_meta.TransferSyntaxUID))
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    with _quiet():
        buffer = image.GetBuffer()
    values = b"" if buffer is None else buffer.encode("utf-8", "surrogateescape")
    if len(values) != rows * columns * 2:
        raise ValueError("the 12-bit JPEG stream is broken")
    return np.frombuffer(values, "<u2").reshape(rows, columns)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep GDCM's first, 8-bit attempt from writing to the terminal; a failure still raises."""
    try:
        kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:
        yield
        return
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
