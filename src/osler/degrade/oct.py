"""Optical coherence tomography: columns are A-lines, rows are depth, the display is in dB."""

from __future__ import annotations

import math

import cv2
import numpy as np

from osler.physics.noise import normal

from .decibels import amplitude, shown
from .fields import quantile, soft_step
from .registry import Draw, Frame, degradation
from .scale import Pixels, Plane, from_unit, luminance, over, to_unit

RANGE_DB = 40.0
"""Dynamic range that an OCT display is taken to show, as amplitude (20 log10)."""

_MAX_BANDS = 6


@degradation(
    "oct_speckle",
    category="noise",
    modalities=("oct",),
    levels={1: {"looks": 24.0}, 2: {"looks": 5.0}, 3: {"looks": 1.5}},
    source="Speckle of an average of L frames: intensity times Gamma(L, 1/L) (Schmitt et al. 1999)",
)
def oct_speckle(x: Pixels, draw: Draw, frame: Frame, *, looks: float) -> Pixels:
    """Speckle as of a scan averaged from too few frames.

    Parameters
    ----------
    looks
        Number of averaged independent frames L: the intensity factor has mean 1, variance 1/L.
    """
    grain = draw.rng("speckle").standard_gamma(looks, x.shape[:2], dtype=np.float32)
    grain *= np.float32(1 / looks)
    echo = amplitude(to_unit(x, frame), RANGE_DB)
    # Gamma multiplies intensity, which is amplitude squared.
    echo *= over(cv2.sqrt(grain), x)
    return from_unit(shown(echo, RANGE_DB), x, frame)


@degradation(
    "oct_shadow",
    category="artifacts",
    modalities=("oct",),
    levels={
        1: {"bands": 2, "loss_db": 7.0},
        2: {"bands": 4, "loss_db": 15.0},
        3: {"bands": 6, "loss_db": 28.0},
    },
    source="A-lines blocked by vessels or floaters: signal loss per column, noise floor unchanged",
)
def oct_shadow(x: Pixels, draw: Draw, frame: Frame, *, bands: int, loss_db: float) -> Pixels:
    """A-line shadows: dark vertical bands through the tissue.

    Parameters
    ----------
    bands
        Number of shadows, at most 6.
    loss_db
        Loss inside a shadow in dB of the 40 dB display.
    """
    height, width = x.shape[:2]
    centres = draw.uniforms("centre", 0.05, 0.95, _MAX_BANDS)
    widths = draw.uniforms("width", 0.02, 0.09, _MAX_BANDS)
    cols = (np.arange(width, dtype=np.float32) + 0.5) / width
    loss = np.zeros(width, np.float32)
    for centre, wide in list(zip(centres, widths, strict=True))[: int(bands)]:
        depth = np.float32(loss_db) * soft_step(np.abs(cols - centre), wide / 2, 0.6 * wide)
        loss = np.maximum(loss, depth)
    echo = amplitude(to_unit(x, frame), RANGE_DB)
    passed = np.repeat((10 ** (-loss / 20))[None, :], height, axis=0)
    # Light is lost, detector noise is not: the shadow fills with the noise of the dark parts.
    noise = noise_floor(luminance(echo)) * np.sqrt(np.maximum(1 - passed**2, 0) * 0.5)
    real, imaginary = normal(draw.rng("floor"), (2, height, width)) * noise
    total = np.sqrt((echo * over(passed, x) + over(real, x)) ** 2 + over(imaginary, x) ** 2)
    return from_unit(shown(total, RANGE_DB), x, frame)


def noise_floor(echo: Plane) -> float:
    """Amplitude of the background: root mean square of the darker third of the pixels."""
    values = echo[::2, ::2]
    dark = values[values <= quantile(values, 0.35)]
    return float(np.sqrt(np.mean(np.square(dark), dtype=np.float64)))


