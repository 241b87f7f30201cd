"""One plane laid over the other: the correlation of what both show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_LEAST_SCALE = 0.3
_LEAST_SHARE, _MOST_SHARE = 0.15, 0.6
"""Shares of the planes that both must show, of the one and of the other: a part lies inside its
whole. Less than that is one object in two pictures."""

_LEAST_SIDE = 24
_LEAST_SPREAD = 3.0
_NOISE = 4.0
"""Variance, in grey levels squared, of what re-encoding leaves in a smooth picture."""

_ALMOST = 0.6


def laid_over(one: NDArray[np.uint8], two: NDArray[np.uint8], motion: NDArray[Any]) -> float:
    """Correlation, -1 to 1, of two planes where both lie when ``one`` is moved by ``motion``.

    ``motion`` is a similarity, 2 x 3, from pixels of ``one`` to pixels of ``two``. The finer plane
    is brought to the grid of the coarser one. The lower of two correlations counts: of the
    pictures, and of their details (differences of Gaussians), so that equal anatomy is not enough.
    """
    scale = float(np.sqrt(abs(np.linalg.det(motion[:, :2]))))
    if not _LEAST_SCALE <= scale <= 1 / _LEAST_SCALE:
        return -1.0
    first, second = one.astype(np.float32), two.astype(np.float32)
    if scale > 1:  # ``one`` is the coarser
        first, second, motion = second, first, _inverse(motion)
        scale = 1 / scale
    best = _score(first, second, motion, scale)
    if best < _ALMOST:
        return best
    finer = _refined(first, second, motion, scale)
    return best if finer is None else max(best, _score(first, second, finer, scale))


def _inverse(motion: NDArray[Any]) -> NDArray[Any]:
    turn = np.linalg.inv(motion[:, :2])
    return np.hstack([turn, -turn @ motion[:, 2:]])


def _smoothed(plane: Plane, scale: float) -> Plane:
    """Blurred as much as shrinking by ``scale`` needs."""
    import cv2

    sigma = 0.5 * np.sqrt(max(1 / scale**2 - 1, 0.0))
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma)) if sigma > 0.2 else plane


def _score(one: Plane, two: Plane, motion: NDArray[Any], scale: float) -> float:
    import cv2

    size = two.shape[::-1]
    moved = cv2.warpAffine(_smoothed(one, scale), motion, size, flags=cv2.INTER_LINEAR)
    seen = cv2.warpAffine(np.ones_like(one), motion, size, flags=cv2.INTER_LINEAR) > 0.999
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    if len(rows) < _LEAST_SIDE or len(columns) < _LEAST_SIDE:
        return -1.0
    common = int(seen.sum())
    shares = common / seen.size, common / (one.size * scale**2)
    if min(shares) < _LEAST_SHARE or max(shares) < _MOST_SHARE:
        return -1.0
    box = np.ix_(range(rows[0], rows[-1] + 1), range(columns[0], columns[-1] + 1))
    inside, first, second = seen[box], np.asarray(moved)[box], two[box]
    if min(float(first[inside].std()), float(second[inside].std())) < _LEAST_SPREAD:
        return -1.0
    whole = _correlation(first[inside], second[inside])
    if whole < _ALMOST:
        return whole
    # What lies outside must not leak into the details of the edge.
    core = cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if core.sum() < _LEAST_SIDE**2:
        return -1.0
    fine = _correlation(_details(first)[core], _details(second)[core])
    return min(whole, fine)


def _details(plane: Plane) -> Plane:
    import cv2

    fine = cv2.GaussianBlur(plane, (0, 0), 1.2)
    return np.asarray(fine - cv2.GaussianBlur(plane, (0, 0), 4.0))


def _correlation(one: Plane, two: Plane) -> float:
    """Correlation in which differences of two grey levels, as of a re-encoding, do not count."""
    a, b = one - one.mean(), two - two.mean()
    spread = float(np.sqrt(((a * a).mean() + _NOISE) * ((b * b).mean() + _NOISE)))
    return (float((a * b).mean()) + _NOISE) / spread


def _refined(one: Plane, two: Plane, motion: NDArray[Any], scale: float) -> NDArray[Any] | None:
    """``motion`` made better by the enhanced correlation coefficient (Evangelidis, 2008)."""
    import cv2

    seen = cv2.warpAffine(np.ones_like(one), motion, two.shape[::-1]) > 0.999
    start = _inverse(motion).astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-3)
    try:
        _, found = cv2.findTransformECC(
            two, _smoothed(one, scale), start, cv2.MOTION_AFFINE, stop, seen.astype(np.uint8), 3
        )
    except cv2.error:  # it does not converge: what was found before stands
        return None
    turn = np.asarray(found, np.float64)
    shift = float(np.linalg.norm(turn[:, 2] - start[:, 2])) * scale
    changed = float(np.abs(turn[:, :2] - start[:, :2]).max()) * scale
    return _inverse(turn) if shift < 8 and changed < 0.08 else None
