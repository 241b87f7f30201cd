"""Artefacts of computed tomography from the beam, the detector, metal and movement.

Each adds the reconstruction of the *error* of its views, so that without the error the image
comes back as it was.

Parameters that all share: ``low`` and ``high``, the HU of black and white of images that are not
in HU; ``field``, mm of the longer side where no spacing is stated (see :mod:`ct_scan`).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from osler.physics import spectrum
from osler.physics.noise import normal, poisson
from osler.physics.radon import MU_WATER

from .ct import FIELD, HIGH, LOW
from .ct_scan import Scan, scan
from .planes import each_channel
from .registry import Draw, Frame, degradation

_OURS = "levels are our choice"


@degradation(
    "beam_hardening",
    category="artifacts",
    modalities=("ct",),
    levels={1: {"b": 0.02}, 2: {"b": 0.06}, 3: {"b": 0.12}},
    source=f"second-order loss of a polychromatic beam (Brooks and Di Chiro 1976); {_OURS}",
)
@each_channel
def beam_hardening(
    x: NDArray[Any],
    draw: Draw,
    frame: Frame,
    *,
    b: float,
    low: float = LOW,
    high: float = HIGH,
    field: float = FIELD,
) -> NDArray[Any]:
    """Cupping and dark bands: long paths look shorter, p / (1 + b p), that is p - b p^2 + ...

    As on a calibrated scanner, the typical ray (mean of p weighted by p) reads right.
    """
    plane = scan(x, frame, low, high, field)
    beam = plane.projector()
    p = np.maximum(plane.project(beam), 0)
    typical = float((p * p).sum(dtype=np.float64) / max(p.sum(dtype=np.float64), 1e-9))
    seen = p * np.float32(1 + b * typical) / (1 + np.float32(b) * p)
    return plane.changed(plane.reconstruct(beam, seen - p))


@degradation(
    "ring",
    category="artifacts",
    modalities=("ct",),
    levels={1: {"gain": 0.01}, 2: {"gain": 0.03}, 3: {"gain": 0.08}},
    source=f"detector bins with wrong gain; {_OURS}",
    aliases=("ring_artifact",),
)
@each_channel
def ring(
    x: NDArray[Any],
    draw: Draw,
    frame: Frame,
    *,
    gain: float,
    share: float = 0.15,
    low: float = LOW,
    high: float = HIGH,
    field: float = FIELD,
) -> NDArray[Any]:
    """Rings about the centre: a ``share`` of the bins is wrong by ``gain`` (relative, normal).

    Over a full turn a bin sees offsets s and -s, so each half turn carries the mean of both.
    """
    plane = scan(x, frame, low, high, field)
    beam = plane.projector()
    rng = draw.shared_rng("gains")
    error = normal(rng, (1, beam.detectors), gain)
    error *= rng.random((1, beam.detectors), dtype=np.float32) < share
    error = (error + np.roll(error[:, ::-1], 1, axis=1)) * np.float32(0.5)
    views = np.broadcast_to(-np.log(np.maximum(1 + error, 0.05)), (beam.views, beam.detectors))
    return plane.changed(plane.reconstruct(beam, np.ascontiguousarray(views)))


@degradation(
    "scatter_ct",
    category="artifacts",
    modalities=("ct",),
    levels={1: {"ratio": 0.1}, 2: {"ratio": 0.4}, 3: {"ratio": 1.0}},
    source=f"uncorrected scatter lifts the darkest rays most; {_OURS}",
)
@each_channel
def scatter_ct(
    x: NDArray[Any],
    draw: Draw,
    frame: Frame,
    *,
    ratio: float,
    low: float = LOW,
    high: float = HIGH,
    field: float = FIELD,
) -> NDArray[Any]:
    """Dark shading between dense parts: scatter of ``ratio`` times the typical primary.

    Typical, view by view, is exp(-p) at the mean of p weighted by p; scatter falls on every ray.
    """
    plane = scan(x, frame, low, high, field)
    beam = plane.projector()
    p = np.maximum(plane.project(beam), 0)
    sums = np.maximum(p.sum(axis=1, keepdims=True), 1e-6)
    typical = np.exp(-(p * p).sum(axis=1, keepdims=True) / sums)
    change = -np.log1p(np.float32(ratio) * typical * np.exp(p))  # -ln(primary + scatter) - p
    return plane.changed(plane.reconstruct(beam, change))


@degradation(
    "ct_motion",
    category="motion",
    modalities=("ct",),
    levels={
        1: {"degrees": 1.0, "shift": 0.006},
        2: {"degrees": 4.0, "shift": 0.02},
        3: {"degrees": 8.0, "shift": 0.04},
    },
    source=f"the patient moves once during the rotation; {_OURS}",
)
@each_channel
def ct_motion(
    x: NDArray[Any],
    draw: Draw,
    frame: Frame,
    *,
    degrees: float,
    shift: float,
    low: float = LOW,
    high: float = HIGH,
    field: float = FIELD,
) -> NDArray[Any]:
    """Doubled edges and streaks: views after a drawn moment come from a moved object.

    The object turns by ``degrees``, either way, and moves by ``shift`` of the longer side.
    """
    plane = scan(x, frame, low, high, field)
    beam = plane.projector()
    n = plane.n
    angle = degrees * draw.choice("sign", (1, -1))
    way = draw.uniform("way", 0.0, 2 * np.pi)
    matrix = cv2.getRotationMatrix2D(((n - 1) / 2, (n - 1) / 2), angle, 1.0)
    matrix[:, 2] += shift * n * np.cos(way), shift * n * np.sin(way)
    moved = cv2.warpAffine(plane.mu, matrix, (n, n), flags=cv2.INTER_LINEAR)
    change = plane.project(beam, moved - plane.mu)
    change[: round(draw.uniform("moment", 0.35, 0.65) * beam.views)] = 0
    return plane.changed(plane.reconstruct(beam, change))


@degradation(
    "metal",
    category="artifacts",
    modalities=("ct",),
    levels={
        1: {"size": 0.012, "count": 1, "material": "titanium"},
        2: {"size": 0.02, "count": 2, "material": "iron"},
        3: {"size": 0.035, "count": 3, "material": "iron"},
    },
    source=f"polychromatic projection through inserted metal, water-corrected (NIST XCOM); {_OURS}",
    aliases=("metal_artifact",),
)
@each_channel
def metal(
    x: NDArray[Any],
    draw: Draw,
    frame: Frame,
    *,
    size: float,
    count: int,
    material: str,
    photons: float = 2e5,
    low: float = LOW,
    high: float = HIGH,
    field: float = FIELD,
) -> NDArray[Any]:
    """Bright and dark streaks from ``count`` metal rods of radius ``size`` (of the longer side).

    Hard beam, photon starvation (``photons`` a ray, at least one counted) and the scanner's water
    correction are modelled; the rods of ``material`` stand inside the body at drawn places.
    """
    plane = scan(x, frame, low, high, field)
    beam = plane.projector()
    rods = _rods(plane, draw, size, int(count))
    tissue = plane.mu * (1 - rods)
    water = np.maximum(plane.project(beam, tissue), 0) / np.float32(MU_WATER)
    length = np.maximum(beam.forward(rods) * np.float32(plane.pixel), 0)
    signal = spectrum.transmitted({spectrum.WATER: water, spectrum.METALS[material]: length})
    alone = spectrum.transmitted({spectrum.WATER: water})
    counts = poisson(draw.rng("photons"), (signal * photons).astype(np.float32))
    through = length > 0.05 * plane.pixel  # the noise of other rays is another degradation's
    seen = np.where(through, np.maximum(counts, 1) / photons, alone)
    change = (spectrum.water_equivalent(seen) - water) * MU_WATER
    change += plane.project(beam, tissue - plane.mu)
    return plane.changed(plane.reconstruct(beam, change.astype(np.float32)))


def _rods(plane: Scan, draw: Draw, size: float, count: int) -> NDArray[np.float32]:
    """Area covered by rods, 0 to 1, at places drawn among body pixels near the middle."""
    body = plane.mu > 0.7 * MU_WATER
    rows, columns = np.nonzero(cv2.erode(body.astype(np.uint8), np.ones((5, 5), np.uint8)))
    places = draw.uniforms("places", 0.0, 1.0, 8)
    mask = np.zeros_like(plane.mu)
    radius = max(size * max(plane.x.shape), 1.0)
    for place in places[:count]:
        if rows.size:
            at = int(place * rows.size)
            row, column = int(rows[at]), int(columns[at])
        else:
            row = column = plane.n // 2
        v = np.arange(plane.n, dtype=np.float32)[:, None] - row
        u = np.arange(plane.n, dtype=np.float32)[None, :] - column
        np.maximum(mask, np.clip(radius + 0.5 - np.hypot(v, u), 0, 1), out=mask)
    return mask
