"""Fields of noise, fast and bit-stable: normal, Rician, Rayleigh speckle, Poisson counts.

Normal numbers are quantiles looked up by 16 random bits: 65,536 equally likely values, scaled to
variance exactly 1, from -4.32 to 4.32. That is the inverse-CDF method at 16 bits: moments agree
with the normal law to 1e-4 and a Kolmogorov-Smirnov distance of 1e-5 is below what any image
shows, at a fifth of the cost. The bits come from the generator as they are, so the stream does
not depend on the version of NumPy's samplers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

_WIDE_LUT = int(cv2.__version__.split(".")[0]) >= 5  # cv2.LUT takes 16-bit indices since 5.0


@lru_cache(maxsize=1)
def normal_quantiles() -> NDArray[np.float64]:
    """65,536 equally likely values with mean 0, variance 1 and the quantiles of the normal law."""
    from scipy.special import ndtri

    upper = ndtri((np.arange(32768, 65536) + 0.5) / 65536)
    table = np.concatenate([-upper[::-1], upper])
    table /= np.sqrt(np.mean(table**2))
    table.setflags(write=False)
    return table


def random_bits(rng: Generator, n: int) -> NDArray[np.uint16]:
    """``n`` uniform 16-bit numbers."""
    return rng.integers(0, 2**64, (n + 3) // 4, dtype=np.uint64).view(np.uint16)[:n]


def look_up(table: NDArray[Any], rng: Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    """``table[bits]`` of ``shape``: equally likely draws from a table of 65,536 values."""
    n = int(np.prod(shape))
    bits = random_bits(rng, n)
    found: NDArray[Any]
    if _WIDE_LUT:
        found = cv2.LUT(bits.reshape(shape[0], -1), table.reshape(1, -1))
    else:
        found = table.take(bits)
    return found.reshape(shape)


@lru_cache(maxsize=64)
def _affine_table(scale: float, offset: float) -> NDArray[np.float32]:
    return (normal_quantiles() * scale + offset).astype(np.float32)


@lru_cache(maxsize=64)
def _rounded_table(sigma: float) -> NDArray[Any]:
    steps = np.rint(normal_quantiles() * sigma)
    return steps.astype(np.int8 if steps[-1] <= 127 else np.int16)


def normal(
    rng: Generator, shape: tuple[int, ...], sigma: float = 1.0, mean: float = 0.0
) -> NDArray[np.float32]:
    """Normal numbers with standard deviation ``sigma`` around ``mean``, float32."""
    return look_up(_affine_table(float(sigma), float(mean)), rng, shape)


def whole_normal(rng: Generator, shape: tuple[int, ...], sigma: float) -> NDArray[Any]:
    """Normal numbers of standard deviation ``sigma`` rounded to whole numbers (int8 or int16).

    Added to whole pixel values this equals rounding after the addition, for
    ``round(x + n) = x + round(n)``.
    """
    return look_up(_rounded_table(float(sigma)), rng, shape)


def modulus(real: NDArray[Any], imaginary: NDArray[Any]) -> NDArray[Any]:
    """``sqrt(real^2 + imaginary^2)``, the same bytes wherever the arrays lie in memory.

    cv2.magnitude rounds differently from one memory address to another.
    """
    power: NDArray[Any] = np.square(real)
    power += np.square(imaginary)
    np.sqrt(power, out=power)
    return power


def rician(x: NDArray[Any], rng: Generator, sigma: float) -> NDArray[np.float32]:
    """Magnitude of ``x + n1 + i n2``, n1 and n2 normal with ``sigma`` (Gudbjartsson 1995).

    Where ``x`` is 0 the law is Rayleigh: mean/sigma = sqrt(pi/2) = 1.2533.
    """
    real = normal(rng, x.shape, sigma)
    real += x
    imaginary = normal(rng, x.shape, sigma)
    done: NDArray[np.float32] = modulus(real, imaginary).reshape(x.shape)
    return done


def rayleigh(rng: Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Fully developed speckle: Rayleigh amplitude of mean 1 (mean/sd = 1.913; Goodman 1985)."""
    scale = float(np.sqrt(2 / np.pi))
    done: NDArray[np.float32] = modulus(
        normal(rng, shape, scale), normal(rng, shape, scale)
    ).reshape(shape)
    return done


def poisson(rng: Generator, mean: NDArray[Any]) -> NDArray[np.float32]:
    """Poisson counts of expectation ``mean`` (float32; negative means count as 0).

    Means of 12 and more use the second-order Cornish-Fisher quantile ``m + z s + (z^2 - 1)/6``
    rounded to whole counts, with s such that the variance is m; smaller means are drawn exactly.
    """
    mean = np.maximum(np.asarray(mean, np.float32), 0)
    z = normal(rng, mean.shape)
    # (z^2 - 1)/6 adds 1/18 of variance and rounding 1/12; both are taken off the linear term.
    counts = np.sqrt(np.maximum(mean - np.float32(1 / 18 + 1 / 12), 0))
    counts *= z
    counts += mean
    z *= z
    z -= 1
    z *= np.float32(1 / 6)
    counts += z
    np.rint(counts, out=counts)
    few = mean < 12
    if few.any():
        counts[few] = rng.poisson(mean[few])
    return np.maximum(counts, 0, out=counts)