@degradation(
    "oct_jitter",
    category="motion",
    modalities=("oct",),
    levels={1: {"shift": 0.006}, 2: {"shift": 0.018}, 3: {"shift": 0.04}},
    source="Axial eye motion during the scan: each A-line starts at another depth",
)
def oct_jitter(x: Pixels, draw: Draw, frame: Frame, *, shift: float) -> Pixels:
    """A-line jitter: columns shifted up and down by drift, tremor and sudden jumps.

    Parameters
    ----------
    shift
        Standard deviation of the axial shift as a fraction of the image height.
    """
    height, width = x.shape[:2]
    rng = draw.rng("motion")
    tremor = rng.standard_normal(128)
    drift = np.cumsum(rng.standard_normal(128))
    jumps = np.cumsum((rng.uniform(size=128) < 0.04) * rng.standard_normal(128))
    path = 0.12 * tremor + _standard(drift) * 0.8 + _standard(jumps) * 0.6
    path = _standard(path) * shift * height
    # Constant pieces of columns: an eye moves between A-lines, not within one.
    moves = np.interp(np.linspace(0, 127, width), np.arange(128), path).astype(np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None] + moves[None, :]
    cols = np.broadcast_to(np.arange(width, dtype=np.float32), (height, width))
    moved: Pixels = cv2.remap(
        x, np.ascontiguousarray(cols), rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ).reshape(x.shape)
    return moved


def _standard(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean()
    done: np.ndarray = centred / max(float(centred.std()), 1e-9)
    return done


@degradation(
    "oct_low_snr",
    category="noise",
    modalities=("oct",),
    levels={1: {"loss_db": 4.0}, 2: {"loss_db": 11.0}, 3: {"loss_db": 18.0}},
    source="Weak light (cataract, small pupil) over a fixed shot-noise floor, gain turned up",
)
def oct_low_snr(x: Pixels, draw: Draw, frame: Frame, *, loss_db: float) -> Pixels:
    """Low signal: tissue sinks into a grey, grainy background.

    Parameters
    ----------
    loss_db
        Signal loss in dB. The display gain makes up for it and lifts the noise floor, which
        lies 39 dB below white in a good scan, by as much.
    """
    rng = draw.rng("floor")
    floor = 10 ** ((loss_db - 39.0) / 20) * math.sqrt(0.5)
    noise = normal(rng, (2, *x.shape[:2]), floor)
    echo = amplitude(to_unit(x, frame), RANGE_DB)
    # The phase of the echo is taken as 0: noise is circular, so only its relative phase counts.
    total = np.sqrt((echo + over(noise[0], x)) ** 2 + over(noise[1], x) ** 2)
    return from_unit(shown(total, RANGE_DB), x, frame)


@degradation(
    "oct_mirror",
    category="artifacts",
    modalities=("oct",),
    levels={1: {"strength": 0.10}, 2: {"strength": 0.35}, 3: {"strength": 0.9}},
    source="Complex conjugate ambiguity of spectral-domain OCT: E(z) + s E(-z) about zero delay",
)
def oct_mirror(x: Pixels, draw: Draw, frame: Frame, *, strength: float) -> Pixels:
    """Mirror image: an upside-down ghost of the tissue folded in from the top.

    Parameters
    ----------
    strength
        Amplitude of the mirrored image relative to the true one.
    """
    zero = round(2 * draw.uniform("zero_delay", 0.2, 0.34) * x.shape[0])
    echo = amplitude(to_unit(x, frame), RANGE_DB)
    # Row r also shows the conjugate row (zero - r): the fold lies at zero / 2.
    rows = zero - np.arange(x.shape[0])
    seen = (rows >= 0) & (rows < x.shape[0])
    total = echo.copy()
    ghost = np.maximum(echo[rows[seen]] - np.float32(noise_floor(luminance(echo))), 0)
    total[seen] += np.float32(strength) * ghost
    return from_unit(shown(total, RANGE_DB), x, frame)
