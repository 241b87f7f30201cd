"""One battery for every registered degradation, plug-ins included."""

from __future__ import annotations

import json
import os
import re
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from osler.core import InputError, plain
from osler.degrade import Record, degradations, degrade, parameter_names, replay
from osler.degrade.registry import Degradation
from osler.degrade.samples import resized, samples
from osler.images import MODALITIES, Image, read, to_display

SIDE = 128
LEVELS = (1, 2, 3)
KEYS = sorted(degradations())
CATEGORIES = {"artifacts", "motion", "intensity", "noise", "resolution"}

# Where a higher level is another severity but SSIM cannot say so, with the reason.

_SHARED = {
    "endoscopy": "endoscopy/polyp_*.png",
    "ultrasound": "ultrasound/us_fetal_head_*.png",
    "xray": "xray/*.png",
    "fundus": "fundus/fundus_*.png",
    "pathology": "histopathology/ihc_*.png",
    "dermoscopy": "nc_only/derm_*.png",
    "oct": "nc_only/oct_*.png",
}


@cache
def real_images(modality: str) -> tuple[np.ndarray, ...]:
    """128 px planes of a modality: from installed packages, and from OSLER_SHARED where set."""
    found = [resized(s.pixels, SIDE) for s in samples(modality)]
    place = os.environ.get("OSLER_SHARED", "")
    if place and modality in _SHARED:
        paths = sorted((Path(place) / "data" / "images").glob(_SHARED[modality]))
        chosen = [path for path in paths if not path.stem.endswith("_mask")][:5]
        planes = [np.ascontiguousarray(to_display(read(path)).pixels) for path in chosen]
        found += [resized(plane, SIDE) for plane in planes]
    return tuple(found)


def images_for(entry: Degradation) -> list[tuple[str, np.ndarray]]:
    """Up to eight (modality, plane) on which ``entry`` makes sense, of as many kinds as can be."""
    pools = [[(m, image) for image in real_images(m)] for m in entry.modalities]
    rounds = [pool[i] for i in range(8) for pool in pools if i < len(pool)]
    return rounds[:8]


def first_image(entry: Degradation) -> tuple[str, np.ndarray]:
    found = images_for(entry)
    if not found:
        pytest.skip(f"no image of {', '.join(entry.modalities)} is installed")
    return found[0]


def is_random(entry: Degradation) -> bool:
    """Whether anything was drawn, as the record says or as the pixels show."""
    modality, x = first_image(entry)
    one = degrade(x, entry.key, 2, seed=1, modality=modality)
    other = degrade(x, entry.key, 2, seed=2, modality=modality)
    return bool(one.record.drawn) or not np.array_equal(one.image, other.image)


@pytest.fixture(params=KEYS)
def entry(request: pytest.FixtureRequest) -> Degradation:
    return degradations()[request.param]


