"""Endoscopy, pathology and fundus: optical laws, exact geometry, published PSNR bands."""

from __future__ import annotations

import numpy as np
import pytest

from osler.degrade import degrade
from osler.degrade.samples import samples


def tiles() -> list[np.ndarray]:
    return [s.pixels for s in samples("pathology", real=True)]


def psnr(x: np.ndarray, y: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((x.astype(float) - y) ** 2)))


# Published example of MedQ-Deg (arXiv 2603.07769), one image per key: dB at levels 1 and 2.
@pytest.mark.parametrize(
    ("key", "published"),
    [("blood_cell", (34, 27)), ("dark_spots", (19, 11)), ("bubble", (36, 27))],
)
def test_psnr_near_the_published_examples_on_real_tiles(
    key: str, published: tuple[int, int]
) -> None:
    images = tiles()
    assert len(images) == 2
    for level, target in zip((1, 2), published, strict=True):
        found = [
            psnr(x, degrade(x, key, level, seed=s, modality="pathology", hashes=False).image)
            for x in images
            for s in range(8)
        ]
        assert np.mean(found) == pytest.approx(target, abs=3.0)


def test_vignetting_is_one_minus_v_r_squared(apply) -> None:
    x = np.full((201, 301), 0.8, np.float32)
    y = apply("vignetting", x, strength=0.7)
    rows, cols = np.mgrid[-1:1:201j, -1:1:301j]
    assert np.allclose(y, 0.8 * (1 - 0.7 * (rows**2 + cols**2) / 2), atol=1e-5)
    assert y[100, 150] == pytest.approx(0.8, abs=1e-6)
    assert y[0, 0] == pytest.approx(0.8 * 0.3, abs=1e-5)


def test_interlace_keeps_even_rows_and_shifts_odd_rows_alike(apply, drawn) -> None:
    ramp = np.tile(np.linspace(0, 1, 200, dtype=np.float32), (100, 1))
    y = apply("interlace", ramp, shift=0.05)
    assert np.array_equal(y[::2], ramp[::2])
    place = drawn("interlace", ramp)
    moved = (ramp - y)[1::2, 20:180] * 199
    assert np.allclose(moved, place["direction"] * 0.05 * 100, atol=0.05)


def test_haze_obeys_koschmieder_with_the_asked_depths(apply) -> None:
    x = np.full((200, 200, 3), 0.3, np.float32)
    x[..., 0] = 0.6
    y = apply("endo_haze", x, density=1.0)
    air = np.array([0.80, 0.82, 0.85])
    clear = (y - air) / (x - air)
    assert np.ptp(clear, axis=-1).max() < 1e-4  # one transmission for all channels
    assert clear.min() == pytest.approx(np.exp(-1.0), abs=1e-3)
    assert clear.max() == pytest.approx(np.exp(-0.25), abs=1e-3)


def test_blood_absorbs_as_haemoglobin(apply) -> None:
    x = np.full((200, 200, 3), 0.9, np.float32)
    depth = -np.log(apply("endo_blood", x, depth=2.0) / x)
    thick = depth[..., 1] > 0.05
    assert np.allclose(depth[thick][:, 0] / depth[thick][:, 1], 0.12, atol=1e-3)
    assert np.allclose(depth[thick][:, 2] / depth[thick][:, 1], 0.95, atol=1e-3)
    assert depth[..., 1].max() == pytest.approx(2.0, rel=0.01)
    assert np.mean(depth[..., 1] < 1e-3) > 0.01  # clear islands


def test_specular_highlights_only_brighten_and_clip(apply) -> None:
    x = np.full((300, 300, 3), 0.5, np.float32)
    few, many = (apply("endo_specular", x, count=n, size=0.015) for n in (5, 40))
    for y in (few, many):
        assert np.all(y >= x - 1e-6)
    assert 0 < np.mean(few > 0.98) < np.mean(many > 0.98) < 0.2


def test_highlights_sit_on_the_better_lit_half(apply) -> None:
    x = np.full((300, 300), 0.15, np.float32)
    x[:, 150:] = 0.6
    hit = apply("endo_specular", x, count=40, size=0.012) > 0.95
    assert hit[:, 150:].sum() > 5 * hit[:, :150].sum()


