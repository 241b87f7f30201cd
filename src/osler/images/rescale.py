"""Stored numbers to stated values: ``slope * stored + intercept`` in the smallest exact type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_INTEGERS = (np.uint8, np.int16, np.uint16, np.int32, np.uint32)


def native(pixels: NDArray[Any]) -> NDArray[Any]:
    """``pixels`` in the byte order of this machine; float64 and float16 become float32."""
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32, copy=False)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def rescaled(pixels: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """``slope * pixels + intercept``.

    Whole slope and intercept keep an integer type (the narrowest of uint8, int16, uint16, int32,
    uint32 that holds the result, never narrower than the input); all else becomes float32.
    """
    if slope == 1 and intercept == 0:
        return native(pixels)
    if pixels.dtype.kind in "iu" and float(slope).is_integer() and float(intercept).is_integer():
        ends = (
            int(pixels.min()) * int(slope) + int(intercept),
            int(pixels.max()) * int(slope) + int(intercept),
        )
        for kind in _INTEGERS:
            info = np.iinfo(kind)
            wide = info.bits >= pixels.dtype.itemsize * 8
            if wide and min(ends) >= info.min and max(ends) <= info.max:
                # Modular arithmetic of the wide type is exact, for the ends fit.
                out = pixels.astype(np.int64) * int(slope) + int(intercept)
                return out.astype(kind)
    return (pixels.astype(np.float64) * slope + intercept).astype(np.float32)
