"""Spatial building blocks: smooth random fields, stamps, kernels, large blurs, Poisson counts.

Lengths are fractions of the shorter side of the image, so one severity row serves any size.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .scale import Plane


def short_side(x: NDArray[np.generic]) -> int:
    """Pixels of the shorter side of a plane: the unit of all relative lengths."""
    return min(x.shape[:2])


def coordinates(shape: tuple[int, ...]) -> tuple[Plane, Plane]:
    """Row and column coordinates in [-1, 1], as (H, 1) and (1, W); broadcast to (H, W)."""
    height, width = shape[:2]
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return rows, np.linspace(-1, 1, width, dtype=np.float32)[None, :]


def smooth_field(rng: Generator, shape: tuple[int, ...], scale: float, octaves: int = 1) -> Plane:
    """A smooth random field on [0, 1] whose features are about ``scale`` short sides wide.

    A small grid of normal numbers is enlarged by cubic interpolation; every further octave
    halves feature size and amplitude. The grid, hence the field, does not depend on resolution.
    """
    height, width = shape[:2]
    side = min(height, width)
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cell = side * scale / 2**octave
        grid = (max(2, round(height / cell)) + 2, max(2, round(width / cell)) + 2)
        noise = rng.standard_normal(grid, dtype=np.float32) / 2**octave
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def wide_blur(x: Plane, sigma: float) -> Plane:
    """Gaussian blur for any ``sigma`` in pixels; wide ones run on a reduced grid.

    Above 8 px the image is first reduced by area averaging so that about 4 px remain; the
    relative error against the direct blur is below 1 % of full scale on real images.
    """
    if sigma < 0.05:
        return x.copy()
    if sigma <= 8:
        return cv2.GaussianBlur(x, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    height, width = x.shape[:2]
    factor = sigma / 4
    small = (max(4, round(width / factor)), max(4, round(height / factor)))
    reduced = cv2.resize(x, small, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(reduced, (0, 0), 4.0, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_CUBIC)


@lru_cache(maxsize=64)
def _disc(radius: float) -> Plane:
    half = int(np.ceil(radius))
    fine = 8
    offsets = (np.arange((2 * half + 1) * fine) + 0.5) / fine - half - 0.5
    inside = offsets[:, None] ** 2 + offsets[None, :] ** 2 <= (radius + 0.25) ** 2
    size = 2 * half + 1
    kernel = inside.reshape(size, fine, size, fine).mean(axis=(1, 3)).astype(np.float32)
    kernel /= kernel.sum()
    kernel.setflags(write=False)
    return kernel


def disc_kernel(radius: float) -> Plane:
    """Uniform disc of ``radius`` pixels, anti-aliased, sum 1: the geometric defocus PSF."""
    return _disc(round(float(radius), 4))


def disc_blur(x: NDArray[np.generic], radius: float) -> NDArray[np.generic]:
    """Convolve with :func:`disc_kernel`; borders reflect; type and shape are kept."""
    if radius < 0.05:
        return x.copy()
    return cv2.filter2D(x, -1, disc_kernel(radius), borderType=cv2.BORDER_REFLECT).reshape(x.shape)


def stamp(mask: Plane, patch: Plane, row: float, col: float, *, union: bool = True) -> None:
    """Lay ``patch`` centred at (row, col) into ``mask`` in place, cut at the borders.

    ``union`` keeps the larger value (overlapping discs); otherwise opacities compound.
    """
    top, left = round(row - patch.shape[0] / 2), round(col - patch.shape[1] / 2)
    r0, c0 = max(top, 0), max(left, 0)
    r1, c1 = min(top + patch.shape[0], mask.shape[0]), min(left + patch.shape[1], mask.shape[1])
    if r1 <= r0 or c1 <= c0:
        return
    part = patch[r0 - top : r1 - top, c0 - left : c1 - left]
    view = mask[r0:r1, c0:c1]
    if union:
        np.maximum(view, part, out=view)
    else:
        view += part * (1 - view)


def radial_patch(radius: float, margin: float = 1.0) -> Plane:
    """Distance from the centre in units of ``radius``, on a square that reaches ``1 + margin``."""
    half = int(np.ceil(radius * (1 + margin))) + 1
    steps = np.arange(-half, half + 1, dtype=np.float32) / max(radius, 0.5)
    return np.hypot(steps[:, None], steps[None, :])


def soft_step(values: Plane, edge: float, width: float) -> Plane:
    """1 below ``edge``, 0 above it, smooth over ``width`` (cubic Hermite step)."""
    t = np.clip((edge + width / 2 - values) / max(width, 1e-6), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def poisson(rng: Generator, expected: Plane) -> Plane:
    """Poisson counts with mean ``expected`` (negative means count as 0), as float32.

    Means of 12 and more use the second-order Cornish-Fisher quantile
    ``m + z s + (z^2 - 1)/6`` rounded to whole counts, with ``s`` such that the variance is m
    (skewness right to 1 %); smaller means are drawn exactly.
    """
    mean = np.maximum(expected, 0)
    z = rng.standard_normal(mean.shape, dtype=np.float32)
    # (z^2 - 1)/6 adds 1/18 of variance and rounding 1/12; both are taken off the linear term.
    counts = np.sqrt(np.maximum(mean - np.float32(1 / 18 + 1 / 12), 0))
    counts *= z
    counts += mean
    z *= z
    z -= 1
    z /= 6
    counts += z
    np.rint(counts, out=counts)
    few = mean < 12
    if few.any():
        counts[few] = rng.poisson(mean[few])
    return counts
