"""Display windows by their definition; PSNR, SSIM, NMSE against scikit-image and by hand."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.core import InputError
from osler.images import Image, Window, compare, nmse, peak_of, psnr, ssim, to_display


def test_window_spans_the_display() -> None:
    values = np.array([[-2000, -160, 40, 240, 3000]], np.int16)
    found = to_display(Image(values, "yx", "ct", "HU"), (40, 400))
    assert found.pixels.tolist() == [[0, 0, 128, 255, 255]]
    assert (found.unit, found.window) == ("8-bit", None)
    assert found.meta["display"] == "window 40/400"


@given(
    center=st.floats(-500, 500),
    width=st.floats(1, 3000),
    kind=st.sampled_from([np.uint8, np.int16, np.uint16, np.float32, np.int32]),
)
def test_display_is_monotone_and_equal_for_all_types(center: float, width: float, kind) -> None:
    values = np.arange(0, 250)[None]
    found = to_display(Image(values.astype(kind), "yx"), (center, width)).pixels[0].astype(int)
    assert (np.diff(found) >= 0).all()
    low, high = Window(center, width).bounds
    truth = np.clip(np.floor((values[0] - low) / (high - low) * 255 + 0.5), 0, 255)
    np.testing.assert_array_equal(found, truth)


def test_own_window_comes_before_percentiles_and_it_is_said() -> None:
    values = np.random.default_rng(0).normal(500, 100, (64, 64)).astype(np.float32)
    image = Image(values, "yx", "mri", "a.u.")
    found = to_display(image)
    assert found.meta["display"].startswith("percentiles 0.5 to 99.5")
    low, high = np.percentile(values, (0.5, 99.5))
    truth = np.rint((values.astype(float) - low) / (high - low) * 255).clip(0, 255)
    assert np.abs(found.pixels - truth).max() <= 1
    stated = to_display(image.with_pixels(values, window=Window(500, 200)))
    assert stated.meta["display"] == "window 500/200"


def test_padding_does_not_count_for_percentiles() -> None:
    values = np.random.default_rng(0).integers(0, 1000, (64, 64)).astype(np.int16)
    padded = np.pad(values, 40, constant_values=-2000)
    one = to_display(Image(values, "yx", unit="a.u."))
    other = to_display(Image(padded, "yx", unit="a.u.", meta={"padding": "-2000"}))
    assert np.abs(one.pixels.astype(int) - other.pixels[40:-40, 40:-40]).max() <= 1


def test_eight_bit_and_colour_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    for image in (
        Image(rng.integers(0, 256, (8, 8), np.uint8), "yx", unit="8-bit"),
        Image(rng.integers(0, 256, (8, 8, 3), np.uint8), "yxc", unit="8-bit", window=Window(1, 2)),
    ):
        np.testing.assert_array_equal(to_display(image).pixels, image.pixels)
    deep = Image(rng.integers(0, 65536, (8, 8), np.uint16), "yx", unit="16-bit")
    np.testing.assert_array_equal(to_display(deep).pixels, deep.pixels >> 8)


def test_constant_images_and_bad_windows() -> None:
    assert to_display(Image(np.full((3, 3), 7.0, np.float32), "yx")).pixels.max() == 0
    with pytest.raises(InputError, match="positive width"):
        to_display(Image(np.zeros((3, 3), np.int16), "yx"), (40, 0))


def _pair(seed: int = 0, shape: tuple[int, ...] = (60, 50), dtype=np.float64):
    rng = np.random.default_rng(seed)
    one = rng.normal(0, 1, shape).cumsum(0).cumsum(1)
    one = (one - one.min()) / (one.max() - one.min()) * 255
    other = (one + rng.normal(0, 12, shape)).clip(0, 255)
    return one.astype(dtype), other.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, np.int16])
def test_ssim_equals_scikit_image(dtype) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    one, other = _pair(dtype=dtype)
    truth = metrics.structural_similarity(
        one.astype(float), other.astype(float), data_range=255, gaussian_weights=True,
        sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    assert ssim(one, other, peak=255) == pytest.approx(truth, abs=1e-9)
    assert 0.05 < truth < 0.999


def test_ssim_of_colour_and_volumes_is_the_mean_over_planes() -> None:
    one, other = _pair(shape=(40, 30, 3))
    mean = np.mean([ssim(one[..., c], other[..., c], peak=255) for c in range(3)])
    assert ssim(one, other, peak=255) == pytest.approx(mean, abs=1e-12)
    x, y = _pair(shape=(30, 20, 4))
    found = ssim(Image(x, "xyz"), Image(y, "xyz"), peak=255)
    mean = np.mean([ssim(x[..., z].T, y[..., z].T, peak=255) for z in range(4)])
    assert found == pytest.approx(mean, abs=1e-12)


@given(st.integers(0, 10_000))
def test_properties_of_ssim(seed: int) -> None:
    one, other = _pair(seed, (16, 14))
    assert ssim(one, one, peak=255) == pytest.approx(1, abs=1e-12)
    found = ssim(one, other, peak=255)
    assert found == pytest.approx(ssim(other, one, peak=255), abs=1e-12)
    assert -1 <= found < 1


def test_psnr_and_nmse_by_hand_and_by_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    one, other = _pair()
    truth = metrics.peak_signal_noise_ratio(one, other, data_range=255)
    assert psnr(one, other, peak=255) == pytest.approx(truth)
    assert psnr(np.zeros((4, 4)), np.full((4, 4), 0.1), peak=1) == pytest.approx(20)
    assert psnr(one, one, peak=1) == math.inf
    assert nmse(np.array([[3.0, 4.0]]), np.array([[3.0, 5.0]])) == pytest.approx(1 / 25)
    assert nmse(one, other) == pytest.approx(metrics.normalized_root_mse(one, other) ** 2)


def test_peak_is_stated() -> None:
    eight = Image(np.array([[3, 90]], np.uint8), "yx", unit="8-bit")
    assert peak_of(eight) == 255
    assert peak_of(np.array([[3, 90]], np.uint16)) == 65535
    assert peak_of(np.array([[3.0, 90.0]])) == 87
    hu = Image(np.array([[-1000, 0, 40, 2000]], np.int16), "yx", "ct", "HU")
    assert peak_of(hu) == 3000
    assert peak_of(hu, (40, 400)) == 400
    assert peak_of(hu, (40, 10000)) == 3000
    with pytest.raises(InputError, match="constant"):
        peak_of(np.full((3, 3), 5.0))


def test_compare_clips_to_the_window_first() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-1000, 1500, (32, 32)).astype(np.int16)
    one = Image(values, "yx", "ct", "HU", window=Window(40, 400))
    other = one.with_pixels(np.where(values > 300, values + 500, values).astype(np.int16))
    found = compare(one, other)
    assert (found.psnr, found.nmse, found.mae) == (math.inf, 0, 0)
    assert found.peak == 400
    assert found.window == (-160, 240)
    assert "window -160 to 240" in found.peak_from
    free = compare(one, other, window=(0, 100_000), peak=2500)
    assert free.psnr < 30
    assert (free.peak, free.peak_from) == (2500, "given")


def test_what_cannot_be_compared_is_refused() -> None:
    one, other = _pair()
    for bad, message in (
        (other[:-1], "shape"),
        (np.where(other > 100, np.nan, other), "not finite"),
    ):
        with pytest.raises(InputError, match=message):
            compare(one, bad)
    with pytest.raises(InputError, match="unit"):
        compare(Image(one, "yx", unit="HU"), Image(other, "yx", unit="8-bit"))
    with pytest.raises(InputError, match="axes"):
        compare(Image(one[None], "tyx"), Image(other[None], "xyz"))
    with pytest.raises(InputError, match="11 x 11"):
        ssim(one[:8], other[:8], peak=1)
    with pytest.raises(InputError, match="positive number"):
        psnr(one, other, peak=0)
    with pytest.raises(InputError, match="zero everywhere"):
        nmse(np.zeros((2, 2)), np.ones((2, 2)))


def test_the_room_costs_nothing_to_import() -> None:
    code = (
        "import sys, osler.images; heavy = {'numpy', 'pydicom', 'nibabel', 'PIL', 'tifffile', "
        "'cv2', 'torch', 'pandas', 'scipy', 'gdcm'} & set(sys.modules); "
        "assert not heavy, heavy; osler.images.read; osler.images.compare; "
        "missing = [n for n in osler.images.__all__ if getattr(osler.images, n, None) is None]; "
        "assert not missing, missing"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
