"""Is one picture a part of the other? Laid over it at many scales and places, it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIDE = 96
"""Longer side of the larger picture while searching; found places are checked at twice that."""

_SCALES = np.geomspace(0.45, 1.0, 14)
"""Side of the part over side of the whole: parts of a fifth of the area and more."""

_LEAST_SPREAD = 4.0
"""Grey levels of standard deviation below which a place is too plain to be recognised."""


_NOISE = 4.0
"""Variance, in grey levels squared, of what re-encoding leaves in a smooth picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A grey picture in the sizes that the search needs, made once for many comparisons."""

    whole: NDArray[np.float32]
    coarse: NDArray[np.float32]
    parts: tuple[NDArray[np.float32] | None, ...]


def prepared(grey: NDArray[Any]) -> Prepared:
    """``grey`` (h, w) ready to be laid over others; a part too plain to be recognised is None."""
    whole = _reduced(grey, 2 * _SIDE)
    sizes = [_reduced(whole, max(8, round(scale * _SIDE))) for scale in _SCALES]
    parts = tuple(one if float(one.std()) >= _LEAST_SPREAD else None for one in sizes)
    return Prepared(whole, _reduced(whole, _SIDE), parts)


def overlay_score(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Highest normalised correlation of one grey picture laid over the other, -1 to 1.

    Either may be the part; its aspect ratio is kept, its scale to the whole is searched from 0.45
    to 1. The best place is refined at twice the resolution, on the pictures and on their
    differences of Gaussians; the lower of the two counts, so that equal shading is not enough.
    """
    return overlay_of(prepared(first), prepared(second))


def overlay_of(first: Prepared, second: Prepared) -> float:
    """As :func:`overlay_score`, of pictures that were prepared before."""
    return max(_part_of(first, second), _part_of(second, first))


def _reduced(grey: NDArray[Any], side: int) -> NDArray[np.float32]:
    import cv2

    scale = side / max(grey.shape)
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(grey, np.float32), size, interpolation=how))


def _part_of(whole: Prepared, part: Prepared) -> float:
    """Score of ``part`` laid over ``whole``."""
    best = (-1.0, 0.0)
    for scale, small in zip(_SCALES, part.parts, strict=True):
        found = -1.0 if small is None else _match(whole.coarse, small)
        if found > best[0]:
            best = (found, float(scale))
    if best[0] < 0.7:
        return best[0]
    score = -1.0
    for scale in best[1] * np.linspace(0.97, 1.03, 9):
        small = _reduced(part.whole, max(8, round(min(scale, 1.0) * 2 * _SIDE)))
        if float(small.std()) >= _LEAST_SPREAD:
            score = max(score, _match(whole.whole, small, strict=True))
    return score


def _match(whole: NDArray[np.float32], small: NDArray[np.float32], strict: bool = False) -> float:
    """Best correlation of ``small`` at any place of ``whole``; -1 if too large or too plain there.

    With ``strict`` the score is the lower of that of the pictures and that of their details.
    """
    import cv2

    height, width = small.shape
    if height > whole.shape[0] or width > whole.shape[1]:
        return -1.0
    scores = cv2.matchTemplate(whole, small, cv2.TM_CCOEFF_NORMED)
    _, value, _, (left, top) = cv2.minMaxLoc(scores)
    place = whole[top : top + height, left : left + width]
    if float(place.std()) < _LEAST_SPREAD:
        return -1.0
    if strict:
        value = min(value, _correlation(_details(place), _details(small)))
    return float(value)


def _details(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    import cv2

    fine = cv2.GaussianBlur(plane, (0, 0), 1.5)
    return np.asarray(fine - cv2.GaussianBlur(plane, (0, 0), 6.0))


def _correlation(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    """Correlation in which differences of two grey levels, as of a re-encoding, do not count."""
    a, b = one - one.mean(), two - two.mean()
    spread = float(np.sqrt(((a * a).mean() + _NOISE) * ((b * b).mean() + _NOISE)))
    return (float((a * b).mean()) + _NOISE) / spread
