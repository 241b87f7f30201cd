"""Text burnt into pixels: find it by OCR, blank it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from osler.core import InputError, MissingError

from .display import to_display
from .image import Image

_ENLARGE_BELOW = 1200
"""Planes with a longer side under this are enlarged twice: small letters are read better so."""


_LOOKS = 3


@dataclass(frozen=True, slots=True)
class TextBox:
    """A line of text: what was read, ``box`` = (left, top, right, bottom) in pixels (ends
    excluded), and the reader's score from 0 to 1."""

    text: str
    box: tuple[int, int, int, int]
    score: float


@cache
def _reader() -> Any:
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ImportError as error:
        raise MissingError(
            "finding burned-in text needs an OCR that is not installed; "
            "pip install 'osler[ocr]' && pip install --no-deps rapidocr-onnxruntime"
        ) from error
    return RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)


def burned_in_text(image: Image, *, min_score: float = 0.5) -> list[TextBox]:
    """Lines of text in a plane, found by PP-OCRv4 (RapidOCR, offline), from top to bottom.

    OCR misses text that is faint, tiny or upright; treat an empty list as "none found", not as
    "none there".

    Raises
    ------
    InputError
        If the image is not one plane.
    MissingError
        If the extra ``ocr`` is not installed.
    """
    import cv2

    if image.axes not in ("yx", "yxc"):
        raise InputError(f"text is looked for in one plane, not in axes {image.axes!r}; choose one")
    reader = _reader()
    shown = to_display(image).pixels
    if shown.ndim == 2:
        shown = np.repeat(shown[..., None], 3, axis=2)
    scale = 2 if max(shown.shape[:2]) < _ENLARGE_BELOW else 1
    large = cv2.resize(
        np.ascontiguousarray(shown[..., ::-1]),
        None,
        fx=scale,
        fy=scale,
        interpolation=cv2.INTER_CUBIC,
    )
    found, _ = reader(large)
    height, width = shown.shape[:2]
    boxes = []
    for corners, text, score in found or ():
        xy = np.asarray(corners, np.float64) / scale
        left, top = np.floor(xy.min(axis=0)).clip(0, (width, height)).astype(int)
        right, bottom = np.ceil(xy.max(axis=0)).clip(0, (width, height)).astype(int)
        if float(score) >= min_score:
            box = (int(left), int(top), int(right), int(bottom))
            boxes.append(TextBox(str(text), box, round(float(score), 4)))
    return sorted(boxes, key=lambda b: (b.box[1], b.box[0]))


def without_text(
    look: Callable[[], list[TextBox]], blank: Callable[[list[TextBox]], None]
) -> tuple[tuple[TextBox, ...], tuple[TextBox, ...]]:
    """Look and blank until nothing more is read, three times at most.

    A second look finds lines that a brighter neighbour hid from the first.

    Returns
    -------
    found, left
        The boxes that were blanked, and those still read at the end.
    """
    found: list[TextBox] = []
    seen = look()
    for _ in range(_LOOKS):
        if not seen:
            break
        blank(seen)
        found += seen
        seen = look()
    return tuple(found), tuple(seen)


def blank_text(
    image: Image, boxes: Iterable[TextBox], *, margin: int = 2, black: float | None = None
) -> Image:
    """The image with the boxes, widened by ``margin`` pixels, set to black.

    Unless ``black`` is given it is 0 for unsigned values and the smallest value of the image for
    others. The boxes apply to every frame of a cine.

    Raises
    ------
    InputError
        If the image is a volume.
    """
    if image.is_volume:
        raise InputError("text is blanked in planes and cines, not in volumes")
    pixels = image.pixels.copy()
    if black is None:
        black = 0 if pixels.dtype.kind == "u" else pixels.min()
    rows = image.axes.index("y")
    for found in boxes:
        left, top, right, bottom = found.box
        spot = (
            *(slice(None),) * rows,
            slice(max(top - margin, 0), bottom + margin),
            slice(max(left - margin, 0), right + margin),
        )
        pixels[spot] = black
    return image.with_pixels(pixels)
