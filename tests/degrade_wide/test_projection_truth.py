"""X-ray and PET: counting statistics and Beer-Lambert on the exposure."""

from __future__ import annotations

import numpy as np
import pytest

from osler.degrade.samples import samples

DECADES = 1.5


def exposure(g: np.ndarray) -> np.ndarray:
    return 10.0 ** (-DECADES * g.astype(np.float64))


def test_mottle_follows_poisson_statistics_at_every_density(apply) -> None:
    for g in (0.1, 0.4, 0.7):
        x = np.full((400, 400), g, np.float32)
        read = exposure(apply("xray_mottle", x, photons=2000.0, lo=0.0, hi=1.0))
        expected = exposure(x)[0, 0]
        assert read.mean() == pytest.approx(expected, rel=0.01)
        assert read.var() == pytest.approx(expected / 2000.0, rel=0.03)


def test_mottle_is_coarsest_in_dense_tissue(apply) -> None:
    thorax = samples("xray")[0].pixels
    change = apply("xray_mottle", thorax).astype(float) - thorax
    assert change[thorax > 200].std() > 3 * change[thorax < 60].std()


def test_scatter_takes_fine_contrast_by_one_over_one_plus_ratio(apply) -> None:
    cols = np.arange(400)
    primary = 0.2 * (1 + 0.2 * np.cos(2 * np.pi * cols / 10))
    x = np.tile((-np.log10(primary) / DECADES).astype(np.float32), (400, 1))
    for ratio in (0.35, 1.2, 3.5):
        read = exposure(apply("xray_scatter", x, ratio=ratio))[200, 100:300]
        depth = 2 * np.abs(np.mean(read * np.exp(2j * np.pi * cols[100:300] / 10))) / read.mean()
        assert depth == pytest.approx(0.2 / (1 + ratio), rel=0.02)
        assert read.mean() == pytest.approx(0.2, rel=0.01)


def test_grid_lines_have_one_frequency_and_the_asked_depth(apply, drawn) -> None:
    x = np.full((512, 512), 0.5, np.float32)
    y = exposure(apply("xray_grid_lines", x, depth=0.2)) / exposure(x)
    place = drawn("xray_grid_lines", x)
    period = place["period"]
    assert (y.max() - y.min()) / 2 == pytest.approx(0.2, rel=0.02)
    assert y.mean() == pytest.approx(1, abs=0.01)
    spectrum = np.abs(np.fft.rfft2(y - y.mean()))
    row, col = np.unravel_index(spectrum.argmax(), spectrum.shape)
    frequency = np.hypot(min(row, 512 - row), col) / 512
    assert 1 / frequency == pytest.approx(period * 512, rel=0.06)


def test_saturation_is_an_offset_in_the_log_domain(apply) -> None:
    ramp = np.tile(np.linspace(0, 1, 300, dtype=np.float32), (4, 1))
    for gain in (1.5, 2.6, 5.0):
        y = apply("xray_saturation", ramp, gain=gain)
        assert np.allclose(y, np.maximum(ramp - np.log10(gain) / DECADES, 0), atol=1e-6)


def test_collimator_hides_the_asked_share_and_leaves_the_rest(apply, drawn) -> None:
    x = np.full((400, 400), 0.3, np.float32)
    for seed in range(6):
        y = apply("xray_collimator", x, seed, cover=0.2)
        place = drawn("xray_collimator", x, seed)
        sides = {place["side"], place["also"]} - {"none"}
        across = (
            sum(s in {"left", "right"} for s in sides),
            sum(s in {"top", "bottom"} for s in sides),
        )
        open_share = (1 - 0.2 * across[0]) * (1 - 0.2 * across[1])
        assert np.mean(np.abs(y - 0.3) < 0.01) == pytest.approx(open_share, abs=0.04)
        assert y.max() == 1.0


def brain(side: int = 128) -> np.ndarray:
    from osler.degrade.samples import resized

    return resized(samples("pet")[0].pixels, side).astype(np.float32) / 255


def test_pet_with_many_counts_is_the_clean_image(apply) -> None:
    x = brain()
    assert np.abs(apply("pet_low_counts", x, counts=1e12) - x).max() < 2e-3


def test_pet_noise_variance_falls_as_one_over_counts(apply) -> None:
    x = brain()
    counts = np.array([3e5, 1e6, 3e6, 1e7])
    inside = x > 0.2
    variance = [
        np.mean([np.var((apply("pet_low_counts", x, s, counts=c) - x)[inside]) for s in range(3)])
        for c in counts
    ]
    slope = np.polyfit(np.log(counts), np.log(variance), 1)[0]
    assert slope == pytest.approx(-1, abs=0.07)


def test_pet_noise_keeps_activity_and_grows_with_it(apply) -> None:
    x = brain()
    runs = np.stack([apply("pet_low_counts", x, s, counts=4e5, hi=3.0) for s in range(12)])
    assert runs.sum() / 12 == pytest.approx(x.sum(), rel=0.01)
    spread = runs.std(axis=0)
    assert spread[x > 0.7].mean() > 1.5 * spread[(x > 0.1) & (x < 0.35)].mean()
    assert np.all(runs[:, x == 0] == 0)


def test_attenuation_mismatch_of_nothing_is_nothing(apply) -> None:
    x = brain()
    assert np.abs(apply("pet_attenuation_mismatch", x, shift=0.0) - x).max() < 1e-5


def test_attenuation_mismatch_heats_one_side_and_cools_the_other(apply, drawn) -> None:
    x = brain()
    change = apply("pet_attenuation_mismatch", x, shift=0.03, hi=3.0) - x
    angle = drawn("pet_attenuation_mismatch", x)["angle"]
    rows, cols = np.mgrid[-1:1:128j, -1:1:128j]
    along = cols * np.cos(angle) + rows * np.sin(angle)
    inside = x > 0.2
    # The map moved along the angle: water where there is none multiplies counts on that side.
    assert change[inside & (along > 0.35)].mean() > 0.02
    assert change[inside & (along < -0.35)].mean() < -0.02


def test_attenuation_uses_the_stated_spacing() -> None:
    from osler.degrade import Draw, Frame, degradation_named

    entry = degradation_named("pet_attenuation_mismatch")
    x = brain()
    changes = [
        np.abs(entry.apply(x, Draw(1), Frame(0.0, 5.0, spacing=(mm, mm)), shift=0.01) - x).sum()
        for mm in (1.0, 2.0)
    ]
    assert changes[1] / changes[0] == pytest.approx(2, rel=0.1)
