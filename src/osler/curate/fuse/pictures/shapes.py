"""Boxes, polygons and run-length codes: what they cover, and what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE_PX = 0.5
"""How far a box or a polygon may leave its image through rounding."""

Point = Sequence[float]


def numbers(values: Any, count: int | None = None) -> list[float] | None:
    """``values`` as finite floats, or None if they are anything else."""
    if not isinstance(values, list | tuple) or (count is not None and len(values) != count):
        return None
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return None
    found = [float(v) for v in values]
    return found if all(map(math.isfinite, found)) else None


def box_fault(box: Sequence[float], width: int, height: int) -> str:
    """What is wrong with the box x, y, width, height of an image; empty if nothing is."""
    x, y, w, h = box
    if w <= 0 or h <= 0:
        return f"the box {_text(box)} is empty or inverted"
    beyond = max(-x, -y, x + w - width, y + h - height)
    if beyond > TOLERANCE_PX:
        hint = ""
        if beyond == 1 and x >= 1 and y >= 1 and all(float(v).is_integer() for v in box):
            hint = "; it ends one pixel too far, so boxes may count from 1"
        return f"the box {_text(box)} leaves its image of {width} x {height}{hint}"
    return ""


def polygon_fault(points: Sequence[Point], width: int, height: int) -> str:
    """What is wrong with a polygon of (x, y) in an image; empty if nothing is."""
    if len(points) < 3:
        return f"a polygon has {len(points)} corners"
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    if max(-min(xs), -min(ys), max(xs) - width, max(ys) - height) > TOLERANCE_PX:
        return (
            f"a polygon reaches {_text((min(xs), min(ys), max(xs), max(ys)))} and leaves its "
            f"image of {width} x {height}"
        )
    if polygon_area(points) == 0:
        return "a polygon covers nothing"
    return ""


def _text(values: Sequence[float]) -> str:
    return "[" + ", ".join(f"{v:g}" for v in values) + "]"


def polygon_area(points: Sequence[Point]) -> float:
    """Area by the shoelace formula, in square pixels."""
    x, y = np.asarray([p[0] for p in points], float), np.asarray([p[1] for p in points], float)
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def polygon_box(points: Sequence[Point]) -> list[float]:
    """The smallest box x, y, width, height around a polygon."""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def filled(parts: Sequence[Sequence[Point]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels whose centre lies inside one of the polygons ``parts``, by the even-odd rule each.

    The centre of the upper left pixel is (0.5, 0.5). A centre on a left or upper edge is inside,
    on a right or lower edge outside, so that polygons side by side share no pixel.
    """
    mask = np.zeros(shape, bool)
    for points in parts:
        mask |= _filled_part(np.asarray(points, float), shape)
    return mask


def _filled_part(points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    height, width = shape
    mask = np.zeros(shape, bool)
    x0, y0 = points[:, 0], points[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    first = max(0, math.ceil(y0.min() - 0.5))
    last = min(height - 1, math.floor(y0.max() - 0.5))
    for row in range(first, last + 1):
        y = row + 0.5
        crossed = (y0 <= y) != (y1 <= y)
        if not crossed.any():
            continue
        a, b, c, d = x0[crossed], y0[crossed], x1[crossed], y1[crossed]
        cuts = np.sort(a + (y - b) / (d - b) * (c - a))
        for left, right in zip(cuts[::2], cuts[1::2], strict=True):
            begin = max(0, math.ceil(left - 0.5))
            end = min(width, math.ceil(right - 0.5))
            mask[row, begin:end] = True
    return mask


def runs_of(code: Any) -> list[int]:
    """The run lengths of a COCO run-length code: a list of counts, or a compressed text.

    Compressed counts are little-endian groups of five bits plus 48, the sixth bit meaning that
    more follow; from the third on they are differences to the count before the last.

    Raises
    ------
    ValueError
        No such code, a negative run, or characters that no code has.
    """
    if isinstance(code, list):
        if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in code):
            raise ValueError("its runs are not whole numbers from 0")
        return list(code)
    if not isinstance(code, str):
        raise ValueError("it is neither a list nor a text")
    runs: list[int] = []
    value = shift = 0
    for letter in code.encode("utf-8"):
        group = letter - 48
        if not 0 <= group < 64 or shift > 50:
            raise ValueError(f"it holds the character {chr(letter)!r} or a run without end")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        if value < 0:
            raise ValueError("a run is negative")
        runs.append(value)
        value = shift = 0
    if shift:
        raise ValueError("its last run is cut off")
    return runs


def text_of_runs(runs: Sequence[int]) -> str:
    """The compressed text of run lengths; the inverse of :func:`runs_of`."""
    letters = bytearray()
    for n, run in enumerate(runs):
        value = run - runs[n - 2] if n > 2 else run
        more = True
        while more:
            group = value & 31
            value >>= 5
            more = value != -1 if group & 16 else value != 0
            letters.append(group + (32 if more else 0) + 48)
    return letters.decode("ascii")


def mask_from_runs(runs: Sequence[int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (rows, columns) of run lengths down the columns, the first run being outside.

    Raises
    ------
    ValueError
        The runs do not fill the image exactly.
    """
    height, width = shape
    if sum(runs) != height * width:
        raise ValueError(f"its runs cover {sum(runs)} of {height * width} pixels")
    values = np.zeros(len(runs), bool)
    values[1::2] = True
    return np.ascontiguousarray(np.repeat(values, runs).reshape(width, height).T)


def runs_of_mask(mask: NDArray[np.bool_]) -> list[int]:
    """Run lengths of a mask (rows, columns), the inverse of :func:`mask_from_runs`."""
    flat = np.asarray(mask, bool).T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flat)))).tolist()
    edges += [flat.size]
    return [b - a for a, b in zip([0, *edges[:-1]], edges, strict=True)]


def mask_box(mask: NDArray[np.bool_]) -> list[float]:
    """The box x, y, width, height of the true pixels of a mask that has some."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [
        float(columns[0]),
        float(rows[0]),
        float(columns[-1] - columns[0] + 1),
        float(rows[-1] - rows[0] + 1),
    ]
