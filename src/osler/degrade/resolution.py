"""Fewer samples than the anatomy needs."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from osler.core import InputError
from osler.images import MODALITIES

from .registry import Draw, Frame, degradation

_METHODS = {
    "nearest": (cv2.INTER_NEAREST, cv2.INTER_NEAREST),
    "area": (cv2.INTER_AREA, cv2.INTER_CUBIC),
}


@degradation(
    "low_resolution",
    category="resolution",
    modalities=MODALITIES,
    levels={
        1: {"side": 611, "least": 1024 / 611},
        2: {"side": 65, "least": 3.4},
        3: {"side": 32, "least": 6.8},
    },
    source="MedQ-Deg (arXiv 2603.07769): 1024 px sampled to 611 and to 65 px, nearest neighbour",
    aliases=("downsample", "downsample_artifact", "pixelate"),
)
def low_resolution(
    x: NDArray[Any],
    draw: Draw,
    frame: Frame,
    *,
    side: float,
    least: float = 1.0,
    method: str = "nearest",
) -> NDArray[Any]:
    """Sample down to ``side`` pixels on the shorter side and back up to the same shape.

    The factor is never below ``least``, so that small images lose something too. ``method``
    ``nearest`` skips pixels (as published); ``area`` averages and enlarges by cubic interpolation.
    """
    if method not in _METHODS:
        raise InputError(f"method {method!r} of low_resolution is unknown; use nearest or area")
    down, up = _METHODS[method]
    height, width = x.shape[:2]
    factor = max(min(height, width) / side, least, 1.0)
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    reduced = cv2.resize(x, small, interpolation=down)
    done: NDArray[Any] = cv2.resize(reduced, (width, height), interpolation=up).reshape(x.shape)
    if x.dtype.kind == "f" and method == "area":  # cubic interpolation overshoots
        done = np.clip(done, x.min(), x.max())
    return done
