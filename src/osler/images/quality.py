"""Measures of image quality that no semantic encoder gives: noise, blur, clipping, shading.

Each is a pure function of a grey plane, float32 with 0 black and 255 white (the display), at the
file's own resolution. :func:`measure` takes them all from the middle 512 x 512 pixels at most.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

FEATURES: tuple[str, ...] = (
    "noise_sigma",
    "blur_sigma",
    "sharpness",
    "noise_slope",
    "clipped_low",
    "clipped_high",
    "bias_field",
    "contrast",
    "entropy",
    "blockiness",
)
"""Names of the features, in the order of :func:`measure`."""

_SIDE = 512
_TILE = 128
_EDGE = 4.0
"""Square of the difference, in grey levels over two pixels, that is the least edge."""

_DIFFERENCE = 1 / 3
"""Variance, in square pixels, that a central difference over 2 pixels adds to an edge."""


def measure(grey: NDArray[Any]) -> dict[str, float]:
    """All features of a plane (h, w) of 0 to 255, uint8 or float."""
    height, width = grey.shape
    top = max(0, (height - _SIDE) // 2) // 8 * 8  # blockiness needs the grid of the file
    left = max(0, (width - _SIDE) // 2) // 8 * 8
    part = grey[top : top + _SIDE, left : left + _SIDE]
    plane = np.ascontiguousarray(part, np.float32)
    counts = histogram(part)
    low, high = clipped(counts)
    values = (
        noise_sigma(plane),
        blur_sigma(plane),
        sharpness(plane),
        noise_slope(plane),
        low,
        high,
        bias_field(plane),
        contrast(counts),
        entropy(counts),
        blockiness(plane),
    )
    return dict(zip(FEATURES, (round(float(v), 6) for v in values), strict=True))


def noise_sigma(plane: Plane) -> float:
    """Standard deviation of white noise, in grey levels of 255.

    Median absolute deviation of the diagonal Haar details over 0.6745 (Donoho and Johnstone
    1994); blocks that are wholly clipped (air) are left out.
    """
    rows, columns = plane.shape[0] // 2 * 2, plane.shape[1] // 2 * 2
    if rows < 2 or columns < 2:
        return 0.0
    a, b = plane[0:rows:2, 0:columns:2], plane[0:rows:2, 1:columns:2]
    c, d = plane[1:rows:2, 0:columns:2], plane[1:rows:2, 1:columns:2]
    total = a + b + c + d
    details = np.abs((a + d) - (b + c))[(total > 0) & (total < 1020)]
    return float(np.median(details)) / 2 / 0.6745 if details.size else 0.0


def blur_sigma(plane: Plane) -> float:
    """Width of edges as the sigma, in pixels, of the Gaussian that would blur a step so.

    A step blurred by s and again by r has its steepest slope divided by sqrt(s^2 + r^2) / s (Zhuo
    and Sim 2011); s is solved from the median over the 1 % steepest pixels, r = 1 px. 0 where
    there is no edge; noise is taken for sharp edges.
    """
    import cv2

    if min(plane.shape) < 5:
        return 0.0
    across = cv2.subtract(plane[1:-1, 2:], plane[1:-1, :-2])
    down = cv2.subtract(plane[2:, 1:-1], plane[:-2, 1:-1])
    power = cv2.add(cv2.multiply(across, across), cv2.multiply(down, down)).ravel()
    sample = power[::7]
    count = max(sample.size // 100, 1)
    steepest = float(np.partition(sample, -count)[-count])
    kept = np.flatnonzero(power >= max(steepest, _EDGE))
    if not kept.size:
        return 0.0
    again = cv2.GaussianBlur(plane, (9, 9), 1.0, borderType=cv2.BORDER_REPLICATE)
    row, column = np.divmod(kept, plane.shape[1] - 2)
    x = again[row + 1, column + 2] - again[row + 1, column]
    y = again[row + 2, column + 1] - again[row, column + 1]
    ratio = power[kept] / np.maximum(x * x + y * y, 1e-9)
    middle = max(float(np.median(ratio)), 1.0 + 1e-6)
    width = 1.0 / (middle - 1.0) - _DIFFERENCE
    return float(np.sqrt(min(max(width, 0.0), 2500.0)))


def sharpness(plane: Plane) -> float:
    """Variance of the Laplacian over the variance of the plane; free of gain and offset."""
    import cv2

    spread = float(cv2.meanStdDev(plane)[1][0, 0]) ** 2
    inner = cv2.Laplacian(plane, cv2.CV_32F)[1:-1, 1:-1]
    if spread < 1e-6 or not inner.size:
        return 0.0
    return float(cv2.meanStdDev(inner)[1][0, 0]) ** 2 / spread


def noise_slope(plane: Plane) -> float:
    """Exponent of the power spectrum: the slope of log power against log frequency.

    Taken over 0.1 to 0.5 cycles a pixel from the middle 128 x 128 pixels under a Hann window:
    0 for white noise, about -2 to -3 for clean photographs, above 0 for filtered back-projection.
    """
    from scipy.fft import rfft2

    side = min(_TILE, *plane.shape)
    if side < 16:
        return 0.0
    top, left = (plane.shape[0] - side) // 2, (plane.shape[1] - side) // 2
    tile = plane[top : top + side, left : left + side]
    window, ring, counts, centred = _rings(side)
    power = np.abs(rfft2((tile - tile.mean()) * window)) ** 2
    mean = np.bincount(ring, power.ravel(), len(counts))[:12] / counts[:12]
    if mean.min() <= 1e-12:
        return 0.0
    return float(centred @ np.log(mean) / (centred @ centred))


@cache
def _rings(side: int) -> tuple[Plane, NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    """Hann window, ring of each frequency (the last for those not used), sizes, centred log f."""
    window = np.hanning(side).astype(np.float32)
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    edges = np.geomspace(0.1, 0.5, 13)
    ring = np.searchsorted(edges, radius.ravel(), "right") - 1
    ring = np.where((ring < 0) | (ring > 11), 12, ring)
    counts = np.maximum(np.bincount(ring, minlength=13), 1)
    sums = np.bincount(ring, np.log(np.maximum(radius.ravel(), 1e-9)), 13)
    logs = (sums / counts)[:12]
    return np.outer(window, window), ring, counts, logs - logs.mean()


def histogram(grey: NDArray[Any]) -> NDArray[np.int64]:
    """Pixels at each grey level 0 to 255 (floats are rounded)."""
    levels = grey if grey.dtype == np.uint8 else np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return np.bincount(levels.ravel(), minlength=256)


def clipped(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Shares of pixels that are 0 and that are 255."""
    total = max(int(counts.sum()), 1)
    return float(counts[0] / total), float(counts[255] / total)


