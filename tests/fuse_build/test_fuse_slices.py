"""Volumes as axial slices: every value, every label, left and right, against closed forms."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import nibabel as nib
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from osler.core import InputError
from osler.curate.fuse.build import build_set
from osler.curate.fuse.cutting import as_volume, plane_of, slice_affine, slice_of
from osler.curate.fuse.export import export_set
from osler.curate.fuse.export.nnunet_check import check_nnunet
from osler.curate.fuse.fused import FusedSet, check_set, open_set
from osler.curate.fuse.goal import goal_from
from osler.curate.fuse.lock import lock_goal
from osler.curate.fuse.planes import content_planes, label_planes, numbers_of, runs_of
from osler.curate.fuse.sample import Sample
from osler.images import Image

SHAPE, SPACING, ORIGIN = (24, 20, 12), (1.5, 2.0, 3.0), (-7.0, 11.0, -40.0)
RIGHT, LEFT = 1, 2
NAMES = {"background": 0, "right kidney": RIGHT, "left kidney": LEFT}


FACTORS = (2, 3, 5, 11, 13, 17, 19, 23)


def coded(number: int = 0) -> NDArray[np.int16]:
    """A value of its own, some negative, for every voxel x, y, z to the right, front and head."""
    x, y, z = np.indices(SHAPE)
    # 5761 = 7 x 823 has no divisor in common with the factor: no value comes twice.
    values: NDArray[np.int16] = np.asarray(
        (x + 24 * y + 480 * z) * FACTORS[number] % 5761 - 1024, np.int16
    )
    return values


def kidneys() -> NDArray[np.uint8]:
    """The right one at large x, planes 4 to 8; the left one, smaller, in planes 5 and 6."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[16:21, 5:10, 4:9] = RIGHT
    mask[3:6, 5:9, 5:7] = LEFT
    return mask


AFFINE = np.array(
    [[1.5, 0, 0, -7], [0, 2, 0, 11], [0, 0, 3, -40], [0, 0, 0, 1]]
)  # x, y, z to RAS+ mm


