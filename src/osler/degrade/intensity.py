"""Wrong brightness, exposure and contrast: functions of the pixel value alone."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from osler.images import MODALITIES
from osler.physics.tables import BYTES, map_bytes

from .registry import Draw, Frame, degradation
from .scale import Plane, from_unit, point, to_unit

_MEDQ = "MedQ-Deg (arXiv 2603.07769), levels identified from its published examples"


@degradation(
    "adjust_brightness",
    category="intensity",
    modalities=MODALITIES,
    levels={1: {"offset": -75 / 255}, 2: {"offset": -113 / 255}, 3: {"offset": -150 / 255}},
    source=_MEDQ + " (x - 75 and x - 113 at 8 bit)",
    aliases=("brightness",),
)
def adjust_brightness(x: NDArray[Any], draw: Draw, frame: Frame, *, offset: float) -> NDArray[Any]:
    """Add ``offset`` times full scale and clip; negative darkens."""
    if x.dtype == np.uint8:  # whole pixel values: rounding the sum rounds the offset
        steps = float(round(abs(offset) * frame.span))
        step = (steps,) * 3 + (0.0,) if x.ndim == 3 else steps
        moved: NDArray[Any] = (cv2.add if offset > 0 else cv2.subtract)(x, step)
        return moved.reshape(x.shape)
    unit = to_unit(x, frame)
    unit += np.float32(offset)
    return from_unit(unit, x, frame)


@degradation(
    "exposure",
    category="intensity",
    modalities=("xray", "angiography", "endoscopy", "dermoscopy", "fundus", "pathology"),
    levels={
        1: {"gamma": 1.449, "offset": 0.039},
        2: {"gamma": 2.346, "offset": 0.109},
        3: {"gamma": 3.8, "offset": 0.2},
    },
    source=_MEDQ + " (x^1.449 - 0.039 and x^2.346 - 0.109; the direction varies)",
    aliases=("exposure_artifact",),
)
def exposure(
    x: NDArray[Any],
    draw: Draw,
    frame: Frame,
    *,
    gamma: float,
    offset: float,
    direction: str = "random",
) -> NDArray[Any]:
    """Too little or too much exposure: x^gamma - offset, or x^(1/gamma) + offset.

    ``direction`` is ``under``, ``over`` or ``random``.
    """
    way = draw.choice("direction", ("under", "over")) if direction == "random" else direction
    power, shift = (gamma, -offset) if way == "under" else (1 / gamma, offset)
    if x.dtype == np.uint8 and (frame.lo, frame.hi) == (0.0, 255.0):
        return map_bytes(x, _curve_table(float(power), float(shift)))

    def curve(unit: Plane) -> Plane:
        raised: Plane = cv2.pow(np.clip(unit, 0, None), power).reshape(unit.shape)
        raised += np.float32(shift)
        return raised

    return point(x, frame, curve)


@lru_cache(maxsize=64)
def _curve_table(power: float, shift: float) -> NDArray[np.uint8]:
    unit = (np.arange(256) / 255) ** power + shift
    return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)


@degradation(
    "reduce_contrast",
    category="intensity",
    modalities=MODALITIES,
    levels={1: {"slope": 0.65}, 2: {"slope": 0.30}, 3: {"slope": 0.15}},
    source=_MEDQ + " (0.65 and 0.30 about the mean)",
    aliases=("contrast",),
)
def reduce_contrast(
    x: NDArray[Any], draw: Draw, frame: Frame, *, slope: float, pivot: float | None = None
) -> NDArray[Any]:
    """Pull all values towards the mean of the plane: slope (x - mean) + mean.

    ``pivot`` puts a fixed grey, as a fraction of full scale, in the place of the mean.
    """
    if pivot is None:
        about = cv2.sumElems(x.reshape(x.shape[0], -1))[0] / x.size
    else:
        about = frame.lo + pivot * frame.span
    if x.dtype == np.uint8 and 0 <= slope <= 1 and about >= 0:
        # The result is positive: no sign to lose. A table of 256 is made in a microsecond.
        return map_bytes(x, cv2.convertScaleAbs(BYTES, alpha=slope, beta=(1 - slope) * about))
    unit = to_unit(x, frame)
    unit *= np.float32(slope)
    unit += np.float32((1 - slope) * (about - frame.lo) / frame.span)
    return from_unit(unit, x, frame)
