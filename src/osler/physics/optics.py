"""Point spread functions of optics and movement: line, disc, Gaussian; all sum to 1."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=256)
def line_psf(length: float, angle: float) -> NDArray[np.float32]:
    """Uniform movement over ``length`` pixels at ``angle`` degrees from the x axis, upwards.

    One step a pixel of the longer extent, on the nearest pixel of the shorter, all of equal weight;
    the two ends have the rest of the length, and are left out where that is below a tenth of a
    step. At angle 0 and odd length L it is exactly ``L`` equal weights.
    """
    dx, dy = math.cos(math.radians(angle)), -math.sin(math.radians(angle))
    steep = abs(dy) > abs(dx)
    major, minor = (dy, dx) if steep else (dx, dy)
    extent = length * abs(major)
    reach = max(math.ceil((extent - 1) / 2 - 0.1), 0)
    slope = minor / major
    side = math.floor(reach * abs(slope) + 0.5)
    kernel = np.zeros((2 * side + 1, 2 * reach + 1), np.float32)
    for step in range(reach + 1):
        weight = min((extent + 1) / 2 - step, 1.0) if step else 1.0
        aside = math.floor(step * abs(slope) + 0.5) * (1 if slope > 0 else -1)
        kernel[side + aside, reach + step] = weight
        kernel[side - aside, reach - step] = weight  # the middle stays where it is
    kernel /= kernel.sum()
    kernel = np.ascontiguousarray(kernel.T) if steep else kernel
    kernel.setflags(write=False)
    return kernel


@lru_cache(maxsize=64)
def disc_psf(radius: float) -> NDArray[np.float32]:
    """Geometric defocus: a uniform disc of ``radius`` pixels, edge pixels by covered area."""
    half = max(int(np.ceil(radius - 0.5)), 0)
    fine = 16
    steps = (np.arange((2 * half + 1) * fine) + 0.5) / fine - half - 0.5
    inside = steps[:, None] ** 2 + steps[None, :] ** 2 <= max(radius, 0.5) ** 2
    size = 2 * half + 1
    kernel = inside.reshape(size, fine, size, fine).mean(axis=(1, 3))
    kernel = (kernel / kernel.sum()).astype(np.float32)
    kernel.setflags(write=False)
    done: NDArray[np.float32] = kernel
    return done


def gaussian_blur(x: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Gaussian blur of standard deviation ``sigma`` pixels; type and shape kept, edges mirrored.

    Above 2.5 px the work is done on a binomial pyramid (5-tap [1 4 6 4 1]/16 down and up, each
    step of variance 1 on its own grid): one step for ``s^2 = 2 + 4 t^2``, two for
    ``s^2 = 10 + 16 t^2`` and so on, t being the blur left for the coarse grid. The binomial's
    fourth-order zero at the fold-over frequency keeps aliases below 1e-3, and the result is
    within one grey level of the direct sum, at a quarter of its cost.
    """
    if sigma < 0.05:
        return x.copy()
    steps = 0
    while sigma**2 > 6.0 * 4**steps and min(x.shape[:2]) >> (steps + 1) >= 16 and steps < 6:
        steps += 1
    left = float(np.sqrt((sigma**2 - 2 * (4**steps - 1) / 3) / 4**steps))
    if not steps:
        done: NDArray[Any] = cv2.GaussianBlur(x, (0, 0), left).reshape(x.shape)
        return done
    height, width = x.shape[:2]
    margin = int(4 * sigma)  # the coarse grid mirrors right only at the first row and column
    x = cv2.copyMakeBorder(x, 0, margin, 0, margin, cv2.BORDER_REFLECT_101)
    sizes = []
    for _ in range(steps):
        sizes.append((x.shape[1], x.shape[0]))
        x = cv2.pyrDown(x)
    x = cv2.GaussianBlur(x, (0, 0), left)
    for size in reversed(sizes):
        x = cv2.pyrUp(x, dstsize=size)
    return np.ascontiguousarray(x[:height, :width])


def convolve(x: NDArray[Any], kernel: NDArray[np.float32]) -> NDArray[Any]:
    """Correlate a plane with a small ``kernel``, edges mirrored, type and shape kept."""
    done: NDArray[Any] = cv2.filter2D(x, -1, kernel).reshape(x.shape)
    return done