def test_bubbles_leave_the_rest_alone(apply) -> None:
    x = np.full((300, 300, 3), 0.5, np.float32)
    y = apply("endo_bubbles", x, count=8, size=0.03)
    changed = np.abs(y - x).max(axis=-1) > 1e-3
    assert 0.005 < changed.mean() < 0.2
    assert np.array_equal(y[~changed], x[~changed]) or np.abs(y - x)[~changed].max() < 1e-3


# --- pathology ---------------------------------------------------------------------------


def optical(u: np.ndarray) -> np.ndarray:
    return -np.log((255 * u.astype(np.float64) + 1) / 256)


def test_red_cells_pull_towards_red_and_more_cells_cover_more() -> None:
    x = np.full((400, 400, 3), (235, 228, 236), np.uint8)
    covered = []
    for level in (1, 2, 3):
        y = degrade(x, "blood_cell", level, seed=1, modality="pathology").image
        touched = np.any(y != x, axis=-1)
        covered.append(touched.mean())
        mean = y[touched].mean(axis=0)
        assert mean[0] > mean[1] + 15
        assert mean[0] > mean[2] + 15
    assert covered[0] < covered[1] < covered[2] < 0.4


def test_dark_spots_only_darken(apply) -> None:
    x = tiles()[0].astype(np.float32) / 255
    assert np.all(apply("dark_spots", x) <= x + 1e-6)


def test_bubble_blurs_inside_and_leaves_the_outside(apply) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0.3, 0.9, (300, 300)).astype(np.float32)
    y = apply("bubble", x, count=1, size=0.2, blur=0.01)
    same = np.abs(y - x) < 1e-6
    assert 0.75 < same.mean() < 0.97
    inner = np.array(
        [y[i : i + 20, j : j + 20].std() for i in range(0, 280, 20) for j in range(0, 280, 20)]
    )
    assert inner.min() < 0.3 * x.std()


def test_fold_adds_optical_densities(apply) -> None:
    x = np.full((300, 300, 3), (0.8, 0.5, 0.7), np.float32)
    y = apply("tissue_fold", x, width=0.3)
    ratio = optical(y) / optical(x)
    values, counts = np.unique(np.round(ratio[..., 1], 2), return_counts=True)
    common = set(values[counts > 0.05 * counts.sum()])
    assert common == {1.0, 2.0}
    glass = np.ones((100, 100, 3), np.float32)
    assert np.allclose(apply("tissue_fold", glass, width=0.3), 1, atol=1e-5)


@pytest.mark.parametrize("factor", [0.32, 1.4, 2.3])
def test_staining_scales_optical_density(apply, factor: float) -> None:
    key = "overstain" if factor > 1 else "understain"
    x = tiles()[1].astype(np.float32) / 255
    y = apply(key, x, factor=factor)
    kept = (y > 0.02) & (y < 1)  # the rest is as dark or as light as can be shown
    assert kept.mean() > 0.7
    assert np.allclose(optical(y)[kept], factor * optical(x)[kept], atol=1e-3)
    other = "understain" if factor > 1 else "overstain"
    assert np.allclose(apply(other, y, factor=1 / factor)[kept], x[kept], atol=1e-3)


def test_stain_shift_changes_dye_amounts_as_asked_and_can_be_undone(apply, drawn) -> None:
    dyes = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
    dyes /= np.linalg.norm(dyes, axis=1, keepdims=True)
    x = np.random.default_rng(4).uniform(0.25, 0.9, (60, 70, 3)).astype(np.float32)
    y = apply("stain_shift", x, scale=0.2, shift=0.05, hi=1.0)
    place = drawn("stain_shift", x)
    s, h = place["dye"], place["haze"]
    a = np.array([1 + s * 0.2, 1 - s * 0.2, 1 - s * 0.1])
    b = np.array([h * 0.05, -h * 0.05, 0])
    before, after = optical(x) @ np.linalg.inv(dyes), optical(y) @ np.linalg.inv(dyes)
    inside = (y > 0.01).all(axis=-1) & (y < 0.99).all(axis=-1)
    inside &= optical(x) @ [0.299, 0.587, 0.114] > 0.3  # tissue, not glass
    assert inside.mean() > 0.6
    assert np.allclose(after[inside], (before * a + b)[inside], atol=2e-4)
    undone = np.exp(-(((after - b) / a) @ dyes)) * 256 / 255 - 1 / 255
    assert np.allclose(undone[inside], x[inside], atol=2e-4)


