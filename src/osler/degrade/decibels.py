"""Log-compressed displays (ultrasound, OCT): between shown grey and linear amplitude, and speckle.

A display of dynamic range R dB shows ``g = 1 + 20 log10(A) / R``. Here amplitude is shifted so
that g = 0 is A = 0: pixels outside the scanned sector hold no echo and stay black.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.random import Generator

from osler.physics.noise import modulus, normal

from .scale import Plane

_LN10_20 = np.float32(math.log(10) / 20)


def amplitude(unit: Plane, dynamic_range: float) -> Plane:
    """Linear amplitude, 0 at g = 0 and 1 at g = 1 up to the display floor.

    Parameters
    ----------
    unit
        Shown grey on [0, 1].
    dynamic_range
        Decibels between black and white.
    """
    floor = np.float32(10 ** (-dynamic_range / 20))
    exponent = np.clip(unit, 0, None)
    exponent -= 1
    exponent *= np.float32(dynamic_range) * _LN10_20
    linear: Plane = cv2.exp(exponent)
    linear -= floor
    return linear


def shown(linear: Plane, dynamic_range: float) -> Plane:
    """Shown grey of a linear amplitude: the inverse of :func:`amplitude`."""
    floor = np.float32(10 ** (-dynamic_range / 20))
    level: Plane = cv2.log(np.maximum(linear, 0) + floor)
    level *= np.float32(1 / dynamic_range) / _LN10_20
    level += 1
    return level


def gaussian_complex(
    rng: Generator, shape: tuple[int, ...], sigma: tuple[float, float]
) -> tuple[Plane, Plane]:
    """Real and imaginary part of circular Gaussian noise seen through a Gaussian PSF.

    ``sigma`` is (axial, lateral) in pixels; each part has variance 1/2 whatever the PSF, so the
    mean power is 1.
    """
    height, width = shape[:2]
    pad = int(np.ceil(3 * max(sigma)))
    parts = normal(rng, (2, height + 2 * pad, width + 2 * pad))
    gain = math.sqrt(0.5)
    if max(sigma) > 0.2:
        kernels = [_gaussian(s) for s in sigma]
        gain /= math.sqrt(math.prod(float((k**2).sum()) for k in kernels))
        parts = np.stack([cv2.sepFilter2D(p, -1, kernels[1], kernels[0]) for p in parts])
    parts *= np.float32(gain)
    inner = parts[:, pad : pad + height, pad : pad + width]
    return inner[0], inner[1]


def _gaussian(sigma: float) -> Plane:
    length = 2 * int(np.ceil(3 * sigma)) + 1
    kernel: Plane = cv2.getGaussianKernel(length, max(sigma, 1e-3)).astype(np.float32)
    return kernel


def speckle(
    rng: Generator, shape: tuple[int, ...], diffuse: float, sigma: tuple[float, float]
) -> Plane:
    """Amplitude speckle of mean power 1: ``|sqrt(1 - d) + sqrt(d) z|``, z circular Gaussian.

    Parameters
    ----------
    diffuse
        Share d of diffuse scatter on [0, 1]. At 1 the amplitude is Rayleigh, the fully developed
        speckle whose mean over standard deviation is 1.913 (Wagner et al. 1983); below 1 it is
        Rician.
    sigma
        Axial and lateral standard deviation of the point spread function in pixels.
    """
    real, imaginary = gaussian_complex(rng, shape, sigma)
    scale = np.float32(math.sqrt(diffuse))
    return modulus(real * scale + np.float32(math.sqrt(1 - diffuse)), imaginary * scale)
