"""Between native pixel values and the unit scale on which forward models are written.

On the unit scale 0 is ``frame.lo`` and 1 is ``frame.hi``. Values beyond the frame (HU outside
the window) stay beyond 0 and 1 and come back unharmed where a model leaves them alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from osler.physics.tables import map_bytes

from .registry import Frame

Pixels = NDArray[Any]
Plane = NDArray[Any]
"""float32, (H, W) or (H, W, 3). Typed Any since NumPy's stubs widen float32 in arithmetic."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G, B in the luminance of ITU-R BT.601."""

_BYTE = np.arange(256, dtype=np.float32)
_CV_DEPTH = {"uint8": cv2.CV_8U, "uint16": cv2.CV_16U, "int16": cv2.CV_16S}


def to_unit(x: Pixels, frame: Frame) -> Plane:
    """``(x - lo) / (hi - lo)`` as float32 of the same shape."""
    unit = np.multiply(x, np.float32(1.0 / frame.span), dtype=np.float32)
    if frame.lo:
        unit -= np.float32(frame.lo / frame.span)
    return unit


def from_unit(unit: Plane, like: Pixels, frame: Frame) -> Pixels:
    """``unit`` back on the scale and in the type of ``like``.

    Integers are rounded. The result stays within the frame, or within the values of ``like``
    where those reach beyond it: a detector that clips at ``hi`` still clips.
    """
    low, high = _bounds(like, frame)
    depth = _CV_DEPTH.get(like.dtype.name)
    if depth is None:
        out = np.multiply(unit, np.float32(frame.span))
        if frame.lo:
            out += np.float32(frame.lo)
        np.clip(out, low, high, out=out)
        if like.dtype.kind in "iu":
            np.rint(out, out=out)
        return out.astype(like.dtype)
    out = cv2.addWeighted(unit, frame.span, unit, 0.0, frame.lo, dtype=depth)
    limits = np.iinfo(like.dtype)
    if low > limits.min or high < limits.max:
        np.clip(out, like.dtype.type(low), like.dtype.type(high), out=out)
    done: Pixels = out.reshape(like.shape)
    return done


def _bounds(like: Pixels, frame: Frame) -> tuple[float, float]:
    if like.dtype == np.uint8 and frame.lo <= 0 and frame.hi >= 255:
        return 0.0, 255.0
    low, high = min(frame.lo, float(like.min())), max(frame.hi, float(like.max()))
    if like.dtype.kind in "iu":
        limits = np.iinfo(like.dtype)
        return max(round(low), limits.min), min(round(high), limits.max)
    return low, high


def point(x: Pixels, frame: Frame, curve: Callable[[Plane], Plane]) -> Pixels:
    """Apply ``curve``, a function of the unit value alone, to every pixel.

    8-bit images go through a table of 256 values, larger 16-bit images through one of 65,536.
    """
    if x.dtype == np.uint8:
        table = from_unit(curve(to_unit(_BYTE, frame)), _BYTE.astype(np.uint8), frame)
        return map_bytes(x, table)
    if x.dtype == np.uint16 and x.size > 2 * 65536:
        top = int(x.max())
        values = np.arange(top + 1, dtype=np.uint16)
        return from_unit(curve(to_unit(values, frame)), values, frame)[x]
    return from_unit(curve(to_unit(x, frame)), x, frame)


def luminance(unit: Plane) -> Plane:
    """(H, W) luminance of a colour plane, or the grey plane itself."""
    if unit.ndim == 2:
        return unit
    grey: Plane = cv2.transform(unit, np.array([LUMA], np.float32))
    return grey


def tint(colour: tuple[float, float, float], like: Pixels) -> Plane:
    """``colour`` (R, G, B) for a colour image, its luminance for a grey one: broadcasts.

    For colour the result is one row (W, 3), since NumPy is slow on inner loops of length 3.
    """
    if like.ndim == 3:
        return np.tile(np.array(colour, np.float32), (like.shape[1], 1))
    return np.array(sum(w * c for w, c in zip(LUMA, colour, strict=True)), np.float32)


def over(mask: Plane, like: Pixels) -> Plane:
    """An (H, W) mask shaped to multiply ``like``: repeated for each channel of colour."""
    return cv2.merge([mask] * 3) if like.ndim == 3 else mask
