"""Quality features against closed forms."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from osler.curate.pool import FEATURES, measure
from osler.images import quality


def _noise(sigma: float, side: int = 256, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (128 + rng.normal(0, sigma, (side, side))).astype(np.float32)


@pytest.mark.parametrize("sigma", [1.0, 3.0, 10.0])
def test_noise_sigma_is_that_of_the_noise(sigma: float) -> None:
    ramp = np.linspace(-40, 40, 256, dtype=np.float32)[None, :]
    assert quality.noise_sigma(_noise(sigma) + ramp) == pytest.approx(sigma, rel=0.03)


def test_air_that_is_clipped_does_not_hide_the_noise() -> None:
    plane = _noise(5.0)
    plane[:, :170] = 0
    assert quality.noise_sigma(plane) == pytest.approx(5, rel=0.05)
    assert quality.noise_sigma(np.zeros((64, 64), np.float32)) == 0


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0, 6.0])
def test_blur_sigma_is_that_of_a_blurred_step(sigma: float) -> None:
    step = np.zeros((200, 200), np.float32)
    step[:, 100:] = 200
    blurred = cv2.GaussianBlur(step, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    assert quality.blur_sigma(blurred) == pytest.approx(sigma, rel=0.13)
    assert quality.blur_sigma(blurred.T.copy()) == pytest.approx(sigma, rel=0.13)


def test_sharpness_of_a_wave_is_its_eigenvalue_squared() -> None:
    u = np.arange(256, dtype=np.float64)
    wave = 100 + 50 * np.sin(2 * np.pi * 16 * u / 256)
    plane = np.tile(wave.astype(np.float32), (256, 1))
    eigenvalue = 2 * np.cos(2 * np.pi * 16 / 256) - 2
    assert quality.sharpness(plane) == pytest.approx(eigenvalue**2, rel=0.02)
    assert quality.sharpness(plane * 0.5 + 9) == pytest.approx(quality.sharpness(plane), rel=1e-3)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, -1.0])
def test_noise_slope_is_the_exponent_of_the_spectrum(exponent: float) -> None:
    rng = np.random.default_rng(4)
    slopes = []
    for _ in range(8):
        spectrum = np.fft.fft2(rng.normal(size=(256, 256)))
        radius = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :])
        radius[0, 0] = 1
        plane = np.fft.ifft2(spectrum * radius ** (-exponent / 2)).real
        slopes.append(quality.noise_slope((128 + 5 * plane / plane.std()).astype(np.float32)))
    assert np.mean(slopes) == pytest.approx(-exponent, abs=0.12)


def test_shares_and_spread_come_from_the_histogram() -> None:
    plane = np.zeros((10, 10), np.uint8)
    plane[:2], plane[2:5], plane[5:] = 0, 255, 51
    counts = quality.histogram(plane)
    assert quality.clipped(counts) == (0.2, 0.3)
    shares = np.array([0.2, 0.3, 0.5])
    assert quality.entropy(counts) == pytest.approx(-(shares * np.log2(shares)).sum())
    ramp = quality.histogram(np.arange(256, dtype=np.uint8)[None, :])
    assert quality.entropy(ramp) == pytest.approx(8)
    assert quality.contrast(ramp) == pytest.approx(0.9, abs=0.01)
    assert quality.entropy(quality.histogram(np.full((4, 4), 7, np.uint8))) == 0


@pytest.mark.parametrize("strength", [0.1, 0.4])
def test_bias_field_of_an_exponential_gain(strength: float) -> None:
    u = np.linspace(-1, 1, 256)[None, :]
    plane = (100 * np.exp(strength * u) * np.ones((256, 1))).astype(np.float32)
    assert quality.bias_field(plane) == pytest.approx(strength / np.sqrt(3), rel=0.03)


def test_blockiness_sees_the_grid_of_jpeg_and_no_other() -> None:
    rng = np.random.default_rng(2)
    smooth = cv2.GaussianBlur(rng.normal(size=(256, 256)).astype(np.float32), (0, 0), 6)
    plane = cv2.normalize(smooth, None, 30, 220, cv2.NORM_MINMAX).astype(np.uint8)
    values = []
    for level in (95, 30, 5):
        coded = cv2.imencode(".jpg", plane, [cv2.IMWRITE_JPEG_QUALITY, level])[1]
        values.append(quality.blockiness(cv2.imdecode(coded, 0).astype(np.float32)))
    assert values == sorted(values)
    assert values[2] > 1
    assert abs(quality.blockiness(plane.astype(np.float32))) < 0.1
    steps = np.repeat(np.arange(16, dtype=np.float32), 8)[None, :] + np.zeros((128, 1), np.float32)
    assert quality.blockiness(steps) == 0  # nothing inside the blocks to compare with


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (17, 17), (700, 900)])
def test_every_size_gives_finite_features(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    for plane in (rng.integers(0, 256, shape, dtype=np.uint8), np.zeros(shape, np.uint8)):
        found = measure(plane)
        assert tuple(found) == FEATURES
        assert np.isfinite(list(found.values())).all()
