"""Canonical geometry: landmarks stay where they are, and what cannot be placed is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from osler.curate.fuse.case import Annotation, Loaded
from osler.curate.fuse.faults import LayoutError
from osler.curate.fuse.geometry import canonical, check_grid
from osler.images import Image, orientation, read
from osler.images.geometry import spacing_of

SHAPE = (9, 11, 7)


def rotation(angles: tuple[float, float, float]) -> NDArray[np.float64]:
    """Turns about x, y and z, in degrees."""
    out = np.eye(3)
    for axis, angle in enumerate(np.radians(angles)):
        one, two = [n for n in range(3) if n != axis]
        turn = np.eye(3)
        turn[one, one] = turn[two, two] = np.cos(angle)
        turn[one, two], turn[two, one] = -np.sin(angle), np.sin(angle)
        out = turn @ out
    return out


@st.composite
def affines(draw: st.DrawFn) -> NDArray[np.float64]:
    """Any orientation, spacing and place, turned by up to 30 degrees about each axis."""
    order = draw(st.permutations(range(3)))
    signs = draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
    spacing = draw(st.tuples(*[st.floats(0.3, 6.0)] * 3))
    angles = draw(st.tuples(*[st.floats(-30, 30)] * 3))
    affine = np.eye(4)
    columns = np.eye(3)[:, order] * signs * np.array(spacing)
    affine[:3, :3] = rotation(angles) @ columns
    affine[:3, 3] = draw(st.tuples(*[st.floats(-300, 300)] * 3))
    return affine


def volume(affine: NDArray[np.float64] | None, **changes: object) -> Loaded:
    """Three landmarks in image and mask: a voxel each of 100, 200 and 300."""
    pixels = np.zeros(SHAPE, np.int16)
    mask = np.zeros(SHAPE, np.uint8)
    for label, spot in MARKS.items():
        pixels[spot], mask[spot] = label * 100, label
    image = Image(pixels, "xyz", "mri", "a.u.", affine=affine, source="made.nii.gz")
    return Loaded(replace(image, **changes), "MR", (Annotation("mask", mask, {"1": "liver"}),))


MARKS = {1: (1, 2, 3), 2: (7, 1, 5), 3: (4, 9, 0)}


def place(affine: NDArray[np.float64] | None, spot: tuple[int, ...]) -> NDArray[np.float64]:
    assert affine is not None
    return (affine @ [*spot, 1.0])[:3]


@settings(max_examples=150, deadline=None)
@given(affines())
def test_landmarks_come_back_in_ras(affine: NDArray[np.float64]) -> None:
    loaded = volume(affine)
    done = canonical(loaded)
    image, mask = done.image, done.annotations[0].value
    assert image.affine is not None
    assert orientation(image.affine) == "RAS"
    assert image.spacing == pytest.approx(spacing_of(image.affine), abs=1e-9)
    for label, spot in MARKS.items():
        (found,) = np.argwhere(mask == label)
        assert image.pixels[tuple(found)] == label * 100
        assert np.abs(place(image.affine, tuple(found)) - place(affine, spot)).max() < 1e-3


@settings(max_examples=40, deadline=None)
@given(affines(), affines())
def test_what_the_voxels_are_called_changes_nothing(
    one: NDArray[np.float64], other: NDArray[np.float64]
) -> None:
    """Canonical twice is canonical once; and values are only moved."""
    done = canonical(volume(one))
    again = canonical(done)
    assert np.array_equal(again.image.pixels, done.image.pixels)
    assert np.allclose(again.image.affine, done.image.affine)  # type: ignore[arg-type]
    assert np.array_equal(
        np.sort(done.image.pixels, None), np.sort(volume(other).image.pixels, None)
    )


@settings(max_examples=40, deadline=None)
@given(affines())
def test_through_a_file(affine: NDArray[np.float64]) -> None:
    from tempfile import TemporaryDirectory

    loaded = volume(affine)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.nii"
        nib.save(nib.Nifti1Image(loaded.image.pixels, affine), path)
        done = canonical(replace(loaded, image=read(path)))
    for label, spot in MARKS.items():
        (found,) = np.argwhere(done.annotations[0].value == label)
        assert np.abs(place(done.image.affine, tuple(found)) - place(affine, spot)).max() < 1e-3


def test_oblique_stays_oblique_and_says_so() -> None:
    straight = canonical(volume(np.diag([-2.0, -2.0, 3.0, 1.0])))
    assert "oblique" not in straight.flags
    affine = np.eye(4)
    affine[:3, :3] = rotation((12, 0, 0)) * 2.0
    assert canonical(volume(affine)).flags == ("oblique",)
    affine[:3, 0] += 0.2 * affine[:3, 1]
    assert canonical(volume(affine)).flags == ("oblique", "sheared")


def test_time_channels_and_instances_move_along() -> None:
    affine = np.diag([-1.0, 2.0, 3.0, 1.0])
    loaded = volume(affine)
    four = np.stack([loaded.image.pixels, loaded.image.pixels * 2], -1)
    mask = loaded.annotations[0].value
    done = canonical(
        replace(
            loaded,
            image=replace(loaded.image, pixels=four, axes="xyzt"),
            annotations=(
                Annotation("mask", np.stack([mask, mask], -1), {"1": "liver"}),
                Annotation("mask", mask, {"1": "liver"}),
                Annotation("instances", [{"label": "1", "mask": mask == 1}], {"1": "liver"}),
                Annotation("class", "1", {"1": "liver"}),
            ),
        )
    )
    assert np.array_equal(done.image.pixels, four[::-1])
    assert np.array_equal(done.annotations[0].value, np.stack([mask, mask], -1)[::-1])
    assert np.array_equal(done.annotations[1].value, mask[::-1])
    assert np.array_equal(done.annotations[2].value[0]["mask"], (mask == 1)[::-1])
    assert done.annotations[3].value == "1"


def test_planes_and_cines_stay() -> None:
    picture = Image(np.zeros((4, 5, 3), np.uint8), "yxc", source="a.png")
    loaded = Loaded(picture, "DERM", (Annotation("mask", np.zeros((4, 5), np.uint8)),))
    assert canonical(loaded) is loaded


def test_a_volume_without_orientation_says_so() -> None:
    done = canonical(volume(None))
    assert done.flags == ("orientation-unknown",)
    assert np.array_equal(done.image.pixels, volume(None).image.pixels)


@pytest.mark.parametrize(
    "affine",
    [
        np.diag([1.0, 1.0, 0.0, 1.0]),
        np.full((4, 4), np.nan),
        np.diag([np.inf, 1.0, 1.0, 1.0]),
        np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
    ],
)
def test_a_broken_affine_is_refused(affine: NDArray[np.float64]) -> None:
    with pytest.raises(LayoutError, match="affine") as caught:
        canonical(volume(affine))
    assert caught.value.code == "affine-broken"


@pytest.mark.parametrize("shape", [(9, 11, 8), (11, 9, 7), (9, 11)])
def test_a_mask_of_another_grid_is_refused(shape: tuple[int, ...]) -> None:
    loaded = volume(np.eye(4))
    bad = replace(loaded, annotations=(Annotation("mask", np.zeros(shape, np.uint8)),))
    with pytest.raises(LayoutError, match="voxels, its image 9 x 11 x 7") as caught:
        canonical(bad)
    assert caught.value.code == "grid-mismatch"


@pytest.mark.parametrize(
    ("shift", "fits"), [(0.0, True), (9e-4, True), (1.1e-3, False), (5, False)]
)
def test_grids_agree_within_a_thousandth_of_a_millimetre(shift: float, fits: bool) -> None:
    image = volume(np.diag([1.0, 2, 3, 1])).image
    moved = image.affine.copy()  # type: ignore[union-attr]
    moved[0, 3] += shift
    if fits:
        check_grid(image, replace(image, affine=moved))
        return
    with pytest.raises(LayoutError, match=f"{shift:.4f} mm") as caught:
        check_grid(image, replace(image, affine=moved))
    assert caught.value.code == "grid-mismatch"


def test_an_image_and_a_mask_flipped_against_each_other_are_refused() -> None:
    """Image LAS, mask LPS with equal arrays (torchio #1300): the corners tell."""
    image = volume(np.diag([-1.0, 1.0, 1.0, 1.0])).image
    with pytest.raises(LayoutError, match="corners"):
        check_grid(image, replace(image, affine=np.diag([-1.0, -1.0, 1.0, 1.0])))
    with pytest.raises(LayoutError, match="the mask states no orientation"):
        check_grid(image, replace(image, affine=None))


def test_forms_that_disagree_are_refused_unless_one_was_chosen(tmp_path: Path) -> None:
    made = nib.Nifti1Image(volume(None).image.pixels, np.diag([2.0, 2, 2, 1]))
    made.set_sform(np.diag([2.0, 2, 2, 1]), 1)
    other = np.diag([2.0, 2, 2, 1])
    other[:3, 3] = 0, 0, 30
    made.set_qform(other, 1)
    nib.save(made, tmp_path / "x.nii")
    loaded = replace(volume(None), image=read(tmp_path / "x.nii"))
    with pytest.raises(LayoutError, match=r"up to 30\.000 mm apart") as caught:
        canonical(loaded)
    assert caught.value.code == "form-disagreement"
    chosen = replace(loaded.image, meta={**loaded.image.meta, "form": "sform"})
    assert canonical(replace(loaded, image=chosen)).image.affine is not None
