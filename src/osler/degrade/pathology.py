"""Microscopy of tissue: debris, bubbles and folds on the slide, pen, seams of the scanner."""

from __future__ import annotations

import math

import cv2
import numpy as np

from osler.physics.optics import gaussian_blur

from .fields import radial_patch, short_side, smooth_field, soft_step, stamp
from .regions import blurred, cached_if_small, hidden, mixed, placed, widened
from .registry import Draw, Frame, degradation
from .scale import Pixels, Plane, from_unit, over, tint, to_unit
from .stain import density, transmitted

_MEDQ = "MedQ-Deg (arXiv 2603.07769); PSNR of its published example: "
_MAX_CELLS = 60


@degradation(
    "blood_cell",
    category="artifacts",
    modalities=("pathology",),
    levels={1: {"count": 9, "alpha": 0.35}, 2: {"count": 26, "alpha": 0.5},
            3: {"count": 56, "alpha": 0.75}},
    source=_MEDQ + "34, 27 dB at levels 1, 2. Overlay of red cells after FrOoDo (2023)",
)  # fmt: skip
def blood_cell(
    x: Pixels, draw: Draw, frame: Frame, *, count: int, alpha: float, size: float = 0.026
) -> Pixels:
    """Red blood cells strewn over the tissue: translucent red discs with a darker rim.

    Parameters
    ----------
    count
        Number of cells, at most 60.
    alpha
        Opacity at the rim; the centre has three quarters of it, for the cell is biconcave.
    size
        Mean radius as a fraction of the shorter side.
    """
    height, width = x.shape[:2]
    side = min(height, width)
    rows = draw.uniforms("row", 0.0, 1.0, _MAX_CELLS)
    cols = draw.uniforms("col", 0.0, 1.0, _MAX_CELLS)
    scales = draw.uniforms("scale", 0.85, 1.15, _MAX_CELLS)
    squeeze = draw.uniforms("squeeze", 0.75, 1.0, _MAX_CELLS)
    angles = draw.uniforms("angle", 0.0, 180.0, _MAX_CELLS)
    cover = np.zeros((height, width), np.float32)
    for i in range(min(int(count), _MAX_CELLS)):
        patch = _cell(max(1.5, size * side * scales[i]), squeeze[i], angles[i])
        stamp(cover, patch, rows[i] * height, cols[i] * width, union=False)
    unit = to_unit(x, frame)
    red = tint((0.78, 0.16, 0.20), x)
    return from_unit(unit + over(np.float32(alpha) * cover, x) * (red - unit), x, frame)


def _cell(radius: float, squeeze: float, angle: float) -> Plane:
    """Opacity of one erythrocyte: 1 at the rim, 3/4 in the middle, 0 outside."""
    half = int(np.ceil(radius * 1.3)) + 1
    steps = np.arange(-half, half + 1, dtype=np.float32) / radius
    turn = math.radians(angle)
    u = steps[None, :] * math.cos(turn) + steps[:, None] * math.sin(turn)
    v = (steps[:, None] * math.cos(turn) - steps[None, :] * math.sin(turn)) / squeeze
    r = np.hypot(u, v)
    hollow = 1 - 0.25 * np.exp(-((r / 0.45) ** 2))
    return (soft_step(r, 1.0, max(0.15, 1.5 / radius)) * hollow).astype(np.float32)