def contrast(counts: NDArray[np.int64]) -> float:
    """Distance of the 5 and 95 percentiles, as a share of the range 0 to 255."""
    share = np.cumsum(counts) / max(int(counts.sum()), 1)
    low, high = np.searchsorted(share, (0.05, 0.95))
    return float(high - low) / 255


def entropy(counts: NDArray[np.int64]) -> float:
    """Shannon entropy of the grey levels, 0 to 8 bits."""
    share = counts[counts > 0] / max(int(counts.sum()), 1)
    return float(-(share * np.log2(share)).sum()) + 0.0


def bias_field(plane: Plane) -> float:
    """Strength of slow shading: rms of a quadratic surface fitted to the log of the plane.

    The fit is over a 32 x 32 reduction, pixels above 5 % of its largest value (the body). A gain
    exp(c u), u from -1 to 1, gives c / sqrt(3); anatomy gives something too.
    """
    import cv2

    small = cv2.resize(plane, (32, 32), interpolation=cv2.INTER_AREA).ravel()
    inside = small > 0.05 * max(float(small.max()), 1.0)
    if inside.sum() < 64:
        return 0.0
    terms = _surface()[inside]
    logs = np.log(small[inside].astype(np.float64))
    logs -= logs.mean()
    gram = terms.T @ terms + 1e-9 * np.eye(terms.shape[1])
    field = terms @ np.linalg.solve(gram, terms.T @ logs)
    return float(field.std())


@cache
def _surface() -> NDArray[np.float64]:
    u = (np.arange(32) + 0.5) / 16 - 1
    x, y = (grid.ravel() for grid in np.meshgrid(u, u))
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def blockiness(plane: Plane) -> float:
    """Steps across the 8 x 8 grid of JPEG over steps elsewhere, less 1; 0 where there is no grid.

    The grid is taken to begin at the first pixel (Wang, Sheikh and Bovik 2002, simplified).
    """
    across, within = 0.0, 0.0
    for steps in (np.abs(np.diff(plane, axis=1)).mean(0), np.abs(np.diff(plane, axis=0)).mean(1)):
        if len(steps) < 16:
            return 0.0
        edge = steps[7::8]
        across += float(edge.mean())
        within += float((steps.sum() - edge.sum()) / (len(steps) - len(edge)))
    return across / within - 1.0 if within > 1e-6 else 0.0
