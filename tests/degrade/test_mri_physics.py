"""MRI artefacts against k-space arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from osler.degrade import Draw, Frame, degradation_named, degrade
from osler.degrade.mri import gain_field
from osler.physics.fourier import fft2c
from osler.physics.phantoms import shepp_logan

FRAME = Frame(0.0, 1.0, "mri", "a.u.")


def _apply(key: str, x: Any, seed: int = 1, **params: Any) -> Any:
    return degradation_named(key).apply(x, Draw(seed), FRAME, **params)


def test_full_mask_is_identity_and_channels_share_one_mask() -> None:
    x = shepp_logan(64) * np.float32(0.4)
    assert np.array_equal(_apply("undersampling", x, keep=1.0, centre=0.08), x)
    colour = np.stack([x, 0.5 * x, np.roll(x, 3, axis=1)], axis=-1)
    y = _apply("undersampling", colour, keep=0.3, centre=0.08)
    for channel in range(3):
        alone = _apply("undersampling", colour[..., channel].copy(), keep=0.3, centre=0.08)
        assert np.array_equal(y[..., channel], alone)
    assert y[..., 1] == pytest.approx(0.5 * y[..., 0], abs=1e-5)


def test_unmeasured_columns_are_empty() -> None:
    x = shepp_logan(128)
    draw = Draw(3)
    y = degradation_named("undersampling").apply(x, draw, FRAME, keep=0.2, centre=0.1)
    spread = np.abs(fft2c(x))
    assert np.abs(y).max() <= spread.sum() / 128 + 1e-3  # zero-filled, nothing added
    assert y.mean() == pytest.approx(x.mean(), rel=0.3)


def test_gain_one_gives_no_ghost() -> None:
    x = shepp_logan(96)
    assert _apply("ghosting", x, every=4, gain=1.0) == pytest.approx(x, abs=1e-6)


@pytest.mark.parametrize("every", [2, 4, 8])
def test_ghosts_sit_at_multiples(every: int) -> None:
    n = 64
    x = np.zeros((n, n), np.float32)
    x[10, 20] = 0.5
    y = _apply("ghosting", x, every=every, gain=1.5, centre=0.0)
    places = {(10 + k * n // every) % n for k in range(every)}
    column = y[:, 20]
    for row in range(n):
        if row not in places:
            assert column[row] ** 2 < 1e-6
        elif row != 10:
            assert column[row] == pytest.approx(0.25 / every, abs=1e-5)
    assert column[10] == pytest.approx(0.5 + 0.25 / every, abs=1e-5)
    assert np.abs(np.delete(y, 20, axis=1)).max() < 1e-6


def test_no_movement_is_identity() -> None:
    x = shepp_logan(65)
    assert _apply("random_motion", x, degrees=0.0, shift=0.0, calm=0.05) == pytest.approx(
        x, abs=1e-5
    )


def test_motion_keeps_the_anatomy_in_place() -> None:
    x = shepp_logan(128)
    y = _apply("random_motion", x, degrees=4.0, shift=0.025, calm=0.10)
    spectrum = np.fft.fft2(x) * np.conj(np.fft.fft2(y))
    peak = np.unravel_index(np.argmax(np.fft.ifft2(spectrum).real), x.shape)
    offsets = [min(p, 128 - p) for p in peak]
    assert max(offsets) <= 2


@pytest.mark.parametrize("shape", [(64, 64), (100, 37)])
def test_bias_field_has_mean_one_and_the_asked_spread(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for spread in (0.25, 0.45, 0.75):
        field = gain_field(shape, list(rng.standard_normal(9)), spread).astype(float)
        assert field.mean() == pytest.approx(1, abs=1e-6)
        assert np.log(field).std() == pytest.approx(spread, rel=0.1)
        assert field.min() > 0


def test_bias_field_does_not_darken() -> None:
    x = np.full((96, 96), 100, np.uint8)
    y = degrade(x, "bias_field", 2, seed=1, modality="mri").image
    assert y.mean() == pytest.approx(100, rel=0.02)


def test_rician_air_level() -> None:
    x = np.zeros((400, 400), np.float32)
    y = _apply("rician_noise", x, sigma=0.08)
    assert y.mean() / 0.08 == pytest.approx(1.2533, rel=0.01)


def test_spike_is_one_sample_of_k_space() -> None:
    n = 64
    x = shepp_logan(n) * np.float32(0.4)
    draw = Draw(7)
    y = degradation_named("spike").apply(x, draw, FRAME, intensity=0.5)
    v = round(draw.values["radius"] * np.sin(draw.values["angle"]) * n)
    u = round(draw.values["radius"] * np.cos(draw.values["angle"]) * n)
    k = np.fft.fft2(x.astype(complex))
    k[v % n, u % n] += 0.5 * k[0, 0] * np.exp(1j * draw.values["phase"])
    assert y == pytest.approx(np.abs(np.fft.ifft2(k)), abs=1e-5)


def test_wrap_around_is_coarser_k_space_sampling() -> None:
    n = 60
    x = np.zeros((n, 8), np.float32)
    x[2], x[30], x[57] = 0.3, 0.5, 0.2
    y = _apply("wrap_around", x, fold=0.2)  # field of 48 rows from 6 to 53
    expected = np.zeros_like(x)
    expected[30], expected[2 + 48], expected[57 - 48] = 0.5, 0.3, 0.2
    assert y == pytest.approx(expected, abs=1e-6)


def test_partial_fourier_and_gibbs_limits() -> None:
    x = shepp_logan(64)
    assert _apply("partial_fourier", x, keep=1.0) == pytest.approx(x, abs=1e-5)
    assert np.array_equal(_apply("gibbs", x, radius=1.5), x)
    edge = np.zeros((64, 256), np.float32)
    edge[:, 64:192] = 0.5
    ringing = _apply("gibbs", edge, radius=0.3)
    assert ringing[32].max() / 0.5 - 1 == pytest.approx(0.0895, abs=0.02)  # Wilbraham-Gibbs


def test_chemical_shift_moves_only_the_bright() -> None:
    x = np.zeros((64, 256), np.float32)
    x[:, 50:60], x[:, 150:160] = 0.3, 0.9
    y = _apply("chemical_shift", x, shift=8 / 64)
    assert y[:, 40:70] == pytest.approx(x[:, 40:70], abs=1e-6)
    centre = (y[32, 100:200] * np.arange(100, 200)).sum() / y[32, 100:200].sum()
    assert abs(centre - 154.5) == pytest.approx(8, abs=0.05)


def test_zipper_and_susceptibility_stay_local() -> None:
    x = shepp_logan(128)
    draw = Draw(2)
    y = degradation_named("zipper").apply(x, draw, FRAME, lines=1, amplitude=1.0)
    changed = np.flatnonzero(np.abs(y - x).max(axis=0) > 1e-6)
    assert changed.max() - changed.min() <= 2
    draw = Draw(2)
    y = degradation_named("susceptibility").apply(x, draw, FRAME, shift=0.08, dropout=1.0)
    far = np.hypot(
        *(
            np.indices(x.shape)
            - 128 * np.array([draw.values["row"], draw.values["column"]])[:, None, None]
        )
    )
    assert np.abs(y - x)[far > 128 * 0.9].max(initial=0) < 1e-2
    assert np.abs(y - x).max() > 0.05