@degradation(
    "dark_spots",
    category="artifacts",
    modalities=("pathology",),
    levels={1: {"count": 6, "size": 0.068}, 2: {"count": 15, "size": 0.114},
            3: {"count": 24, "size": 0.14}},
    source=_MEDQ + "19, 11 dB at levels 1, 2. Dust and pigment out of focus, after FrOoDo (2023)",
    version=2,
)  # fmt: skip
def dark_spots(
    x: Pixels, draw: Draw, frame: Frame, *, count: int, size: float, alpha: float = 0.92
) -> Pixels:
    """Dark, blurred blobs of dirt that hide the tissue below.

    Parameters
    ----------
    count
        Number of blobs, at most 60.
    size
        Mean radius as a fraction of the shorter side.
    alpha
        Opacity in the middle of a blob.
    """
    height, width = x.shape[:2]
    side = min(height, width)
    rows = draw.uniforms("row", 0.0, 1.0, _MAX_CELLS)
    cols = draw.uniforms("col", 0.0, 1.0, _MAX_CELLS)
    scales = draw.uniforms("scale", 0.45, 1.45, _MAX_CELLS)
    count = min(int(count), _MAX_CELLS)
    grains = draw.shared_rng("ragged").standard_normal((count, 125), dtype=np.float32)
    colour = (0.10, 0.08, 0.09) if x.ndim == 3 else (0.087,)
    out = x.copy()
    for i in range(count):
        radius = max(1.0, round(4 * size * side * scales[i]) / 4)
        found = placed(rows[i] * height, cols[i] * width, math.ceil(1.6 * radius) + 1, x.shape)
        if found is not None:
            cover = _ragged(radius, grains[i], float(alpha))[found[1]]
            out[found[0]] = hidden(out[found[0]], colour, cover, frame)
    return out


@cached_if_small
def _blob(radius: float) -> Plane:
    """Thickness of a round blob, 1 in the middle, on a square of 1.6 radii to each side."""
    return soft_step(radial_patch(radius, 0.6), 0.85, 1.3)


def _ragged(radius: float, grain: Plane, alpha: float) -> Plane:
    """Opacity of a blob whose thickness varies: dirt is not a disc.

    ``grain`` holds 25 and 100 normal numbers: lumps of a third and a sixth of the diameter.
    """
    blob = _blob(radius)
    lumps = cv2.resize(grain[:25].reshape(5, 5), (10, 10), interpolation=cv2.INTER_CUBIC)
    lumps += np.float32(0.5) * grain[25:].reshape(10, 10)
    lumps *= np.float32(0.22)
    lumps += np.float32(1)
    depth: Plane = cv2.resize(np.clip(lumps, 0.5, 1.5), blob.shape, interpolation=cv2.INTER_CUBIC)
    depth *= blob
    # Cubic step: clear below a thickness of 1/40, as opaque as it gets above 31/40.
    depth -= np.float32(0.025)
    depth *= np.float32(1 / 0.75)
    np.clip(depth, 0, 1, out=depth)
    slope = np.float32(-2 * alpha) * depth
    slope += np.float32(3 * alpha)
    depth *= depth
    depth *= slope
    return depth


@degradation(
    "bubble",
    category="artifacts",
    modalities=("pathology",),
    levels={1: {"count": 1, "size": 0.09}, 2: {"count": 3, "size": 0.13},
            3: {"count": 6, "size": 0.20}},
    source=_MEDQ + "36, 27 dB at levels 1, 2. Air in the mounting medium, after FrOoDo (2023)",
    version=2,
)  # fmt: skip
def bubble(
    x: Pixels, draw: Draw, frame: Frame, *, count: int, size: float, blur: float = 0.010
) -> Pixels:
    """Air bubbles under the cover slip: blurred discs with a dark and bright rim.

    Parameters
    ----------
    count
        Number of bubbles, at most 8.
    size
        Mean radius as a fraction of the shorter side.
    blur
        Standard deviation of the blur inside, as a fraction of the shorter side.
    """
    height, width = x.shape[:2]
    side = min(height, width)
    spots = draw.uniforms("spots", 0.0, 1.0, 24)  # row, column, size of each
    sigma = blur * side
    margin = math.ceil(3 * sigma)
    out = x.copy()
    for i in range(min(int(count), 8)):
        row, column, scale = spots[3 * i : 3 * i + 3]
        row, column = (0.1 + 0.8 * row) * height, (0.1 + 0.8 * column) * width
        radius = max(3.0, round(4 * size * side * (0.7 + 0.6 * scale)) / 4)
        found = placed(row, column, math.ceil(1.15 * radius) + 1, x.shape)
        if found is None:
            continue
        box, of_stamp = found
        # The blur is seen inside the rim only, which is a tenth of a radius within the stamp.
        outer, inner = widened(box, margin, x.shape)
        soft = blurred(out[outer], sigma)[inner]
        weights = _rim(radius, x.ndim, frame.lo, frame.span)
        out[box] = mixed(out[box], soft, weights, of_stamp)
    return out


