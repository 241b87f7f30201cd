"""Fundus photography: uneven light, stray light, dust and cataract inside the round field."""

from __future__ import annotations

import math

import numpy as np

from osler.physics.optics import gaussian_blur

from .fields import coordinates, lit_area, radial_patch, short_side, smooth_field, soft_step, stamp
from .registry import Draw, Frame, degradation
from .scale import Pixels, Plane, from_unit, luminance, over, tint, to_unit

_SHEN = "after Shen et al., Modeling and enhancing low-quality retinal fundus images (2020)"
_MAX_SPOTS = 40


def field_of_view(unit: Plane) -> Plane:
    """Soft mask of the lit aperture: 1 on the retina, 0 on the black surround.

    The aperture has a sharp edge: what is black in the photograph itself stays black.
    """
    return lit_area(unit, 0.05, 0.06) * np.clip((unit - 0.015) / 0.02, 0, 1)


@degradation(
    "fundus_illumination",
    category="intensity",
    modalities=("fundus",),
    levels={1: {"gain": 0.4}, 2: {"gain": 0.85}, 3: {"gain": 1.5}},
    source="Flash off the pupil's centre: factor exp(g (tilt + radial)), " + _SHEN,
)
def fundus_illumination(x: Pixels, draw: Draw, frame: Frame, *, gain: float) -> Pixels:
    """Uneven illumination: one side of the retina too bright, the other in the dark.

    Parameters
    ----------
    gain
        Natural logarithm of the gain at the brighter end; the darker end loses up to 1.6 times
        that.
    """
    angle = draw.uniform("angle", 0.0, 2 * math.pi)
    ring = draw.uniform("ring", 0.2, 0.6)
    rows, cols = coordinates(x.shape)
    tilt = cols * math.cos(angle) + rows * math.sin(angle)
    log_gain = 0.8 * tilt - ring * (rows**2 + cols**2)
    unit = to_unit(x, frame)
    unit *= over(np.exp(np.float32(gain) * log_gain), x)
    return from_unit(unit, x, frame)


@degradation(
    "fundus_light_leak",
    category="artifacts",
    modalities=("fundus",),
    levels={1: {"strength": 0.25}, 2: {"strength": 0.6}, 3: {"strength": 1.1}},
    source="Stray light between lens and cornea: a bright crescent at the rim, " + _SHEN,
)
def fundus_light_leak(x: Pixels, draw: Draw, frame: Frame, *, strength: float) -> Pixels:
    """Light leak: a washed-out, bluish crescent that reaches in from the edge.

    Parameters
    ----------
    strength
        Light added at the rim relative to full scale.
    """
    angle = draw.uniform("angle", 0.0, 2 * math.pi)
    reach = draw.uniform("reach", 0.35, 0.55)
    rows, cols = coordinates(x.shape)
    # A circle displaced from the aperture leaves a crescent outside it.
    r = np.hypot(cols + reach * math.cos(angle), rows + reach * math.sin(angle))
    arc = 1 - soft_step(r, 1.05, 0.75)
    unit = to_unit(x, frame)
    seen = field_of_view(luminance(unit))
    light = tint((0.86, 0.92, 1.0), x) * over(np.float32(strength) * arc * seen, x)
    return from_unit(unit + light * (1 - 0.5 * np.clip(unit, 0, 1)), x, frame)


@degradation(
    "fundus_spots",
    category="artifacts",
    modalities=("fundus",),
    levels={
        1: {"count": 6, "strength": 0.16},
        2: {"count": 18, "strength": 0.32},
        3: {"count": 40, "strength": 0.5},
    },
    source="Dust and droplets on the lens, far out of focus, " + _SHEN,
)
def fundus_spots(x: Pixels, draw: Draw, frame: Frame, *, count: int, strength: float) -> Pixels:
    """Lens dirt: soft round spots, some dark, some bright, that can pass for lesions.

    Parameters
    ----------
    count
        Number of spots, at most 40.
    strength
        Depth of a spot relative to full scale.
    """
    height, width = x.shape[:2]
    side = short_side(x)
    places = np.array(draw.uniforms("place", -0.42, 0.42, 2 * _MAX_SPOTS)).reshape(-1, 2)
    sizes = draw.uniforms("size", 0.008, 0.04, _MAX_SPOTS)
    kinds = draw.uniforms("kind", 0.0, 1.0, _MAX_SPOTS)
    dark, bright = np.zeros((2, height, width), np.float32)
    for i in range(min(int(count), _MAX_SPOTS)):
        patch = soft_step(radial_patch(max(1.0, sizes[i] * side), 0.8), 0.9, 1.5)
        row, col = height / 2 + places[i, 0] * side, width / 2 + places[i, 1] * side
        stamp(bright if kinds[i] > 0.65 else dark, patch, row, col)
    unit = to_unit(x, frame)
    seen = field_of_view(luminance(unit))
    glow = tint((1.0, 0.95, 0.80), x)
    unit *= over(1 - np.float32(min(0.9, 1.6 * strength)) * dark * seen, x)
    unit += over(np.float32(strength) * bright * seen, x) * glow
    return from_unit(unit, x, frame)


@degradation(
    "fundus_blur",
    category="resolution",
    modalities=("fundus",),
    levels={1: {"sigma": 0.004}, 2: {"sigma": 0.013}, 3: {"sigma": 0.028}},
    source="Refractive error of the eye: the retina is blurred, the camera's own aperture is not",
)
def fundus_blur(x: Pixels, draw: Draw, frame: Frame, *, sigma: float) -> Pixels:
    """Retina out of focus behind a sharp field edge.

    Parameters
    ----------
    sigma
        Standard deviation of the blur as a fraction of the shorter side.
    """
    unit = to_unit(x, frame)
    aperture = field_of_view(luminance(unit))
    seen = over(aperture, x)
    width = sigma * short_side(x)
    weight = gaussian_blur(aperture, width)
    # Normalised convolution: the black surround does not bleed into the retina.
    blurred = gaussian_blur(unit * seen, width) / over(np.maximum(weight, 1e-3), x)
    return from_unit(unit + seen * (blurred - unit), x, frame)


@degradation(
    "fundus_cataract",
    category="intensity",
    modalities=("fundus",),
    levels={1: {"density": 0.25}, 2: {"density": 0.6}, 3: {"density": 0.8}},
    source="Light lost and scattered by the lens: t (G * x) + (1 - t) A (Peli and Peli 1989)",
)
def fundus_cataract(x: Pixels, draw: Draw, frame: Frame, *, density: float) -> Pixels:
    """Cataract: a milky, yellowish haze of uneven density over a softened retina.

    Parameters
    ----------
    density
        Share of light scattered where the lens is densest, 0 to 1.
    """
    cloud = smooth_field(draw.shared_rng("lens"), x.shape, 0.5, octaves=2)
    unit = to_unit(x, frame)
    light = luminance(unit)
    seen = field_of_view(light)
    total = max(float(seen.sum(dtype=np.float64)), 1.0)
    mean = float((light * seen).sum(dtype=np.float64)) / total
    soft = gaussian_blur(unit, 0.006 * density * short_side(x))
    clear = 1 - np.float32(density) * (0.6 + 0.4 * cloud)
    # Scattered light is the mean of the retina's, lifted: the veil glows where the flash enters.
    veil = tint((1.25, 1.12, 0.85), x) * np.float32(0.25 + 0.75 * mean)
    hazy = veil + (soft - veil) * over(clear, x)
    return from_unit(unit + over(seen, x) * (hazy - unit), x, frame)
