"""The outline a question points at, drawn after the degradation: the mark itself stays sharp.

The published set was degraded with its outlines burnt in, so marks were blurred, turned and
ghosted; here only the geometry of the mark follows the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLOUR = (64, 255, 64)
"""RGB of the outline: on grey images the only colour there is."""


def draw_outline(
    pixels: NDArray[np.uint8], points: Sequence[Sequence[float]] | NDArray[Any]
) -> NDArray[np.uint8]:
    """A copy of an 8-bit plane (H, W) or (H, W, 3) as RGB with the closed outline drawn on it.

    ``points`` (n, 2) are (x, y), pixel centres at whole numbers. Two points are the corners of a
    box, as in the exports that give boxes. Parts outside the plane are cut off.
    """
    import cv2

    corners = np.asarray(points, np.float64)
    canvas = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels.copy()
    canvas = np.ascontiguousarray(canvas)
    width = max(1, round(min(canvas.shape[:2]) / 200))
    fixed = np.rint(corners * 16).astype(np.int32).reshape(-1, 1, 2)  # 1/16 pixel
    cv2.polylines(canvas, [fixed], True, COLOUR, width, cv2.LINE_AA, 4)
    return canvas


def corners_of(points: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """The outline as corners (n, 2): two points are a box and become its four corners."""
    given = np.asarray(points, np.float64).reshape(-1, 2)
    if len(given) != 2:
        return given
    (x0, y0), (x1, y1) = given
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
