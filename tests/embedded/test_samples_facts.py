"""The facts of the pictures against the files themselves: affines, DICOM tags, pixels."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pydicom
import pytest

from osler.models.samples import (
    FAMILIES,
    SOURCES,
    Picture,
    family_of,
    training_pictures,
)
from osler.models.samples import (
    test_pictures as make_test_pictures,
)
from osler.models.samples.sources import source_named, source_path

TAGS = {"CT": "ct", "MR": "mri", "US": "ultrasound", "NM": "nuclear"}


@pytest.fixture(scope="module")
def pictures() -> dict[str, Picture]:
    return {picture.key: picture for picture in make_test_pictures()}


@pytest.fixture(scope="module")
def training() -> list[Picture]:
    return training_pictures()


def world(picture: Picture, row: float, column: float) -> np.ndarray:
    """RAS+ millimetres of a pixel, by the picture's affine."""
    return (picture.image.affine @ [column, row, 0, 1])[:3]


def test_size_of_the_set(pictures) -> None:
    assert len(pictures) >= 20
    assert len({p.source.modality for p in pictures.values()}) >= 5
    assert all(len(p.facts) >= 4 for p in pictures.values())
    for picture in pictures.values():
        assert picture.image.pixels.dtype == np.uint8
        assert min(picture.image.shape[:2]) >= 64
        assert picture.image.pixels.std() > 5, "a picture must show something"


def test_train_and_test_share_no_source(pictures, training) -> None:
    tested = {p.source.key for p in pictures.values()}
    trained = {p.source.key for p in training}
    assert tested == {s.key for s in SOURCES if s.split == "test"}
    assert trained == {s.key for s in SOURCES if s.split == "train"}
    assert not tested & trained
    files = [(s.package, s.file) for s in SOURCES]
    assert len(set(files)) == len(files)


def test_no_patient_is_in_training_and_test(pictures, training) -> None:
    tested = {p.source.patient for p in pictures.values()}
    assert not {p.source.patient for p in training} & tested


def test_no_pixels_are_shared(pictures, training) -> None:
    tested = {p.image.pixels.tobytes() for p in pictures.values()}
    assert not tested & {p.image.pixels.tobytes() for p in training}


def test_patients_and_modalities_are_those_of_the_tags() -> None:
    seen: dict[str, set[str]] = {}
    for source in SOURCES:
        if source.file.endswith(".dcm"):
            tags = pydicom.dcmread(source_path(source), stop_before_pixels=True)
            assert TAGS[tags.Modality] == source.modality
            seen.setdefault(f"{tags.PatientID}/{tags.get('PatientName')}", set()).add(
                source.patient
            )
    assert all(len(keys) == 1 for keys in seen.values()), "one patient, one key"


def test_the_non_commercial_file_is_not_used() -> None:
    assert not any("693" in source.file for source in SOURCES)
    allowed = ("MIT", "BSD", "Apache")
    assert all(source.licence.startswith(allowed) for source in SOURCES)


@pytest.mark.parametrize("key", ["CT_small", "693"])
def test_sources_are_looked_up_by_their_own_keys(key: str) -> None:
    with pytest.raises(KeyError):
        source_named(key)


def test_brain_pixels_lie_where_their_affine_says(pictures) -> None:
    """Every fact about sides and planes rests on this: voxel values found by world coordinates."""
    file = nib.load(source_path(source_named("mni-t1")))
    volume, back = np.asanyarray(file.dataobj), np.linalg.inv(file.affine)
    rng = np.random.default_rng(0)
    brains = [p for p in pictures.values() if p.source.key == "mni-t1"]
    assert len(brains) >= 14
    for picture in brains:
        height, width = picture.image.shape
        for row, column in zip(
            rng.integers(0, height, 60), rng.integers(0, width, 60), strict=True
        ):
            voxel = np.rint(back @ [*world(picture, row, column), 1])[:3].astype(int)
            assert volume[tuple(voxel)] == picture.image.pixels[row, column], picture.key


def test_front_is_where_y_grows(pictures, training) -> None:
    asked = [p for p in [*pictures.values(), *training] if "anterior" in p.facts]
    assert {p.facts["anterior"].answer for p in asked} == {"top", "bottom", "left", "right"}
    for picture in asked:
        if picture.image.affine is None:
            continue
        height, width = picture.image.shape[:2]
        middle = (height - 1) / 2, (width - 1) / 2
        edges = {
            "top": (0, middle[1]),
            "bottom": (height - 1, middle[1]),
            "left": (middle[0], 0),
            "right": (middle[0], width - 1),
        }
        y = {
            edge: world(picture, *at)[1] / _reach(edge, height, width) for edge, at in edges.items()
        }
        centre = world(picture, *middle)[1]
        gain = {
            edge: (world(picture, *at)[1] - centre) / _reach(edge, height, width)
            for edge, at in edges.items()
        }
        assert max(gain, key=gain.get) == picture.facts["anterior"].answer, (picture.key, y)


def _reach(edge: str, height: int, width: int) -> float:
    return float(height if edge in ("top", "bottom") else width)


def test_planes_are_flat_along_their_normal(pictures) -> None:
    along = {"sagittal": 0, "coronal": 1, "axial": 2}
    for picture in pictures.values():
        if "plane" not in picture.facts:
            continue
        height, width = picture.image.shape[:2]
        corners = [world(picture, r, c) for r in (0, height - 1) for c in (0, width - 1)]
        spread = np.ptp(corners, axis=0)
        assert spread.argmin() == along[picture.facts["plane"].answer], picture.key


