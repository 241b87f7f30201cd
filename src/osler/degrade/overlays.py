"""Things that cover the image: blocked areas, cut fields of view, burned-in text."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from osler.images import MODALITIES

from .fields import short_side
from .registry import Draw, Frame, degradation
from .scale import Pixels, Plane, from_unit, over, to_unit

_MAX_BOXES = 8
_MAX_LINES = 24


@degradation(
    "occlusion",
    category="artifacts",
    modalities=MODALITIES,
    levels={
        1: {"boxes": 1, "area": 0.03},
        2: {"boxes": 3, "area": 0.05},
        3: {"boxes": 6, "area": 0.06},
    },
    source="Privacy masks and lost tiles: rectangles at the lowest value",
)
def occlusion(x: Pixels, draw: Draw, frame: Frame, *, boxes: int, area: float) -> Pixels:
    """Black rectangles hide parts of the image.

    Parameters
    ----------
    boxes
        Number of rectangles, at most 8.
    area
        Area of each as a fraction of the image.
    """
    height, width = x.shape[:2]
    rows = draw.uniforms("row", 0.0, 1.0, _MAX_BOXES)
    cols = draw.uniforms("col", 0.0, 1.0, _MAX_BOXES)
    stretch = draw.uniforms("aspect", -0.5, 0.5, _MAX_BOXES)
    out = x.copy()
    for row, col, log_aspect in list(zip(rows, cols, stretch, strict=True))[: int(boxes)]:
        tall = min(height, max(1, round(height * math.sqrt(area) * math.exp(log_aspect))))
        wide = min(width, max(1, round(width * math.sqrt(area) * math.exp(-log_aspect))))
        top, left = int(row * (height - tall + 1)), int(col * (width - wide + 1))
        out[top : top + tall, left : left + wide] = _lowest(x, frame)
    return out


def _lowest(x: Pixels, frame: Frame) -> float:
    if x.dtype.kind in "iu":
        return max(round(frame.lo), np.iinfo(x.dtype).min)
    return frame.lo


@degradation(
    "crop_border",
    category="artifacts",
    modalities=MODALITIES,
    levels={1: {"keep": 0.85}, 2: {"keep": 0.6}, 3: {"keep": 0.4}},
    source="Truncated field of view: what lies outside the kept window is lost (black)",
)
def crop_border(x: Pixels, draw: Draw, frame: Frame, *, keep: float) -> Pixels:
    """Field of view cut: only a window of the image is left, in its place.

    Parameters
    ----------
    keep
        Side of the kept window as a fraction of each side of the image.
    """
    height, width = x.shape[:2]
    tall, wide = max(1, round(height * keep)), max(1, round(width * keep))
    # The position is drawn as a share of the slack, so a smaller window lies inside a larger.
    top = round(draw.uniform("row", 0.2, 0.8) * (height - tall))
    left = round(draw.uniform("col", 0.2, 0.8) * (width - wide))
    out = np.full_like(x, _lowest(x, frame))
    out[top : top + tall, left : left + wide] = x[top : top + tall, left : left + wide]
    return out


_TEXTS = (
    "L", "R", "AP", "PORTABLE", "SUPINE", "ERECT", "120 kV", "240 mAs", "W:400 L:40",
    "ID 004512", "1957-03-07", "10:42:17", "Im: 14/87", "Se: 3", "ZOOM 1.4", "Gain 62",
    "D 14.2 mm", "12 cm", "FR 25Hz", "2nd READ", "DOE^JANE", "F 067Y", "+ C", "REPEAT",
)  # fmt: skip


@lru_cache(maxsize=256)
def _text_mask(text: str, size: int) -> Plane:
    """Coverage of one line of text on [0, 1], ``size`` pixels high or a little more."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    page = Image.new("L", (max(1, int(right - left)) + 2, max(1, int(bottom - top)) + 2), 0)
    ImageDraw.Draw(page).text((1 - left, 1 - top), text, fill=255, font=font)
    mask = np.asarray(page, np.float32) / 255
    mask.setflags(write=False)
    return mask


@degradation(
    "text_overlay",
    category="artifacts",
    modalities=MODALITIES,
    levels={
        1: {"lines": 3, "height": 0.035},
        2: {"lines": 10, "height": 0.05},
        3: {"lines": 24, "height": 0.065},
    },
    source="Burned-in annotation: invented names, dates and machine fields, outlined",
)
def text_overlay(x: Pixels, draw: Draw, frame: Frame, *, lines: int, height: float) -> Pixels:
    """Burned-in text: white letters with a dark outline over the image.

    Parameters
    ----------
    lines
        Number of pieces of text, at most 24. All are invented.
    height
        Height of the letters as a fraction of the shorter side.
    """
    rows = draw.uniforms("row", 0.0, 1.0, _MAX_LINES)
    cols = draw.uniforms("col", 0.0, 1.0, _MAX_LINES)
    picks = draw.uniforms("text", 0.0, 1.0, _MAX_LINES)
    size = max(6, round(height * short_side(x)))
    ink = np.zeros(x.shape[:2], np.float32)
    for row, col, pick in list(zip(rows, cols, picks, strict=True))[: int(lines)]:
        mask = _text_mask(_TEXTS[int(pick * len(_TEXTS))], size)
        mask = mask[: x.shape[0], : x.shape[1]]
        top = int(row * (x.shape[0] - mask.shape[0] + 1))
        left = int(col * (x.shape[1] - mask.shape[1] + 1))
        view = ink[top : top + mask.shape[0], left : left + mask.shape[1]]
        np.maximum(view, mask, out=view)
    outline = cv2.dilate(ink, np.ones((3, 3), np.uint8))
    unit = to_unit(x, frame)
    unit *= 1 - over(outline, x)
    unit += over(ink, x)
    return from_unit(unit, x, frame)