def put(
    folder: Path, volumes: Mapping[str, NDArray[Any]], masks: Mapping[str, NDArray[Any]] | None
) -> None:
    """An nnU-Net dataset of volumes, stored from left to right and from front to back (LPS)."""
    turned = AFFINE @ np.array(
        [[-1, 0, 0, SHAPE[0] - 1], [0, -1, 0, SHAPE[1] - 1], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    for name, pixels in volumes.items():
        for part, ending, values in (
            ("imagesTr", "_0000", pixels), ("labelsTr", "", (masks or {}).get(name, kidneys())),
        ):  # fmt: skip
            (folder / part).mkdir(parents=True, exist_ok=True)
            image = nib.Nifti1Image(np.ascontiguousarray(values[::-1, ::-1]), turned)
            nib.save(image, folder / part / f"{name}{ending}.nii.gz")
    (folder / "dataset.json").write_text(
        json.dumps(
            {"channel_names": {"0": "MRI"}, "labels": NAMES, "numTraining": len(volumes),
             "file_ending": ".nii.gz"}
        )
    )  # fmt: skip


def locked(base: Path, licence: str = "CC0-1.0", modality: str = "MR", **keys: Any) -> Any:
    options = {"unit": "HU"} if modality == "CT" else {}
    goal = goal_from(
        {"name": "sliced", "dimension": "2D", "allow_3d_as_2d_sources": True, **keys,
         "sources": [{"dataset": "phantom", "path": "data", "layout": "nnunet",
                      "modality": modality, "licence": licence, "options": options}]}
    )  # fmt: skip
    return lock_goal(goal, base, base / "lock.json")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight volumes of other values each."""
    folder = tmp_path_factory.mktemp("slices")
    put(folder / "data", {f"case_{n:03d}": coded(n) for n in range(8)}, None)
    return folder


@pytest.fixture(scope="module")
def fused(base: Path) -> FusedSet:
    """All their slices."""
    build_set(locked(base), base, base / "set")
    return open_set(base / "set")


def placed(sample: Sample) -> NDArray[np.float64]:
    """The affine of a sample."""
    assert sample.image.affine is not None
    return np.asarray(sample.image.affine, np.float64).reshape(4, 4)


def number_of(case: str) -> int:
    return int(case[-3:])


def test_every_value_of_every_slice_is_that_of_the_volume(fused: FusedSet) -> None:
    assert len(fused.samples) == 8 * SHAPE[2]
    assert check_set(fused) == []
    for sample in fused.samples:
        volume = coded(number_of(sample.case))
        image = fused.image(sample)
        assert image.pixels.dtype == np.int16 == np.dtype(sample.image.dtype)
        assert (image.axes, sample.image.axes, "slice" in sample.flags) == ("yx", "YX", True)
        assert sample.image.spacing_mm == (2.0, 1.5)
        stored = tifffile.imread(fused.path(sample.image.uri))  # as another reader has it
        assert stored.dtype == np.int16
        for row in range(SHAPE[1]):
            # The front is up and the patient's right is at the left edge.
            wanted = volume[::-1, SHAPE[1] - 1 - row, sample.frame]
            assert np.array_equal(image.pixels[row], wanted)
            assert np.array_equal(stored[row], wanted)


def test_a_pixel_lies_in_the_patient_where_its_voxel_lies(fused: FusedSet) -> None:
    for sample in fused.samples[:: SHAPE[2] + 1]:
        pixels = fused.image(sample).pixels
        affine = placed(sample)
        for row, column in ((0, 0), (3, 17), (SHAPE[1] - 1, SHAPE[0] - 1)):
            place = affine @ [column, row, 0, 1]
            x, y, z, _ = np.rint(np.linalg.inv(AFFINE) @ place).astype(int)
            assert z == sample.frame
            assert pixels[row, column] == coded(number_of(sample.case))[x, y, z]


def test_masks_are_cut_along_and_left_stays_left(fused: FusedSet) -> None:
    ids = {one.name: one.id for one in fused.targets.pixel}
    right, left = ids["kidney:right"], ids["kidney:left"]
    counts: Counter[int] = Counter()
    for sample in fused.samples:
        (mark,) = sample.marks
        mask = fused.mask(sample, mark)
        counts.update(mask.ravel().tolist())
        shown = {one.side for one in sample.body_structures}
        assert shown == {
            side for one, side in ((right, "right"), (left, "left")) if (mask == one).any()
        }
        assert (mark.completeness, set(mark.annotated)) == ("full", {"kidney:right", "kidney:left"})
        for one, sign in ((right, 1), (left, -1)):
            rows, columns = np.nonzero(mask == one)
            if len(columns):
                place = placed(sample) @ [
                    columns.mean(),
                    rows.mean(),
                    0,
                    1,
                ]
                middle = AFFINE[0, 3] + 1.5 * (SHAPE[0] - 1) / 2
                assert np.sign(place[0] - middle) == sign
                # Seen as it is shown: the patient's right at the left edge.
                assert np.sign((SHAPE[0] - 1) / 2 - columns.mean()) == sign
    assert counts[right] == 8 * int((kidneys() == RIGHT).sum())
    assert counts[left] == 8 * int((kidneys() == LEFT).sum())


def test_slices_of_a_volume_stay_in_one_split_and_have_names_of_their_own(fused: FusedSet) -> None:
    by_case: dict[str, set[tuple[str, str, str]]] = {}
    for one in fused.samples:
        by_case.setdefault(one.case, set()).add((one.split, one.patient_group, one.patient_key))
    assert all(len(found) == 1 for found in by_case.values())
    assert len({split for found in by_case.values() for split, _, _ in found}) == 3
    assert len({one.sample_id for one in fused.samples}) == len(fused.samples)
    order = [(one.case, one.frame) for one in fused.samples]
    assert order == sorted(order)


def test_the_lock_and_the_report_count_slices_and_volumes(fused: FusedSet) -> None:
    for row in fused.lock["cases"]:
        assert row["slices"] == {
            "rule": "content", "axis": "S", "of": 12, "kept": [[0, 11]], "count": 12,
            "left_out": [],
        }  # fmt: skip
    totals = fused.lock["totals"]
    assert (totals["kept"], totals["samples"], totals["slices"]) == (8, 96, 96)
    assert totals["dimensions"] == {"3D": 8}
    assert totals["volumes_as_slices"] == 8
    report = json.loads((fused.folder / "report.json").read_text())
    assert report["stored"]["samples"] == report["stored"]["slices"] == 96
    assert sum(one["samples"] for one in report["table"]) == 96
    assert sum(one["cases"] for one in report["table"]) == 8
    assert sum(one["samples"] for one in report["splits"]) == 96
    assert [(one["volumes"], one["slices"], one["planes"]) for one in report["slices"]] == [
        (8, 96, 96)
    ]
    page = (fused.folder / "report.html").read_text()
    assert "96 of the samples are axial slices of\n8 volumes" in page
    assert "as 96 axial slices" in (fused.folder / "attribution.md").read_text()


def test_only_slices_with_a_target(base: Path, tmp_path: Path) -> None:
    built = build_set(locked(base, slices="targets"), base, tmp_path / "set")
    found = open_set(built.folder)
    assert {one.frame for one in found.samples} == {4, 5, 6, 7, 8}
    assert (built.samples, built.slices, built.made) == (40, 40, 40)
    lock = locked(base, slices="targets", targets=["kidney:left"])
    assert {str(row["slices"]["kept"]) for row in lock["cases"]} == {"[[5, 6]]"}
    assert all(row["slices"]["rule"] == "targets" for row in lock["cases"])


def test_air_is_left_out_and_the_body_stays(tmp_path: Path) -> None:
    x, y, _ = np.indices(SHAPE)
    body = (x - 12) ** 2 + (y - 10) ** 2 < 64
    pixels = np.where(body, 40 + 3 * x, -1000).astype(np.int16)
    pixels[:, :, 9:] = -1000
    pixels[3, 2, 10] = 60  # one voxel of a table, of 480
    pixels[:, :, 11] = (np.indices(SHAPE)[0] % 7 - 1003)[:, :, 11]  # noise of air
    mask = np.zeros(SHAPE, np.uint8)
    mask[12:14, 8:10, 2:4] = RIGHT
    empty = np.full(SHAPE, -1000, np.int16) + (x % 5).astype(np.int16)
    masks = {"one": mask, "two": np.zeros(SHAPE, np.uint8)}
    put(tmp_path / "data", {"one": pixels, "two": empty}, masks)
    lock = locked(tmp_path, modality="CT")
    (row,) = lock["cases"]
    assert row["slices"]["kept"] == [[0, 8]]
    (gone,) = lock["dropped"]
    assert (gone["case"], gone["code"]) == ("two", "no-slice")
    assert "none of its 12 slices shows anything but air" in gone["reason"]
    assert locked(tmp_path, modality="CT", slices="all")["totals"]["slices"] == 24
    only = locked(tmp_path, modality="CT", slices="targets")["cases"]
    assert [row["slices"]["kept"] for row in only] == [[[2, 3]]]


def test_a_stopped_build_goes_on_and_a_second_one_makes_nothing(base: Path, tmp_path: Path) -> None:
    lock = locked(base)
    whole = tmp_path / "whole"
    build_set(lock, base, whole)

    class Stopped(Exception):
        pass

    def stop(stage: str, done: int, of: int) -> None:
        assert of == 8
        if done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        build_set(lock, base, tmp_path / "part", progress=stop)
    assert build_set(lock, base, tmp_path / "part").made == 60
    again = build_set(lock, base, tmp_path / "part")
    assert (again.samples, again.made) == (96, 0)
    names = [{path.relative_to(one).as_posix(): path.read_bytes() for path in one.rglob("*.*")
              if path.is_file() and "journal" not in path.name}
             for one in (whole, tmp_path / "part")]  # fmt: skip
    assert names[0] == names[1]
    lost = next((tmp_path / "part" / "images").rglob("*.tif"))
    lost.unlink()
    assert build_set(lock, base, tmp_path / "part").made == 12  # the slices of one volume


def test_slices_of_what_may_not_be_passed_on_are_rows(base: Path, tmp_path: Path) -> None:
    built = build_set(locked(base, licence="CC-BY-ND-4.0"), base, tmp_path / "set")
    assert (built.samples, built.recipes, built.bytes) == (96, 96, 0)
    rows = open_set(built.folder).samples
    assert len({one.sample_id for one in rows}) == len(rows)
    with pytest.raises(InputError, match="no sample can be exported"):
        export_set(open_set(built.folder), "coco", tmp_path / "coco")
    export_set(open_set(built.folder), "croissant", tmp_path / "croissant")
    lines = [
        json.loads(one) for one in (tmp_path / "croissant/manifest.jsonl").read_text().splitlines()
    ]
    listed = [one for one in lines if "files" in one]
    assert (len(lines), len(listed)) == (96, 8)
    assert {one["files_of"] for one in lines if "files_of" in one} == {
        one["sample_id"] for one in listed
    }


def test_nnunet_gets_planes_with_their_values_and_their_place(
    fused: FusedSet, tmp_path: Path
) -> None:
    export_set(fused, "nnunet", tmp_path / "out")
    (root,) = (tmp_path / "out").glob("Dataset*")
    assert check_nnunet(root) == []
    told = json.loads((root / "dataset.json").read_text())
    assert (told["file_ending"], told["numTraining"]) == (
        ".nii.gz", sum(one.split != "test" for one in fused.samples),
    )  # fmt: skip
    cases = json.loads((root / "cases.json").read_text())
    labels = told["labels"]
    for name, one in cases.items():
        part = "Ts" if one["split"] == "test" else "Tr"
        image: Any = nib.load(root / f"images{part}" / f"{name}_0000.nii.gz")
        assert image.shape == (*SHAPE[:2], 1)
        volume = coded(number_of(one["case"]))[:, :, [one["frame"]]]
        assert np.array_equal(np.asarray(image.dataobj), volume)
        place = AFFINE.copy()
        place[2, 3] += 3 * one["frame"]
        assert np.allclose(image.affine, place, atol=1e-5)
        held: Any = nib.load(root / f"labels{part}" / f"{name}.nii.gz")
        mask = np.asarray(held.dataobj)
        truth = kidneys()[:, :, [one["frame"]]]
        assert np.array_equal(mask == labels["kidney:right"], truth == RIGHT)
        assert np.array_equal(mask == labels["kidney:left"], truth == LEFT)


def test_other_exports_hold_every_slice(fused: FusedSet, tmp_path: Path) -> None:
    done = {
        name: export_set(fused, name, tmp_path / name)
        for name in ("coco", "webdataset", "parquet", "croissant")
    }
    assert {one.samples for one in done.values()} == {96}
    areas = 0
    for path in (tmp_path / "coco" / "annotations").glob("*.json"):
        told = json.loads(path.read_text())
        areas += sum(one["area"] for one in told["annotations"])
        for one in told["images"]:
            file = tmp_path / "coco/images" / path.stem.removeprefix("instances_")
            pixels = tifffile.imread(file / one["file_name"])
            assert pixels[0, 0] == coded(number_of(one["case"]))[-1, -1, one["frame"]]
    assert areas == 8 * int((kidneys() > 0).sum())
    members = []
    for path in (tmp_path / "webdataset").glob("*.tar"):
        with tarfile.open(path) as tar:
            members += tar.getnames()
    assert (len(members), len(set(members))) == (3 * 96, 3 * 96)
    table = f"read_parquet('{tmp_path}/parquet/data/*.parquet')"
    rows = duckdb.execute(f"SELECT count(*), count(DISTINCT sample_id) FROM {table}").fetchall()
    assert rows == [(96, 96)]
    assert len(open_set(tmp_path / "croissant").samples) == 96
    with pytest.raises(InputError, match="the class of a volume is not that of each slice"):
        export_set(fused, "class_folders", tmp_path / "folders")


def test_volumes_without_masks_are_out_where_labels_are_wanted(tmp_path: Path) -> None:
    put(tmp_path / "data", {f"case_{n:03d}": coded(n) for n in range(2)}, None)
    (tmp_path / "data/labelsTr/case_001.nii.gz").unlink()
    lock = locked(tmp_path, include_unlabeled=False)
    assert [row["case"] for row in lock["cases"]] == ["case_000"]


def test_the_goal_says_slices_only_with_volumes() -> None:
    with pytest.raises(InputError, match="this goal takes none"):
        goal_from({"slices": "all"})
    with pytest.raises(InputError, match="slices"):
        goal_from({"dimension": "2D", "allow_3d_as_2d_sources": True, "slices": "some"})


@given(st.sets(st.integers(0, 60)))
def test_runs_tell_numbers(numbers: set[int]) -> None:
    runs = runs_of(sorted(numbers))
    assert list(numbers_of(runs)) == sorted(numbers)
    assert all(second[0] > first[1] + 1 for first, second in pairwise(runs))


@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
    st.integers(0, 10**6),
    st.sampled_from(["int16", "uint8", "float32"]),
)
def test_a_slice_as_a_volume_is_the_plane_it_was(
    shape: tuple[int, int, int], seed: int, kind: str
) -> None:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 200, shape).astype(kind)
    affine = np.vstack([random.normal(size=(3, 4)), [0, 0, 0, 1]])
    for number in range(shape[2]):
        plane = plane_of(pixels, number)
        back, place = as_volume(plane, slice_affine(affine, shape, number))
        assert np.array_equal(back, pixels[:, :, [number]])
        assert back.dtype == pixels.dtype
        assert np.allclose(place[:, :3], affine[:, :3])
        assert np.allclose(place @ [0, 0, 0, 1], affine @ [0, 0, number, 1])
    labels = np.unique(pixels).tolist()
    for label, runs in zip(labels, label_planes(pixels, labels), strict=True):
        assert list(numbers_of(runs)) == np.flatnonzero((pixels == label).any(axis=(0, 1))).tolist()


def test_planes_that_show_nothing() -> None:
    pixels = np.zeros((10, 10, 4), np.float32)
    pixels[0, 0, 2] = 1
    assert content_planes(Image(pixels, "xyz"), "a.u.") == [[2, 2]]
    air = pixels * 0 - 1000
    air[:2, :5, 1] = 0
    air[0, 0, 3] = -600
    assert content_planes(Image(air, "xyz"), "HU") == [[1, 1]]


def test_what_has_no_slices() -> None:
    with pytest.raises(InputError, match="has no axial slices"):
        slice_of(Image(np.zeros((2, 2)), "yx"), 0)
    with pytest.raises(InputError, match="has no plane 3"):
        slice_of(Image(np.zeros((2, 2, 3)), "xyz"), 3)
