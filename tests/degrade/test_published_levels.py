"""Levels 1 and 2 recovered from the output, as they were identified from published examples."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from osler.degrade import degrade


def _texture(shape: tuple[int, int], low: int = 60, high: int = 195, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    rough = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), 4)
    rough = (rough - rough.min()) / np.ptp(rough)
    return np.uint8(low + rough * (high - low))


@pytest.mark.parametrize(("level", "sigma"), [(1, 0.048), (2, 0.079)])
def test_noise(level: int, sigma: float) -> None:
    x = _texture((1024, 1024), 100, 150)
    y = degrade(x, "gaussian_noise", level, seed=1, modality="xray").image
    assert (y.astype(float) - x).std() / 255 == pytest.approx(sigma, rel=0.02)


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.float32])
def test_noise_in_other_types(kind: type) -> None:
    x = (_texture((512, 512), 100, 150).astype(np.float32) * 40).astype(kind)
    full = degrade(x, "gaussian_noise", 1, seed=1)
    span = full.record.hi - full.record.lo
    assert (full.image.astype(float) - x).std() / span == pytest.approx(0.048, rel=0.05)


@pytest.mark.parametrize(("level", "sigma"), [(1, 3.00), (2, 7.03)])
def test_blur_at_the_published_size(level: int, sigma: float) -> None:
    x = _texture((483, 516), 0, 255)
    y = degrade(x, "gaussian_blur", level, seed=1).image.astype(float)

    def misfit(s: float) -> float:
        return float(np.mean((cv2.GaussianBlur(x.astype(np.float64), (0, 0), s) - y) ** 2))

    found = minimize_scalar(misfit, bounds=(1, 12), method="bounded", options={"xatol": 1e-3})
    assert found.x == pytest.approx(sigma, abs=0.1)
    assert np.sqrt(found.fun) < 0.5


@pytest.mark.parametrize(("level", "slope"), [(1, 0.65), (2, 0.30)])
def test_contrast(level: int, slope: float) -> None:
    x = _texture((360, 560), 0, 255)
    y = degrade(x, "reduce_contrast", level, seed=1).image
    found, offset = np.polyfit(x.ravel(), y.ravel().astype(float), 1)
    assert found == pytest.approx(slope, abs=0.01)
    assert offset == pytest.approx((1 - slope) * x.mean(), abs=0.5)


@pytest.mark.parametrize(("level", "offset"), [(1, 75), (2, 113)])
def test_brightness_is_exact(level: int, offset: int) -> None:
    x = _texture((200, 210), 0, 255)
    colour = np.stack([x, x[::-1], x[:, ::-1]], axis=-1)
    for plane in (x, colour):
        y = degrade(plane, "adjust_brightness", level, seed=1).image
        assert np.array_equal(y, np.maximum(plane.astype(int) - offset, 0))


@pytest.mark.parametrize(("level", "power", "drop"), [(1, 1.449, 0.039), (2, 2.346, 0.109)])
def test_exposure_law(level: int, power: float, drop: float) -> None:
    x = _texture((300, 300), 0, 255)
    under = {"direction": "under"}
    y = degrade(x, "exposure", level, seed=1, modality="xray", params=under).image
    law = np.clip((x / 255) ** power - drop, 0, 1) * 255
    assert np.sqrt(np.mean((y - law) ** 2)) <= 0.5
    drawn = {
        degrade(x, "exposure", level, seed=s, modality="xray").record.drawn["direction"]
        for s in range(12)
    }
    assert drawn == {"under", "over"}


@pytest.mark.parametrize(("level", "columns"), [(1, 611), (2, 65)])
def test_sampling(level: int, columns: int) -> None:
    x = np.tile(np.arange(1024, dtype=np.uint16), (1024, 1))
    y = degrade(x, "low_resolution", level, seed=1).image
    assert len(np.unique(y)) == columns
    small = degrade(x[:256, :256].copy(), "low_resolution", level, seed=1).image
    assert len(np.unique(small)) < 256  # small images lose something too


@pytest.mark.parametrize(("level", "angle"), [(1, 18.0), (2, 153.0)])
def test_rotation_angle(level: int, angle: float) -> None:
    record = degrade(_texture((64, 64)), "rotation", level, seed=1).record
    assert record.params["angle"] == angle


@pytest.mark.parametrize(
    ("key", "modality", "side", "lengths"),
    [("motion_blur", "endoscopy", 513, (7, 11)), ("xray_motion_blur", "xray", 1024, (13, 39))],
)
def test_motion_length(key: str, modality: str, side: int, lengths: tuple[int, int]) -> None:
    point = np.zeros((side, side), np.float32)
    point[side // 2, side // 2] = 1
    for level, length in zip((1, 2), lengths, strict=True):
        y = degrade(point, key, level, seed=1, modality=modality, params={"angle": 0.0}).image
        row = y[side // 2]
        assert (row > row.max() / 2).sum() == length
        assert row.sum() == pytest.approx(1, abs=1e-4)


def test_levels_of_k_space_and_views() -> None:
    x = _texture((266, 266))
    for level, keep in ((1, 0.18), (2, 0.15)):
        row = degrade(x, "undersampling", level, seed=1, modality="mri").record.params
        assert (row["keep"], row["centre"]) == (keep, 0.08)
    ghosts = [degrade(x, "ghosting", n, seed=1, modality="mri").record.params for n in (1, 2)]
    assert [(g["every"], g["gain"]) for g in ghosts] == [(6, 1.2), (7, 2.35)]
    views = [degrade(x, "sparse_view", n, seed=1, modality="ct").record.params for n in (1, 2)]
    assert [v["views"] for v in views] == [144, 32]
