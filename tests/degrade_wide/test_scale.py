"""Native values to the unit scale and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.degrade import Frame
from osler.degrade.fields import lit_area, radial_patch, smooth_field, soft_step, stamp
from osler.degrade.scale import from_unit, luminance, point, to_unit


@pytest.mark.parametrize(
    ("values", "frame"),
    [
        (np.arange(256, dtype=np.uint8), Frame(0, 255)),
        (np.arange(65536, dtype=np.uint16), Frame(0, 65535)),
        (np.arange(65536, dtype=np.uint16), Frame(100, 4095)),
        (np.arange(-32768, 32768).astype(np.int16), Frame(-160, 240)),
    ],
)
def test_round_trip_is_exact_for_every_integer(values: np.ndarray, frame: Frame) -> None:
    plane = values.reshape(16, -1)
    assert np.array_equal(from_unit(to_unit(plane, frame), plane, frame), plane)


@given(st.floats(-3, 3), st.floats(0.1, 1e4), st.integers(0, 2**32 - 1))
def test_float_round_trip(lo: float, span: float, seed: int) -> None:
    frame = Frame(lo, lo + span)
    x = np.random.default_rng(seed).uniform(lo - span, lo + 2 * span, (9, 11)).astype(np.float32)
    assert np.allclose(from_unit(to_unit(x, frame), x, frame), x, atol=2e-6 * (span + abs(lo)))


def test_values_beyond_the_window_keep_room_but_a_detector_clips() -> None:
    hu = np.array([[-1000, 0, 1000]], np.int16)
    frame = Frame(-160, 240)
    lifted = from_unit(to_unit(hu, frame) + 1, hu, frame)
    assert lifted.tolist() == [[-600, 400, 1000]]  # 1000 was the largest, nothing goes beyond
    twelve_bit = np.array([[0, 4000]], np.uint16)
    assert (
        from_unit(to_unit(twelve_bit, Frame(0, 4095)) + 1, twelve_bit, Frame(0, 4095)).max() == 4095
    )


def test_point_through_a_table_equals_point_by_pixel() -> None:
    rng = np.random.default_rng(3)
    curve = np.sqrt
    byte = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert np.array_equal(point(byte, Frame(), curve), np.rint(np.sqrt(byte / 255) * 255))
    word = rng.integers(0, 65536, (400, 400), dtype=np.uint16)
    direct = np.rint(np.sqrt(word / 65535) * 65535)
    assert np.abs(point(word, Frame(0, 65535), curve).astype(int) - direct).max() <= 1


def test_luminance_is_bt601() -> None:
    rgb = np.zeros((2, 3, 3), np.float32)
    rgb[0, 0], rgb[0, 1], rgb[0, 2] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    assert np.allclose(luminance(rgb)[0], [0.299, 0.587, 0.114])


def test_stamp_is_cut_at_borders_and_keeps_the_larger_value() -> None:
    mask = np.zeros((10, 10), np.float32)
    stamp(mask, np.full((5, 5), 0.5, np.float32), 0, 0)
    assert mask.sum() == pytest.approx(0.5 * 3 * 3, abs=0.5 * 5)
    stamp(mask, np.full((5, 5), 0.25, np.float32), 0, 0)
    assert mask.max() == 0.5
    stamp(mask, np.full((3, 3), 1.0, np.float32), 50, 50)
    assert mask.max() == 0.5
    stamp(mask, np.full((20, 20), 0.5, np.float32), 5, 5, union=False)
    assert mask[0, 0] == pytest.approx(0.75)
    assert mask[9, 9] == pytest.approx(0.5)


def test_radial_patch_and_soft_step() -> None:
    r = radial_patch(10.0)
    middle = r.shape[0] // 2
    assert r[middle, middle] == 0
    assert r[middle, middle + 10] == pytest.approx(1)
    assert soft_step(np.float32([0.0, 1.0, 2.0]), 1.0, 0.5).tolist() == [1.0, 0.5, 0.0]


def test_smooth_field_does_not_depend_on_resolution() -> None:
    small = smooth_field(np.random.default_rng(5), (100, 100), 0.3)
    large = smooth_field(np.random.default_rng(5), (400, 400), 0.3)
    assert small.min() == 0
    assert small.max() == pytest.approx(1)
    assert np.abs(large.reshape(100, 4, 100, 4).mean(axis=(1, 3)) - small).max() < 0.03


def test_lit_area_finds_a_disc_and_fills_its_dark_parts() -> None:
    y, x = np.mgrid[-1:1:200j, -1:1:200j]
    disc = ((x**2 + y**2) < 0.7**2).astype(np.float32) * 0.5
    disc[90:100, 90:100] = 0
    mask = lit_area(disc, 0.05, 0.1)
    truth = (x**2 + y**2) < 0.7**2
    assert np.mean((mask > 0.5) != truth) < 0.02
    assert mask[95, 95] == 1
    assert lit_area(np.zeros((64, 64), np.float32), 0.05).min() == 1
