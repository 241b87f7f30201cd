"""Endoscopy: light that comes from the tip of the scope, wet tissue, video from a tube camera."""

from __future__ import annotations

import cv2
import numpy as np

from osler.physics.optics import gaussian_blur

from .fields import (
    coordinates,
    lit_area,
    radial_patch,
    short_side,
    smooth_field,
    soft_step,
    stamp,
)
from .registry import Draw, Frame, degradation
from .scale import Pixels, Plane, from_unit, luminance, over, tint, to_unit

_MAX_BLOBS = 60


@degradation(
    "endo_specular",
    category="artifacts",
    modalities=("endoscopy",),
    levels={
        1: {"count": 10, "size": 0.007},
        2: {"count": 30, "size": 0.012},
        3: {"count": 60, "size": 0.021},
    },
    source="Mirror reflection of the tip light on wet mucosa: saturated spots with bloom",
)
def endo_specular(x: Pixels, draw: Draw, frame: Frame, *, count: int, size: float) -> Pixels:
    """Specular highlights: clipped white spots with a soft glow, on the brighter tissue.

    Parameters
    ----------
    count
        Number of highlights, at most 60.
    size
        Mean radius of a highlight as a fraction of the shorter side.
    """
    height, width = x.shape[:2]
    side = min(height, width)
    unit = to_unit(x, frame)
    light = gaussian_blur(luminance(unit), 0.03 * side)
    rows = np.array(draw.uniforms("row", 0.03, 0.97, 2 * _MAX_BLOBS))
    cols = np.array(draw.uniforms("col", 0.03, 0.97, 2 * _MAX_BLOBS))
    scales = draw.uniforms("scale", 0.3, 1.7, _MAX_BLOBS)
    angles = draw.uniforms("angle", 0.0, 180.0, _MAX_BLOBS)
    # Of twice as many places the better lit half can mirror the lamp.
    lit = light[(rows * height).astype(int), (cols * width).astype(int)]
    places = np.sort(np.argsort(-lit, kind="stable")[:_MAX_BLOBS])
    spots = np.zeros((height, width), np.uint8)
    for place, scale, angle in list(zip(places, scales, angles, strict=True))[: int(count)]:
        centre = (round(cols[place] * width * 8), round(rows[place] * height * 8))
        radius = max(6, round(size * side * scale * 8))
        axes = (round(1.5 * radius), max(4, round(radius * (0.3 + 0.25 * scale))))
        cv2.ellipse(spots, centre, axes, angle, 0, 360, 255, -1, cv2.LINE_AA, shift=3)
    # A ragged outline: the film of water is not smooth.
    grain = smooth_field(draw.shared_rng("film"), x.shape, max(size * 0.8, 3 / side))
    core = gaussian_blur(spots.astype(np.float32) / 255, 0.25 * size * side)
    core = 1 - soft_step(core * (0.4 + 1.2 * grain), 0.42, 0.5)
    bloom = gaussian_blur(core, 1.2 * size * side)
    glow = np.clip(core + 0.9 * bloom, 0, 1)
    out = unit + over(glow, x) * (np.maximum(unit, 1.0) - unit)
    return from_unit(out, x, frame)


@degradation(
    "endo_haze",
    category="intensity",
    modalities=("endoscopy",),
    levels={1: {"density": 0.45}, 2: {"density": 1.2}, 3: {"density": 2.2}},
    source="Koschmieder's law x t + A (1 - t), t = exp(-b d), with billowing density d",
    aliases=("smoke",),
)
def endo_haze(x: Pixels, draw: Draw, frame: Frame, *, density: float) -> Pixels:
    """Smoke or a fogged lens: a pale veil in uneven clouds.

    Parameters
    ----------
    density
        Optical depth b of the thickest cloud; the thinnest has a quarter of it.
    """
    cloud = smooth_field(draw.shared_rng("cloud"), x.shape, 0.45, octaves=3)
    clear = np.exp(np.float32(-density) * (0.25 + 0.75 * cloud))
    unit = to_unit(x, frame)
    # Smoke is lit by the scope: it glows as bright as the scene allows, slightly blue-white.
    airlight = tint((0.80, 0.82, 0.85), x)
    veil = over((1 - clear) * lit_area(luminance(unit), 0.012), x)
    return from_unit(unit + veil * (airlight - unit), x, frame)


@degradation(
    "vignetting",
    category="intensity",
    modalities=("endoscopy", "dermoscopy", "pathology", "fundus"),
    levels={1: {"strength": 0.35}, 2: {"strength": 0.7}, 3: {"strength": 0.95}},
    source="Radial fall-off 1 - v r^2, r = 1 at the corner",
)
def vignetting(x: Pixels, draw: Draw, frame: Frame, *, strength: float) -> Pixels:
    """Vignetting: brightness falls with the square of the distance from the centre.

    Parameters
    ----------
    strength
        Loss v at the corner, 0 to 1.
    """
    rows, cols = coordinates(x.shape)
    falloff = 1 - np.float32(strength / 2) * (rows**2 + cols**2)
    unit = to_unit(x, frame)
    unit *= over(falloff, x)
    return from_unit(unit, x, frame)