@cached_if_small
def _rim(radius: float, ndim: int, lo: float, span: float) -> tuple[Plane, Plane, Plane]:
    """What a bubble makes of a pixel: weights of it and of its blurred value, and light added.

    Inside, the blurred value; then a bright line within the rim lets 78 % through and adds 22 %
    of full scale; then the dark rim itself takes up to 30 % of all.
    """
    r = radial_patch(radius, 0.15)
    line = max(0.03, 0.9 / radius)
    inside = soft_step(r, 1.0, 2 * line)
    glint = np.float32(0.22) * np.exp(-(((r - 1 + 2.2 * line) / line) ** 2))
    shade = 1 - np.float32(0.3) * np.exp(-(((r - 1) / line) ** 2))
    through = shade * (1 - glint)
    planes = (
        through * (1 - inside),
        through * inside,
        np.float32(span) * shade * glint + np.float32(lo) * (1 - through),
    )
    repeat = 3 if ndim == 3 else 1
    sharp, soft, light = (cv2.merge([p] * repeat) for p in planes)
    return sharp, soft, light


@degradation(
    "tissue_fold",
    category="artifacts",
    modalities=("pathology",),
    levels={1: {"width": 0.06}, 2: {"width": 0.14}, 3: {"width": 0.26}},
    source="Two layers of tissue absorb twice: optical densities of the strip and its copy add",
)
def tissue_fold(x: Pixels, draw: Draw, frame: Frame, *, width: float) -> Pixels:
    """Tissue fold: a winding strip in which a shifted copy of the tissue lies on top.

    Parameters
    ----------
    width
        Width of the strip as a fraction of the shorter side.
    """
    height, span = x.shape[:2]
    side = short_side(x)
    angle = math.radians(draw.uniform("angle", 0.0, 180.0))
    offset = draw.uniform("offset", -0.2, 0.2)
    bends = draw.uniforms("bend", -0.06, 0.06, 3)
    rows = ((np.arange(height, dtype=np.float32) - height / 2) / side)[:, None]
    cols = ((np.arange(span, dtype=np.float32) - span / 2) / side)[None, :]
    along = cols * math.cos(angle) + rows * math.sin(angle)
    across = rows * math.cos(angle) - cols * math.sin(angle) - offset
    for k, bend in enumerate(bends, 1):
        across = across - bend * np.sin(np.float32(math.pi * k * 1.3) * along + k)
    strip = soft_step(np.abs(across), width / 2, max(0.012, 1.5 / side))
    # The fold's hinge is where the tissue bends: denser, hence darker.
    hinge = np.exp(-(((np.abs(across) - width / 2) / max(0.008, 1 / side)) ** 2))
    single = density(to_unit(x, frame))
    dx, dy = -math.sin(angle) * width * side, math.cos(angle) * width * side
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    copy = cv2.warpAffine(single, matrix, (span, height), borderMode=cv2.BORDER_REFLECT)
    thick = single + over(strip, x) * copy.reshape(x.shape)
    thick *= over(1 + 0.25 * hinge * strip, x)
    return from_unit(transmitted(thick), x, frame)


_PENS = {
    "black": (0.05, 0.05, 0.07),
    "blue": (0.08, 0.12, 0.60),
    "green": (0.05, 0.40, 0.20),
    "red": (0.72, 0.06, 0.10),
}


