"""Fourier encoding against its definitions and against NumPy's plain transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.physics import fourier


def _plane(shape: tuple[int, int], seed: int = 0) -> Any:
    return np.random.default_rng(seed).random(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(8, 8), (9, 12), (7, 5)])
def test_transform_is_unitary_and_centred(shape: tuple[int, int]) -> None:
    x = _plane(shape).astype(np.complex128)
    k = fourier.fft2c(x)
    assert np.linalg.norm(k) == pytest.approx(np.linalg.norm(x))
    assert fourier.ifft2c(k) == pytest.approx(x)
    assert k[shape[0] // 2, shape[1] // 2] == pytest.approx(x.sum() / np.sqrt(x.size))


def test_sampling_has_its_adjoint() -> None:
    rng = np.random.default_rng(0)
    mask = fourier.cartesian_mask(20, 0.4, 0.1, rng)
    x = rng.standard_normal((16, 20)) + 1j * rng.standard_normal((16, 20))
    y = rng.standard_normal((16, 20)) + 1j * rng.standard_normal((16, 20))
    left = np.vdot(y, fourier.sample(x, mask))
    assert left == pytest.approx(np.vdot(fourier.sample_adjoint(y, mask), x))


def test_torch_takes_the_same_model() -> None:
    torch = pytest.importorskip("torch")
    x = _plane((12, 10))
    there = fourier.fft2c(torch.from_numpy(x))
    assert there.numpy() == pytest.approx(fourier.fft2c(x), abs=1e-6)
    assert fourier.ifft2c(there).real.numpy() == pytest.approx(x, abs=1e-6)


@given(n=st.integers(16, 300), centre=st.floats(0.04, 0.2), more=st.floats(0, 0.5))
@settings(max_examples=60, deadline=None)
def test_mask_counts_are_exact(n: int, centre: float, more: float) -> None:
    mask = fourier.cartesian_mask(n, centre + more, centre, np.random.default_rng(1), 4.0)
    middle = max(round(centre * n), 1)
    start = n // 2 - middle // 2
    assert mask[start : start + middle].all()
    assert mask.sum() == max(round((centre + more) * n), middle)


def test_smaller_mask_is_a_subset() -> None:
    masks = [
        fourier.cartesian_mask(266, keep, 0.08, np.random.default_rng(3), 8.0)
        for keep in (0.18, 0.15, 0.11)
    ]
    assert [int(m.sum()) for m in masks] == [48, 40, 29]
    assert masks[0][133 - 10 : 133 + 11].all()  # 21 columns of 266
    assert not (masks[1] & ~masks[0]).any()
    assert not (masks[2] & ~masks[1]).any()


@pytest.mark.parametrize("shape", [(16, 32), (15, 33)])
@pytest.mark.parametrize("axis", [0, 1])
def test_line_filter_equals_the_full_transform(shape: tuple[int, int], axis: int) -> None:
    x = _plane(shape)
    rng = np.random.default_rng(5)
    weights = rng.standard_normal(shape[axis]) + 1j * rng.standard_normal(shape[axis])
    spread = weights[:, None] if axis == 0 else weights[None, :]
    expected = fourier.ifft2c(spread * fourier.fft2c(np.roll(x, 0).astype(np.complex128)))
    real, imaginary = fourier.filter_lines(x, weights, axis)
    # The centred transform differs by a shift of both domains, which cancels here.
    assert np.abs(real + 1j * imaginary - expected).max() < 3e-6


def test_undersampled_spectrum_is_mask_times_spectrum() -> None:
    x = _plane((64, 66))
    mask = fourier.cartesian_mask(66, 0.3, 0.1, np.random.default_rng(0)).astype(np.float32)
    real, imaginary = fourier.filter_lines(x, mask, axis=1)
    seen = fourier.fft2c((real + 1j * imaginary).astype(np.complex128))
    full = fourier.fft2c(x.astype(np.complex128))
    assert np.abs(seen - mask * full).max() < 1e-6 * np.abs(full).max()
    whole, none = fourier.filter_lines(x, np.ones(66, np.float32), axis=1)
    assert none is None
    assert np.abs(whole - x).max() < 1e-6


@pytest.mark.parametrize("shape", [(20, 32), (21, 33), (16, 31)])
def test_spliced_poses_equal_spliced_k_space(shape: tuple[int, int]) -> None:
    still, first, second = (_plane(shape, seed) for seed in range(3))
    k = np.abs(np.arange(shape[1]) - shape[1] // 2)
    spectra = [np.fft.fftshift(np.fft.fft(v, axis=1), axes=1) for v in (still, first, second)]
    spliced = np.where(k > 7, spectra[2], np.where(k > 3, spectra[1], spectra[0]))
    expected = np.abs(np.fft.ifft(np.fft.ifftshift(spliced, axes=1), axis=1))
    assert np.abs(fourier.splice_poses(still, first, second, (3, 7)) - expected).max() < 2e-6
    same = fourier.splice_poses(still, still.copy(), still.copy(), (3, 7))
    assert np.abs(same - still).max() < 1e-6


def test_low_pass_equals_masked_transform() -> None:
    x = _plane((33, 40))
    v, u = np.fft.fftfreq(33)[:, None] * 2 / 0.5, np.fft.fftfreq(40)[None, :] * 2 / 0.5
    expected = np.fft.ifft2(np.fft.fft2(x) * (u**2 + v**2 <= 1 + 1e-6)).real
    assert np.abs(fourier.low_pass(x, 0.5) - expected).max() < 2e-6
