"""CT artefacts against what projection and filtered back-projection must do."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from osler.degrade import Draw, Frame, degradation_named, degrade
from osler.images import Image, Window
from osler.physics.phantoms import ellipses, shepp_logan
from osler.physics.radon import projector

HU = Frame(-160.0, 240.0, "ct", "HU", (1.2, 1.2))


def _head(n: int = 192) -> Any:
    """A head in HU: skull 800, brain 40, air -1000."""
    shapes = ((1800.0, 0.69, 0.92, 0.0, 0.0, 0.0), (-760.0, 0.64, 0.86, 0.0, 0.0, 0.0))
    return (ellipses(shapes, n) - 1000).astype(np.float32)


def _apply(key: str, x: Any, seed: int = 1, frame: Frame = HU, **params: Any) -> Any:
    return degradation_named(key).apply(x, Draw(seed), frame, **params)


def test_noise_variance_falls_as_one_over_dose() -> None:
    x = _head(128)
    doses = np.array([3e4, 1e5, 3e5, 1e6])
    spread = [
        np.mean(
            [
                (_apply("low_dose", x, seed=s, noise=0.0, photons=d, electronic=0.0) - x).var()
                for s in range(3)
            ]
        )
        for d in doses
    ]
    slope = np.polyfit(np.log(doses), np.log(spread), 1)[0]
    assert slope == pytest.approx(-1, abs=0.05)


@pytest.mark.parametrize(("level", "grey"), [(1, 1.9), (2, 5.0)])
def test_dose_gives_the_published_residual(level: int, grey: float) -> None:
    x = _head()
    image = Image(x, "yx", modality="ct", unit="HU", spacing=(1.2, 1.2), window=Window(40, 400))
    y = degrade(image, "low_dose", level, seed=1).image.pixels
    assert (y - x).std() / 400 * 255 == pytest.approx(grey, rel=0.1)


def test_noise_power_rises_with_frequency() -> None:
    x = _head(256)
    noise = np.mean(
        [np.abs(np.fft.fft2(_apply("low_dose", x, seed=s, noise=0.02) - x)) ** 2 for s in range(4)],
        axis=0,
    )
    k = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :])
    bands = [noise[(k > lo) & (k <= lo + 0.08)].mean() for lo in (0.02, 0.14, 0.26, 0.38)]
    assert bands[0] < bands[1] < bands[2] < bands[3]
    assert bands[3] / bands[0] > 3


def test_high_dose_gives_the_image_back() -> None:
    x = _head(96)
    y = _apply("low_dose", x, noise=0.0, photons=1e12, electronic=0.0)
    assert np.abs(y - x).max() < 0.5


@pytest.mark.parametrize("arc", [122.0, 90.0])
def test_missing_wedge_has_the_asked_width(arc: float) -> None:
    n = 256
    rng = np.random.default_rng(0)
    at = (np.arange(n) - n / 2) / n
    disc = at[:, None] ** 2 + at[None, :] ** 2 < 0.16
    x = np.where(disc, rng.standard_normal((n, n)) * 200, 0).astype(np.float32)
    draw = Draw(5)
    y = degradation_named("limited_angle").apply(x, draw, HU, arc=arc)
    power = np.abs(np.fft.fftshift(np.fft.fft2(np.where(disc, y + 0.0, 0)))) ** 2
    base = np.abs(np.fft.fftshift(np.fft.fft2(x))) ** 2
    v, u = np.indices((n, n)) - n // 2
    radius, angle = np.hypot(u, v), np.rad2deg(np.arctan2(v, u)) % 180
    ring = (radius > 40) & (radius < 110)
    kept = [
        power[ring & (np.floor(angle) == d)].sum() / base[ring & (np.floor(angle) == d)].sum()
        for d in range(180)
    ]
    gone = np.array(kept) < 0.5 * np.median(np.sort(kept)[-60:])
    assert gone.sum() == pytest.approx(180 - arc, abs=3)
    start = draw.values["start"]
    expected = np.mod(np.arange(180) + 0.5 - start, 180) >= arc
    assert (gone == expected).mean() > 0.97


def test_more_views_are_better() -> None:
    x = shepp_logan(128) * 1000 - 1000
    errors = [np.abs(_apply("sparse_view", x, views=v) - x).mean() for v in (360, 144, 32, 16)]
    assert errors == sorted(errors)
    assert errors[0] < 12  # of 1000 HU


def test_water_is_water_on_display_images() -> None:
    """Grey 128 of 0 to 255 stands for 0 HU when black is -1000 and white +1000."""
    x = np.full((64, 64), 0, np.uint8)
    record = degrade(x, "sparse_view", 1, seed=1, modality="ct").record
    assert (record.params["low"], record.params["high"]) == (-1000.0, 1000.0)


def test_cupping() -> None:
    x = ellipses(((1000.0, 0.8, 0.8, 0.0, 0.0, 0.0),), 128) - 1000
    y = _apply("beam_hardening", x, b=0.06)
    assert np.abs(_apply("beam_hardening", x, b=0.0) - x).max() < 0.01
    middle, rim = y[60:68, 60:68].mean(), y[60:68, 18:22].mean()
    assert middle < rim - 50
    assert y[64 - 40 : 64 + 40, 64 - 40 : 64 + 40].mean() == pytest.approx(0, abs=150)


def test_ring_is_round_and_independent_of_the_image() -> None:
    x, z = np.zeros((128, 128), np.float32), np.full((128, 128), 200, np.float32)
    first = _apply("ring", x, gain=0.02) - x
    assert first == pytest.approx(_apply("ring", z, gain=0.02) - z, abs=0.1)
    v, u = np.indices(x.shape) - 64
    radius = np.round(np.hypot(u, v)).astype(int)
    inside = radius < 55
    first = cv2.GaussianBlur(first, (0, 0), 1.0)  # rings are finer than whole radii
    means = np.bincount(radius[inside], first[inside]) / np.bincount(radius[inside])
    explained = means[radius[inside]].var() / first[inside].var()
    assert explained > 0.8  # most of it depends on the radius alone


def test_scatter_darkens_the_dense_middle() -> None:
    x = _head(128)
    y = _apply("scatter_ct", x, ratio=0.4)
    assert np.abs(_apply("scatter_ct", x, ratio=0.0) - x).max() < 0.01
    assert (y - x)[54:74, 54:74].mean() < -20


def test_ct_motion_zero_is_identity() -> None:
    x = _head(96)
    assert np.abs(_apply("ct_motion", x, degrees=0.0, shift=0.0) - x).max() < 0.5
    assert np.abs(_apply("ct_motion", x, degrees=4.0, shift=0.02) - x).max() > 100


def test_metal_is_bright_and_streaks() -> None:
    x = _head(160)
    y = _apply("metal", x, size=0.03, count=2, material="iron")
    assert y.max() > 3000
    dark = (y - x)[(x > 0) & (x < 100)]
    assert dark.min() < -200
    with pytest.raises(KeyError):
        _apply("metal", x, size=0.03, count=2, material="cheese")


def test_planes_need_not_be_square_or_small() -> None:
    for shape in ((90, 140), (1100, 700)):
        x = np.zeros(shape, np.uint8)
        x[20:70, 30:80] = 150
        y = degrade(x, "low_dose", 2, seed=1, modality="ct").image
        assert y.shape == shape
        assert (y != x).any()


def test_projector_is_cached() -> None:
    assert projector(96, 180) is projector(96, 180)
