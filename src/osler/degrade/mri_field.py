"""Artefacts of MRI that show as displaced or added signal: field of view, field, frequency."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from osler.physics.noise import normal

from .planes import each_channel
from .registry import Draw, Frame, degradation
from .scale import from_unit, to_unit

_OURS = "levels are our choice"


@degradation(
    "wrap_around",
    category="artifacts",
    modalities=("mri",),
    levels={1: {"fold": 0.25}, 2: {"fold": 0.4}, 3: {"fold": 0.55}},
    source=f"phase field of view smaller than the body (aliasing); {_OURS}",
    aliases=("aliasing", "fold_over"),
)
@each_channel
def wrap_around(x: NDArray[Any], draw: Draw, frame: Frame, *, fold: float) -> NDArray[Any]:
    """What lies outside a field of view shorter by ``fold`` appears on its opposite side.

    k-space rows 1/(1 - fold) times further apart make the image periodic with the shorter field;
    rows outside it are black.
    """
    n = x.shape[0]
    field = n - round(fold * n)
    first = (n - field) // 2
    unit = to_unit(x, frame)
    seen = np.zeros_like(unit)
    inside = seen[first : first + field]
    inside += unit[first : first + field]
    if first:
        inside[field - first :] += unit[:first]
    rest = n - first - field
    if rest:
        inside[:rest] += unit[first + field :]
    return from_unit(seen, x, frame)


@degradation(
    "zipper",
    category="artifacts",
    modalities=("mri",),
    levels={
        1: {"lines": 1, "amplitude": 0.4},
        2: {"lines": 3, "amplitude": 0.8},
        3: {"lines": 6, "amplitude": 1.2},
    },
    source=f"radio-frequency interference of fixed frequency; {_OURS}",
)
@each_channel
def zipper(
    x: NDArray[Any], draw: Draw, frame: Frame, *, lines: int, amplitude: float
) -> NDArray[Any]:
    """Dotted lines along the rows' direction: a leaking transmitter at ``lines`` frequencies.

    ``amplitude`` is that of the interference relative to full scale. It has one readout frequency,
    hence one column, and a phase that is random from one phase-encoding step to the next.
    """
    unit = to_unit(x, frame)
    height, width = unit.shape
    places = draw.uniforms("places", 0.05, 0.95, 16)
    for number in range(int(lines)):
        rng = draw.rng(f"line {number}")
        spread = np.array([0.3, 1.0, 0.3], np.float32) * amplitude  # a finite readout time
        column = min(max(int(places[number % 16] * width), 1), width - 2)
        part = unit[:, column - 1 : column + 2]
        real = normal(rng, (height, 1), 0.5) * spread
        imaginary = normal(rng, (height, 1), 0.5) * spread
        part[:] = np.hypot(part + real, imaginary)
    return from_unit(unit, x, frame)


@degradation(
    "chemical_shift",
    category="artifacts",
    modalities=("mri",),
    levels={1: {"shift": 2 / 256}, 2: {"shift": 6 / 256}, 3: {"shift": 12 / 256}},
    source="fat resonates 3.5 ppm lower and lands in the wrong column (2 and 6 px at 256)",
)
@each_channel
def chemical_shift(
    x: NDArray[Any], draw: Draw, frame: Frame, *, shift: float, fat: float = 0.6
) -> NDArray[Any]:
    """Bright tissue, taken as fat, moves along the columns by ``shift`` short sides.

    Values above ``fat`` of full scale (soft over 0.2) count as fat, as on T1-weighted images.
    """
    unit = to_unit(x, frame)
    ramp = np.clip((unit - (fat - 0.1)) / 0.2, 0, 1)
    bright = unit * (ramp * ramp * (3 - 2 * ramp))
    pixels = shift * min(x.shape) * draw.choice("sign", (1, -1))
    moved = cv2.warpAffine(bright, np.array([[1.0, 0, pixels], [0, 1, 0]]), x.shape[::-1])
    unit += moved
    unit -= bright
    return from_unit(unit, x, frame)


@degradation(
    "susceptibility",
    category="artifacts",
    modalities=("mri",),
    levels={
        1: {"shift": 0.03, "dropout": 0.4},
        2: {"shift": 0.08, "dropout": 1.0},
        3: {"shift": 0.14, "dropout": 2.0},
    },
    source="echo-planar distortion by an off-resonance field (Jezzard and Balaban, MRM 1995)",
)
@each_channel
def susceptibility(
    x: NDArray[Any], draw: Draw, frame: Frame, *, shift: float, dropout: float
) -> NDArray[Any]:
    """Stretching, pile-up and signal loss around a place where air meets tissue.

    The field is a smooth lobe at a drawn place; rows move by up to ``shift`` short sides, signal
    is scaled by the local stretch, and lost by up to exp(-``dropout``) where the field is steep.
    """
    height, width = x.shape
    side = min(x.shape)
    row = height * draw.uniform("row", 0.2, 0.8)
    column = width * draw.uniform("column", 0.25, 0.75)
    size = side * draw.uniform("size", 0.12, 0.2)
    v = (np.arange(height, dtype=np.float32)[:, None] - np.float32(row)) / np.float32(size)
    u = (np.arange(width, dtype=np.float32)[None, :] - np.float32(column)) / np.float32(size)
    lobe = np.exp(-(v * v) / 2) * np.exp(-(u * u) / 2)
    reach = np.float32(shift * side)
    move = reach * lobe
    slope = -move * v / np.float32(size)
    rows = np.arange(height, dtype=np.float32)[:, None] + move
    columns = np.broadcast_to(np.arange(width, dtype=np.float32)[None, :], x.shape)
    seen = cv2.remap(to_unit(x, frame), np.ascontiguousarray(columns), rows, cv2.INTER_LINEAR)
    seen *= np.abs(1 + slope)
    steep = np.sqrt(u * u + v * v) * lobe * np.float32(np.exp(0.5))  # 1 where steepest
    seen *= np.exp(-np.float32(dropout) * steep)
    return from_unit(seen, x, frame)