def test_hemispheres_have_the_sign_of_x(pictures, training) -> None:
    asked = [p for p in [*pictures.values(), *training] if "hemisphere" in p.facts]
    assert {p.facts["hemisphere"].answer for p in asked} == {"left", "right"}
    for picture in asked:
        height, width = picture.image.shape[:2]
        xs = [world(picture, r, c)[0] for r in range(0, height, 8) for c in range(0, width, 4)]
        share = np.mean(np.array(xs) > 0)  # RAS: right is positive
        assert (share > 0.8) == (picture.facts["hemisphere"].answer == "right"), picture.key
        assert share > 0.8 or share < 0.2, "a half shows one side"
        ends = world(picture, 0, width - 1)[0] - world(picture, 0, 0)[0]
        assert ends < 0, "the question says that the patient's left is towards the right edge"


def test_patient_left_by_the_tags(pictures) -> None:
    tags = pydicom.dcmread(source_path(source_named("mr-abdomen")), stop_before_pixels=True)
    assert list(tags.ImageOrientationPatient[:3]) == [1, 0, 0]  # LPS: columns run to the left
    assert pictures["abdomen-mr"].facts["patient_left"].answer == "right"
    assert pictures["abdomen-mr-mirrored"].facts["patient_left"].answer == "left"
    whole = pictures["abdomen-mr"].image.pixels
    np.testing.assert_array_equal(whole[:, ::-1], pictures["abdomen-mr-mirrored"].image.pixels)


def test_head_ct_lies_where_its_tags_say(pictures) -> None:
    tags = pydicom.dcmread(source_path(source_named("ct-head")), stop_before_pixels=True)
    assert (tags.Modality, tags.BodyPartExamined) == ("CT", "HEAD")
    x, y, z = tags.ImagePositionPatient  # LPS
    np.testing.assert_allclose(world(pictures["head-ct-bone"], 0, 0), [-x, -y, z], atol=1e-3)
    half = pictures["head-ct-half"]
    first = float(x) + 256 * float(tags.PixelSpacing[1])
    np.testing.assert_allclose(world(half, 0, 0)[0], -first, atol=1e-2)
    assert half.facts["hemisphere"].answer == "left"


def test_ventricles_are_fluid_inside_the_brain(pictures) -> None:
    """Grey plus white matter probability is low where the lateral ventricles lie."""
    folder = source_path(source_named("mni-t1")).parent
    maps = [
        np.asanyarray(
            nib.load(folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz").dataobj
        )
        for kind in ("gm", "wm")
    ]
    tissue = maps[0].astype(int) + maps[1]
    fluid = {}
    for picture in pictures.values():
        if "level" in picture.facts:
            z = round(world(picture, 0, 0)[2])
            block = tissue[98 + 5 : 98 + 22, 134 - 45 : 134 + 30, z + 72]
            fluid[picture.key] = (picture.facts["level"].answer, float((block < 128).mean()))
    assert len(fluid) == 6
    lowest = min(share for level, share in fluid.values() if level == "ventricles")
    highest = max(share for level, share in fluid.values() if level == "vertex")
    assert lowest > 0.08 > 2 * highest, fluid
    depths = {level: [] for level in ("cerebellum", "ventricles", "vertex")}
    for picture in pictures.values():
        if "level" in picture.facts:
            depths[picture.facts["level"].answer].append(world(picture, 0, 0)[2])
    assert max(depths["cerebellum"]) < -20 < 0 < min(depths["ventricles"])
    assert max(depths["ventricles"]) < 30 < min(depths["vertex"])


def test_the_outline_surrounds_the_drawn_lesion(pictures) -> None:
    tags = pydicom.dcmread(source_path(source_named("mr-abdomen")))
    drawn = tags.overlay_array(0x6000)
    (x0, y0), _, (x1, y1), _ = pictures["abdomen-mr-lesion"].roi
    inside = drawn[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1]
    assert inside.sum() > 0.3 * drawn.sum()
    assert all(side.any() for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
    assert "lesion" in tags.SeriesDescription


def test_colours_are_counted_in_the_pixels(pictures) -> None:
    for picture in pictures.values():
        pixels = picture.image.pixels
        flat = pixels.reshape(-1, 3).astype(int) if pixels.ndim == 3 else None
        strong = 0.0 if flat is None else float((np.ptp(flat, axis=1) > 24).mean())
        wanted = "grey" if strong == 0 else "overlay" if strong < 0.3 else "full"
        assert picture.facts["colour"].answer == wanted, picture.key


def test_families_have_their_own_wording() -> None:
    assert len({family.question for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert family_of(family.question) is family
        assert 2 <= family.shown <= len(family.answers)
        assert len({text.casefold() for text in family.answers.values()}) == len(family.answers)
    assert family_of("Which technique?") is None


def test_every_fact_is_an_answer_with_evidence(pictures, training) -> None:
    answers = {family.key: family.answers for family in FAMILIES}
    for picture in [*pictures.values(), *training]:
        for family, fact in picture.facts.items():
            assert fact.answer in answers[family], picture.key
            assert fact.evidence
