"""The projector against closed forms, a direct transform, and its own adjoint."""

from __future__ import annotations

import numpy as np
import pytest

from osler.physics.phantoms import shepp_logan
from osler.physics.radon import FILTERS, MU_WATER, attenuation, hounsfield, projector


@pytest.mark.parametrize(("n", "views", "first"), [(64, 45, 0.0), (33, 20, 7.5), (48, 30, 200.0)])
def test_adjoint(n: int, views: int, first: float) -> None:
    beam = projector(n, views, 180.0, first)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, n)).astype(np.float32)
    y = rng.standard_normal((views, beam.detectors)).astype(np.float32)
    left = np.vdot(beam.forward(x).astype(float), y.astype(float))
    right = np.vdot(x.astype(float), beam.adjoint(y).astype(float))
    scale = np.linalg.norm(beam.forward(x)) * np.linalg.norm(y)
    assert abs(left - right) < 1e-5 * scale


def test_views_equal_the_direct_transform() -> None:
    n = 40
    x = np.random.default_rng(1).random((n, n)).astype(np.float32)
    beam = projector(n, 24)
    views = beam.forward(x)
    k = np.arange(beam.detectors // 2 + 1) / beam.detectors
    at = np.arange(n) - n // 2
    for number in (0, 5, 12, 19):
        theta = np.deg2rad(beam.angles[number])
        along_x = np.exp(-2j * np.pi * np.outer(k * np.cos(theta), at))
        along_y = np.exp(-2j * np.pi * np.outer(k * np.sin(theta), at))
        spectrum = np.einsum("ky,yx,kx->k", along_y, x.astype(float), along_x)
        direct = np.fft.fftshift(np.fft.irfft(spectrum, n=beam.detectors))
        assert np.abs(views[number] - direct).max() < 2e-4 * direct.max()


def test_every_view_holds_the_whole_mass() -> None:
    x = shepp_logan(64)
    views = projector(64, 30).forward(x)
    assert views.sum(axis=1) == pytest.approx(x.sum(), rel=1e-4)


def test_disc_projects_to_its_chords() -> None:
    n, radius = 128, 40.0
    at = np.arange(n * 8) / 8 - n / 2 + 1 / 16 - 0.5
    fine = (at[:, None] ** 2 + at[None, :] ** 2 <= radius**2).astype(np.float32)
    disc = fine.reshape(n, 8, n, 8).mean(axis=(1, 3))
    beam = projector(n, 12)
    views = beam.forward(disc)
    s = np.arange(beam.detectors) - beam.detectors // 2
    inside = np.abs(s) < radius - 3
    chord = 2 * np.sqrt(np.maximum(radius**2 - s**2, 0))
    assert np.abs(views[:, inside] - chord[inside]).max() < 0.6  # of 80 pixels
    assert np.abs(views[:, np.abs(s) > radius + 3]).max() < 0.6


def test_fbp_of_shepp_logan() -> None:
    x = shepp_logan(256)
    beam = projector(256, 180)
    error = beam.fbp(beam.forward(x)) - x
    assert 10 * np.log10(1 / np.mean(error**2)) > 30
    assert abs(float(error.mean())) < 1e-3  # no offset: the ramp is the band-limited one


def test_filters_keep_the_mean_and_soften() -> None:
    x = shepp_logan(64)
    beam = projector(64, 90)
    views = beam.forward(x)
    sharp = beam.fbp(views)
    assert (
        np.abs(np.gradient(sharp)[0]).mean()
        > np.abs(np.gradient(beam.fbp(views, "hann"))[0]).mean()
    )
    for name in FILTERS:
        assert beam.fbp(views, name).mean() == pytest.approx(x.mean(), abs=2e-3)
    with pytest.raises(ValueError, match="unknown filter"):
        beam.fbp(views, "box")


def test_hounsfield_scale() -> None:
    assert attenuation(np.array([-1000.0, 0.0, 1000.0])) == pytest.approx(
        [0, MU_WATER, 2 * MU_WATER]
    )
    assert attenuation(np.array([-2000.0])) == 0
    hu = np.array([-1000, -50, 0, 300, 2000], np.int16)
    assert hounsfield(attenuation(hu)) == pytest.approx(hu, abs=1e-2)


def test_shepp_logan_values() -> None:
    x = shepp_logan(256)
    assert x.min() == pytest.approx(0, abs=1e-6)
    assert x.max() == pytest.approx(1)
    assert x[128, 128] == pytest.approx(0.2, abs=1e-6)  # brain
    assert x[0, 0] == 0