def variants(x: np.ndarray) -> dict[str, Image]:
    """The same picture as 8-bit grey, 8-bit RGB, 16 bit, HU and float."""
    grey = x if x.ndim == 2 else x[..., 1]
    grey = np.ascontiguousarray(grey)
    colour = x if x.ndim == 3 else np.stack([grey, grey // 2, 255 - grey], axis=-1)
    return {
        "uint8": Image(grey, "yx", unit="8-bit"),
        "uint8 colour": Image(np.ascontiguousarray(colour), "yxc", unit="8-bit"),
        "uint16": Image(grey.astype(np.uint16) * 257, "yx", unit="16-bit"),
        "uint16 colour": Image(colour.astype(np.uint16) * 257, "yxc", unit="16-bit"),
        "int16": Image(grey.astype(np.int16) * 8 - 1000, "yx", unit="HU"),
        "float32": Image(grey.astype(np.float32) / 255, "yx", unit="a.u."),
        "float32 odd": Image(grey[:33, :45].astype(np.float32) * 3.7, "yx", unit="a.u."),
    }


def test_declared_in_full(entry: Degradation) -> None:
    assert entry.category in CATEGORIES
    assert entry.modalities
    assert set(entry.modalities) <= set(MODALITIES)
    assert len(set(entry.modalities)) == len(entry.modalities)
    assert set(entry.levels) == {1, 2, 3}
    assert len(entry.source) > 5
    assert entry.summary.rstrip().endswith((".", ")"))
    # What all functions of a module share may be told once, at its head.
    text = f"{entry.apply.__doc__} {sys.modules[entry.apply.__module__].__doc__}"
    for name in parameter_names(entry):
        assert re.search(rf"\b{name}\b", text), (
            f"{entry.key}: its docstring does not say what {name} is"
        )
    for level in LEVELS:
        for modality in (None, *entry.modalities):
            assert set(entry.params(level, modality)) <= set(parameter_names(entry))


def test_level_zero_changes_nothing(entry: Degradation) -> None:
    modality, x = first_image(entry)
    done = degrade(x, entry.key, 0, seed=5, modality=modality)
    assert np.array_equal(done.image, x)


def test_same_seed_same_bytes_in_any_order(entry: Degradation) -> None:
    modality, x = first_image(entry)
    before = x.copy()
    first = {n: degrade(x, entry.key, n, seed=9, modality=modality).image for n in LEVELS}
    assert np.array_equal(x, before), f"{entry.key} changed its input"
    np.random.default_rng(0).standard_normal(10)
    for level in reversed(LEVELS):
        again = degrade(x, entry.key, level, seed=9, modality=modality).image
        assert again.tobytes() == first[level].tobytes()


def test_bytes_do_not_depend_on_where_the_pixels_lie_in_memory(entry: Degradation) -> None:
    modality, x = first_image(entry)
    pixels = variants(x)["float32"].pixels
    made = set()
    for offset in (0, 4, 20, 36):
        buffer = np.zeros(pixels.nbytes + 128, np.uint8)
        start = (-buffer.ctypes.data) % 64 + offset
        copy = buffer[start : start + pixels.nbytes].view(np.float32).reshape(pixels.shape)
        copy[:] = pixels
        image = Image(copy, "yx", unit="a.u.")
        made.add(degrade(image, entry.key, 2, seed=12, modality=modality).image.pixels.tobytes())
    assert len(made) == 1


def test_other_seed_other_bytes_where_random(entry: Degradation) -> None:
    if not is_random(entry):
        pytest.skip("draws nothing: the same for every seed")
    modality, x = first_image(entry)
    kinds = {
        level: {
            degrade(x, entry.key, level, seed=s, modality=modality).image.tobytes()
            for s in range(6)
        }
        for level in LEVELS
    }
    assert max(len(made) for made in kinds.values()) > 1


def test_changes_the_image(entry: Degradation) -> None:
    modality, x = first_image(entry)
    for level in (2, 3):
        assert not np.array_equal(degrade(x, entry.key, level, seed=3, modality=modality).image, x)


def test_shape_type_and_range(entry: Degradation) -> None:
    modality, x = first_image(entry)
    for name, image in variants(x).items():
        before = image.pixels
        for level in (1, 3):
            done = degrade(image, entry.key, level, seed=4, modality=modality)
            after = done.image.pixels
            assert after.shape == before.shape, name
            assert after.dtype == before.dtype, name
            assert np.isfinite(after).all(), name
            # Noise and overshoot leave the display by its own width at most; HU reach from below
            # air (dark streaks) to steel, whatever the window.
            room = done.record.hi - done.record.lo
            lowest, highest = (-9000, 31000) if image.unit == "HU" else (-room, room)
            assert float(after.min()) >= min(float(before.min()), done.record.lo) + lowest, name
            assert float(after.max()) <= max(float(before.max()), done.record.hi) + highest, name


def test_grey_shown_as_rgb_stays_grey(entry: Degradation) -> None:
    modality, x = first_image(entry)
    grey = np.ascontiguousarray(x if x.ndim == 2 else x[..., 1])
    rgb = np.repeat(grey[..., None], 3, axis=2)
    done = degrade(rgb, entry.key, 2, seed=6, modality=modality).image
    assert np.array_equal(done[..., 0], done[..., 1])
    assert np.array_equal(done[..., 0], done[..., 2])
    assert np.array_equal(
        done[..., 0], degrade(grey, entry.key, 2, seed=6, modality=modality).image
    )


def test_record_replays_byte_for_byte_through_json(entry: Degradation) -> None:
    modality, x = first_image(entry)
    for name, image in variants(x).items():
        done = degrade(image, entry.key, 2, seed=77, modality=modality)
        record = Record.from_plain(json.loads(json.dumps(plain(done.record))))
        again = replay(image, record)
        assert again.pixels.tobytes() == done.image.pixels.tobytes(), name


def test_png_keeps_the_result(entry: Degradation) -> None:
    import cv2

    modality, x = first_image(entry)
    for name in ("uint8", "uint8 colour", "uint16"):
        pixels = degrade(variants(x)[name], entry.key, 2, seed=8, modality=modality).image.pixels
        code = cv2.imencode(".png", pixels)[1]
        assert np.array_equal(cv2.imdecode(code, cv2.IMREAD_UNCHANGED), pixels), name


def test_small_and_narrow_planes(entry: Degradation) -> None:
    modality, x = first_image(entry)
    for height, width in ((32, 32), (33, 97), (96, 32)):
        part = np.ascontiguousarray(x[:height, :width])
        for level in LEVELS:
            assert (
                degrade(part, entry.key, level, seed=2, modality=modality).image.shape == part.shape
            )


@pytest.mark.parametrize("level", [-1, 4, 10])
def test_level_out_of_range_is_refused(entry: Degradation, level: int) -> None:
    modality, x = first_image(entry)
    with pytest.raises(InputError, match="out of range"):
        degrade(x, entry.key, level, seed=1, modality=modality)


def test_senseless_modality_is_refused_without_force(entry: Degradation) -> None:
    wrong = [m for m in MODALITIES if m not in entry.modalities]
    if not wrong:
        pytest.skip("made for every modality")
    _, x = first_image(entry)
    with pytest.raises(InputError, match="makes no physical sense"):
        degrade(x, entry.key, 1, seed=1, modality=wrong[0])
    done = degrade(x, entry.key, 1, seed=1, modality=wrong[0], force=True)
    assert done.image.shape == x.shape


def test_level_two_is_worse_than_level_one(entry: Degradation) -> None:
    from osler.images import ssim

    if entry.geometric:
        pytest.skip("moves anatomy: SSIM measures the movement, not the severity")
    worse = total = 0
    found = images_for(entry)
    for number, (modality, x) in enumerate(found):
        for seed in range(-(-20 // len(found))):
            kwargs = {"seed": 31 * number + seed, "modality": modality, "hashes": False}
            mild, severe = (
                ssim(x, degrade(x, entry.key, n, **kwargs).image, peak=255.0) for n in (1, 2)
            )
            worse += severe < mild
            total += 1
    assert total >= 16
    assert worse >= 0.95 * total, f"{entry.key}: level 2 was worse in {worse} of {total}"
