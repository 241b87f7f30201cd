"""Work only where something lies: disjoint boxes around spots, and a smooth field inside one."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.random import Generator

from .scale import Plane

Box = tuple[slice, slice]


def boxes(
    spots: Iterable[tuple[float, float, float]], shape: tuple[int, ...], margin: float = 0.0
) -> list[Box]:
    """Disjoint boxes (rows, columns) that hold all spots (row, column, reach), cut at the borders.

    Boxes that touch, or come within ``margin`` of each other, are merged, so each can be done
    alone.
    """
    found: list[list[int]] = []
    for row, column, reach in spots:
        far = reach + margin
        box = [int(row - far), int(row + far) + 2, int(column - far), int(column + far) + 2]
        box = [max(box[0], 0), min(box[1], shape[0]), max(box[2], 0), min(box[3], shape[1])]
        if box[0] >= box[1] or box[2] >= box[3]:
            continue
        while True:
            near = [b for b in found if _touch(b, box)]
            if not near:
                break
            for other in near:
                found.remove(other)
                box = [min(box[0], other[0]), max(box[1], other[1]),
                       min(box[2], other[2]), max(box[3], other[3])]  # fmt: skip
        found.append(box)
    return [(slice(b[0], b[1]), slice(b[2], b[3])) for b in found]


def _touch(a: list[int], b: list[int]) -> bool:
    return a[0] <= b[1] and b[0] <= a[1] and a[2] <= b[3] and b[2] <= a[3]


def lying_in(
    box: Box, spots: Iterable[tuple[float, float, float]], reach: float
) -> list[tuple[float, float, float]]:
    """Those of ``spots`` (row, column, radius) that come into ``box`` with ``reach`` radii."""
    return [
        (row, column, radius)
        for row, column, radius in spots
        if box[0].start <= row + reach * radius + 2
        and row - reach * radius - 2 <= box[0].stop
        and box[1].start <= column + reach * radius + 2
        and column - reach * radius - 2 <= box[1].stop
    ]


def widened(box: Box, margin: int, shape: tuple[int, ...]) -> tuple[Box, Box]:
    """``box`` with ``margin`` more on every side, and where ``box`` lies inside that."""
    outer, inner = [], []
    for part, size in zip(box, shape, strict=False):
        start, stop = max(part.start - margin, 0), min(part.stop + margin, size)
        outer.append(slice(start, stop))
        inner.append(slice(part.start - start, part.stop - start))
    return (outer[0], outer[1]), (inner[0], inner[1])


class SmoothField:
    """The field of :func:`fields.smooth_field`, worked out box by box.

    The range that becomes [0, 1] is found on 64 x 64 points; what lies beyond is clipped.
    """

    def __init__(
        self, rng: Generator, shape: tuple[int, ...], scale: float, octaves: int = 1
    ) -> None:
        self.height, self.width = shape[:2]
        side = min(self.height, self.width)
        self.grids: list[Plane] = []
        for octave in range(octaves):
            cell = side * scale / 2**octave
            rows, columns = round(self.height / cell), round(self.width / cell)
            grid = (max(2, rows) + 2, max(2, columns) + 2)
            self.grids.append(rng.standard_normal(grid, dtype=np.float32) / np.float32(2**octave))
        cubic = cv2.INTER_CUBIC
        coarse = sum(cv2.resize(g, (64, 64), interpolation=cubic) for g in self.grids)
        self.low, self.high = float(np.min(coarse)), float(np.max(coarse))

    def inside(self, box: Box) -> Plane:
        """Values on [0, 1] in ``box``."""
        height, width = box[0].stop - box[0].start, box[1].stop - box[1].start
        total = np.zeros((height, width), np.float32)
        for grid in self.grids:
            sy, sx = grid.shape[0] / self.height, grid.shape[1] / self.width
            back = np.array(
                [[sx, 0, (box[1].start + 0.5) * sx - 0.5], [0, sy, (box[0].start + 0.5) * sy - 0.5]]
            )
            total += cv2.warpAffine(
                grid,
                back,
                (width, height),
                flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        total -= np.float32(self.low)
        total *= np.float32(1 / max(self.high - self.low, 1e-6))
        return np.clip(total, 0, 1, out=total)
