"""Closed contours to masks: which voxel centres does a polygon hold?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def filled(points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels of a plane whose centre lies inside a closed polygon, by the even-odd rule.

    Edges that are walked twice cancel, so that a hole cut out by a keyhole stays a hole. A centre
    on a left or upper edge belongs to the polygon, one on a right or lower edge does not: polygons
    that share an edge share no pixel.

    Parameters
    ----------
    points
        Corners (n, 2) as x and y in pixels, the centre of the first pixel at (0, 0).
    shape
        Of the plane, (columns, rows): the result is indexed [x, y].

    Examples
    --------
    >>> square = np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]])
    >>> int(filled(square, (4, 4)).sum())
    4
    """
    found = np.zeros(shape, bool)
    corner = np.floor(points.min(0)).clip(0, shape).astype(np.int64)
    ends = (np.ceil(points.max(0)) + 1).clip(0, shape).astype(np.int64)
    size = ends - corner
    if size.min() > 0:
        box = found[corner[0] : ends[0], corner[1] : ends[1]]
        box[...] = _filled(points - corner, (int(size[0]), int(size[1])))
    return found


def _filled(points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """As :func:`filled`, of a plane that is no larger than the polygon."""
    # Each edge upwards, so that the same edge walked back crosses each row at the same place.
    start, end = points, np.roll(points, -1, axis=0)
    down = start[:, 1] > end[:, 1]
    low, high = np.where(down[:, None], end, start), np.where(down[:, None], start, end)
    first = np.ceil(low[:, 1]).clip(0, shape[1]).astype(np.int64)
    last = np.ceil(high[:, 1]).clip(0, shape[1]).astype(np.int64)
    rows = last - first
    edge = np.repeat(np.arange(len(points)), rows)
    y = np.arange(edge.size) - np.repeat(np.cumsum(rows) - rows, rows) + first[edge]
    slope = (high[edge, 0] - low[edge, 0]) / (high[edge, 1] - low[edge, 1])
    x = low[edge, 0] + (y - low[edge, 1]) * slope
    flips = np.zeros((shape[0] + 1, shape[1]), np.uint8)  # may wrap: only odd and even count
    np.add.at(flips, (np.ceil(x).clip(0, shape[0]).astype(np.int64), y), 1)
    inside: NDArray[np.bool_] = np.cumsum(flips[:-1], axis=0, dtype=np.uint8) % 2 == 1
    return inside


def on_edge(points: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose centre lies on the border of a polygon with whole-numbered corners.

    Parameters
    ----------
    points
        Corners (n, 2) as column and row.
    """
    found = np.zeros(shape, bool)
    ends = np.roll(points, -1, axis=0)
    for (x0, y0), (x1, y1) in zip(points.tolist(), ends.tolist(), strict=True):
        steps = int(np.gcd(x1 - x0, y1 - y0)) or 1
        xs = x0 + np.arange(steps + 1) * ((x1 - x0) // steps)
        ys = y0 + np.arange(steps + 1) * ((y1 - y0) // steps)
        keep = (xs >= 0) & (xs < shape[0]) & (ys >= 0) & (ys < shape[1])
        found[xs[keep], ys[keep]] = True
    return found


def interior(points: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels strictly inside a polygon with whole-numbered corners, its border left out.

    By Pick's theorem there are A - B / 2 + 1 of them in a simple polygon of area A with B lattice
    points on its border.
    """
    return filled(points.astype(np.float64), shape) & ~on_edge(points, shape)
