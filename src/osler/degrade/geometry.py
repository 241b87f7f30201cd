"""Anatomy in the wrong place: turned, shifted, cut. Reported apart from image quality.

Positions are (x, y), x along the columns, y down the rows, pixel centres at whole numbers.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from osler.images import MODALITIES

from .registry import Draw, Frame, degradation

Matrix = NDArray[np.float64]
"""2 x 3: new position = M[:, :2] @ (x, y) + M[:, 2]."""


def _warp(x: NDArray[Any], matrix: Matrix, frame: Frame) -> NDArray[Any]:
    fill = min(frame.lo, float(x.min())) if x.dtype != np.uint8 else frame.lo
    size = (x.shape[1], x.shape[0])
    done: NDArray[Any] = cv2.warpAffine(
        x, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(fill,) * 4
    )
    return done.reshape(x.shape)


def _move(points: NDArray[Any], matrix: Matrix) -> NDArray[Any]:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _turn(draw: Draw, shape: tuple[int, ...], angle: float, sign: int) -> Matrix:
    if sign == 0:
        sign = draw.choice("sign", (1, -1))
    theta = np.deg2rad(angle * sign)
    turn = np.array([[np.cos(theta), np.sin(theta)], [-np.sin(theta), np.cos(theta)]])
    centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    return np.column_stack([turn, centre - turn @ centre])


def _rotate_points(
    points: NDArray[Any], draw: Draw, shape: tuple[int, int], *, angle: float, sign: int = 0
) -> NDArray[Any]:
    return _move(points, _turn(draw, shape, angle, sign))


@degradation(
    "rotation",
    category="motion",
    modalities=MODALITIES,
    levels={1: {"angle": 18.0}, 2: {"angle": 153.0}, 3: {"angle": 180.0}},
    source="MedQ-Deg (arXiv 2603.07769): 18 and -153 degrees in its published example",
    geometric=True,
    aliases=("object_rotation", "rotation_artifact"),
    points=_rotate_points,
)
def rotation(
    x: NDArray[Any], draw: Draw, frame: Frame, *, angle: float, sign: int = 0
) -> NDArray[Any]:
    """Turn about the centre by ``angle`` degrees (counter-clockwise for ``sign`` 1; 0: drawn)."""
    return _warp(x, _turn(draw, x.shape, angle, sign), frame)


def _offset(draw: Draw, shape: tuple[int, ...], distance: float) -> Matrix:
    theta = draw.uniform("direction", 0.0, 2 * np.pi)
    pixels = distance * min(shape[:2])
    return np.array([[1.0, 0, pixels * np.cos(theta)], [0, 1.0, pixels * np.sin(theta)]])


def _shift_points(
    points: NDArray[Any], draw: Draw, shape: tuple[int, int], *, distance: float
) -> NDArray[Any]:
    return _move(points, _offset(draw, shape, distance))


@degradation(
    "mispositioning",
    category="motion",
    modalities=MODALITIES,
    levels={1: {"distance": 0.06}, 2: {"distance": 0.18}, 3: {"distance": 0.3}},
    source="off-centre patient; lengths are our choice",
    geometric=True,
    points=_shift_points,
)
def mispositioning(x: NDArray[Any], draw: Draw, frame: Frame, *, distance: float) -> NDArray[Any]:
    """Shift the content by ``distance`` short sides in a drawn direction."""
    return _warp(x, _offset(draw, x.shape, distance), frame)


def _window(draw: Draw, shape: tuple[int, ...], keep: float) -> Matrix:
    height, width = shape[:2]
    left = draw.uniform("left", 0.0, 1.0) * (1 - keep) * (width - 1)
    top = draw.uniform("top", 0.0, 1.0) * (1 - keep) * (height - 1)
    return np.array([[1 / keep, 0, -left / keep], [0, 1 / keep, -top / keep]])


def _window_points(
    points: NDArray[Any], draw: Draw, shape: tuple[int, int], *, keep: float
) -> NDArray[Any]:
    return _move(points, _window(draw, shape, keep))


@degradation(
    "crop",
    category="artifacts",
    modalities=MODALITIES,
    levels={1: {"keep": 0.85}, 2: {"keep": 0.6}, 3: {"keep": 0.4}},
    source="wrong framing; sizes are our choice",
    geometric=True,
    points=_window_points,
)
def crop(x: NDArray[Any], draw: Draw, frame: Frame, *, keep: float) -> NDArray[Any]:
    """Show only a window of ``keep`` times the sides, at a drawn place, enlarged to the shape."""
    return _warp(x, _window(draw, x.shape, keep), frame)
