"""Stains in optical density: shift of single dyes, over- and under-staining."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from .registry import Draw, Frame, degradation
from .scale import Pixels, Plane, from_unit, luminance, over, point, to_unit

HEMATOXYLIN = (0.65, 0.70, 0.29)
EOSIN = (0.07, 0.99, 0.11)
DAB = (0.27, 0.57, 0.78)
"""Optical density of pure dyes in R, G, B (Ruifrok and Johnston 2001)."""


@lru_cache(maxsize=1)
def stain_matrix() -> Plane:
    """Rows: unit density vectors of hematoxylin, eosin and DAB; density = amounts @ matrix."""
    rows = np.array([HEMATOXYLIN, EOSIN, DAB], np.float64)
    matrix: Plane = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def density(unit: Plane) -> Plane:
    """Optical density ``-ln((255 u + 1) / 256)``: 0 for white, 5.5 for black."""
    scaled = np.maximum(unit * np.float32(255 / 256) + np.float32(1 / 256), np.float32(1e-6))
    optical: Plane = -cv2.log(scaled).reshape(unit.shape)
    return optical


def transmitted(optical: Plane) -> Plane:
    """Unit value of an optical density: the inverse of :func:`density`."""
    light: Plane = cv2.exp(-optical).reshape(optical.shape)
    light *= np.float32(256 / 255)
    light -= np.float32(1 / 255)
    return light


@degradation(
    "stain_shift",
    category="intensity",
    modalities=("pathology",),
    levels={1: {"scale": 0.12, "shift": 0.02}, 2: {"scale": 0.35, "shift": 0.06},
            3: {"scale": 0.55, "shift": 0.10}},
    source="Dye amounts C' = a C + b after colour deconvolution (Ruifrok and Johnston 2001)",
)  # fmt: skip
def stain_shift(x: Pixels, draw: Draw, frame: Frame, *, scale: float, shift: float) -> Pixels:
    """Colour of another laboratory: hematoxylin and eosin (or DAB) amounts changed apart.

    A grey plane holds one dye: its density is changed alone.

    Parameters
    ----------
    scale
        Change of the dye amounts: one dye times 1 + scale, its partner times 1 - scale, which is
        which drawn.
    shift
        Amount added to one dye in all tissue and taken from the other, in units of optical density.
    """
    sign = draw.choice("dye", (-1, 1))
    haze = draw.choice("haze", (-1, 1))
    if x.ndim == 2:

        def curve(unit: Plane) -> Plane:
            return transmitted(density(unit) * np.float32(1 + sign * scale))

        return point(x, frame, curve)
    matrix = stain_matrix()
    a = np.array([1 + sign * scale, 1 - sign * scale, 1 - 0.5 * sign * scale], np.float32)
    b = np.array([haze * shift, -haze * shift, 0], np.float32) @ matrix
    # density' = (density @ M^-1) a @ M + b is one 3 x 3 matrix and one offset.
    mix = np.linalg.inv(matrix.astype(np.float64)) @ np.diag(a) @ matrix
    before = density(to_unit(x, frame))
    after = cv2.transform(before, mix.T.astype(np.float32))
    # Bare glass takes no dye: the offset grows with density up to 0.3 and is full above.
    tissue = np.clip(luminance(before) * np.float32(1 / 0.3), 0, 1)
    after += over(tissue, x) * np.tile(b, (x.shape[1], 1))
    return from_unit(transmitted(after), x, frame)


@degradation(
    "overstain",
    category="intensity",
    modalities=("pathology",),
    levels={1: {"factor": 1.4}, 2: {"factor": 2.3}, 3: {"factor": 3.8}},
    source="Beer-Lambert: optical density is proportional to dye and to section thickness",
)
def overstain(x: Pixels, draw: Draw, frame: Frame, *, factor: float) -> Pixels:
    """Over-staining or a thick section: everything but bare glass turns darker and denser.

    Parameters
    ----------
    factor
        Factor on the optical density, above 1.
    """
    return point(x, frame, lambda unit: transmitted(density(unit) * np.float32(factor)))


@degradation(
    "understain",
    category="intensity",
    modalities=("pathology",),
    levels={1: {"factor": 0.65}, 2: {"factor": 0.32}, 3: {"factor": 0.14}},
    source="Beer-Lambert: optical density is proportional to dye and to section thickness",
)
def understain(x: Pixels, draw: Draw, frame: Frame, *, factor: float) -> Pixels:
    """Under-staining or fading: the tissue turns pale.

    Parameters
    ----------
    factor
        Factor on the optical density, below 1.
    """
    return point(x, frame, lambda unit: transmitted(density(unit) * np.float32(factor)))
