"""Point spread functions and the pyramid blur against direct sums."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage

from osler.physics.optics import convolve, disc_psf, gaussian_blur, line_psf


@pytest.mark.parametrize("length", [1.5, 7.0, 11.0, 38.7])
@pytest.mark.parametrize("angle", [0.0, 15.0, 45.0, 90.0, 135.0, 173.0])
def test_line(length: float, angle: float) -> None:
    kernel = line_psf(length, angle).astype(float)
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert np.allclose(kernel, kernel[::-1, ::-1])  # no shift
    y, x = np.indices(kernel.shape) - np.array(kernel.shape)[:, None, None] // 2
    along = x * np.cos(np.deg2rad(angle)) - y * np.sin(np.deg2rad(angle))
    across = x * np.sin(np.deg2rad(angle)) + y * np.cos(np.deg2rad(angle))
    assert (kernel * along**2).sum() == pytest.approx(length**2 / 12, rel=0.12, abs=0.25)
    assert (kernel * across**2).sum() < 0.35


def test_level_line_is_a_row_of_equal_weights() -> None:
    assert line_psf(7.0, 0.0) == pytest.approx(np.full((1, 7), 1 / 7))
    assert line_psf(7.0, 90.0) == pytest.approx(np.full((7, 1), 1 / 7))


@pytest.mark.parametrize("radius", [0.5, 2.0, 6.3])
def test_disc(radius: float) -> None:
    kernel = disc_psf(radius).astype(float)
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    y, x = np.indices(kernel.shape) - kernel.shape[0] // 2
    if radius > 1:
        assert (kernel * (x**2 + y**2)).sum() == pytest.approx(radius**2 / 2 + 1 / 6, rel=0.05)


@pytest.mark.parametrize("sigma", [1.0, 2.6, 3.18, 7.03, 12.0])
@pytest.mark.parametrize("shape", [(128, 131), (96, 97, 3)])
def test_pyramid_blur_equals_the_direct_sum(sigma: float, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = (rng.random(shape) > 0.5).astype(np.float32) * 255
    x[30:60] = 255  # edges, noise and borders at their worst
    spread = (sigma, sigma, 0)[: len(shape)]
    direct = ndimage.gaussian_filter(x.astype(float), spread, mode="mirror", truncate=6)
    assert np.abs(gaussian_blur(x, sigma) - direct).max() < 1.0
    coarse = gaussian_blur(x.astype(np.uint8), sigma)
    assert np.abs(coarse - direct).max() < 3.0
    assert np.sqrt(np.mean((coarse - direct) ** 2)) < 0.6


def test_blur_of_nothing_and_of_flat() -> None:
    x = np.full((64, 64), 77, np.uint8)
    assert np.array_equal(gaussian_blur(x, 0.0), x)
    assert np.array_equal(gaussian_blur(x, 9.0), x)
    assert np.array_equal(convolve(x, line_psf(9.0, 30.0)), x)


def test_convolution_is_correlation_with_mirrored_edges() -> None:
    x = np.random.default_rng(0).random((40, 41)).astype(np.float32)
    kernel = line_psf(9.0, 30.0)
    direct = ndimage.correlate(x.astype(float), kernel.astype(float), mode="mirror")
    assert np.abs(convolve(x, kernel) - direct).max() < 1e-5
    assert cv2.BORDER_DEFAULT == cv2.BORDER_REFLECT_101
