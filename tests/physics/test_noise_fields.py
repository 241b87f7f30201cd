"""Noise fields against the laws they claim."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from osler.core import derive_rng
from osler.physics import noise


def test_normal_law() -> None:
    z = noise.normal(derive_rng("a"), (1000, 1000)).ravel()
    assert abs(z.mean()) < 0.004
    assert z.std() == pytest.approx(1, abs=0.003)
    assert stats.kurtosis(z) == pytest.approx(0, abs=0.02)
    assert stats.kstest(z[:200_000], "norm").pvalue > 0.001
    pairs = np.corrcoef(z[:-1], z[1:])[0, 1]
    assert abs(pairs) < 0.005


def test_table_itself() -> None:
    table = noise.normal_quantiles()
    assert table.mean() == pytest.approx(0, abs=1e-12)
    assert table.var() == pytest.approx(1, abs=1e-12)
    assert stats.kstest(table, "norm").statistic < 1e-4


def test_whole_noise_is_rounded_normal_noise() -> None:
    steps = noise.whole_normal(derive_rng("b"), (512, 512), 12.24)
    assert steps.dtype == np.int8
    assert steps.std() == pytest.approx(np.sqrt(12.24**2 + 1 / 12), rel=0.01)
    assert noise.whole_normal(derive_rng("b"), (8, 8), 60.0).dtype == np.int16


def test_fallback_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    first = noise.normal(derive_rng("c"), (33, 17))
    monkeypatch.setattr(noise, "_WIDE_LUT", False)
    assert np.array_equal(first, noise.normal(derive_rng("c"), (33, 17)))


def test_rician_in_air_is_rayleigh() -> None:
    air = noise.rician(np.zeros((800, 800), np.float32), derive_rng("d"), 3.0)
    assert air.mean() / 3.0 == pytest.approx(np.sqrt(np.pi / 2), rel=0.01)
    assert air.std() / 3.0 == pytest.approx(np.sqrt(2 - np.pi / 2), rel=0.01)
    bright = noise.rician(np.full((400, 400), 100.0, np.float32), derive_rng("e"), 3.0)
    assert bright.mean() == pytest.approx(100 + 9 / 200, abs=0.05)
    assert bright.std() == pytest.approx(3.0, rel=0.02)


def test_speckle_has_the_rayleigh_signal_to_noise() -> None:
    speckle = noise.rayleigh(derive_rng("f"), (800, 800))
    assert speckle.mean() == pytest.approx(1, abs=0.005)
    assert speckle.mean() / speckle.std() == pytest.approx(1.913, rel=0.02)


@pytest.mark.parametrize("mean", [0.3, 4.0, 49.0, 60.0, 900.0])
def test_poisson_moments(mean: float) -> None:
    counts = noise.poisson(derive_rng("g", mean), np.full((500, 500), mean, np.float32))
    assert counts.mean() == pytest.approx(mean, rel=0.02)
    assert counts.var() == pytest.approx(mean, rel=0.03)
    assert stats.skew(counts.ravel()) == pytest.approx(mean**-0.5, abs=0.03)
    assert np.array_equal(counts, np.rint(counts))
