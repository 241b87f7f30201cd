"""Spatial building blocks: smooth random fields, stamps, soft edges, defocus.

Lengths are fractions of the shorter side of the image, so one severity row serves any size.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from osler.physics.optics import convolve, disc_psf

from .scale import Plane


def short_side(x: NDArray[Any]) -> int:
    """Pixels of the shorter side of a plane: the unit of all relative lengths."""
    height, width = x.shape[:2]
    return int(min(height, width))


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


def disc_blur(x: NDArray[Any], radius: float) -> NDArray[Any]:
    """Defocus by a uniform disc of ``radius`` pixels; borders mirror; type and shape are kept."""
    return x.copy() if radius < 0.55 else convolve(x, disc_psf(round(float(radius), 3)))


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
    distance: Plane = np.hypot(steps[:, None], steps[None, :])
    return distance


def soft_step(values: Plane, edge: float, width: float) -> Plane:
    """1 below ``edge``, 0 above it, smooth over ``width`` (cubic Hermite step)."""
    t = np.clip((edge + width / 2 - values) / max(width, 1e-6), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def lit_area(unit: Plane, threshold: float, gap: float = 0.1, *, convex: bool = False) -> Plane:
    """Soft mask of where a picture is: 1 on the scanned or lit area, 0 on the black surround.

    Found at 96 px: pixels above ``threshold`` (a share of full scale), closed over dark gaps up
    to twice ``gap`` of the side, the largest connected part (its convex hull where asked). All
    ones if that is next to nothing.
    """
    height, width = unit.shape
    small = cv2.resize(unit, (96, 96), interpolation=cv2.INTER_AREA)
    reach = max(1, round(96 * gap))
    found = (small > threshold).astype(np.uint8)
    found = cv2.copyMakeBorder(found, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, disc)
    closed = np.ascontiguousarray(closed[reach:-reach, reach:-reach])
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed)
    if count < 2 or stats[1:, cv2.CC_STAT_AREA].max() < 0.03 * closed.size:
        return np.ones((height, width), np.float32)
    largest = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    if convex:
        rows, cols = np.nonzero(largest)
        hull = cv2.convexHull(np.stack([cols, rows], axis=1).astype(np.int32))
        cv2.fillConvexPoly(largest, hull, 1)
    mask = cv2.resize(largest.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    soft: Plane = np.clip(1.5 * mask - 0.25, 0, 1)
    return soft


def quantile(values: Plane, share: float) -> np.float32:
    """The value that ``share`` of ``values`` do not exceed: an element, so exact in any NumPy."""
    flat = values.ravel()
    index = min(int(share * flat.size), flat.size - 1)
    return np.float32(np.partition(flat, index)[index])
