"""B-mode ultrasound: the model works on the linear envelope behind the log-compressed display."""

from __future__ import annotations

import cv2
import numpy as np

from osler.physics.optics import gaussian_blur

from .decibels import amplitude, shown, speckle
from .fields import lit_area, quantile, short_side, smooth_field, soft_step
from .registry import Draw, Frame, degradation
from .scale import Pixels, from_unit, luminance, over, to_unit

RANGE_DB = 60.0
"""Dynamic range that a B-mode display is taken to show."""


@degradation(
    "us_speckle",
    category="noise",
    modalities=("ultrasound",),
    levels={1: {"diffuse": 0.08}, 2: {"diffuse": 0.4}, 3: {"diffuse": 1.0}},
    source="Speckle statistics: Burckhardt 1978, Wagner et al. 1983; 60 dB display",
)
def us_speckle(
    x: Pixels,
    draw: Draw,
    frame: Frame,
    *,
    diffuse: float,
    axial: float = 0.0022,
    lateral: float = 0.0045,
) -> Pixels:
    """Multiplicative speckle on the envelope, finer along the beam than across it.

    Parameters
    ----------
    diffuse
        Share of diffuse scatter, 0 to 1; at 1 the amplitude is Rayleigh (SNR 1.91).
    axial, lateral
        Standard deviation of the speckle cell along and across the beam, as fractions of the
        shorter side.
    """
    side = short_side(x)
    grain = speckle(draw.rng("speckle"), x.shape, diffuse, (axial * side, lateral * side))
    echo = amplitude(to_unit(x, frame), RANGE_DB)
    echo *= over(grain, x)
    return from_unit(shown(echo, RANGE_DB), x, frame)


@degradation(
    "us_blur",
    category="resolution",
    modalities=("ultrasound",),
    levels={1: {"lateral": 0.008}, 2: {"lateral": 0.022}, 3: {"lateral": 0.045}},
    source="Anisotropic point spread function on the envelope; the beam is wider than the pulse",
)
def us_blur(x: Pixels, draw: Draw, frame: Frame, *, lateral: float, ratio: float = 3.0) -> Pixels:
    """Poor resolution, worse across the beam than along it; bright echoes smear sideways.

    Parameters
    ----------
    lateral
        Standard deviation across the beam as a fraction of the shorter side.
    ratio
        Lateral over axial width.
    """
    sigma = lateral * short_side(x)
    echo = amplitude(to_unit(x, frame), RANGE_DB)
    echo = cv2.GaussianBlur(
        echo, (0, 0), sigmaX=sigma, sigmaY=max(sigma / ratio, 0.05), borderType=cv2.BORDER_REFLECT
    )
    return from_unit(shown(echo, RANGE_DB), x, frame)


@degradation(
    "us_shadow",
    category="artifacts",
    modalities=("ultrasound",),
    levels={
        1: {"loss_db": 14.0, "width": 0.10},
        2: {"loss_db": 30.0, "width": 0.18},
        3: {"loss_db": 50.0, "width": 0.30},
    },
    source="Attenuation exp(-2 a d) below a strong reflector: bone, stone, gas",
)
def us_shadow(x: Pixels, draw: Draw, frame: Frame, *, loss_db: float, width: float) -> Pixels:
    """Acoustic shadow: a bright arc with a dark band below it that widens with depth.

    Parameters
    ----------
    loss_db
        Two-way loss behind the reflector in dB, reached within a tenth of the depth.
    width
        Width of the reflector as a fraction of the image width.
    """
    height, span = x.shape[:2]
    centre = draw.uniform("centre", 0.3, 0.7)
    depth = draw.uniform("depth", 0.22, 0.42)
    rows = (np.arange(height, dtype=np.float32) / height)[:, None]
    cols = (np.arange(span, dtype=np.float32) / span)[None, :]
    # Beams leave a virtual apex above the image, as those of a convex probe do.
    apex = 0.9
    lateral = (cols - centre) * (apex + depth) / (apex + rows)
    inside = soft_step(np.abs(lateral), width / 2, 0.02 + 0.5 * width)
    surface = depth + 0.6 * lateral**2 / max(width, 1e-3) * 0.5
    below = rows - surface
    attenuation = loss_db * inside * np.clip(below / 0.1, 0, 1)
    arc = np.exp(-((below / 0.010) ** 2)) * inside
    unit = to_unit(x, frame)
    present = np.clip(luminance(unit) * 12, 0, 1)
    fall = unit - over(attenuation / RANGE_DB, x)
    bright = over(arc * gaussian_blur(present, 0.02 * min(height, span)), x)
    dark = np.where(unit > 0, np.maximum(fall, 0), unit)
    return from_unit(dark + (np.maximum(dark, 0.92) - dark) * bright, x, frame)


