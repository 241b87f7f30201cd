"""Noise of sensors, whatever the modality: additive and multiplicative normal noise."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from osler.images import GREY, MODALITIES
from osler.physics.noise import normal, whole_normal

from .registry import Draw, Frame, degradation
from .scale import from_unit, to_unit

_MEDQ = "MedQ-Deg (arXiv 2603.07769), levels identified from its published examples"


def _field_shape(x: NDArray[Any], frame: Frame) -> tuple[int, ...]:
    """One field for all channels where colour is only an overlay on a grey quantity."""
    return x.shape[:2] if frame.modality in GREY else x.shape


def _like(field: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    if field.shape == x.shape:
        return field
    return np.repeat(field[..., None], x.shape[2], axis=2)


@degradation(
    "gaussian_noise",
    category="noise",
    modalities=MODALITIES,
    levels={1: {"sigma": 0.048}, 2: {"sigma": 0.079}, 3: {"sigma": 0.13}},
    source=_MEDQ,
)
def gaussian_noise(x: NDArray[Any], draw: Draw, frame: Frame, *, sigma: float) -> NDArray[Any]:
    """Additive normal noise of ``sigma`` times full scale; shared by channels of grey images."""
    shape = _field_shape(x, frame)
    rng = draw.rng("noise")
    if x.dtype == np.uint8:
        noise = _like(whole_normal(rng, shape, sigma * frame.span), x)
        done: NDArray[Any] = cv2.add(x, noise, dtype=cv2.CV_8U).reshape(x.shape)
        return done
    unit = to_unit(x, frame)
    unit += _like(normal(rng, shape, sigma), x)
    return from_unit(unit, x, frame)


@degradation(
    "multiplicative_noise",
    category="noise",
    modalities=MODALITIES,
    levels={1: {"sigma": 0.1}, 2: {"sigma": 0.2}, 3: {"sigma": 0.4}},
    source="gain noise x (1 + sigma n), as the speckle of Hendrycks and Dietterich (ICLR 2019)",
)
def multiplicative_noise(
    x: NDArray[Any], draw: Draw, frame: Frame, *, sigma: float
) -> NDArray[Any]:
    """Normal noise proportional to the value above the foot of the scale: x (1 + sigma n)."""
    gain = _like(normal(draw.rng("noise"), _field_shape(x, frame), sigma, 1.0), x)
    if x.dtype == np.uint8:
        done: NDArray[Any] = cv2.multiply(x, gain, dtype=cv2.CV_8U).reshape(x.shape)
        return done
    return from_unit(to_unit(x, frame) * gain, x, frame)
