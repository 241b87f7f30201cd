"""Degrade and replay: determinism, types, shapes, volumes, points, refusals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import InputError, UnknownNameError, plain
from osler.degrade import (
    Draw,
    Record,
    degradation_named,
    degradations,
    degrade,
    replay,
    transform_points,
)
from osler.images import Image, Window

MINE = {
    "noise",
    "blur",
    "intensity",
    "resolution",
    "geometry",
    "ct",
    "ct_beam",
    "mri",
    "mri_field",
}
PUBLISHED = (
    "limited_angle",
    "sparse_view",
    "bias_field",
    "undersampling",
    "ghosting",
    "rotation",
    "random_motion",
    "adjust_brightness",
    "exposure",
    "reduce_contrast",
    "gaussian_noise",
    "low_dose",
    "low_resolution",
    "motion_blur",
    "xray_motion_blur",
    "gaussian_blur",
)
KEYS = [k for k, e in degradations().items() if e.apply.__module__.rsplit(".", 1)[-1] in MINE]


def _grey(shape: tuple[int, ...] = (72, 80), seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape[:2])
    smooth = 90 + 60 * np.sin(x / 9) * np.cos(y / 7)
    return np.uint8(np.clip(smooth + rng.normal(0, 8, shape[:2]), 0, 255))


def _modality(key: str) -> str:
    return degradation_named(key).modalities[0]


def test_the_published_set_is_there() -> None:
    for key in PUBLISHED:
        assert key in KEYS
    for alias, key in (
        ("object_rotation", "rotation"),
        ("downsample", "low_resolution"),
        ("object_movement", "random_motion"),
        ("bias_field_artifact", "bias_field"),
    ):
        assert degradation_named(alias).key == key


@pytest.mark.parametrize("key", KEYS)
def test_replay_is_exact_and_order_does_not_matter(key: str) -> None:
    x = _grey()
    first = degrade(x, key, 2, seed=5, modality=_modality(key))
    degrade(_grey(seed=9), key, 1, seed=77, modality=_modality(key))
    np.random.default_rng().random(10)
    again = degrade(x, key, 2, seed=5, modality=_modality(key))
    assert np.array_equal(first.image, again.image)
    assert first.record == again.record
    stored = Record.from_plain(json.loads(json.dumps(plain(first.record))))
    assert np.array_equal(replay(x, stored), first.image)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "float32", "float64", "rgb"])
def test_type_and_shape_stay(key: str, kind: str) -> None:
    grey = _grey()
    x = np.stack([grey, grey[::-1], grey[:, ::-1]], -1) if kind == "rgb" else grey.astype(kind)
    before = x.copy()
    y = degrade(x, key, 2, seed=5, modality=_modality(key), hashes=False).image
    assert (y.dtype, y.shape) == (x.dtype, x.shape)
    assert np.array_equal(x, before)  # the input is not touched
    assert np.isfinite(y).all()
    assert not np.array_equal(x, y)


@pytest.mark.parametrize("key", KEYS)
def test_grey_rgb_stays_grey_and_equals_the_plane(key: str) -> None:
    grey = _grey()
    colour = np.repeat(grey[..., None], 3, axis=2)
    y = degrade(colour, key, 2, seed=3, modality=_modality(key)).image
    alone = degrade(grey, key, 2, seed=3, modality=_modality(key)).image
    assert np.array_equal(y, np.repeat(alone[..., None], 3, axis=2))


def test_noise_is_shared_by_channels_of_grey_modalities() -> None:
    x = np.full((64, 64, 3), 100, np.uint8)
    x[:8, :8, 0] = 120  # a coloured mark makes it colour
    grey = degrade(x, "gaussian_noise", 1, seed=1, modality="xray").image.astype(int) - x
    assert np.array_equal(grey[..., 0], grey[..., 2])
    colour = degrade(x, "gaussian_noise", 1, seed=1, modality="endoscopy").image.astype(int) - x
    assert not np.array_equal(colour[..., 1], colour[..., 2])


@pytest.mark.parametrize("key", KEYS)
def test_level_zero_is_identity(key: str) -> None:
    x = _grey()
    done = degrade(x, key, 0, seed=1, modality=_modality(key))
    assert np.array_equal(done.image, x)
    assert done.record.params == {}
    assert done.record.input_sha256 == done.record.output_sha256


def test_volume_shares_draws_and_not_noise() -> None:
    slab = np.repeat(_grey().T[:, :, None], 3, axis=2).astype(np.float32)
    volume = Image(slab, "xyz", modality="mri", unit="a.u.", spacing=(1.0, 1.0, 2.0))
    turned = degrade(volume, "rotation", 1, seed=4).image.pixels
    assert np.array_equal(turned[..., 0], turned[..., 2])
    masked = degrade(volume, "undersampling", 2, seed=4).image.pixels
    assert np.array_equal(masked[..., 0], masked[..., 1])
    noisy = degrade(volume, "gaussian_noise", 1, seed=4)
    assert not np.array_equal(noisy.image.pixels[..., 0], noisy.image.pixels[..., 1])
    assert noisy.image.axes == "xyz"
    assert np.array_equal(replay(volume, noisy.record).pixels, noisy.image.pixels)
    plane = degrade(
        Image(slab[..., 0].T.copy(), "yx", modality="mri", unit="a.u."), "rotation", 1, seed=4
    )
    assert np.array_equal(plane.image.pixels.T, turned[..., 0])  # rows are y


def test_every_layout_of_axes() -> None:
    rng = np.random.default_rng(0)
    for axes, shape in (
        ("tyx", (3, 20, 24)),
        ("tyxc", (2, 20, 24, 3)),
        ("xyzc", (24, 20, 2, 3)),
        ("xyzt", (24, 20, 2, 2)),
    ):
        pixels = rng.integers(0, 255, shape, dtype=np.uint8)
        y = degrade(Image(pixels, axes, unit="8-bit"), "gaussian_blur", 3, seed=1).image  # type: ignore[arg-type]
        assert y.pixels.shape == shape
        assert not np.array_equal(y.pixels, pixels)


def test_hounsfield_outside_the_window_survive() -> None:
    hu = np.tile(np.linspace(-1000, 1500, 64), (64, 1)).astype(np.int16)
    image = Image(hu, "yx", modality="ct", unit="HU", window=Window(40, 400))
    done = degrade(image, "gaussian_noise", 1, seed=1)
    assert (done.record.lo, done.record.hi, done.record.unit) == (-160, 240, "HU")
    change = done.image.pixels.astype(float) - hu
    assert change[:, 5:-5].std() == pytest.approx(0.048 * 400, rel=0.05)


@given(
    degrees=st.floats(-180, 180), x=st.floats(20, 44), y=st.floats(20, 44), seed=st.integers(0, 99)
)
@settings(max_examples=30, deadline=None)
def test_points_follow_the_pixels(degrees: float, x: float, y: float, seed: int) -> None:
    v, u = np.indices((64, 64))
    blob = np.exp(-((u - x) ** 2 + (v - y) ** 2) / 8).astype(np.float32)
    for key, params in (
        ("rotation", {"angle": abs(degrees)}),
        ("mispositioning", {"distance": 0.1}),
        ("crop", {"keep": 0.8}),
    ):
        done = degrade(blob, key, 1, seed=seed, params=params)
        ((px, py),) = transform_points(done.record, [(x, y)], blob.shape)
        if not (8 < px < 55 and 8 < py < 55):
            continue
        total = done.image.sum()
        assert (done.image * u).sum() / total == pytest.approx(px, abs=0.15)
        assert (done.image * v).sum() / total == pytest.approx(py, abs=0.15)


def test_points_stay_where_nothing_moves() -> None:
    record = degrade(_grey(), "gaussian_blur", 2, seed=1).record
    assert transform_points(record, [(3, 4), (5.5, 6)], (72, 80)).tolist() == [[3, 4], [5.5, 6]]
    clean = degrade(_grey(), "rotation", 0, seed=1).record
    assert transform_points(clean, [(3, 4)], (72, 80)).tolist() == [[3, 4]]


def test_refusals() -> None:
    x = _grey()
    with pytest.raises(UnknownNameError, match="gaussian_blur"):
        degrade(x, "gausian_blur", 1, seed=0)
    with pytest.raises(InputError, match="level 4 of gaussian_blur is out of range"):
        degrade(x, "gaussian_blur", 4, seed=0)
    with pytest.raises(UnknownNameError, match="parameter of gaussian_blur 'sigm'"):
        degrade(x, "gaussian_blur", 1, seed=0, params={"sigm": 1})
    with pytest.raises(InputError, match="is a number, not 'x'"):
        degrade(x, "gaussian_blur", 1, seed=0, params={"sigma": "x"})
    with pytest.raises(InputError, match="finite"):
        degrade(x, "gaussian_blur", 1, seed=0, params={"sigma": float("nan")})
    with pytest.raises(InputError, match="views of sparse_view is 1000000; counts go up to 10,000"):
        degrade(x, "sparse_view", 1, seed=0, modality="ct", params={"views": 1_000_000})
    with pytest.raises(InputError, match="no physical sense for pathology"):
        degrade(x, "undersampling", 1, seed=0, modality="pathology")
    with pytest.raises(InputError, match="not stated"):
        degrade(x, "undersampling", 1, seed=0)
    assert degrade(x, "undersampling", 1, seed=0, modality="pathology", force=True).image.size
    with pytest.raises(UnknownNameError, match="modality"):
        degrade(x, "gaussian_blur", 1, seed=0, modality="harp")
    for bad in (x[:5, :5], np.zeros((20, 20, 4), np.uint8), np.zeros((3, 9, 9, 9)), x > 3):
        with pytest.raises(InputError):
            degrade(bad, "gaussian_blur", 1, seed=0)
    hole = x.astype(np.float32)
    hole[3, 3] = np.nan
    with pytest.raises(InputError, match="NaN"):
        degrade(hole, "gaussian_blur", 1, seed=0)


def test_replay_checks_what_it_is_given() -> None:
    x = _grey()
    record = degrade(x, "gaussian_noise", 1, seed=0).record
    with pytest.raises(InputError, match="not the image"):
        replay(_grey(seed=4), record)
    data = plain(record)
    with pytest.raises(InputError, match="version 99"):
        replay(x, Record.from_plain({**data, "version": 99}))
    with pytest.raises(InputError, match="other pixels"):
        replay(x, Record.from_plain({**data, "output_sha256": "0" * 64}))
    with pytest.raises(InputError, match="not a degradation record"):
        Record.from_plain({"key": "gaussian_noise"})
    moved = degrade(x, "motion_blur", 3, seed=0).record
    with pytest.raises(InputError, match="lacks the drawn value 'angle'"):
        replay(x, Record.from_plain({**plain(moved), "drawn": {}}))


def test_draws_are_named_and_independent() -> None:
    one, other = Draw(1), Draw(1)
    other.uniform("b", 0, 1)
    assert one.uniform("a", 0, 1) == other.uniform("a", 0, 1)
    assert one.rng("x").random() != one.at_plane(1).rng("x").random()
    assert one.shared_rng("x").random() == one.at_plane(1).shared_rng("x").random()
