"""Ultrasound and OCT: statistics of speckle and closed forms in dB."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from osler.degrade.decibels import amplitude, shown, speckle
from osler.degrade.samples import samples


def flat(level: float, shape: tuple[int, int] = (400, 400)) -> np.ndarray:
    return np.full(shape, level, np.float32)


def echo(y: np.ndarray, decibels: float) -> np.ndarray:
    """Linear amplitude of a shown grey, written out again: 10^((g - 1) R / 20) less the floor."""
    return 10 ** ((y.astype(np.float64) - 1) * decibels / 20) - 10 ** (-decibels / 20)


@pytest.mark.parametrize("decibels", [40.0, 60.0])
def test_log_compression_has_an_exact_inverse_and_keeps_black(decibels: float) -> None:
    g = np.linspace(0, 1, 1001, dtype=np.float32).reshape(7, 143)
    assert np.allclose(shown(amplitude(g, decibels), decibels), g, atol=2e-5)
    assert amplitude(flat(0.0, (3, 3)), decibels).max() == pytest.approx(0, abs=1e-7)
    assert np.allclose(amplitude(g, decibels), echo(g, decibels), atol=1e-6)


@pytest.mark.parametrize("sigma", [(0.0, 0.0), (1.0, 2.0)])
def test_fully_developed_speckle_is_rayleigh(sigma: tuple[float, float]) -> None:
    grain = speckle(np.random.default_rng(11), (900, 900), 1.0, sigma).astype(np.float64)
    assert grain.mean() / grain.std() == pytest.approx(1.913, rel=0.02)
    assert np.mean(grain**2) == pytest.approx(1, rel=0.02)
    sample = grain[::13, ::17].ravel()
    assert stats.kstest(sample, stats.rayleigh(scale=np.sqrt(0.5)).cdf).statistic < 0.025


@pytest.mark.parametrize("diffuse", [0.08, 0.4])
def test_partial_speckle_is_rician(diffuse: float) -> None:
    grain = speckle(np.random.default_rng(2), (500, 500), diffuse, (0.0, 0.0)).astype(np.float64)
    law = stats.rice(np.sqrt(2 * (1 - diffuse) / diffuse), scale=np.sqrt(diffuse / 2))
    assert grain.mean() == pytest.approx(law.mean(), rel=0.005)
    assert grain.std() == pytest.approx(law.std(), rel=0.01)


def test_us_speckle_snr_on_the_envelope_of_a_display(apply) -> None:
    y = apply("us_speckle", flat(0.55, (700, 700)), diffuse=1.0)
    values = echo(y, 60.0)
    assert values.mean() / values.std() == pytest.approx(1.913, rel=0.02)


def test_us_speckle_is_coarser_across_the_beam(apply) -> None:
    y = apply("us_speckle", flat(0.5, (600, 600)), diffuse=1.0)
    power = echo(y, 60.0) ** 2
    power -= power.mean()

    def width(axis: int) -> float:
        lags = [np.mean(power * np.roll(power, k, axis)) for k in range(12)]
        return float(np.interp(-0.5, -np.array(lags) / lags[0], np.arange(12)))

    # The point spread is 1.3 px by 2.7 px, so the half widths of the correlation are 1 to 2.
    assert width(1) / width(0) == pytest.approx(2.0, rel=0.2)


def test_black_outside_the_sector_stays_black(apply) -> None:
    x = flat(0.6)
    x[:, :80] = 0
    for key in ("us_speckle", "us_gain", "us_shadow", "oct_speckle"):
        assert apply(key, x, seed=3)[:, :60].max() < 1e-6, key


def test_us_blur_point_spread(apply) -> None:
    x = flat(0.0, (301, 301))
    x[150, 150] = 1
    values = np.maximum(echo(apply("us_blur", x, lateral=0.02, ratio=3.0), 60.0), 0)
    rows, cols = np.mgrid[:301, :301] - 150
    lateral = np.sqrt((values * cols**2).sum() / values.sum())
    axial = np.sqrt((values * rows**2).sum() / values.sum())
    assert lateral == pytest.approx(0.02 * 301, rel=0.05)
    assert lateral / axial == pytest.approx(3.0, rel=0.05)


def test_us_gain_is_linear_in_decibels(apply) -> None:
    x = flat(0.6)
    y = apply("us_gain", x, ramp_db=24.0)
    change = 20 * np.log10(echo(y, 60.0) / echo(x, 60.0))[:, 0]
    assert abs(change[0] - change[-1]) == pytest.approx(24.0, abs=0.02)
    assert np.allclose(np.diff(change), np.diff(change)[0], atol=2e-3)
    assert change.mean() == pytest.approx(0, abs=0.01)


def test_us_shadow_loses_the_asked_decibels(apply, drawn) -> None:
    x = flat(0.9)
    y = apply("us_shadow", x, loss_db=20.0, width=0.2)
    place = drawn("us_shadow", x)
    row = round((place["depth"] + 0.3) * 400)
    col = round(place["centre"] * 400)
    assert (x[row, col] - y[row, col]) * 60 == pytest.approx(20.0, abs=0.1)
    assert y[round(place["depth"] * 400), col] >= 0.919
    assert np.array_equal(
        y[: round(place["depth"] * 400) - 30], x[: round(place["depth"] * 400) - 30]
    )
    # A shadow of a diverging beam widens with depth.
    dark = (x - y) * 60 > 10
    assert dark[-2].sum() > dark[row].sum() * 1.05


def test_reverberation_repeats_at_equal_distances(apply, drawn) -> None:
    x = flat(0.0)
    x[40] = 0.9
    y = echo(apply("us_reverberation", x, strength=0.5, copies=3), 60.0)[:, 200]
    delay = round(drawn("us_reverberation", x)["delay"] * 400)
    source = echo(x, 60.0)[40, 0]
    rows = np.flatnonzero(y > 1e-4)
    assert rows.tolist() == [40, 40 + delay, 40 + 2 * delay, 40 + 3 * delay]
    # The threshold below which nothing bounces is the 94th percentile: 0 here.
    assert np.allclose(y[rows[1:]] / source, [0.5, 0.3, 0.18], rtol=1e-3)


def test_clutter_fills_dark_tissue_near_the_probe_most(apply) -> None:
    x = flat(0.4)
    x[80:160, 150:250] = 0.05
    y = apply("us_clutter", x, level_db=-25.0)
    assert np.all(y >= x - 1e-5)
    assert (y - x)[80:160, 150:250].mean() > 4 * (y - x)[300:].mean()


@pytest.mark.parametrize("looks", [24.0, 5.0, 1.5])
def test_oct_speckle_is_gamma_on_intensity(apply, looks: float) -> None:
    x = flat(0.5, (500, 500))
    factor = (echo(apply("oct_speckle", x, looks=looks), 40.0) / echo(x, 40.0)) ** 2
    assert factor.mean() == pytest.approx(1, rel=0.01)
    assert factor.var() == pytest.approx(1 / looks, rel=0.03)
    assert stats.skew(factor.ravel()) == pytest.approx(2 / np.sqrt(looks), rel=0.05)
    assert (
        stats.kstest(factor[::7, ::5].ravel(), stats.gamma(looks, scale=1 / looks).cdf).pvalue
        > 1e-3
    )


def test_oct_jitter_moves_whole_columns_by_the_asked_amount(apply) -> None:
    ramp = np.tile(np.linspace(0, 1, 500, dtype=np.float32)[:, None], (1, 300))
    y = apply("oct_jitter", ramp, shift=0.02)
    shift = (y - ramp)[150:350] * 499  # on a ramp, the shift itself
    assert np.ptp(shift, axis=0).max() < 0.05
    assert shift[0].std() == pytest.approx(0.02 * 500, rel=0.15)
    assert abs(shift[0].mean()) < 2.5


def test_oct_low_snr_floor_is_rayleigh_at_the_asked_level(apply) -> None:
    values = echo(apply("oct_low_snr", flat(0.0), loss_db=12.0), 40.0)
    assert np.sqrt(np.mean(values**2)) == pytest.approx(10 ** ((12 - 39) / 20), rel=0.02)
    assert values.mean() / values.std() == pytest.approx(1.913, rel=0.02)


def test_oct_mirror_is_the_scan_upside_down(apply, drawn) -> None:
    x = flat(0.0)
    x[100] = 0.9
    y = echo(apply("oct_mirror", x, strength=0.3), 40.0)[:, 7]
    fold = round(2 * drawn("oct_mirror", x)["zero_delay"] * 400)
    assert set(np.flatnonzero(y > 1e-4)) == {100, fold - 100}
    assert y[fold - 100] / y[100] == pytest.approx(0.3, rel=1e-3)


def test_oct_shadow_takes_signal_but_not_noise(apply, drawn) -> None:
    x = flat(0.15)
    x[150:250] = 0.9
    y = apply("oct_shadow", x, bands=1, loss_db=20.0)
    column = round(drawn("oct_shadow", x)["centre"][0] * 400)
    ratio = np.sqrt(np.mean(echo(y[150:250, column], 40.0) ** 2)) / echo(x, 40.0)[200, 0]
    assert 20 * np.log10(ratio) == pytest.approx(-20, abs=1.0)
    background = np.sqrt(np.mean(echo(y[260:, column], 40.0) ** 2)) / echo(x, 40.0)[0, 0]
    assert background == pytest.approx(1, abs=0.15)


def test_the_computed_scan_shows_its_layers() -> None:
    scan = samples("oct")[0].pixels.astype(float)
    profile = scan[:, 10:40].mean(axis=1)
    assert profile[:60].mean() < 40 < profile[90:170].max()
