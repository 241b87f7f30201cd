"""Degradations of storage, transport and display, which meet every modality."""

from __future__ import annotations

import math

import cv2
import numpy as np

from osler.core import InputError
from osler.images import GREY, MODALITIES
from osler.physics.noise import poisson, random_bits

from .fields import disc_blur, short_side
from .registry import Draw, Frame, degradation
from .scale import Pixels, from_unit, point, to_unit

COLOUR = tuple(m for m in MODALITIES if m not in GREY)


@degradation(
    "jpeg",
    category="artifacts",
    modalities=MODALITIES,
    levels={1: {"quality": 30}, 2: {"quality": 10}, 3: {"quality": 4}},
    source="Baseline JPEG (ITU-T T.81) as encoded by libjpeg, 4:2:0 chroma",
    aliases=("jpeg_compression",),
)
def jpeg(x: Pixels, draw: Draw, frame: Frame, *, quality: int) -> Pixels:
    """JPEG compression: 8 x 8 blocks, ringing at edges, blurred colour.

    Parameters
    ----------
    quality
        libjpeg quality factor, 1 (worst) to 100; beyond these, the nearest of them.
        Data of more than 8 bits pass through 8 bits over the frame, as they do when a viewer
        exports them.
    """
    bytes_ = x if x.dtype == np.uint8 else _to_bytes(x, frame)
    colour = x.ndim == 3
    source = cv2.cvtColor(bytes_, cv2.COLOR_RGB2BGR) if colour else bytes_
    within = min(max(int(quality), 1), 100)
    done, code = cv2.imencode(".jpg", source, [cv2.IMWRITE_JPEG_QUALITY, within])
    if not done:
        raise InputError(f"JPEG cannot encode an image of shape {x.shape}; crop or resize it")
    out: Pixels = cv2.imdecode(code, cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE)  # type: ignore[assignment]
    if colour:
        out = cv2.cvtColor(out, cv2.COLOR_BGR2RGB)
    if x.dtype == np.uint8:
        return out
    return from_unit(out.astype(np.float32) / 255, x, frame)


def _to_bytes(x: Pixels, frame: Frame) -> Pixels:
    done: Pixels = np.rint(np.clip(to_unit(x, frame), 0, 1) * 255).astype(np.uint8)
    return done


@degradation(
    "salt_pepper",
    category="noise",
    modalities=MODALITIES,
    levels={1: {"amount": 0.01}, 2: {"amount": 0.05}, 3: {"amount": 0.15}},
    source="Impulse noise: dead and hot detector elements, bit errors in transport",
)
def salt_pepper(x: Pixels, draw: Draw, frame: Frame, *, amount: float) -> Pixels:
    """Salt-and-pepper noise: single pixels stuck at the lowest or highest value.

    Parameters
    ----------
    amount
        Probability that a pixel is hit; half of the hits are white, half black, all channels.
    """
    level = random_bits(draw.rng("impulses"), x.shape[0] * x.shape[1]).reshape(x.shape[:2])
    hits = round(amount * 65536)
    out = x.copy()
    low, high = _ends(x, frame)
    out[level < hits // 2] = low
    out[(level >= hits // 2) & (level < hits)] = high
    return out


def _ends(x: Pixels, frame: Frame) -> tuple[float, float]:
    if x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        return max(round(frame.lo), limits.min), min(round(frame.hi), limits.max)
    return frame.lo, frame.hi


@degradation(
    "poisson_noise",
    category="noise",
    modalities=MODALITIES,
    levels={1: {"photons": 300.0}, 2: {"photons": 60.0}, 3: {"photons": 15.0}},
    source="Photon counting statistics: N ~ Poisson(photons * u), u the pixel on [0, 1]",
    aliases=("shot_noise",),
)
def poisson_noise(x: Pixels, draw: Draw, frame: Frame, *, photons: float) -> Pixels:
    """Shot noise of a linear detector: variance proportional to brightness.

    Parameters
    ----------
    photons
        Expected counts of a pixel at full scale; the noise variance there is 1 / photons.
    """
    unit = to_unit(x, frame)
    expected = np.clip(unit, 0, None) * np.float32(photons)
    counts = poisson(draw.rng("counts"), expected)
    counts -= expected
    counts *= np.float32(1 / photons)
    counts += unit
    return from_unit(counts, x, frame)


@degradation(
    "quantise",
    category="intensity",
    modalities=MODALITIES,
    levels={1: {"bits": 5}, 2: {"bits": 3}, 3: {"bits": 2}},
    source="Uniform quantiser with 2^bits levels over the frame",
    aliases=("quantize", "posterise"),
)
def quantise(x: Pixels, draw: Draw, frame: Frame, *, bits: int) -> Pixels:
    """Too few grey levels: smooth gradients break into bands.

    Parameters
    ----------
    bits
        Bits per channel; the frame is divided into ``2**bits`` equal steps.
    """
    steps = 2 ** int(bits)

    def bands(unit: Pixels) -> Pixels:
        index = np.clip(np.floor(unit * steps), 0, steps - 1)
        level: Pixels = (index / (steps - 1)).astype(np.float32)
        return level

    return point(x, frame, bands)


@degradation(
    "defocus",
    category="resolution",
    modalities=MODALITIES,
    levels={1: {"radius": 0.008}, 2: {"radius": 0.02}, 3: {"radius": 0.04}},
    by_modality={
        "pathology": {1: {"radius": 0.006}, 2: {"radius": 0.018}, 3: {"radius": 0.036}},
    },
    source="Geometric optics: uniform disc of confusion",
    aliases=("defocus_blur",),
)
def defocus(x: Pixels, draw: Draw, frame: Frame, *, radius: float) -> Pixels:
    """Out of focus: every point becomes an even disc.

    Parameters
    ----------
    radius
        Radius of the disc of confusion as a fraction of the shorter side.
    """
    return disc_blur(x, radius * short_side(x))


@degradation(
    "chroma_shift",
    category="artifacts",
    modalities=COLOUR,
    levels={1: {"shift": 0.005}, 2: {"shift": 0.015}, 3: {"shift": 0.035}},
    source="Colour channels out of register (lateral chromatic aberration, sequential RGB light)",
)
def chroma_shift(x: Pixels, draw: Draw, frame: Frame, *, shift: float) -> Pixels:
    """Red and blue displaced against green: colour fringes at edges.

    A grey plane is what a monochrome sensor sees behind the same lens: the mean of the three
    displaced images.

    Parameters
    ----------
    shift
        Displacement of red and, the other way, of blue, as a fraction of the shorter side.
    """
    angle = draw.uniform("angle", 0.0, 2 * math.pi)
    length = shift * short_side(x)
    dx, dy = length * math.cos(angle), length * math.sin(angle)
    planes = [x[..., c] for c in range(3)] if x.ndim == 3 else [x] * 3
    red, green, blue = planes
    moved = (_translate(red, dx, dy), green, _translate(blue, -dx, -dy))
    if x.ndim == 3:
        return np.stack(moved, axis=-1)
    units = [to_unit(plane, frame) for plane in moved]
    return from_unit((units[0] + units[1] + units[2]) / np.float32(3), x, frame)


def _translate(plane: Pixels, dx: float, dy: float) -> Pixels:
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    size = (plane.shape[1], plane.shape[0])
    plane = np.ascontiguousarray(plane)
    moved: Pixels = cv2.warpAffine(plane, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return moved
