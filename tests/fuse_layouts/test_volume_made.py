"""Each made dataset of volumes loads as it was made: counts, geometry, patients, no warning."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from osler.core import derive_rng
from osler.curate.fuse.case import Case, Loaded
from osler.curate.fuse.layouts import detect_layout, layout_named
from osler.curate.fuse.making import bids, cine, dicom_series, lidc, nnunet, organ_maps
from osler.curate.fuse.making.anatomy import TRUNK, Organ, draw, grid
from osler.curate.fuse.making.made import Made
from osler.images import to_ras
from osler.images.geometry import corner_distance

Maker = Callable[[Path], Made]

MAKERS: dict[str, Maker] = {
    **{f"nnunet-{s}": lambda f, s=s: nnunet.make(f, style=s) for s in nnunet.STYLES},  # type: ignore[misc]
    "nnunet-regions": lambda f: nnunet.make(f, style="brats23", regions=True),
    "nnunet-v1-organs": lambda f: nnunet.make(f, style="FLARE22", version=1),
    **{f"maps-{s}": lambda f, s=s: organ_maps.make(f, style=s) for s in organ_maps.STYLES},  # type: ignore[misc]
    "cine-ACDC": lambda f: cine.make(f, style="ACDC"),
    "cine-M&Ms": lambda f: cine.make(f, style="M&Ms"),
    "bids": lambda f: bids.make(f),
    "bids-sessions": lambda f: bids.make(f, subjects=2, sessions=2),
    "dicom-CT": lambda f: dicom_series.make(f, subjects=4),
    "dicom-CT-flipped": lambda f: dicom_series.make(f, flipped=True),
    "dicom-MR": lambda f: dicom_series.make(f, modality="MR"),
    "dicom-PT": lambda f: dicom_series.make(f, modality="PT"),
    "lidc": lambda f: lidc.make(f),
}


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return MAKERS[request.param](tmp_path_factory.mktemp("made") / "set")


def _all(made: Made) -> list[tuple[Case, Loaded]]:
    layout = layout_named(made.source.layout)
    cases = list(layout.scan(made.source))
    assert [c.fault for c in cases] == [None] * len(cases)
    return [(case, layout.load(made.source, case)) for case in cases]


def _voxels(loaded: Loaded) -> dict[str, int]:
    found: dict[str, int] = {}
    for mark in loaded.annotations:
        if mark.kind == "mask":
            for number, name in mark.labels.items():
                key = f"{mark.reader}: {name}" if mark.reader else name
                found[key] = found.get(key, 0) + int((mark.value == int(number)).sum())
    return found


@pytest.mark.parametrize("made", sorted(MAKERS), indirect=True)
def test_a_made_dataset_loads_as_it_was_made(made: Made) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = _all(made)
    assert {case.key for case, _ in loaded} == set(made.cases)
    for case, one in loaded:
        true = made.cases[case.key]
        assert case.patient == true["patient"]
        assert _voxels(one) == true["voxels"]
        assert one.image.meta.get("warning", "").find("disagree") < 0
        assert one.image.affine is not None
        shape = one.image.shape[:3]
        assert corner_distance(one.image.affine, np.array(true["affine"]), shape) < 1e-3
        if true["unit"]:
            assert one.image.unit == true["unit"]
        assert one.modality in ("CT", "MR", "PET")
        for path in case.files:
            assert path.is_file()
        json.dumps(dict(case.info))
        for mark in one.annotations:
            if mark.kind == "mask":
                assert mark.value.shape == shape
                assert mark.value.dtype.kind in "u"


@pytest.mark.parametrize("made", sorted(MAKERS), indirect=True)
def test_a_made_dataset_is_detected_as_its_own_layout_only(made: Made) -> None:
    name, why = detect_layout(made.source.folder)
    assert name == made.source.layout
    assert why


@pytest.mark.parametrize("made", sorted(MAKERS), indirect=True)
def test_scanning_twice_gives_the_same_cases_in_the_same_order(made: Made) -> None:
    layout = layout_named(made.source.layout)
    one, two = list(layout.scan(made.source)), list(layout.scan(made.source))
    assert one == two
    assert len({case.key for case in one}) == len(one)


@pytest.mark.parametrize("made", ["nnunet-AMOS22", "maps-FLARE22", "dicom-CT"], indirect=True)
def test_landmarks_come_back_to_ras_within_a_thousandth_of_a_millimetre(made: Made) -> None:
    """Centres of organs, in the RAS+ volume, are where the maker put them; left is left."""
    for case, loaded in _all(made):
        ras = to_ras(loaded.image)
        true = made.cases[case.key]["landmarks"]
        for mark in loaded.annotations:
            mask = to_ras(loaded.image.with_pixels(mark.value, axes="xyz"))
            assert mask.affine is not None
            assert np.allclose(mask.affine, ras.affine)
            assert np.all(np.diag(mask.affine)[:3] > 0)
            for number, name in mark.labels.items():
                if name.lower() not in true:
                    continue
                spots = np.argwhere(mask.pixels == int(number)).mean(0)
                place = mask.affine[:3, :3] @ spots + mask.affine[:3, 3]
                assert np.abs(place - true[name.lower()]).max() < 1e-3
        assert true["left kidney"][0] < 0 < true["right kidney"][0]
        assert true["liver"][0] > 0 > true["spleen"][0]


def test_an_ellipsoid_has_the_volume_of_its_closed_form() -> None:
    shape, affine = (60, 60, 60), grid((60, 60, 60), (2, 2, 2), orientation="PIR", tilt_degrees=9)
    organ = Organ((3, -5, 2), (31, 24, 40), 100)
    labels = draw(shape, affine, {"it": organ}, {"it": 1}, derive_rng("volume"))[1]
    assert labels.sum() * 8 == pytest.approx(4 / 3 * np.pi * 31 * 24 * 40, rel=0.01)


def test_organs_of_the_made_trunk_take_no_voxel_from_each_other() -> None:
    shape, affine = (125, 95, 100), grid((125, 95, 100), (2, 2, 2))
    ids = {name: n for n, name in enumerate(TRUNK, 1)}
    labels = draw(shape, affine, TRUNK, ids, derive_rng("apart"))[1]
    for name, organ in TRUNK.items():
        volume = float((labels == ids[name]).sum()) * 8
        assert volume == pytest.approx(4 / 3 * np.pi * np.prod(organ.radii), rel=0.05), name


def test_nibabel_reads_the_same_volume_and_the_same_labels(tmp_path: Path) -> None:
    made = nnunet.make(tmp_path / "set", style="msd01", subjects=1)
    [(case, loaded)] = _all(made)
    peer = nib.load(tmp_path / "set" / "imagesTr" / f"{case.key}.nii.gz")
    assert np.array_equal(np.asanyarray(peer.dataobj), loaded.image.pixels)
    assert np.allclose(peer.affine, loaded.image.affine)
    mask = nib.load(tmp_path / "set" / "labelsTr" / f"{case.key}.nii.gz")
    assert np.array_equal(np.asanyarray(mask.dataobj), loaded.annotations[0].value)


def test_numberings_differ_but_structures_have_the_same_voxels(tmp_path: Path) -> None:
    """The silent swaps: MSD and BraTS, ACDC and M&Ms, AMOS and FLARE and WORD."""
    for styles, maker, pair in (
        (("msd01", "brats21", "brats23"), nnunet.make, ("edema", "core")),
        (("ACDC", "M&Ms"), cine.make, ("right ventricle", "left ventricle")),
        (("AMOS22", "FLARE22", "WORD"), organ_maps.make, ("right kidney", "left kidney")),
    ):
        numbers: set[tuple[str, ...]] = set()
        for style in styles:
            made: Made = maker(tmp_path / style, style=style, subjects=1)  # type: ignore[operator]
            case, loaded = _all(made)[0]
            mark = loaded.annotations[0]
            true: dict[str, Any] = dict(made.cases[case.key]["structures"])
            counts = np.bincount(mark.value.ravel(), minlength=20)
            own = tuple(
                next(n for n in mark.labels if counts[int(n)] == true[part]) for part in pair
            )
            numbers.add(own)
        assert len(numbers) > 1


def test_partial_labels_say_what_was_looked_for(tmp_path: Path) -> None:
    made = organ_maps.make(tmp_path / "set", style="FLARE22", only=("liver", "spleen"), subjects=1)
    [(case, loaded)] = _all(made)
    mark = loaded.annotations[0]
    assert mark.annotated == ("liver", "spleen")
    assert set(np.unique(mark.value)) == {0, 1, 3}
    assert made.cases[case.key]["voxels"].keys() == {"liver", "spleen"}


def test_demographics_splits_and_sidecars_come_along(tmp_path: Path) -> None:
    total = _all(organ_maps.make(tmp_path / "t", style="TotalSegmentator"))
    assert [case.split for case, _ in total] == ["train", "train", "test"]
    assert total[1][0].demographics == {"age_band": "40-49", "sex": "F"}
    heads = _all(bids.make(tmp_path / "b", subjects=2))
    assert heads[0][0].demographics == {"age_band": "30-39", "sex": "F"}
    assert [one.detail["EchoTime"] for _, one in heads] == ["0.005", "0.003"]
    assert {one.detail["MagneticFieldStrength"] for _, one in heads} == {"3"}
    series = _all(dicom_series.make(tmp_path / "d", subjects=1, modality="PT"))
    assert series[0][0].demographics == {"age_band": "60-69", "sex": "F"}
    # 70 kg, 370 MBq of F-18 one hour before: 70,000 g / (370e6 Bq x 2^(-3600 / 6586.2)).
    factor = 70_000 / (370e6 * 2 ** (-3600 / 6586.2))
    assert float(series[0][1].detail["suv_factor"]) == pytest.approx(factor, rel=1e-6)
    assert series[0][1].detail["tracer"] == "FDG"


def test_frames_of_a_cine_keep_their_patient_and_phase(tmp_path: Path) -> None:
    for style in cine.STYLES:
        made = cine.make(tmp_path / style, style=style, subjects=2)
        for case, loaded in _all(made):
            true = made.cases[case.key]
            assert case.frame == true["frame"]
            assert loaded.annotations[1].value == true["phase"]
            whole = nib.load(next(made.source.folder.glob(f"**/{case.patient}_[4s]*[da].nii.gz")))
            assert np.array_equal(
                np.asanyarray(whole.dataobj)[..., case.frame], loaded.image.pixels
            )


def test_readers_of_lidc_stay_apart_and_scores_come_on_demand(tmp_path: Path) -> None:
    made = lidc.make(tmp_path / "set", subjects=1)
    [(case, loaded)] = _all(made)
    assert [m.reader for m in loaded.annotations] == [f"reader-{n}" for n in range(1, 5)]
    assert "series-ignored:CR" in loaded.flags
    assert "nodules-as-points:4" in loaded.flags
    wanted = made.source.__class__(
        **{
            **{n: getattr(made.source, n) for n in made.source.__slots__},
            "options": {"characteristics": ["malignancy"]},
        }
    )
    scores = [m.value for m in lidc_load(wanted, case).annotations if m.kind == "value"]
    assert scores[0] == {"name": "malignancy of 1", "value": 1, "unit": "1-5"}
    assert len(scores) == 7  # eight nodules, one overlooked


def lidc_load(source: Any, case: Case) -> Loaded:
    return layout_named("lidc").load(source, case)
