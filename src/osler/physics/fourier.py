"""The Fourier encoding of MRI: centred orthonormal transforms, Cartesian masks, line filters.

:func:`fft2c`, :func:`ifft2c`, :func:`sample` and :func:`sample_adjoint` follow the array API
standard and serve NumPy arrays and torch tensors alike. The filters of a plane below them are
the fast float32 forms that the degradations use.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import scipy.fft
from array_api_compat import array_namespace
from numpy.random import Generator
from numpy.typing import NDArray

from .noise import modulus

Plane = NDArray[np.float32]
AXES = (-2, -1)


def fft2c(x: Any) -> Any:
    """Centred orthonormal 2-D Fourier transform over the last two axes (zero frequency at N//2)."""
    fft = array_namespace(x).fft
    return fft.fftshift(fft.fftn(fft.ifftshift(x, axes=AXES), axes=AXES, norm="ortho"), axes=AXES)


def ifft2c(k: Any) -> Any:
    """Inverse, and adjoint, of :func:`fft2c`."""
    fft = array_namespace(k).fft
    return fft.fftshift(fft.ifftn(fft.ifftshift(k, axes=AXES), axes=AXES, norm="ortho"), axes=AXES)


def sample(x: Any, mask: Any) -> Any:
    """Cartesian acquisition ``mask * F x``; ``mask`` broadcasts to the shape of ``x``."""
    return mask * fft2c(x)


def sample_adjoint(k: Any, mask: Any) -> Any:
    """Adjoint of :func:`sample`: zero-filled reconstruction ``F^H (mask * k)``."""
    return ifft2c(mask * k)


def cartesian_mask(
    n: int, keep: float, centre: float, rng: Generator, density: float = 0.0
) -> NDArray[np.bool_]:
    """Which of ``n`` phase-encode lines are measured, zero frequency at ``n // 2``.

    ``round(centre * n)`` lines around zero frequency are always there; further ones are drawn
    without replacement until ``round(keep * n)`` are, with odds ``(1 - |k|/k_max)^density``.
    From one generator state, a mask that keeps less is a subset of one that keeps more.
    """
    mask = np.zeros(n, np.bool_)
    middle = min(max(round(centre * n), 1), n)
    start = n // 2 - middle // 2
    mask[start : start + middle] = True
    others = np.flatnonzero(~mask)
    odds = (1.0 - np.abs(others - n // 2) / (n / 2 + 1)) ** density
    # Weighted sampling without replacement: the smallest of exponential waiting times.
    waiting = -np.log(1.0 - rng.random(others.size)) / odds
    further = max(round(keep * n) - middle, 0)
    mask[others[np.argsort(waiting, kind="stable")[:further]]] = True
    return mask


def filter_lines(x: Plane, weights: NDArray[Any], axis: int) -> tuple[Plane, Plane | None]:
    """Multiply the lines of k-space along ``axis`` by ``weights`` and go back to the image.

    The weights depend on one frequency, so the transform along the other axis cancels and only
    one-dimensional ones are done.

    Parameters
    ----------
    x
        Real plane.
    weights
        (n,) real or complex, zero frequency at ``n // 2``.

    Returns
    -------
    Real and imaginary part; the latter is None where it is zero (weights of even symmetry).
    """
    n = x.shape[axis]
    w = np.fft.ifftshift(weights)
    mirror = np.conj(np.roll(w[::-1], 1))
    even, odd = (w + mirror) / 2, (w - mirror) / 2j  # spectra of Re and Im of the kernel
    half = n // 2 + 1
    spectrum = scipy.fft.rfft(x, axis=axis)
    imaginary: Plane | None = None
    if np.abs(odd).max() > 1e-7:
        turned = _times(spectrum, odd[:half], axis)
        imaginary = scipy.fft.irfft(turned, n=n, axis=axis, overwrite_x=True)
    real = _times(spectrum, even[:half], axis, out=spectrum)
    return scipy.fft.irfft(real, n=n, axis=axis, overwrite_x=True), imaginary


def _times(
    spectrum: NDArray[Any], weights: NDArray[Any], axis: int, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    # A line that is real, or imaginary, stays complex64: one pass, no promotion.
    line = weights.astype(np.complex64)
    done: NDArray[Any] = np.multiply(spectrum, line[:, None] if axis == 0 else line, out=out)
    return done


def magnitude(real: Plane, imaginary: Plane | None) -> Plane:
    """``|real + i imaginary|``."""
    if imaginary is None:
        return np.abs(real, out=real)
    return modulus(real, imaginary)


def low_pass(x: Plane, radius: float) -> Plane:
    """Zero all frequencies beyond an ellipse of ``radius`` times the largest on each axis.

    Only the frequencies inside the bounding box are ever computed.
    """
    height, width = x.shape
    across = min(int(radius * (width // 2)) + 1, width // 2 + 1)
    spectrum = scipy.fft.rfft(x, axis=1)[:, :across]
    spectrum = scipy.fft.fft(spectrum, axis=0)
    v = np.fft.fftfreq(height).astype(np.float32)[:, None] * (2 / radius)
    u = (np.arange(across, dtype=np.float32) / width)[None, :] * (2 / radius)
    spectrum *= u * u + v * v <= 1 + 1e-6
    spectrum = scipy.fft.ifft(spectrum, axis=0, overwrite_x=True)
    done: Plane = scipy.fft.irfft(spectrum, n=width, axis=1)
    return done


def splice_poses(still: Plane, first: Plane, second: Plane, lines: tuple[int, int]) -> Plane:
    """Magnitude image of a centric acquisition (columns = phase encoding) with two movements.

    Lines are measured from zero frequency outwards, k and -k together: those up to ``lines[0]``
    come from the image ``still``, those up to ``lines[1]`` from ``first``, the rest from
    ``second``. k-space keeps its symmetry, so the image is real before the magnitude.
    """
    # Packed half spectra by rows: Re 0, Re 1, Im 1, Re 2, Im 2, ... and Re n/2 where n is even.
    change = cv2.dft(cv2.subtract(first, still), flags=cv2.DFT_ROWS)
    last = cv2.dft(cv2.subtract(second, still), flags=cv2.DFT_ROWS)
    change[:, : 2 * lines[0] + 1] = 0
    change[:, 2 * lines[1] + 1 :] = last[:, 2 * lines[1] + 1 :]
    change = cv2.dft(change, flags=cv2.DFT_ROWS | cv2.DFT_INVERSE | cv2.DFT_SCALE)
    done: Plane = cv2.add(change, still)
    return np.abs(done, out=done)