@degradation(
    "us_gain",
    category="intensity",
    modalities=("ultrasound",),
    levels={1: {"ramp_db": 12.0}, 2: {"ramp_db": 32.0}, 3: {"ramp_db": 54.0}},
    source="Time-gain compensation set wrong: gain in dB linear in depth",
    aliases=("us_tgc",),
)
def us_gain(x: Pixels, draw: Draw, frame: Frame, *, ramp_db: float) -> Pixels:
    """Wrong depth gain: near field too bright and far field lost, or the other way round.

    Parameters
    ----------
    ramp_db
        Gain error between the top and the bottom row in dB, half at each end.
    """
    sign = draw.choice("direction", (-1, 1))
    decibels = np.linspace(0.5, -0.5, x.shape[0], dtype=np.float32) * np.float32(sign * ramp_db)
    gain = np.repeat((10 ** (decibels / 20))[:, None], x.shape[1], axis=1)
    echo = amplitude(to_unit(x, frame), RANGE_DB)
    echo *= over(gain, x)
    return from_unit(shown(echo, RANGE_DB), x, frame)


@degradation(
    "us_reverberation",
    category="artifacts",
    modalities=("ultrasound",),
    levels={
        1: {"strength": 0.04, "copies": 3},
        2: {"strength": 0.16, "copies": 5},
        3: {"strength": 0.5, "copies": 7},
    },
    source="Echoes that bounce k times between probe and a reflector return k delays later",
)
def us_reverberation(
    x: Pixels, draw: Draw, frame: Frame, *, strength: float, copies: int
) -> Pixels:
    """Reverberation: strong echoes repeat at equal distances below, each fainter.

    Parameters
    ----------
    strength
        Amplitude of the first repeat relative to its echo; repeat k has strength * 0.6^(k-1).
    copies
        Number of repeats.
    """
    height = x.shape[0]
    delay = max(2, round(draw.uniform("delay", 0.07, 0.14) * height))
    echo = amplitude(to_unit(x, frame), RANGE_DB)
    # Only the brightest 6 % of pixels reflect strongly enough to bounce.
    threshold = quantile(luminance(echo)[::3, ::3], 0.94)
    strong = np.maximum(echo - threshold, 0)
    total = echo.copy()
    for k in range(1, int(copies) + 1):
        if k * delay >= height:
            break
        total[k * delay :] += np.float32(strength * 0.6 ** (k - 1)) * strong[: height - k * delay]
    return from_unit(shown(total, RANGE_DB), x, frame)


@degradation(
    "us_clutter",
    category="noise",
    modalities=("ultrasound",),
    levels={1: {"level_db": -40.0}, 2: {"level_db": -30.0}, 3: {"level_db": -20.0}},
    source="Off-axis and multipath echoes add a diffuse haze (Lediju et al. 2009)",
)
def us_clutter(x: Pixels, draw: Draw, frame: Frame, *, level_db: float) -> Pixels:
    """Acoustic clutter: a grey, speckled haze that fills dark areas, thickest near the probe.

    Parameters
    ----------
    level_db
        Clutter near the probe in dB below the brightest echo that the display shows.
    """
    side = short_side(x)
    unit = to_unit(x, frame)
    grain = speckle(draw.rng("speckle"), x.shape, 1.0, (0.004 * side, 0.009 * side))
    cloud = smooth_field(draw.rng("cloud"), x.shape, 0.35, octaves=2)
    rows = np.linspace(0, 1, x.shape[0], dtype=np.float32)[:, None]
    fade = np.exp(-2.6 * rows) * 10 ** (cloud - 1)
    haze = (
        np.float32(10 ** (level_db / 20))
        * grain
        * fade
        * lit_area(luminance(unit), 0.03, convex=True) ** 3
    )
    echo = amplitude(unit, RANGE_DB)
    echo += over(haze, x)
    return from_unit(shown(echo, RANGE_DB), x, frame)
