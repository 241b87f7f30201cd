"""Artefacts of magnetic resonance imaging that arise in k-space.

Rows are the phase-encoding direction unless a degradation says otherwise. Planes are magnitude
images: the forward model starts from zero phase and ends with a magnitude.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from osler.physics import fourier
from osler.physics.noise import rician

from .planes import each_channel
from .registry import Draw, Frame, degradation
from .scale import from_unit, to_unit

_MEDQ = "MedQ-Deg (arXiv 2603.07769), levels identified from its published examples"
_OURS = "levels are our choice"


@degradation(
    "undersampling",
    category="artifacts",
    modalities=("mri",),
    levels={
        1: {"keep": 0.18, "centre": 0.08},
        2: {"keep": 0.15, "centre": 0.08},
        3: {"keep": 0.11, "centre": 0.08},
    },
    source=_MEDQ + " (21 centre columns of 266, 18 % and 15 % kept in all)",
    aliases=("undersampling_artifact",),
)
@each_channel
def undersampling(
    x: NDArray[Any],
    draw: Draw,
    frame: Frame,
    *,
    keep: float,
    centre: float,
    density: float = 8.0,
) -> NDArray[Any]:
    """Measure only ``keep`` of the k-space columns, ``centre`` of them around zero; zero-filled.

    The other columns are drawn with odds that fall towards high frequency, to the power
    ``density``; all channels and slices share the mask.
    """
    rng = draw.shared_rng("mask")
    mask = fourier.cartesian_mask(x.shape[1], keep, centre, rng, density)
    if mask.all():
        return x.copy()
    seen = fourier.filter_lines(to_unit(x, frame), mask.astype(np.float32), axis=1)
    return from_unit(fourier.magnitude(*seen), x, frame)


def comb(n: int, every: int, gain: float, phase: float, centre: float) -> NDArray[np.complex64]:
    """Line weights of :func:`ghosting`: every ``every``-th line times ``gain e^{i phase}``."""
    line = np.arange(n) - n // 2
    hit = (line % every == 0) & (np.abs(line) >= max(centre * n / 2, 0))
    return np.where(hit, gain * np.exp(1j * phase), 1.0).astype(np.complex64)


@degradation(
    "ghosting",
    category="artifacts",
    modalities=("mri",),
    levels={
        1: {"every": 6, "gain": 1.2},
        2: {"every": 7, "gain": 2.35},
        3: {"every": 5, "gain": 3.5},
    },
    source=_MEDQ + " (every 6th row x 1.2, every 7th row x 2.2 to 2.5)",
    aliases=("ghosting_artifact",),
)
@each_channel
def ghosting(
    x: NDArray[Any],
    draw: Draw,
    frame: Frame,
    *,
    every: int,
    gain: float,
    phase: float = 0.0,
    centre: float = 0.01,
) -> NDArray[Any]:
    """Copies of the image at multiples of N/``every``: periodic error of k-space rows.

    Every ``every``-th row is multiplied by ``gain`` and turned by ``phase`` radians; the innermost
    ``centre`` of the rows stays as it is, so overall brightness does too.
    """
    weights = comb(x.shape[0], int(every), gain, phase, centre)
    seen = fourier.filter_lines(to_unit(x, frame), weights, axis=0)
    return from_unit(fourier.magnitude(*seen), x, frame)


@degradation(
    "random_motion",
    category="motion",
    modalities=("mri",),
    levels={
        1: {"degrees": 4.0, "shift": 0.025, "calm": 0.10},
        2: {"degrees": 10.0, "shift": 0.06, "calm": 0.05},
        3: {"degrees": 18.0, "shift": 0.10, "calm": 0.03},
    },
    source=_MEDQ + " (PSNR 23.4 and 16.7 dB); two movements as in TorchIO, centric order",
    aliases=("object_movement", "random_motion_artifact"),
)
@each_channel
def random_motion(
    x: NDArray[Any], draw: Draw, frame: Frame, *, degrees: float, shift: float, calm: float
) -> NDArray[Any]:
    """The patient moves twice while k-space columns are measured from its centre outwards.

    Poses reach ``degrees`` and ``shift`` short sides. The first movement comes when ``calm`` to
    twice ``calm`` of the way to the highest frequency is measured, the second at two to four times
    the first, so the bulk of the anatomy stays in its place.
    """
    unit = to_unit(x, frame)
    poses = []
    for name in ("first", "second"):
        sign = draw.choice(f"{name}_sign", (1, -1))
        angle = sign * degrees * draw.uniform(f"{name}_angle", 0.6, 1.0)
        way = draw.uniform(f"{name}_way", 0.0, 2 * np.pi)
        far = shift * min(x.shape) * draw.uniform(f"{name}_far", 0.6, 1.0)
        poses.append(_moved(unit, angle, far * np.cos(way), far * np.sin(way)))
    half = x.shape[1] // 2
    start = min(calm * draw.uniform("first_time", 1.0, 2.0), 0.9)
    end = min(start * draw.uniform("second_time", 2.0, 4.0), 0.95)
    seen = fourier.splice_poses(unit, poses[0], poses[1], (int(start * half), int(end * half)))
    return from_unit(seen, x, frame)


def _moved(unit: NDArray[Any], angle: float, dx: float, dy: float) -> NDArray[Any]:
    height, width = unit.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), float(angle), 1.0)
    matrix[:, 2] += (dx, dy)
    moved: NDArray[Any] = cv2.warpAffine(unit, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return moved


_ORDER = tuple((i, j) for i in range(4) for j in range(4) if 1 <= i + j <= 3)


def gain_field(shape: tuple[int, ...], coefficients: list[float], spread: float) -> NDArray[Any]:
    """exp of a cubic polynomial in u, v on [-1, 1]; log standard deviation ``spread``, mean 1."""
    powers = [np.linspace(-1, 1, n)[:, None] ** np.arange(4) for n in shape[:2]]
    c = np.zeros((4, 4))
    for (i, j), value in zip(_ORDER, coefficients, strict=True):
        c[i, j] = value
    coarse = [np.linspace(-1, 1, 33)[:, None] ** np.arange(4)] * 2
    c *= spread / max(float((coarse[0] @ c @ coarse[1].T).std()), 1e-6)
    field = np.exp((powers[0] @ c).astype(np.float32) @ powers[1].T.astype(np.float32))
    field *= np.float32(1.0 / field.mean(dtype=np.float64))
    return field


@degradation(
    "bias_field",
    category="artifacts",
    modalities=("mri",),
    levels={1: {"spread": 0.25}, 2: {"spread": 0.45}, 3: {"spread": 0.75}},
    source=_MEDQ + " (exp of a cubic polynomial; mean gain 1 here, theirs also darkens)",
    aliases=("bias_field_artifact",),
)
def bias_field(x: NDArray[Any], draw: Draw, frame: Frame, *, spread: float) -> NDArray[Any]:
    """Smooth gain of the receive coil; ``spread`` is the standard deviation of its logarithm."""
    field = gain_field(x.shape, draw.normals("coefficients", 1.0, len(_ORDER)), spread)
    if x.ndim == 3:
        field = np.repeat(field[..., None], x.shape[2], axis=2)
    if x.dtype == np.uint8:
        done: NDArray[Any] = cv2.multiply(x, field, dtype=cv2.CV_8U)
        return done.reshape(x.shape)
    return from_unit(to_unit(x, frame) * field, x, frame)


@degradation(
    "rician_noise",
    category="noise",
    modalities=("mri",),
    levels={1: {"sigma": 0.03}, 2: {"sigma": 0.08}, 3: {"sigma": 0.15}},
    source=f"Gudbjartsson and Patz (MRM 1995); {_OURS}",
)
@each_channel
def rician_noise(x: NDArray[Any], draw: Draw, frame: Frame, *, sigma: float) -> NDArray[Any]:
    """Magnitude after complex normal noise of ``sigma`` times full scale in both parts."""
    return from_unit(rician(to_unit(x, frame), draw.rng("noise"), sigma), x, frame)


@degradation(
    "gibbs",
    category="artifacts",
    modalities=("mri",),
    levels={1: {"radius": 0.6}, 2: {"radius": 0.3}, 3: {"radius": 0.17}},
    source=f"truncation of k-space (Gibbs ringing); {_OURS}",
    aliases=("gibbs_ringing", "truncation"),
)
@each_channel
def gibbs(x: NDArray[Any], draw: Draw, frame: Frame, *, radius: float) -> NDArray[Any]:
    """Ringing at edges: k-space beyond ``radius`` of its largest frequency was never measured."""
    if radius >= np.sqrt(2):
        return x.copy()
    seen = fourier.low_pass(to_unit(x, frame), radius)
    return from_unit(np.abs(seen, out=seen), x, frame)


@degradation(
    "spike",
    category="artifacts",
    modalities=("mri",),
    levels={1: {"intensity": 0.2}, 2: {"intensity": 0.5}, 3: {"intensity": 1.0}},
    source=f"one corrupt k-space sample (herringbone); {_OURS}",
    aliases=("herringbone",),
)
@each_channel
def spike(x: NDArray[Any], draw: Draw, frame: Frame, *, intensity: float) -> NDArray[Any]:
    """Stripes all over the image from one k-space sample of ``intensity`` times that at zero.

    A single sample is one complex wave in the image, so the wave is added directly.
    """
    unit = to_unit(x, frame)
    height, width = unit.shape
    angle = draw.uniform("angle", 0.0, np.pi)
    far = draw.uniform("radius", 0.08, 0.35)
    v, u = round(far * np.sin(angle) * height), round(far * np.cos(angle) * width)
    turn = draw.uniform("phase", 0.0, 2 * np.pi)
    amplitude = intensity * abs(cv2.mean(unit)[0])
    rows = 2 * np.pi * v * np.arange(height) / height + turn
    columns = 2 * np.pi * u * np.arange(width) / width
    left = np.stack([np.cos(rows), np.sin(rows)], axis=1).astype(np.float32) * amplitude
    c, s = np.cos(columns).astype(np.float32), np.sin(columns).astype(np.float32)
    unit += left.astype(np.float32) @ np.stack([c, -s])
    imaginary = left.astype(np.float32) @ np.stack([s, c])
    return from_unit(fourier.magnitude(unit, imaginary), x, frame)


@degradation(
    "partial_fourier",
    category="artifacts",
    modalities=("mri",),
    levels={1: {"keep": 0.75}, 2: {"keep": 0.6}, 3: {"keep": 0.53}},
    source=f"one side of k-space not measured, zero-filled; {_OURS}",
)
@each_channel
def partial_fourier(x: NDArray[Any], draw: Draw, frame: Frame, *, keep: float) -> NDArray[Any]:
    """Blur along the rows' direction: only ``keep`` of the k-space rows, from one end, measured."""
    n = x.shape[0]
    weights = (np.arange(n) < round(keep * n)).astype(np.float32)
    seen = fourier.filter_lines(to_unit(x, frame), weights, axis=0)
    return from_unit(fourier.magnitude(*seen), x, frame)
