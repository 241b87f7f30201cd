"""Artefacts of computed tomography from too few views, too small an arc, too few photons.

Parameters that all share: ``low`` and ``high``, the HU of black and white of images that are not
in HU; ``field``, mm of the longer side where no spacing is stated (see :mod:`ct_scan`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.physics.noise import poisson
from osler.physics.radon import MU_WATER

from .ct_scan import Scan, scan
from .planes import each_channel
from .registry import Draw, Frame, degradation

_MEDQ = "MedQ-Deg (arXiv 2603.07769), levels identified from its published examples"
LOW, HIGH, FIELD = -1000.0, 1000.0, 350.0
"""HU of black and white assumed for display images, and mm of the longer side."""


@degradation(
    "sparse_view",
    category="artifacts",
    modalities=("ct",),
    levels={1: {"views": 144}, 2: {"views": 32}, 3: {"views": 16}},
    source=_MEDQ + " (144 and 32 views over 180 degrees)",
)
@each_channel
def sparse_view(
    x: NDArray[Any],
    draw: Draw,
    frame: Frame,
    *,
    views: int,
    low: float = LOW,
    high: float = HIGH,
    field: float = FIELD,
) -> NDArray[Any]:
    """Streaks: reconstruction from only ``views`` evenly spaced views over 180 degrees."""
    plane = scan(x, frame, low, high, field)
    beam = plane.projector(int(views))
    seen = plane.reconstruct(beam, plane.project(beam))
    return plane.changed(seen - plane.mu)


@degradation(
    "limited_angle",
    category="artifacts",
    modalities=("ct",),
    levels={1: {"arc": 168.0}, 2: {"arc": 122.0}, 3: {"arc": 90.0}},
    source=_MEDQ + " (arc of at least 165 degrees, and of 120 to 125)",
)
@each_channel
def limited_angle(
    x: NDArray[Any],
    draw: Draw,
    frame: Frame,
    *,
    arc: float,
    low: float = LOW,
    high: float = HIGH,
    field: float = FIELD,
) -> NDArray[Any]:
    """Edges lost in some directions: views cover ``arc`` of the 180 degrees, from a drawn start."""
    plane = scan(x, frame, low, high, field)
    beam = plane.projector()
    start = draw.integer("start", 0, 179)
    missing = np.mod(beam.angles - start, 180.0) >= arc
    views = plane.project(beam)
    views[missing] = 0
    seen = plane.reconstruct(beam, views)
    return plane.changed(seen - plane.mu)


def dose_for(plane: Scan, p: NDArray[Any], views: int, noise: float, electronic: float) -> float:
    """Photons a ray for which the reconstruction's noise is ``noise`` times full scale.

    Filtered back-projection of ``views`` views with white noise of variance V has variance
    ``pi^2 V / (12 views d^2)`` (Kak and Slaney, section 5.2), and the variance of
    ``-ln(N / I0)`` is ``e^p / I0 + (s e^p / I0)^2``, averaged by the length of the rays.
    """
    target = noise * plane.hu_per_unit * MU_WATER / 1000
    wanted = target**2 * 12 * views * plane.pixel**2 / np.pi**2
    offset = np.arange(p.shape[1]) - p.shape[1] // 2
    chord = np.sqrt(np.maximum(plane.n**2 / 2 - offset**2, 0))
    factor = np.exp(np.asarray(p, np.float64))
    first = float((factor * chord).sum() / (chord.sum() * len(p)))
    second = float((factor**2 * chord).sum() / (chord.sum() * len(p))) * electronic**2
    if second == 0:
        return first / wanted
    return 2 * second / float(np.sqrt(first**2 + 4 * second * wanted) - first)


@degradation(
    "low_dose",
    category="noise",
    modalities=("ct",),
    levels={1: {"noise": 1.9 / 255}, 2: {"noise": 5.0 / 255}, 3: {"noise": 14.0 / 255}},
    source=_MEDQ + " (residual standard deviation 1.9 and 5.0 of 255)",
)
@each_channel
def low_dose(
    x: NDArray[Any],
    draw: Draw,
    frame: Frame,
    *,
    noise: float,
    photons: float = 0.0,
    electronic: float = 10.0,
    views: int = 0,
    low: float = LOW,
    high: float = HIGH,
    field: float = FIELD,
) -> NDArray[Any]:
    """Poisson noise of a dose cut in the projection domain, reconstructed with the ramp filter.

    The dose is chosen so that the noise is ``noise`` times full scale, or is ``photons`` a ray
    where that is given; ``electronic`` is the readout noise in counts and ``views`` the number of
    views (0: as many as the size asks for). Only the noise is reconstructed and added, so at high
    dose the image comes back as it was.
    """
    plane = scan(x, frame, low, high, field)
    count = plane.views(views)
    beam = plane.projector(count)
    p = np.maximum(plane.project(beam), 0)
    dose = photons or dose_for(plane, p, count, noise, electronic)
    rng = draw.rng("photons")
    expected = np.exp(-p) * np.float32(dose)
    counts = poisson(rng, expected)
    if electronic:
        counts += rng.standard_normal(p.shape, dtype=np.float32) * np.float32(electronic)
    change = -np.log(np.maximum(counts, 1) / np.float32(dose)) - p
    return plane.changed(plane.reconstruct(beam, change))
