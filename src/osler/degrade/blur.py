"""Blur by optics and by movement during the exposure. Lengths scale with the shorter side."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from osler.images import MODALITIES
from osler.physics.optics import convolve, gaussian_blur, line_psf

from .registry import Draw, Frame, degradation

_MEDQ = "MedQ-Deg (arXiv 2603.07769), levels identified from its published examples"


@degradation(
    "gaussian_blur",
    category="resolution",
    modalities=MODALITIES,
    levels={1: {"sigma": 3.00 / 483}, 2: {"sigma": 7.03 / 483}, 3: {"sigma": 14.0 / 483}},
    source=_MEDQ + " (3.00 and 7.03 px at 483 x 516)",
)
def gaussian_blur_(x: NDArray[Any], draw: Draw, frame: Frame, *, sigma: float) -> NDArray[Any]:
    """Gaussian blur; ``sigma`` is a fraction of the shorter side."""
    return gaussian_blur(x, sigma * min(x.shape[:2]))


def _smear(x: NDArray[Any], draw: Draw, length: float, angle: float) -> NDArray[Any]:
    pixels = length * min(x.shape[:2])
    if pixels <= 1:
        return x.copy()
    if angle < 0:
        angle = draw.uniform("angle", 0.0, 180.0)
    return convolve(x, line_psf(pixels, angle))


@degradation(
    "motion_blur",
    category="resolution",
    modalities=MODALITIES,
    levels={1: {"length": 7 / 513}, 2: {"length": 11 / 513}, 3: {"length": 23 / 513}},
    source=_MEDQ + " (lines of 7 and 11 px at 513 x 513)",
    aliases=("motion_blur_artifact",),
    version=2,
)
def motion_blur(
    x: NDArray[Any], draw: Draw, frame: Frame, *, length: float, angle: float = -1.0
) -> NDArray[Any]:
    """Smear along a line of ``length`` short sides at ``angle`` degrees (negative: drawn)."""
    return _smear(x, draw, length, angle)


@degradation(
    "xray_motion_blur",
    category="resolution",
    modalities=("xray", "angiography"),
    levels={1: {"length": 13 / 1024}, 2: {"length": 39 / 1024}, 3: {"length": 78 / 1024}},
    source=_MEDQ + " (lines of 13 and 39 px at 1024 x 1024)",
    aliases=("xray_motion_blur_artifact",),
    version=2,
)
def xray_motion_blur(
    x: NDArray[Any], draw: Draw, frame: Frame, *, length: float, angle: float = -1.0
) -> NDArray[Any]:
    """Smear of a patient who moves during the exposure; ``length`` and ``angle`` as motion_blur."""
    return _smear(x, draw, length, angle)
