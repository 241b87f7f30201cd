"""Stamps on part of a plane equal the same arithmetic on all of it; full scale of float images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.core import InputError
from osler.degrade import Frame, degrade
from osler.degrade.planes import as_image, frame_of
from osler.degrade.regions import blurred, hidden, mixed, placed, widened
from osler.physics.optics import gaussian_blur


@given(
    st.floats(-30, 60), st.floats(-30, 60), st.integers(0, 12), st.integers(8, 40),
    st.integers(8, 40),
)  # fmt: skip
def test_a_stamp_lies_where_its_middle_is_asked_and_is_cut(
    row: float, column: float, half: int, height: int, width: int
) -> None:
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
    found = placed(row, column, half, (height, width))
    ys, xs = np.indices((height, width))
    middle = int(row), int(column)
    covered = (abs(ys - middle[0]) <= half) & (abs(xs - middle[1]) <= half)
    if found is None:
        assert not covered.any()
        return
    box, of_stamp = found
    assert np.array_equal(ys[box] - middle[0], rows[of_stamp])
    assert np.array_equal(xs[box] - middle[1], columns[of_stamp])
    assert covered[box].all()
    assert covered.sum() == covered[box].size
    outer, inner = widened(box, 3, (height, width))
    assert np.array_equal(ys[outer][inner], ys[box])
    assert np.array_equal(xs[outer][inner], xs[box])


KINDS = {
    "uint8": (np.uint8, Frame(0, 255)),
    "uint16": (np.uint16, Frame(0, 60000)),
    "int16": (np.int16, Frame(-1000, 1000)),
    "float32": (np.float32, Frame(0, 1)),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_mixing_and_hiding_follow_their_formulas(kind: str, channels: int) -> None:
    dtype, frame = KINDS[kind]
    rng = np.random.default_rng(1)
    shape = (17, 21) if channels == 1 else (17, 21, 3)
    x = (frame.lo + frame.span * rng.uniform(0, 1, shape)).astype(dtype)
    other = (frame.lo + frame.span * rng.uniform(0, 1, shape)).astype(dtype)
    step = 1.0 if x.dtype.kind in "iu" else 1e-4
    weights = [np.zeros((30, 30, *shape[2:]), np.float32) for _ in range(3)]
    part = weights[0][:17, :21].shape
    w0 = rng.uniform(0, 0.5, part).astype(np.float32)
    weights[0][:17, :21], weights[1][:17, :21] = w0, 0.9 - w0
    weights[2][:17, :21] = 0.1 * frame.hi
    done = mixed(x, other, tuple(weights), (slice(0, 17), slice(0, 21)))
    law = w0 * x.astype(float) + (0.9 - w0) * other.astype(float) + 0.1 * frame.hi
    assert done.dtype == x.dtype
    assert np.abs(done - law).max() <= 0.51 * step
    cover = rng.uniform(0, 1, (17, 21)).astype(np.float32)
    colour = (0.3, 0.5, 0.6)[:channels]
    behind = hidden(x, colour, cover, frame)
    unit = (x.astype(float) - frame.lo) / frame.span
    weight = cover if channels == 1 else cover[..., None]
    dark = unit + weight * (np.minimum(unit, colour) - unit)
    assert behind.dtype == x.dtype
    assert np.abs(behind - (frame.lo + frame.span * dark)).max() <= 0.51 * step
    assert (behind <= x).all()


@pytest.mark.parametrize("sigma", [0.0, 0.8, 2.5])
def test_blur_of_a_small_part_is_the_blur(sigma: float) -> None:
    x = np.random.default_rng(2).integers(0, 256, (40, 44, 3), dtype=np.uint8)
    assert np.abs(blurred(x, sigma).astype(float) - gaussian_blur(x, sigma)).max() <= 2.0


def test_dark_spots_hide_all_in_the_middle_and_are_ragged() -> None:
    x = np.full((400, 400, 3), 230, np.uint8)
    kept = {"count": 1, "size": 0.1, "alpha": 0.92}
    tried = (degrade(x, "dark_spots", 2, seed=s, modality="pathology", params=kept)
             for s in range(100))  # fmt: skip
    whole = (d for d in tried if all(0.3 < d.record.drawn[k][0] < 0.7 for k in ("row", "col")))
    done = next(whole)
    y, place = done.image, done.record.drawn
    row, column = int(400 * place["row"][0]), int(400 * place["col"][0])
    soot = 255 * np.array([0.10, 0.08, 0.09])
    assert np.allclose(y[row, column], soot + 0.08 * (230 - soot), atol=3)
    touched = y[..., 1] < 130  # about half hidden
    rows, columns = np.nonzero(touched)
    edge = np.hypot(rows - row, columns - column)
    sector = ((np.arctan2(rows - row, columns - column) + np.pi) / (2 * np.pi) * 12).astype(int)
    reach = [edge[sector == s].max() for s in range(12)]
    assert max(reach) > 1.08 * min(reach)  # a disc would reach equally far everywhere


def test_full_scale_of_float_images_is_the_percentile() -> None:
    rng = np.random.default_rng(5)
    for size in (8, 40, 201, 300):
        for x in (rng.gamma(2, 40, (size, size)), np.sort(rng.normal(size=size * size)),
                  np.full((size, size), 7.0), np.rint(rng.gamma(1, 3, (size, size)))):  # fmt: skip
            plane = x.reshape(size, size).astype(np.float32)
            sample = plane.ravel()[:: max(1, plane.size // 40000)].astype(np.float64)
            expected = np.percentile(sample, 99.9)
            assert frame_of(as_image(plane)).hi == pytest.approx(expected, rel=1e-9)


def test_contrast_about_a_fixed_grey() -> None:
    x = np.random.default_rng(4).integers(0, 256, (60, 70, 3), dtype=np.uint8)
    for pivot in (0.0, 0.5, 1.0):
        y = degrade(x, "reduce_contrast", 1, seed=0, params={"pivot": pivot}).image
        assert np.abs(y - (255 * pivot + 0.65 * (x - 255.0 * pivot))).max() <= 0.5 + 1e-6
    plain = degrade(x, "reduce_contrast", 1, seed=0)
    assert "pivot" not in plain.record.params
    assert np.abs(plain.image - (x.mean() + 0.65 * (x - x.mean()))).max() <= 0.5 + 1e-6
    with pytest.raises(InputError, match="is a number, not 'grey'"):
        degrade(x, "reduce_contrast", 1, seed=0, params={"pivot": "grey"})
