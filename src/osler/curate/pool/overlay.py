"""Is one picture a part of the other? Laid over it at many scales and places, it tells."""

from __future__ import annotations

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


def overlay_score(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Highest normalised correlation of one grey picture laid over the other, -1 to 1.

    Either may be the part; its aspect ratio is kept, its scale to the whole is searched from 0.45
    to 1. The best place is refined at twice the resolution, on the pictures and on their
    differences of Gaussians; the lower of the two counts, so that equal shading is not enough.
    """
    whole = [_reduced(one, 2 * _SIDE) for one in (first, second)]
    scores = [_part_of(whole[0], whole[1]), _part_of(whole[1], whole[0])]
    return max(scores)


def _reduced(grey: NDArray[Any], side: int) -> NDArray[np.float32]:
    import cv2

    scale = side / max(grey.shape)
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(grey, np.float32), size, interpolation=how))


def _part_of(whole: NDArray[np.float32], part: NDArray[np.float32]) -> float:
    """Score of ``part`` laid over ``whole``."""
    coarse, best = _reduced(whole, _SIDE), (-1.0, 0.0)
    for scale in _SCALES:
        found = _match(coarse, part, scale * _SIDE)
        if found is not None and found[0] > best[0]:
            best = (found[0], float(scale))
    if best[0] < 0.7:
        return best[0]
    near = best[1] * np.linspace(0.97, 1.03, 9)
    fine = [_match(whole, part, min(scale, 1.0) * 2 * _SIDE, True) for scale in near]
    return max((found[0] for found in fine if found is not None), default=-1.0)


def _match(
    whole: NDArray[np.float32], part: NDArray[np.float32], side: float, strict: bool = False
) -> tuple[float, tuple[int, int]] | None:
    """(score, place) of ``part`` with its longer side at ``side`` px, or None if it is too large.

    With ``strict`` the score is the lower of that of the pictures and that of their details.
    """
    import cv2

    small = _reduced(part, max(8, round(side)))
    height, width = small.shape
    if height > whole.shape[0] or width > whole.shape[1] or float(small.std()) < _LEAST_SPREAD:
        return None
    scores = cv2.matchTemplate(whole, small, cv2.TM_CCOEFF_NORMED)
    _, value, _, (left, top) = cv2.minMaxLoc(scores)
    place = whole[top : top + height, left : left + width]
    if float(place.std()) < _LEAST_SPREAD:
        return None
    if strict:
        value = min(value, _correlation(_details(place), _details(small)))
    return float(value), (int(top), int(left))


def _details(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    import cv2

    fine = cv2.GaussianBlur(plane, (0, 0), 1.5)
    return np.asarray(fine - cv2.GaussianBlur(plane, (0, 0), 6.0))


def _correlation(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    """Correlation in which differences of two grey levels, as of a re-encoding, do not count."""
    a, b = one - one.mean(), two - two.mean()
    spread = float(np.sqrt(((a * a).mean() + _NOISE) * ((b * b).mean() + _NOISE)))
    return (float((a * b).mean()) + _NOISE) / spread