@degradation(
    "interlace",
    category="motion",
    modalities=("endoscopy", "ultrasound"),
    levels={1: {"shift": 0.008}, 2: {"shift": 0.03}, 3: {"shift": 0.07}},
    source="Interlaced video: odd rows are exposed one field later than even rows",
)
def interlace(x: Pixels, draw: Draw, frame: Frame, *, shift: float) -> Pixels:
    """Interlace combing: odd rows displaced against even rows by motion between the fields.

    Parameters
    ----------
    shift
        Motion between the two fields as a fraction of the shorter side, mostly sideways.
    """
    sign = draw.choice("direction", (-1, 1))
    slope = draw.uniform("slope", -0.4, 0.4)
    length = shift * short_side(x)
    matrix = np.array([[1, 0, sign * length], [0, 1, slope * length]], np.float64)
    late = cv2.warpAffine(
        x, matrix, (x.shape[1], x.shape[0]), borderMode=cv2.BORDER_REPLICATE
    ).reshape(x.shape)
    out = x.copy()
    out[1::2] = late[1::2]
    return out


@degradation(
    "endo_bubbles",
    category="artifacts",
    modalities=("endoscopy",),
    levels={
        1: {"count": 10, "size": 0.022},
        2: {"count": 34, "size": 0.030},
        3: {"count": 60, "size": 0.040},
    },
    source="Foam on mucosa: thin films with a bright rim, a dark inner edge and a lamp reflex",
)
def endo_bubbles(x: Pixels, draw: Draw, frame: Frame, *, count: int, size: float) -> Pixels:
    """Foam: clustered round bubbles that hide the mucosa.

    Parameters
    ----------
    count
        Number of bubbles, at most 60.
    size
        Mean radius as a fraction of the shorter side.
    """
    height, width = x.shape[:2]
    side = min(height, width)
    scales = draw.uniforms("scale", 0.35, 1.6, _MAX_BLOBS)
    groups = np.array(draw.uniforms("group", 0.15, 0.85, 8)).reshape(4, 2)
    spread = np.array(draw.normals("spread", 0.11, 2 * _MAX_BLOBS)).reshape(-1, 2)
    rim, shade = np.zeros((2, height, width), np.float32)
    film, reflex = np.zeros((2, height, width), np.float32)
    for i in range(min(int(count), _MAX_BLOBS)):
        row, col = (groups[i % 4] + spread[i]) * (height, width)
        radius = max(1.5, size * side * scales[i])
        r = radial_patch(radius, 0.35)
        stamp(rim, np.exp(-(((r - 1) / 0.10) ** 2)) * _lit_from_above(r), row, col)
        stamp(shade, np.exp(-(((r - 0.78) / 0.16) ** 2)), row, col)
        stamp(film, soft_step(r, 1.0, 0.2) * (0.6 + 0.4 * r), row, col)
        dot = np.exp(-((radial_patch(max(0.7, radius * 0.15), 2.0)) ** 2))
        stamp(reflex, dot, row - 0.4 * radius, col - 0.3 * radius)
    unit = to_unit(x, frame)
    milky = tint((0.88, 0.86, 0.80), x)
    unit = unit + over(0.22 * film, x) * (milky - unit)
    unit *= over(1 - 0.38 * shade * (1 - rim), x)
    light = over(np.clip(0.5 * rim + 0.9 * reflex, 0, 1), x)
    return from_unit(unit + light * (np.maximum(unit, 0.96) - unit), x, frame)


def _lit_from_above(r: Plane) -> Plane:
    """Weight of a bubble's rim: brighter on the upper side, which faces the lamp."""
    rows = np.linspace(1, 0.35, r.shape[0], dtype=np.float32)
    return np.broadcast_to(rows[:, None], r.shape)


@degradation(
    "endo_blood",
    category="artifacts",
    modalities=("endoscopy",),
    levels={1: {"depth": 0.8}, 2: {"depth": 2.2}, 3: {"depth": 5.0}},
    source="Beer-Lambert absorption of haemoglobin in the red, green and blue bands",
)
def endo_blood(x: Pixels, draw: Draw, frame: Frame, *, depth: float) -> Pixels:
    """Blood veil: red film of uneven thickness, with pools and clear islands.

    Parameters
    ----------
    depth
        Optical depth of the thickest pool in green light.
    """
    cloud = smooth_field(draw.shared_rng("pools"), x.shape, 0.4, octaves=3)
    thick = np.float32(depth) * np.clip((cloud - 0.25) / 0.75, 0, 1) ** 1.3
    unit = to_unit(x, frame)
    # Oxyhaemoglobin absorbs blue and green about ten times as strongly as red.
    absorption = tint((0.12, 1.0, 0.95), x)
    veil = np.exp(-over(thick, x) * absorption)
    return from_unit(_absorb(unit, veil), x, frame)


def _absorb(unit: Plane, transmission: Plane) -> Plane:
    """Darken by ``transmission``; values below the frame stay as they are."""
    return np.where(unit > 0, unit * transmission, unit)
