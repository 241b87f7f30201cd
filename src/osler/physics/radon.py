"""Parallel-beam tomography: projection, its exact adjoint, and filtered back-projection.

The projector follows the Fourier slice theorem: the one-dimensional spectrum of the view at angle
t is the spectrum of the image along the ray (k cos t, k sin t), which :mod:`gridding` interpolates
from a padded FFT. The image is thus taken as band-limited, and a view costs O(n) instead of
O(n^2). Matrices are cached by geometry. Geometry: the view at angle t holds, at offset s pixels
from the middle, the line integral over x cos t + y sin t = s with x along the columns and y down
the rows from pixel (n//2, n//2); lengths are pixels, so multiply by the spacing in mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .gridding import apodisation, interpolator, kernel_shape

Plane = NDArray[np.float32]

WIDTH = 5
PADDING = 2.0
FILTERS = ("ram-lak", "shepp-logan", "cosine", "hann", "hamming")

MU_WATER = 0.01929
"""Linear attenuation of water at 70 keV in 1/mm (NIST XCOM: 0.1929 cm2/g)."""


def attenuation(hu: NDArray[Any], mu_water: float = MU_WATER) -> Plane:
    """Hounsfield units as linear attenuation in 1/mm, never below zero (air is -1000 HU)."""
    mu = np.asarray(hu, np.float32) * np.float32(mu_water / 1000) + np.float32(mu_water)
    done: Plane = np.maximum(mu, 0, out=mu)
    return done


def hounsfield(mu: NDArray[Any], mu_water: float = MU_WATER) -> Plane:
    """Linear attenuation in 1/mm as Hounsfield units."""
    return np.asarray(mu, np.float32) * np.float32(1000 / mu_water) - np.float32(1000)


@dataclass(frozen=True, slots=True, eq=False)
class Projector:
    """Parallel-beam projector of an n x n plane onto ``views`` x ``detectors``.

    Attributes
    ----------
    angles
        (views,) degrees.
    detectors
        Bins of one pixel per view; the middle is bin ``detectors // 2``.
    """

    n: int
    angles: NDArray[Any]
    detectors: int
    padded: int
    matrix: Any
    flipped: NDArray[np.bool_]
    weights: Plane

    @property
    def views(self) -> int:
        """Number of views."""
        return len(self.angles)

    def forward(self, x: Plane) -> Plane:
        """Line integrals (views, detectors) of an (n, n) plane, in value x pixel."""
        pad = np.zeros((self.padded, self.padded), np.float32)
        start = self.padded // 2 - self.n // 2
        pad[start : start + self.n, start : start + self.n] = x * self.weights
        spectrum = self._centred(scipy.fft.rfft2(pad, overwrite_x=True))
        samples = self._sample(_extend(spectrum))
        views: Plane = scipy.fft.irfft(samples, n=self.detectors, axis=1, overwrite_x=True)
        return np.fft.fftshift(views, axes=1)

    def adjoint(self, p: Plane) -> Plane:
        """Transpose of :meth:`forward`: unfiltered back-projection onto (n, n)."""
        samples = scipy.fft.rfft(np.fft.ifftshift(p, axes=1), axis=1, overwrite_x=True)
        samples *= np.float32(2 / self.detectors)
        samples[:, 0] *= np.float32(0.5)
        if self.detectors % 2 == 0:
            samples[:, -1] *= np.float32(0.5)
        spectrum = _fold(self._spread(samples), self.padded)
        spectrum[:, 1:-1] *= np.float32(0.5)
        spectrum = self._centred(spectrum)
        plane = scipy.fft.irfft2(spectrum, s=(self.padded, self.padded), overwrite_x=True)
        start = self.padded // 2 - self.n // 2
        crop = plane[start : start + self.n, start : start + self.n]
        done: Plane = crop * (self.weights * np.float32(self.padded**2))
        return done

    def fbp(self, p: Plane, window: str = "ram-lak", arc: float = 180.0) -> Plane:
        """Filtered back-projection of views spread over ``arc`` degrees, in value per pixel.

        Views set to zero count as missing. Kak and Slaney (1988), section 3.3.
        """
        filtered = scipy.fft.rfft(p, n=self._filter_length, axis=1)
        filtered *= _ramp(self._filter_length, window)
        back = scipy.fft.irfft(filtered, n=self._filter_length, axis=1, overwrite_x=True)
        scale = np.float32(np.deg2rad(arc) / self.views)
        return self.adjoint(np.ascontiguousarray(back[:, : self.detectors])) * scale

    @property
    def _filter_length(self) -> int:
        return int(scipy.fft.next_fast_len(2 * self.detectors, real=True))

    def _centred(self, half: NDArray[Any]) -> NDArray[Any]:
        # Moving the origin to the middle of the padded plane is a checkerboard of signs.
        half[1::2, ::2] *= np.float32(-1)
        half[::2, 1::2] *= np.float32(-1)
        return half

    def _sample(self, extended: NDArray[Any]) -> NDArray[Any]:
        flat = extended.reshape(-1).view(np.float32).reshape(-1, 2)
        samples = np.ascontiguousarray(self.matrix @ flat).view(np.complex64)
        samples = samples.reshape(self.views, -1)
        np.conj(samples, out=samples, where=self.flipped[:, None])
        return samples

    def _spread(self, samples: NDArray[Any]) -> NDArray[Any]:
        np.conj(samples, out=samples, where=self.flipped[:, None])
        flat = np.ascontiguousarray(samples).reshape(-1).view(np.float32).reshape(-1, 2)
        grid = np.ascontiguousarray(self.matrix.T @ flat).view(np.complex64)
        return grid.reshape(self.padded, -1)


_REACH = WIDTH // 2 + 1


def _mirrored(columns: NDArray[Any]) -> NDArray[Any]:
    """Conjugate at the opposite frequency: row r becomes row -r, columns reversed."""
    done: NDArray[Any] = np.conj(np.roll(columns[::-1, ::-1], 1, axis=0))
    return done


def _extend(half: NDArray[Any]) -> NDArray[Any]:
    left = _mirrored(half[:, 1 : _REACH + 1])
    right = _mirrored(half[:, -_REACH - 1 : -1])
    return np.concatenate([left, half, right], axis=1)


def _fold(extended: NDArray[Any], padded: int) -> NDArray[Any]:
    half = np.ascontiguousarray(extended[:, _REACH:-_REACH])
    half[:, 1 : _REACH + 1] += _mirrored(extended[:, :_REACH])
    half[:, -_REACH - 1 : -1] += _mirrored(extended[:, -_REACH:])
    return half


@lru_cache(maxsize=6)
def projector(n: int, views: int, arc: float = 180.0, first: float = 0.0) -> Projector:
    """A projector of an n x n plane; views at ``first + i arc / views`` degrees. Cached.

    The views are long enough for the corners: ``detectors`` >= sqrt(2) n.
    """
    angles = first + np.arange(views) * (arc / views)
    wrapped = np.mod(angles, 360.0)
    flipped = (wrapped > 90.0) & (wrapped < 270.0)  # seen from the other side: u >= 0
    theta = np.deg2rad(np.where(flipped, wrapped - 180.0, wrapped))
    detectors = int(scipy.fft.next_fast_len(int(np.ceil(np.sqrt(2) * n)) + 8, real=True))
    detectors += detectors % 2
    padded = 2 * int(scipy.fft.next_fast_len(n + 4, real=True))
    k = np.arange(detectors // 2 + 1) / detectors
    u = np.outer(np.maximum(np.cos(theta), 0), k).ravel()
    v = np.outer(np.sin(theta), k).ravel()
    beta = kernel_shape(WIDTH, PADDING)
    axis = apodisation(n, padded, WIDTH, beta)
    weights = (1 / np.outer(axis, axis)).astype(np.float32)
    matrix = interpolator(u, v, padded, WIDTH, beta)
    return Projector(n, angles, detectors, padded, matrix, flipped, weights)


@lru_cache(maxsize=16)
def _ramp(length: int, window: str) -> Plane:
    """Transfer function of the band-limited ramp |k| times a window, for rfft of ``length``."""
    if window not in FILTERS:
        raise ValueError(f"unknown filter {window!r}; known: {', '.join(FILTERS)}")
    offset = np.fft.fftfreq(length, 1 / length).round()
    odd = offset % 2 == 1
    impulse = np.zeros(length)
    impulse[0] = 0.25
    impulse[odd] = -1 / (np.pi * offset[odd]) ** 2
    ramp = np.fft.rfft(impulse).real
    k = np.arange(len(ramp)) / length
    shapes = {
        "ram-lak": np.ones_like(k),
        "shepp-logan": np.sinc(k),
        "cosine": np.cos(np.pi * k),
        "hann": 0.5 + 0.5 * np.cos(2 * np.pi * k),
        "hamming": 0.54 + 0.46 * np.cos(2 * np.pi * k),
    }
    done: Plane = (ramp * shapes[window]).astype(np.float32)
    return done