@degradation(
    "pen_mark",
    category="artifacts",
    modalities=("pathology", "dermoscopy"),
    levels={1: {"strokes": 1, "width": 0.035}, 2: {"strokes": 3, "width": 0.07},
            3: {"strokes": 6, "width": 0.10}},
    source="Marker ink on the cover slip or the skin: absorbing, out of focus, uneven",
)  # fmt: skip
def pen_mark(x: Pixels, draw: Draw, frame: Frame, *, strokes: int, width: float) -> Pixels:
    """Marker pen: coloured, slightly transparent strokes across the picture.

    Parameters
    ----------
    strokes
        Number of strokes, at most 6.
    width
        Width of a stroke as a fraction of the shorter side.
    """
    height, span = x.shape[:2]
    side = short_side(x)
    colour = draw.choice("colour", tuple(_PENS))
    points = np.array(draw.uniforms("path", -0.05, 1.05, 6 * 8)).reshape(6, 4, 2)
    ink = np.zeros((height, span), np.uint8)
    t = np.linspace(0, 1, 40)[:, None]
    for path in points[: int(strokes)]:
        a, d = path[0], path[3]
        # Control points close to the chord: a hand draws arcs, not corners.
        b, c = a + (d - a) / 3 + 0.25 * path[1] - 0.125, a + (d - a) / 1.5 + 0.25 * path[2] - 0.125
        curve = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
        pixels = np.rint(curve * (span, height) * 8).astype(np.int32)
        thick = max(1, round(width * side))
        cv2.polylines(ink, [pixels], False, 255, thick, cv2.LINE_AA, shift=3)
    cover = gaussian_blur(ink.astype(np.float32) / 255, max(0.5, 0.08 * width * side))
    streaks = smooth_field(draw.shared_rng("streaks"), x.shape, 0.02, octaves=2)
    opacity = over(cover * (0.75 + 0.25 * streaks), x)
    # Ink is not opaque: a quarter of the tissue's contrast shows through in its colour.
    unit = to_unit(x, frame)
    through = tint(_PENS[colour], x) * (0.75 + 0.25 * np.clip(unit, 0, 1))
    return from_unit(unit + opacity * (through - unit), x, frame)


@degradation(
    "stitching_seam",
    category="artifacts",
    modalities=("pathology",),
    levels={1: {"offset": 0.010, "gain": 0.03}, 2: {"offset": 0.035, "gain": 0.10},
            3: {"offset": 0.08, "gain": 0.22}},
    source="Slide scanner stripes joined out of register and with unequal lamp gain",
)  # fmt: skip
def stitching_seam(x: Pixels, draw: Draw, frame: Frame, *, offset: float, gain: float) -> Pixels:
    """Stitching seam: beyond a straight line the picture is displaced and its brightness differs.

    Parameters
    ----------
    offset
        Displacement along the seam as a fraction of the shorter side, in whole pixels.
    gain
        Relative change of brightness beyond the seam, darker or brighter.
    """
    upright = draw.choice("direction", ("columns", "rows")) == "columns"
    place = draw.uniform("place", 0.3, 0.7)
    shift = draw.choice("sign", (-1, 1)) * round(offset * short_side(x))
    factor = 1 + draw.choice("lamp", (-1, 1)) * gain
    axis = 1 if upright else 0
    seam = round(place * x.shape[axis])
    out = x.copy()
    beyond = (slice(None), slice(seam, None)) if upright else (slice(seam, None),)
    part = _slide(x[beyond], shift, 1 - axis)
    out[beyond] = from_unit(to_unit(part, frame) * np.float32(factor), part, frame)
    return out


def _slide(x: Pixels, shift: int, axis: int) -> Pixels:
    """Move by whole pixels along ``axis``, mirroring at the edge."""
    index = np.abs(np.arange(x.shape[axis]) - shift)
    index = np.minimum(index, 2 * (x.shape[axis] - 1) - index)
    return np.ascontiguousarray(np.take(x, index, axis=axis))
