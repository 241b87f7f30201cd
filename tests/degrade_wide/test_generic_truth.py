"""Storage, transport and display against other libraries and closed forms."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from scipy import stats

from osler.degrade.samples import samples


def photograph() -> np.ndarray:
    return samples("pathology")[0].pixels


@pytest.mark.parametrize("quality", [30, 10, 4])
def test_jpeg_equals_pillow(apply, quality: int) -> None:
    from PIL import Image

    rgb = photograph()
    for x in (rgb[..., 1].copy(), rgb):
        file = BytesIO()
        Image.fromarray(x).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        pillow = np.asarray(Image.open(file)).astype(int)
        ours = apply("jpeg", x, quality=quality).astype(int)
        assert np.abs(ours - pillow).mean() < 0.2
        assert np.abs(ours - pillow).max() <= (0 if x.ndim == 2 else 12)


def test_jpeg_of_16_bit_is_the_8_bit_jpeg(apply) -> None:
    grey = photograph()[..., 0].copy()
    word = grey.astype(np.uint16) * 257
    assert np.array_equal(
        apply("jpeg", word, hi=65535.0), apply("jpeg", grey).astype(np.uint16) * 257
    )


@pytest.mark.parametrize("amount", [0.01, 0.05, 0.15])
def test_salt_and_pepper_rates(apply, amount: float) -> None:
    x = np.full((600, 600), 100, np.uint8)
    y = apply("salt_pepper", x, amount=amount)
    assert set(np.unique(y)) == {0, 100, 255}
    error = 4 * np.sqrt(amount / 2 / x.size)
    assert np.mean(y == 0) == pytest.approx(amount / 2, abs=error)
    assert np.mean(y == 255) == pytest.approx(amount / 2, abs=error)


def test_poisson_variance_is_proportional_to_brightness(apply) -> None:
    levels = np.array([0.05, 0.1, 0.2, 0.4, 0.8], np.float32)
    variances = []
    for level in levels:
        y = apply("poisson_noise", np.full((500, 500), level, np.float32), photons=200.0, hi=9.0)
        # frame 0..9: 200 photons at 9, so the mean count is 200 * level / 9
        assert y.mean() == pytest.approx(level, rel=0.01)
        variances.append(y.var())
    expected = levels * 9 / 200
    assert np.allclose(variances, expected, rtol=0.02)


@pytest.mark.parametrize("mean", [3.0, 14.0, 40.0])
def test_poisson_counts_follow_the_law(apply, mean: float) -> None:
    y = apply("poisson_noise", np.full((400, 400), 0.5, np.float32), photons=2 * mean, hi=8.0)
    # mean count: 0.5 / 8 * photons
    expected_mean = 0.5 / 8 * 2 * mean
    counts = np.rint(y / 8 * 2 * mean).ravel()
    assert np.abs(y / 8 * 2 * mean - np.rint(y / 8 * 2 * mean)).max() < 1e-3
    law = stats.poisson(expected_mean)
    for k in range(int(law.ppf(0.02)), int(law.ppf(0.98)) + 1):
        assert np.mean(counts <= k) == pytest.approx(law.cdf(k), abs=0.006)


@pytest.mark.parametrize("bits", [5, 3, 2])
def test_quantise_leaves_exactly_two_to_the_bits_levels(apply, bits: int) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    y = apply("quantise", ramp, bits=bits)
    assert len(np.unique(y)) == 2**bits
    assert (y.min(), y.max()) == (0, 255)
    # As when a detector drops its low bits and the display stretches the rest.
    assert np.array_equal(y, np.rint((ramp >> (8 - bits)) * 255.0 / (2**bits - 1)))


@pytest.mark.parametrize("side", [200, 400])
def test_defocus_of_a_point_is_a_disc_that_scales_with_the_image(apply, side: int) -> None:
    x = np.zeros((side, side), np.float32)
    x[side // 2, side // 2] = 1
    y = apply("defocus", x, radius=0.03).astype(np.float64)
    rows, cols = np.mgrid[:side, :side] - side // 2
    radius = 0.03 * side
    assert y.sum() == pytest.approx(1, abs=1e-4)
    # Second moment of a uniform disc: r^2 / 4 along each axis (plus the pixel's own 1/12).
    assert (y * rows**2).sum() == pytest.approx(radius**2 / 4, rel=0.06)
    assert (y * cols**2).sum() == pytest.approx(radius**2 / 4, rel=0.06)
    inside = y[np.hypot(rows, cols) < radius - 1.5]
    assert np.ptp(inside) < 1e-6


def test_chroma_shift_moves_red_against_blue_and_leaves_green(apply, drawn) -> None:
    rng = np.random.default_rng(1)
    grey = np.kron(rng.random((25, 25)), np.ones((8, 8))).astype(np.float32)
    rgb = np.stack([grey] * 3, axis=-1)
    y = apply("chroma_shift", rgb, shift=0.02)
    assert np.array_equal(y[..., 1], grey)
    angle = drawn("chroma_shift", rgb)["angle"]
    expected = 0.02 * 200 * np.array([np.sin(angle), np.cos(angle)])
    assert shift_between(y[..., 0], grey) == pytest.approx(tuple(expected), abs=0.6)
    assert shift_between(y[..., 2], grey) == pytest.approx(tuple(-expected), abs=0.6)
    mono = apply("chroma_shift", grey, shift=0.02)
    assert np.allclose(mono, y.mean(axis=-1), atol=1e-5)


def shift_between(moved: np.ndarray, fixed: np.ndarray) -> tuple[float, float]:
    """(rows, columns) by the peak of the cross-correlation."""
    spectrum = np.fft.fft2(moved - moved.mean()) * np.conj(np.fft.fft2(fixed - fixed.mean()))
    peak = np.unravel_index(np.argmax(np.fft.ifft2(spectrum).real), fixed.shape)
    return tuple(float(p - n if p > n // 2 else p) for p, n in zip(peak, fixed.shape, strict=True))


def test_occlusion_area_and_untouched_rest(apply) -> None:
    x = np.full((200, 300), 0.5, np.float32)
    for seed in range(5):
        y = apply("occlusion", x, seed, boxes=1, area=0.04)
        assert np.mean(y == 0) == pytest.approx(0.04, rel=0.05)
        assert set(np.unique(y)) == {0.0, 0.5}


def test_crop_border_keeps_a_window_and_smaller_windows_are_nested(apply) -> None:
    x = np.random.default_rng(0).uniform(0.1, 1, (200, 300)).astype(np.float32)
    for seed in range(5):
        wide, narrow = (apply("crop_border", x, seed, keep=k) for k in (0.8, 0.5))
        assert np.mean(wide > 0) == pytest.approx(0.64, rel=0.02)
        assert np.array_equal(wide[wide > 0], x[wide > 0])
        assert not np.any((narrow > 0) & (wide == 0))


def test_text_overlay_is_white_on_black_outline(apply) -> None:
    x = np.full((300, 300), 0.5, np.float32)
    y = apply("text_overlay", x, lines=5, height=0.06)
    touched = y != 0.5
    assert 0.003 < touched.mean() < 0.15
    assert y.max() > 0.95
    assert y.min() < 0.05
    assert np.mean(apply("text_overlay", x, lines=20, height=0.06) != 0.5) > 2 * touched.mean()
