"""What the heads see of a picture: frozen network features, their layout, and simple statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import derive_rng

from ..efficientnet_onnx import WIDTH
from ..encoder import Encoder

Floats = NDArray[np.float32]

_THUMB = 8
_STATS = 9
CONTENT = WIDTH + _STATS
LAYOUT = 2 * WIDTH + _THUMB * _THUMB
_WEIGHT = 3.0
"""Nine plain statistics beside 1280 features: a little more weight each."""


def features(encoder: Encoder, planes: Sequence[NDArray[np.uint8]]) -> tuple[Floats, Floats]:
    """Content (n, CONTENT) and layout (n, LAYOUT) of pictures, float32.

    Content is the mean of the 7 x 7 grid and nine statistics (mean of each channel, contrast,
    colourfulness, dark and bright shares, shape): what is there. Layout is the difference of the
    left and right thirds of the grid, of the upper and lower thirds, and an 8 x 8 thumbnail:
    where it is.
    """
    if not planes:
        return np.zeros((0, CONTENT), np.float32), np.zeros((0, LAYOUT), np.float32)
    grid = encoder.grids(planes)
    mean = grid.mean(axis=(2, 3))
    across = grid[:, :, :, :3].mean(axis=(2, 3)) - grid[:, :, :, 4:].mean(axis=(2, 3))
    down = grid[:, :, :3].mean(axis=(2, 3)) - grid[:, :, 4:].mean(axis=(2, 3))
    stats = np.array([_statistics(plane) for plane in planes], np.float32)
    thumbs = np.array([_thumbnail(plane) for plane in planes], np.float32)
    return (
        np.hstack([mean, _WEIGHT * stats]),
        np.hstack([across, down, thumbs.reshape(len(planes), -1)]),
    )


def _statistics(plane: NDArray[np.uint8]) -> list[float]:
    small = _at_most(plane, 256)
    colour = np.repeat(small[..., None], 3, axis=2) if small.ndim == 2 else small
    values = colour.astype(np.float32) / 255.0
    spread, grey = values.max(axis=2) - values.min(axis=2), values.mean(axis=2)
    return [
        *(float(v) for v in values.mean(axis=(0, 1))),
        float(grey.std()),
        float((spread > 0.1).mean()),
        float(spread.mean()),
        float((grey < 0.05).mean()),
        float((grey > 0.9).mean()),
        float(np.log(plane.shape[0] / plane.shape[1])),
    ]


def _at_most(plane: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    import cv2

    scale = side / max(plane.shape[:2])
    if scale >= 1:
        return plane
    size = (max(1, round(plane.shape[1] * scale)), max(1, round(plane.shape[0] * scale)))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))


def _thumbnail(plane: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The picture on a black square, 8 x 8, 0 to 1."""
    import cv2

    grey = plane if plane.ndim == 2 else plane.mean(axis=2).astype(np.uint8)
    side = 3 * _THUMB
    scale = side / max(grey.shape)
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    square = np.zeros((side, side), np.float32)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = small / 255.0
    return np.asarray(cv2.resize(square, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA))


def varied(plane: NDArray[np.uint8], key: str, number: int) -> NDArray[np.uint8]:
    """A mild variant of a training picture, the same for equal ``key`` and ``number``.

    Turned by up to 8 degrees, scaled by 0.85 to 1.15, moved by up to 4 %, gamma 0.75 to 1.35,
    brightness by 15 %, resolution 0.6 to 1. No blur, noise, artefact or compression: the heads
    have seen no degradation of MedQ-Deg.
    """
    import cv2

    rng = derive_rng("osler/probe", "variant", key, number)
    height, width = plane.shape[:2]
    turn = cv2.getRotationMatrix2D(
        ((width - 1) / 2, (height - 1) / 2), rng.uniform(-8, 8), rng.uniform(0.85, 1.15)
    )
    turn[:, 2] += rng.uniform(-0.04, 0.04, 2) * (width, height)
    moved: Any = cv2.warpAffine(plane, turn, (width, height), flags=cv2.INTER_LINEAR)
    levels = np.linspace(0.0, 1.0, 256) ** rng.uniform(0.75, 1.35) * rng.uniform(0.85, 1.15)
    moved = np.rint(np.clip(levels, 0.0, 1.0) * 255).astype(np.uint8)[moved]
    scale = rng.uniform(0.6, 1.0)
    if min(height, width) * scale >= 48:
        moved = cv2.resize(moved, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(moved)
