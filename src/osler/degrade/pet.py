"""Emission tomography: counts and attenuation in the projection domain, then reconstruction.

What is added to the image is the *change* that the reconstruction sees, computed on a grid of at
most 128 px (emission images hold no finer detail), so that nothing else about the image changes.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from osler.physics.noise import poisson
from osler.physics.optics import gaussian_blur
from osler.physics.radon import Projector, projector

from .fields import lit_area
from .registry import Draw, Frame, degradation
from .scale import Pixels, Plane, from_unit, luminance, over, to_unit

GRID = 128
VIEWS = 96
SUBSETS = 3

MU_511 = 0.0096
"""Linear attenuation of water at 511 keV in 1/mm (NIST XCOM: 0.096 cm2/g)."""

FIELD_MM = 400.0
"""Width of the picture where the image states no spacing."""


@degradation(
    "pet_low_counts",
    category="noise",
    modalities=("pet",),
    levels={1: {"counts": 6e5}, 2: {"counts": 1.2e5}, 3: {"counts": 3e4}},
    source="y ~ Poisson(a R x)/a, OSEM (Hudson and Larkin 1994), Gaussian post-filter",
)
def pet_low_counts(
    x: Pixels, draw: Draw, frame: Frame, *, counts: float, iterations: int = 3, fwhm: float = 0.012
) -> Pixels:
    """Short scan or low dose: blobby noise that grows with the activity.

    OSEM starts from the clean image, which noiseless data would leave as it is; what the counts
    change is the noise.

    Parameters
    ----------
    counts
        True coincidences in the slice.
    iterations
        OSEM iterations of 3 subsets each; more give finer, stronger noise.
    fwhm
        Full width at half maximum of the post-filter as a fraction of the longer side.
    """
    unit = to_unit(x, frame)
    activity = np.maximum(_to_grid(luminance(unit)), 0)
    n = len(activity)
    parts = [projector(n, VIEWS // SUBSETS, 180.0, s * 180.0 / VIEWS) for s in range(SUBSETS)]
    clean = [np.maximum(part.forward(activity), 0) for part in parts]
    scale = np.float32(counts / max(sum(float(p.sum()) for p in clean), 1e-6))
    rng = draw.rng("counts")
    measured = [poisson(rng, p * scale) / scale for p in clean]
    noise = _osem(activity, measured, parts, int(iterations)) - activity
    noise = gaussian_blur(noise, fwhm * n / 2.355)
    change = over(_from_grid(noise, x.shape), x)
    return from_unit(np.where(unit > 0, np.maximum(unit + change, 0), unit), x, frame)


def _osem(start: Plane, measured: list[Plane], parts: list[Projector], iterations: int) -> Plane:
    """Ordered-subsets expectation maximisation from ``start``."""
    estimate = start.copy()
    # Rays that miss the patient hold next to no counts; their ratio is bounded, not believed.
    floor = np.float32(0.01 * max(float(p.max()) for p in measured) + 1e-9)
    norms = [part.adjoint(np.ones_like(p)) for part, p in zip(parts, measured, strict=True)]
    for _ in range(iterations):
        for part, data, norm in zip(parts, measured, norms, strict=True):
            expected = np.maximum(part.forward(estimate), 0)
            ratio: Plane = (data + floor) / (expected + floor)
            estimate *= np.maximum(part.adjoint(ratio) / np.maximum(norm, 1e-3), 0)
    return estimate


@degradation(
    "pet_attenuation_mismatch",
    category="artifacts",
    modalities=("pet",),
    levels={1: {"shift": 0.010}, 2: {"shift": 0.025}, 3: {"shift": 0.055}},
    source="Attenuation map displaced by motion between CT and PET (Osman et al. 2003)",
)
def pet_attenuation_mismatch(x: Pixels, draw: Draw, frame: Frame, *, shift: float) -> Pixels:
    """Wrong attenuation correction: one side too hot, the opposite side too cold.

    Every projection is multiplied by ``exp(R (mu_displaced - mu))``, mu being water inside the
    body's outline, and the change is reconstructed by filtered back-projection.

    Parameters
    ----------
    shift
        Displacement of the attenuation map as a fraction of the longer side.
    """
    angle = draw.uniform("angle", 0.0, 2 * math.pi)
    unit = to_unit(x, frame)
    activity = np.maximum(_to_grid(luminance(unit)), 0)
    n = len(activity)
    millimetres = max(x.shape[:2]) * frame.spacing[1] if frame.spacing else FIELD_MM
    body = lit_area(activity, 0.04, 0.12) * np.float32(MU_511 * millimetres / n)
    dx, dy = shift * n * math.cos(angle), shift * n * math.sin(angle)
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    moved = cv2.warpAffine(body, matrix, (n, n))
    views = projector(n, 2 * VIEWS)
    factor = np.exp(views.forward(np.asarray(moved - body, np.float32))) - 1
    error = gaussian_blur(views.fbp(views.forward(activity) * factor, "hann"), 0.012 * n)
    change = over(_from_grid(error, x.shape), x)
    return from_unit(np.where(unit > 0, np.maximum(unit + change, 0), unit), x, frame)


def _to_grid(plane: Plane) -> Plane:
    """``plane`` centred on a black square, reduced to at most ``GRID`` px a side."""
    height, width = plane.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((side, side), np.float32)
    square[top : top + height, left : left + width] = plane
    if side <= GRID:
        return square
    reduced: Plane = cv2.resize(square, (GRID, GRID), interpolation=cv2.INTER_AREA)
    return reduced


def _from_grid(plane: Plane, shape: tuple[int, ...]) -> Plane:
    """A square of :func:`_to_grid` back at the size and place of the image."""
    height, width = shape[:2]
    side = max(height, width)
    if len(plane) != side:
        plane = cv2.resize(plane, (side, side), interpolation=cv2.INTER_CUBIC)
    top, left = (side - height) // 2, (side - width) // 2
    return np.ascontiguousarray(plane[top : top + height, left : left + width])
