"""Projection X-ray: the model works on exposure behind a log display (dense tissue is bright).

The display shows ``g = -log10(I) / D`` with D decades from black to white, so exposure is
``I = 10^(-D g)``. An image stored the other way round (MONOCHROME1) must be inverted first.
"""

from __future__ import annotations

import math

import numpy as np

from osler.physics.noise import poisson
from osler.physics.optics import gaussian_blur

from .fields import coordinates, short_side, soft_step
from .registry import Draw, Frame, degradation
from .scale import Pixels, Plane, from_unit, over, point, to_unit

DECADES = 1.5
"""Decades of exposure that a chest display is taken to span, black to white."""

_LN = np.float32(math.log(10) * DECADES)


def exposure_of(unit: Plane) -> Plane:
    """Relative exposure ``10^(-D g)``: 1 where the display is black."""
    return np.exp(unit * -_LN)


def displayed(exposure: Plane) -> Plane:
    """Shown grey of a relative exposure: the inverse of :func:`exposure_of`."""
    return np.log(np.maximum(exposure, 1e-6)) / -_LN


@degradation(
    "xray_mottle",
    category="noise",
    modalities=("xray", "angiography"),
    levels={1: {"photons": 1200.0}, 2: {"photons": 240.0}, 3: {"photons": 70.0}},
    source="Quantum mottle: N ~ Poisson(N0 10^(-D g)) per detector element, D = 1.5 decades",
)
def xray_mottle(x: Pixels, draw: Draw, frame: Frame, *, photons: float) -> Pixels:
    """Quantum mottle: grain that is coarsest in dense (bright) tissue.

    Parameters
    ----------
    photons
        Quanta per pixel in the unattenuated beam.
    """
    unit = to_unit(x, frame)
    expected = exposure_of(unit) * np.float32(photons)
    counts = poisson(draw.rng("quanta"), expected)
    # An element that caught nothing reads as half a quantum, not as infinite density.
    noisy = displayed(np.maximum(counts, 0.5) / np.float32(photons))
    return from_unit(noisy, x, frame)


@degradation(
    "xray_scatter",
    category="intensity",
    modalities=("xray", "angiography"),
    levels={1: {"ratio": 0.35}, 2: {"ratio": 1.2}, 3: {"ratio": 3.5}},
    source="Scatter-to-primary ratio without a grid: I + SPR * (G * I) (Boone and Seibert 1988)",
)
def xray_scatter(
    x: Pixels, draw: Draw, frame: Frame, *, ratio: float, spread: float = 0.12
) -> Pixels:
    """Scattered radiation: a smooth veil that takes contrast, most behind dense tissue.

    Parameters
    ----------
    ratio
        Scatter-to-primary ratio averaged over the image.
    spread
        Standard deviation of the scatter kernel as a fraction of the shorter side.
    """
    primary = exposure_of(to_unit(x, frame))
    scatter = gaussian_blur(primary, spread * short_side(x))
    # Automatic exposure keeps the mean reading, so the veil lowers contrast, not brightness.
    total = (primary + np.float32(ratio) * scatter) / np.float32(1 + ratio)
    return from_unit(displayed(total), x, frame)


@degradation(
    "xray_grid_lines",
    category="artifacts",
    modalities=("xray",),
    levels={1: {"depth": 0.05}, 2: {"depth": 0.18}, 3: {"depth": 0.45}},
    source="Stationary anti-scatter grid: I (1 + a cos 2 pi f u) with the moire of its sampling",
)
def xray_grid_lines(x: Pixels, draw: Draw, frame: Frame, *, depth: float) -> Pixels:
    """Grid lines: fine parallel stripes over the whole image.

    Parameters
    ----------
    depth
        Modulation depth a of the exposure.
    """
    period = draw.uniform("period", 0.010, 0.022) * short_side(x)
    tilt = math.radians(draw.uniform("tilt", -3.0, 3.0))
    upright = draw.choice("direction", ("columns", "rows")) == "columns"
    height, width = x.shape[:2]
    rows = np.arange(height, dtype=np.float32)[:, None]
    cols = np.arange(width, dtype=np.float32)[None, :]
    along = cols * math.cos(tilt) + rows * math.sin(tilt)
    if not upright:
        along = rows * math.cos(tilt) + cols * math.sin(tilt)
    wave = 1 + np.float32(depth) * np.cos(np.float32(2 * math.pi / max(period, 2.5)) * along)
    unit = to_unit(x, frame)
    unit += over(displayed(wave.astype(np.float32)), x)
    return from_unit(unit, x, frame)


@degradation(
    "xray_saturation",
    category="intensity",
    modalities=("xray", "angiography"),
    levels={1: {"gain": 1.5}, 2: {"gain": 2.6}, 3: {"gain": 5.0}},
    source="Over-exposure: the detector reads min(gain * I, I_max); thin parts burn out to black",
)
def xray_saturation(x: Pixels, draw: Draw, frame: Frame, *, gain: float) -> Pixels:
    """Detector saturation: lung, skin and air turn solid black.

    Parameters
    ----------
    gain
        Exposure relative to the correct one.
    """
    shift = np.float32(math.log10(gain) / DECADES)

    def saturate(unit: Plane) -> Plane:
        return np.where(unit >= 0, np.maximum(unit - shift, 0), unit)

    return point(x, frame, saturate)


@degradation(
    "xray_collimator",
    category="artifacts",
    modalities=("xray", "angiography"),
    levels={1: {"cover": 0.08}, 2: {"cover": 0.20}, 3: {"cover": 0.3}},
    source="Collimator blade in the field: exposure falls to leakage over the penumbra",
)
def xray_collimator(x: Pixels, draw: Draw, frame: Frame, *, cover: float) -> Pixels:
    """Collimator edge: unexposed (white) borders with a soft, slightly tilted rim.

    Parameters
    ----------
    cover
        Share of the width or height hidden by a blade; one or two blades are drawn.
    """
    rows, cols = coordinates(x.shape)
    first = draw.choice("side", ("left", "right", "top", "bottom"))
    second = draw.choice("also", ("none", "left", "right", "top", "bottom"))
    tilt = draw.uniform("tilt", -0.06, 0.06)
    open_ = np.ones(x.shape[:2], np.float32)
    for side in sorted({first, second} - {"none"}):
        across, along = (cols, rows) if side in {"left", "right"} else (rows, cols)
        reach = across if side in {"right", "bottom"} else -across
        open_ *= soft_step(reach + np.float32(tilt) * along, 1 - 2 * cover, 0.02)
    # Leaded blades pass about 1 % of the beam; scatter from the patient adds to it.
    leak = np.float32(0.02)
    exposure = exposure_of(to_unit(x, frame)) * over(leak + (1 - leak) * open_, x)
    return from_unit(np.minimum(displayed(exposure), 1), x, frame)