def test_seam_moves_and_dims_one_side_exactly(apply, drawn) -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(20, 180, (200, 240, 3), dtype=np.uint8)
    for seed in range(6):
        y = apply("stitching_seam", x, seed, offset=0.05, gain=0.1)
        place = drawn("stitching_seam", x, seed)
        if place["direction"] == "rows":
            x, y = x.transpose(1, 0, 2), y.transpose(1, 0, 2)
        seam = round(place["place"] * x.shape[1])
        assert np.array_equal(y[:, :seam], x[:, :seam])
        moved = np.roll(x[:, seam:], place["sign"] * 10, axis=0)
        expected = np.rint(moved.astype(np.float64) * (1 + place["lamp"] * 0.1))
        assert np.abs(y[20:-20, seam:].astype(float) - expected[20:-20]).max() <= 1
        if place["direction"] == "rows":
            x = x.transpose(1, 0, 2)


def test_pen_is_ink_of_one_colour(apply, drawn) -> None:
    x = np.full((300, 300, 3), 0.9, np.float32)
    y = apply("pen_mark", x, seed=1, strokes=3, width=0.06)
    inked = np.abs(y - x).max(axis=-1) > 0.4
    assert 0.02 < inked.mean() < 0.5
    colour = {
        "black": (0.05, 0.05, 0.07),
        "blue": (0.08, 0.12, 0.6),
        "green": (0.05, 0.4, 0.2),
        "red": (0.72, 0.06, 0.1),
    }[drawn("pen_mark", x, seed=1)["colour"]]
    assert np.argmax(y[inked].mean(axis=0)) == np.argmax(colour)


# --- fundus ------------------------------------------------------------------------------


def eye(side: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = np.mgrid[-1:1:300j, -1:1:300j]
    inside = rows**2 + cols**2 < 0.9**2
    rgb = np.zeros((side, side, 3), np.float32)
    rgb[inside] = (0.6, 0.3, 0.15)
    return rgb, inside


def test_illumination_is_a_smooth_factor_common_to_the_channels(apply, drawn) -> None:
    x, inside = eye()
    y = apply("fundus_illumination", x, gain=0.5, hi=4.0)
    place = drawn("fundus_illumination", x)
    rows, cols = np.mgrid[-1:1:300j, -1:1:300j]
    tilt = cols * np.cos(place["angle"]) + rows * np.sin(place["angle"])
    log_gain = 0.5 * (0.8 * tilt - place["ring"] * (rows**2 + cols**2))
    for c in range(3):
        assert np.allclose(np.log(y[inside][:, c] / x[inside][:, c]), log_gain[inside], atol=1e-4)


@pytest.mark.parametrize(
    "key", ["fundus_light_leak", "fundus_spots", "fundus_blur", "fundus_cataract"]
)
def test_the_black_surround_stays_black(apply, key: str) -> None:
    x, inside = eye()
    y = apply(key, x)
    assert y[~inside].max() < 1e-6
    assert not np.array_equal(y, x) or key == "fundus_blur"  # a flat retina has nothing to blur


def test_fundus_blur_blurs_the_retina_but_not_the_aperture(apply) -> None:
    x, inside = eye()
    x[148:152, 60:240] *= 0.4  # a vessel
    y = apply("fundus_blur", x, sigma=0.013)
    assert y[150, 150, 0] > 1.5 * x[150, 150, 0]
    rim = inside & ~np.roll(inside, 1, axis=1)
    assert y[rim].mean() == pytest.approx(x[rim].mean(), rel=0.05)


def test_light_leak_is_brightest_at_the_rim(apply) -> None:
    x, inside = eye()
    change = (apply("fundus_light_leak", x, strength=0.3) - x).sum(axis=-1)
    rows, cols = np.mgrid[-1:1:300j, -1:1:300j]
    r = np.hypot(rows, cols)
    assert change[inside & (r > 0.75)].max() > 5 * change[r < 0.2].mean()
    assert change.min() > -1e-6


def test_cataract_takes_contrast_and_adds_light(apply) -> None:
    x, inside = eye()
    rng = np.random.default_rng(1)
    x[inside] *= rng.uniform(0.7, 1.3, (int(inside.sum()), 1)).astype(np.float32)
    mild, severe = (apply("fundus_cataract", x, density=d)[inside][:, 1] for d in (0.25, 0.6))
    assert severe.std() < mild.std() < x[inside][:, 1].std()
    assert severe.mean() > mild.mean() > x[inside][:, 1].mean()
