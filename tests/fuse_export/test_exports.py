"""Exports: equal to the set by independent readers, whole or not there, within their licences."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest

from osler.core import InputError, canonical_json
from osler.curate.fuse.export import FORMATS, Options, export_set, format_named
from osler.curate.fuse.export.coco import stable_id
from osler.curate.fuse.export.nnunet_check import check_nnunet
from osler.curate.fuse.fused import FusedSet, open_set
from osler.curate.fuse.making import nnunet as maker
from osler.curate.fuse.sample import Concept, Mark, Picture, Sample
from osler.curate.fuse.storing import run_lengths
from osler.curate.fuse.targets import TargetClass, TargetTable

from .conftest import Fusion, fuse  # type: ignore[import-not-found]

DATE = Options(date="2026-01-31")


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with its hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# What all formats have.


@pytest.mark.parametrize("name", FORMATS)
def test_every_export_is_repeatable_and_has_its_papers(
    pictures: Fusion, tmp_path: Path, name: str
) -> None:
    first = export_set(pictures.fused, name, tmp_path / "a", DATE)
    export_set(pictures.fused, name, tmp_path / "b", DATE)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    for paper in ("attribution.md", "label_maps.json", "lock.json", "export.json"):
        assert (tmp_path / "a" / paper).is_file()
    assert first.files == len(tree(tmp_path / "a"))
    told = json.loads((tmp_path / "a" / "export.json").read_text())
    assert told["samples"] == first.samples
    assert sum(told["left_out"].values()) == len(told["left_out_samples"])
    assert format_named(name).TITLE


@pytest.mark.parametrize("name", FORMATS)
def test_no_derivatives_and_no_file_of_them(pictures: Fusion, tmp_path: Path, name: str) -> None:
    barred = [one for one in pictures.fused.samples if one.licence == "CC-BY-NC-ND-4.0"]
    assert barred
    done = export_set(pictures.fused, name, tmp_path / "out", DATE)
    assert done.withheld == len(barred)
    hashes = set(tree(tmp_path / "out").values())
    assert not hashes & {one.image.sha256 for one in barred}
    lines = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    rows = {row["sample_id"]: row for row in map(json.loads, lines)}
    assert set(rows) == {one.sample_id for one in barred}
    assert all(row["files"][0]["sha256"] and "ND" in row["withheld"] for row in rows.values())


def test_own_use_writes_them_and_says_so(pictures: Fusion, tmp_path: Path) -> None:
    done = export_set(pictures.fused, "class_folders", tmp_path / "out", Options(own_use=True))
    assert done.withheld == 0
    assert "kept" in (tmp_path / "out" / "DO_NOT_PASS_ON.md").read_text()
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    assert done.samples == 2 * len(pictures.made["sorted"].cases)


@pytest.mark.parametrize("name", sorted({*FORMATS} - {"coco", "class_folders"}))
def test_a_changed_file_is_refused_and_nothing_is_left(
    volumes: Fusion, tmp_path: Path, name: str
) -> None:
    shutil.copytree(volumes.fused.folder, tmp_path / "set")
    broken = open_set(tmp_path / "set")
    place = broken.path(broken.samples[-1].image.uri)
    place.write_bytes(place.read_bytes() + b"\0")
    with pytest.raises(InputError, match="was changed after the set was built"):
        export_set(broken, name, tmp_path / "out", DATE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


def test_what_is_there_is_not_overwritten(volumes: Fusion, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        export_set(volumes.fused, "parquet", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("coco", Options(), "is no picture"),
        ("class_folders", Options(), "no class"),
        ("nnunet", Options(modality="MR"), "the set has CT"),
        ("nnunet", Options(reader="nobody"), "no mask of reader nobody"),
        ("coca", Options(), "did you mean coco"),
    ],
)
def test_what_cannot_be_exported_is_said(
    volumes: Fusion, tmp_path: Path, name: str, options: Options, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        export_set(volumes.fused, name, tmp_path / "out", options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [{"number": 0}, {"shard_mb": 0}, {"date": "soon"}])
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Options(**wrong)  # type: ignore[arg-type]


# nnU-Net.


@pytest.fixture(scope="module")
def nnunet(volumes: Fusion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("nnunet") / "out"
    export_set(volumes.fused, "nnunet", out, Options(number=42))
    return out / "Dataset042_abdomen"


def test_nnunet_keeps_every_voxel_and_ignores_what_nobody_looked_for(
    volumes: Fusion, nnunet: Path
) -> None:
    described = json.loads((nnunet / "dataset.json").read_text())
    labels, cases = described["labels"], json.loads((nnunet / "cases.json").read_text())
    assert described["channel_names"] == {"0": "CT"}
    assert labels["ignore"] == max(labels.values()) == len(labels) - 1
    assert len(cases) == len(volumes.fused.samples)
    names = {"left kidney": "kidney:left", "right adrenal gland": "adrenal:right"}
    for name, told in cases.items():
        part = "Ts" if told["split"] == "test" else "Tr"
        mask = nib.load(nnunet / f"labels{part}" / f"{name}.nii.gz")
        image = nib.load(nnunet / f"images{part}" / f"{name}_0000.nii.gz")
        np.testing.assert_allclose(mask.affine, image.affine, atol=1e-3)
        values = np.asarray(mask.dataobj)
        truth = volumes.made[told["dataset"]].cases[told["case"]]["voxels"]
        for native in ("liver", "spleen", "left kidney", "right adrenal gland"):
            found = int((values == labels[names.get(native, native)]).sum())
            assert found == truth.get(native, 0)
        if told["dataset"] == "some-organs":
            assert not (values == 0).any()
            assert int((values == labels["ignore"]).sum()) == values.size - sum(truth.values())
        else:
            assert not (values == labels["ignore"]).any()


def test_nnunet_splits_keep_patients_apart(volumes: Fusion, nnunet: Path) -> None:
    cases = json.loads((nnunet / "cases.json").read_text())
    fold = json.loads((nnunet / "splits_final.json").read_text())[0]
    groups = {part: {cases[name]["patient_group"] for name in fold[part]} for part in fold}
    assert not groups["train"] & groups["val"]
    held = {path.name.removesuffix(".nii.gz") for path in (nnunet / "labelsTr").iterdir()}
    assert set(fold["train"]) | set(fold["val"]) == held
    assert json.loads((nnunet / "dataset.json").read_text())["numTraining"] == len(held)


def test_nnunet_passes_its_check(nnunet: Path) -> None:
    assert check_nnunet(nnunet) == []


def _first(root: Path, part: str) -> Path:
    return sorted((root / part).glob("*.nii.gz"))[0]


def _rewrite(path: Path, pixels: np.ndarray | None = None, shift: float = 0) -> None:
    image = nib.load(path)
    affine = image.affine.copy()
    affine[0, 3] += shift
    content = np.asarray(image.dataobj) if pixels is None else pixels
    nib.save(nib.Nifti1Image(content, affine), path)


def _faults_after(nnunet: Path, place: Path, fault: str) -> list[str]:
    root = place / "copy"
    shutil.copytree(nnunet, root)
    described = json.loads((root / "dataset.json").read_text())
    if fault == "missing channel":
        _first(root, "imagesTr").unlink()
    elif fault == "shifted":
        _rewrite(_first(root, "labelsTr"), shift=0.5)
    elif fault == "foreign label":
        pixels = np.asarray(nib.load(_first(root, "labelsTr")).dataobj).copy()
        pixels[0, 0, 0] = 99
        _rewrite(_first(root, "labelsTr"), pixels)
    elif fault == "shape":
        pixels = np.asarray(nib.load(_first(root, "labelsTr")).dataobj)[:-1]
        _rewrite(_first(root, "labelsTr"), pixels)
    elif fault == "nan":
        pixels = np.asarray(nib.load(_first(root, "imagesTr")).dataobj).astype("f4")
        pixels[0, 0, 0] = np.nan
        _rewrite(_first(root, "imagesTr"), pixels)
    elif fault == "count":
        described["numTraining"] += 1
    elif fault == "gap":
        described["labels"]["liver"] = 77
    elif fault == "ignore":
        described["labels"]["ignore"], described["labels"]["liver"] = (
            described["labels"]["liver"],
            described["labels"]["ignore"],
        )
    elif fault == "extra image":
        shutil.copy(_first(root, "imagesTr"), root / "imagesTr" / "alone_0000.nii.gz")
    (root / "dataset.json").write_text(json.dumps(described))
    return check_nnunet(root)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("missing channel", "is missing"),
        ("shifted", "affine differs"),
        ("foreign label", "labels [99]"),
        ("shape", "shape"),
        ("nan", "not finite"),
        ("count", "training cases"),
        ("gap", "not consecutive"),
        ("ignore", "ignore is not the last"),
        ("extra image", "without labels"),
    ],
)
def test_nnunet_check_finds_planted_faults(
    nnunet: Path, tmp_path: Path, fault: str, says: str
) -> None:
    assert any(says in text for text in _faults_after(nnunet, tmp_path, fault))


def test_nnunet_of_the_classes_that_all_looked_for_has_background(
    volumes: Fusion, tmp_path: Path
) -> None:
    options = Options(classes=("spleen", "liver"))
    done = export_set(volumes.fused, "nnunet", tmp_path / "out", options)
    assert not done.notes
    root = next((tmp_path / "out").glob("Dataset*"))
    described = json.loads((root / "dataset.json").read_text())
    assert described["labels"] == {"background": 0, "liver": 1, "spleen": 2}
    for name, told in json.loads((root / "cases.json").read_text()).items():
        part = "Ts" if told["split"] == "test" else "Tr"
        values = np.asarray(nib.load(root / f"labels{part}" / f"{name}.nii.gz").dataobj)
        truth = volumes.made[told["dataset"]].cases[told["case"]]["voxels"]
        assert [int((values == n).sum()) for n in (1, 2)] == [truth["liver"], truth["spleen"]]
        assert set(np.unique(values)) <= {0, 1, 2}
    with pytest.raises(InputError, match="did you mean liver"):
        export_set(volumes.fused, "nnunet", tmp_path / "x", Options(classes=("livr",)))


def test_nnunet_tells_when_no_case_has_background(volumes: Fusion, tmp_path: Path) -> None:
    partial = tuple(x for x in volumes.fused.samples if x.dataset == "some-organs")
    fused = replace(volumes.fused, samples=partial)
    done = export_set(fused, "nnunet", tmp_path / "out")
    assert any("annotated for: liver, spleen" in note for note in done.notes)


def test_a_part_counts_as_its_whole_when_it_is_not_wanted(tmp_path: Path) -> None:
    fused = _by_hand(tmp_path / "set", ())
    drawn = np.zeros((48, 64), np.uint8)
    drawn[:10], drawn[10:20], drawn[20:30], drawn[30:32] = 1, 2, 3, 4
    marks = (_mask(fused.folder, "m.png", drawn),)
    fused = replace(fused, samples=(replace(fused.samples[0], marks=marks),))
    export_set(fused, "nnunet", tmp_path / "out", Options(classes=("liver",)))
    path = next(next((tmp_path / "out").glob("Dataset*")).glob("labelsTr/*"))
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert (found[:20] == 1).all()
    assert (found[20:30] == 0).all()
    assert (found[30:32] == 2).all()


def test_nnunet_joins_channels_that_sources_order_and_name_differently(tmp_path: Path) -> None:
    made = {
        "msd": (maker.make(tmp_path / "m", style="msd01", subjects=2), "CC BY-SA 4.0", {}),
        "brats": (maker.make(tmp_path / "b", style="brats21", subjects=2, seed=5), "CC BY 4.0", {}),
    }
    found = fuse(tmp_path, "tumours", made)
    export_set(found.fused, "nnunet", tmp_path / "out")
    root = next((tmp_path / "out").glob("Dataset*"))
    assert check_nnunet(root) == []
    channels = json.loads((root / "dataset.json").read_text())["channel_names"]
    assert sorted(channels.values()) == ["FLAIR", "T1", "T1ce", "T2"]
    samples = {one.sample_id: one for one in found.fused.samples}
    same = {"t1w": "T1", "t1gd": "T1ce", "t2w": "T2", "flair": "FLAIR", "t1": "T1", "t1ce": "T1ce"}
    for name, told in json.loads((root / "cases.json").read_text()).items():
        sample = samples[told["sample_id"]]
        whole = found.fused.image(sample).pixels
        for number, native in enumerate(sample.image.channels):
            wanted = same.get(native.lower(), native.upper())
            place = next(key for key, value in channels.items() if value == wanted)
            part = "imagesTs" if told["split"] == "test" else "imagesTr"
            stored = nib.load(root / part / f"{name}_{int(place):04d}.nii.gz")
            np.testing.assert_array_equal(np.asarray(stored.dataobj), whole[..., number])


def test_nnunet_takes_pictures(pictures: Fusion, tmp_path: Path) -> None:
    done = export_set(pictures.fused, "nnunet", tmp_path / "out")
    root = next((tmp_path / "out").glob("Dataset*"))
    assert done.samples == len(pictures.made["masked"].cases)
    described = json.loads((root / "dataset.json").read_text())
    assert described["channel_names"] == {"0": "R", "1": "G", "2": "B"}
    assert check_nnunet(root) == []
    for name, told in json.loads((root / "cases.json").read_text()).items():
        part = "Ts" if told["split"] == "test" else "Tr"
        mask = cv2.imread(str(root / f"labels{part}" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        truth = pictures.made["masked"].cases[told["case"]]["voxels"]
        found = {
            key.removeprefix("own:"): int((mask == number).sum())
            for key, number in described["labels"].items()
            if key != "background"
        }
        assert {key: n for key, n in found.items() if n} == truth


# COCO.


@pytest.fixture(scope="module")
def coco(pictures: Fusion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("coco") / "out"
    export_set(pictures.fused, "coco", out)
    return out


def test_coco_boxes_come_back(pictures: Fusion, coco: Path) -> None:
    tools = pytest.importorskip("pycocotools.coco", reason="pycocotools reads COCO independently")
    seen: Counter[str] = Counter()
    for path in sorted((coco / "annotations").glob("*.json")):
        read = tools.COCO(str(path))
        split = path.stem.removeprefix("instances_")
        for image in read.loadImgs(read.getImgIds()):
            pixels = cv2.imread(str(coco / "images" / split / image["file_name"]))
            assert pixels.shape[:2] == (image["height"], image["width"])
            if image["dataset"] != "boxed":
                continue
            sample = next(x for x in pictures.fused.samples if x.sample_id == image["sample_id"])
            truth = [
                (one["name"], one["box"])
                for one in pictures.made["boxed"].cases[sample.case]["objects"]
            ]
            found = [
                (read.cats[one["category_id"]]["name"].removeprefix("own:"), one["bbox"])
                for one in read.loadAnns(read.getAnnIds(imgIds=[image["id"]]))
            ]
            assert len(found) == len(truth)
            for name, box in truth:
                near = [b for n, b in found if n == name and np.allclose(b, box, atol=0.5)]
                assert near, (name, box, found)
            seen["boxed"] += 1
    assert seen["boxed"] == len(pictures.made["boxed"].cases)


def test_coco_regions_are_the_masks(pictures: Fusion, coco: Path) -> None:
    tools = pytest.importorskip("pycocotools.coco", reason="pycocotools reads COCO independently")
    checked = 0
    for path in sorted((coco / "annotations").glob("*.json")):
        read = tools.COCO(str(path))
        for one in read.dataset["annotations"]:
            image = read.imgs[one["image_id"]]
            if image["dataset"] != "masked":
                continue
            sample = next(x for x in pictures.fused.samples if x.sample_id == image["sample_id"])
            truth = pictures.made["masked"].cases[sample.case]["voxels"]
            mask = read.annToMask(one)
            name = read.cats[one["category_id"]]["name"].removeprefix("own:")
            assert int(mask.sum()) == truth[name] == one["area"]
            rows, columns = np.nonzero(mask)
            x, y, width, height = one["bbox"]
            assert (x, y) == (columns.min(), rows.min())
            assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
            checked += 1
    assert checked >= 6


def test_coco_ids_do_not_depend_on_the_other_samples(pictures: Fusion, tmp_path: Path) -> None:
    fused = pictures.fused
    fewer = replace(fused, samples=tuple(x for x in fused.samples if x.dataset == "boxed"))
    export_set(fused, "coco", tmp_path / "all")
    export_set(fewer, "coco", tmp_path / "few")
    ids: list[dict[str, int]] = []
    for name in ("all", "few"):
        held: dict[str, int] = {}
        for path in (tmp_path / name / "annotations").glob("*.json"):
            for one in json.loads(path.read_text())["images"]:
                held[one["sample_id"]] = one["id"]
        ids.append(held)
    assert ids[1].items() <= ids[0].items()
    assert len(set(ids[0].values())) == len(ids[0])
    assert max(ids[0].values()) < 2**53
    assert stable_id("a") != stable_id("b")


# A set made by hand, for what the makers do not draw.


def _by_hand(folder: Path, marks: tuple[Mark, ...], axes: str = "YX") -> FusedSet:
    folder.mkdir()
    pixels = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
    content = cv2.imencode(".png", pixels)[1].tobytes()
    (folder / "image.png").write_bytes(content)
    picture = Picture(
        "image.png",
        hashlib.sha256(content).hexdigest(),
        "0" * 64,
        "image/png",
        (48, 64),
        axes,
        "uint8",
    )
    sample = Sample(
        "a" * 32, "hand", "", "c1", "p", "p", "train", "", picture, "XR", "CC0-1.0", marks=marks
    )
    organ = TargetClass(1, "liver", Concept("SCT", "10200004", "Liver"), (1, 2))
    tumour = TargetClass(2, "tumour", Concept("99LOCAL", "t", "t"), (2,), ("liver",))
    other = TargetClass(3, "spleen", Concept("SCT", "78961009", "Spleen"), (3,))
    lock = {"goal": {"name": "hand"}, "cases": [], "sources": [], "verdict": {}}
    table = TargetTable((organ, tumour, other), ())
    return FusedSet(folder, (sample,), table, {}, lock)


def _mask(folder: Path, name: str, mask: np.ndarray, **facts: object) -> Mark:
    content = cv2.imencode(".png", mask)[1].tobytes()
    (folder / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return Mark("mask", "m", uri=name, sha256=digest, licence="CC0-1.0", **facts)  # type: ignore[arg-type]


def test_instances_keep_polygons_run_lengths_and_say_what_was_not_looked_for(
    tmp_path: Path,
) -> None:
    tools = pytest.importorskip("pycocotools.coco", reason="pycocotools reads COCO independently")
    blob = np.zeros((48, 64), bool)
    blob[10:20, 30:50] = True
    things = [
        {"label": "liver", "polygon": [[2.5, 3.5], [12.5, 3.5], [12.5, 23.5], [2.5, 23.5]]},
        {"label": "liver", "mask": run_lengths(blob), "box": [30, 10, 20, 10]},
        {"label": "ignore", "box": [1, 1, 2, 2]},
    ]
    mark = Mark("instances", "m", things, completeness="partial", annotated=("liver", "tumour"),
                reader="dr-a", licence="CC0-1.0")  # fmt: skip
    done = export_set(_by_hand(tmp_path / "set", (mark,)), "coco", tmp_path / "out")
    assert any("no class of the export" in note for note in done.notes)
    read = tools.COCO(str(tmp_path / "out" / "annotations" / "instances_train.json"))
    first, second = sorted(read.dataset["annotations"], key=lambda x: x["area"])
    assert (first["area"], first["bbox"], first["reader"]) == (
        200.0,
        [2.5, 3.5, 10.0, 20.0],
        "dr-a",
    )
    assert (read.annToMask(second) == blob).all()
    # An object that nobody can name may be of any class.
    assert read.dataset["images"][0]["not_exhaustive_category_ids"] == [1, 2, 3]
    assert read.cats[2]["supercategory"] == "liver"


def test_masks_over_each_other_keep_the_inner_class_and_ignore_clashes(tmp_path: Path) -> None:
    one, two = np.zeros((48, 64), np.uint8), np.zeros((48, 64), np.uint8)
    one[:, :32], two[:, 16:48] = 1, 2
    two[40:, :8] = 3
    fused = _by_hand(tmp_path / "set", ())
    marks = (
        _mask(fused.folder, "m1.png", one, completeness="partial", annotated=("liver",)),
        _mask(fused.folder, "m2.png", two, completeness="partial", annotated=("tumour", "spleen")),
    )
    fused = replace(fused, samples=(replace(fused.samples[0], marks=marks),))
    done = export_set(fused, "nnunet", tmp_path / "out")
    root = next((tmp_path / "out").glob("Dataset*"))
    found = cv2.imread(str(next((root / "labelsTr").iterdir())), cv2.IMREAD_UNCHANGED)
    assert (found[:, 16:48] == 2).all()
    assert (found[:40, :16] == 1).all()
    assert (found[40:, :8] == 4).all()
    assert (found[:, 48:] == 0).all()
    assert any("64 voxels are claimed by two classes" in note for note in done.notes)


def test_one_reader_is_taken(tmp_path: Path) -> None:
    fused = _by_hand(tmp_path / "set", ())
    ones, threes = np.ones((48, 64), np.uint8), np.full((48, 64), 3, np.uint8)
    marks = (
        _mask(fused.folder, "b.png", threes, reader="b"),
        _mask(fused.folder, "a.png", ones, reader="a"),
    )
    fused = replace(fused, samples=(replace(fused.samples[0], marks=marks),))
    for reader, value in (("", 1), ("b", 3)):
        out = tmp_path / f"out{reader}"
        export_set(fused, "nnunet", out, Options(reader=reader))
        path = next(next(out.glob("Dataset*")).glob("labelsTr/*"))
        assert (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) == value).all()


def test_an_annotation_that_may_not_be_passed_on_stays_out_alone(tmp_path: Path) -> None:
    free = Mark("class", "m", "liver", licence="CC-BY-4.0")
    barred = Mark("boxes", "m", [{"label": "liver", "box": [1, 1, 4, 4]}],
                  licence="LicenseRef-ADNI-DUA")  # fmt: skip
    fused = _by_hand(tmp_path / "set", (free, barred))
    done = export_set(fused, "class_folders", tmp_path / "out")
    assert done.samples == 1
    assert any("1 annotations are left out" in note for note in done.notes)
    with pytest.raises(InputError, match="no boxes"):
        export_set(fused, "coco", tmp_path / "coco")


def test_a_name_that_leads_out_of_the_set_is_refused(tmp_path: Path) -> None:
    fused = _by_hand(tmp_path / "set", (Mark("class", "m", "liver", licence="CC0-1.0"),))
    (tmp_path / "secret.png").write_bytes(b"x")
    for uri in ("../secret.png", "/etc/hostname", "..\\secret.png"):
        sample = fused.samples[0]
        bad = replace(sample, image=replace(sample.image, uri=uri))
        with pytest.raises(InputError, match="outside"):
            export_set(replace(fused, samples=(bad,)), "class_folders", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("value", "says"),
    [(None, "is unmapped"), ("", "none of the set's"), (3, "none of the set's")],
)
def test_a_class_that_is_none_is_left_out(tmp_path: Path, value: object, says: str) -> None:
    fused = _by_hand(tmp_path / "set", (Mark("class", "m", value, licence="CC0-1.0"),))
    with pytest.raises(InputError, match=says):
        export_set(fused, "class_folders", tmp_path / "out")


# Class folders, WebDataset, Parquet.


def test_class_folders_hold_every_picture_of_its_class(pictures: Fusion, tmp_path: Path) -> None:
    done = export_set(pictures.fused, "class_folders", tmp_path / "out")
    assert done.left_out["may belong to several classes, which folders cannot say"]
    samples = {one.sample_id: one for one in pictures.fused.samples}
    for path in (tmp_path / "out").rglob("*.png"):
        sample = samples[path.stem]
        truth = pictures.made["sorted"].cases[sample.case]["class"]
        assert (path.parts[-2], path.parts[-3]) == (truth, sample.split)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sample.image.sha256
    assert json.loads((tmp_path / "out" / "classes.json").read_text())["disc"] == "own:disc"


def test_webdataset_shards_are_plain_and_whole(volumes: Fusion, tmp_path: Path) -> None:
    export_set(volumes.fused, "webdataset", tmp_path / "out", Options(shard_mb=1))
    held: dict[str, dict[str, bytes]] = {}
    for path in sorted((tmp_path / "out").glob("*.tar")):
        with tarfile.open(path) as tar:
            names = tar.getnames()
            assert names == sorted(names)
            for entry in tar:
                assert (entry.mtime, entry.uid, entry.uname) == (0, 0, "")
                key, _, ending = entry.name.partition(".")
                handle = tar.extractfile(entry)
                assert handle is not None
                held.setdefault(key, {})[ending] = handle.read()
    assert set(held) == {one.sample_id for one in volumes.fused.samples}
    for sample in volumes.fused.samples:
        files = held[sample.sample_id]
        assert set(files) == {"nii.gz", "mask.nii.gz", "json"}
        assert hashlib.sha256(files["nii.gz"]).hexdigest() == sample.image.sha256
        assert hashlib.sha256(files["mask.nii.gz"]).hexdigest() == sample.marks[0].sha256
        assert json.loads(files["json"]) == json.loads(canonical_json(sample))
    shards = json.loads((tmp_path / "out" / "shards.json").read_text())
    assert sum(shards.values()) == len(held)


def test_shards_close_at_their_size(pictures: Fusion, tmp_path: Path, monkeypatch) -> None:
    options = Options()
    object.__setattr__(options, "shard_mb", 0.02)
    export_set(pictures.fused, "webdataset", tmp_path / "w", options)
    assert len(list((tmp_path / "w").glob("train-*.tar"))) > 3
    export_set(pictures.fused, "parquet", tmp_path / "p", options)
    assert len(list((tmp_path / "p" / "data").glob("train-*.parquet"))) > 3


def test_parquet_rows_hold_pictures_and_masks(pictures: Fusion, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow.parquet", reason="pyarrow reads Parquet independently")
    export_set(pictures.fused, "parquet", tmp_path / "out")
    rows = [
        row
        for path in sorted((tmp_path / "out" / "data").glob("*.parquet"))
        for row in arrow.read_table(path).to_pylist()
    ]
    free = {x.sample_id: x for x in pictures.fused.samples if "ND" not in x.constraints}
    assert {row["sample_id"] for row in rows} == set(free)
    for row in rows:
        sample = free[row["sample_id"]]
        assert hashlib.sha256(row["image"]["bytes"]).hexdigest() == sample.image.sha256
        decoded = cv2.imdecode(np.frombuffer(row["image"]["bytes"], np.uint8), -1)
        assert decoded.shape[:2] == sample.image.shape[:2]
        assert len(row["masks"]) == sum(bool(mark.uri) for mark in sample.marks)
        assert row["licence"] == sample.licence
        assert json.loads(row["sample"]) == json.loads(canonical_json(sample))


# Croissant.


@pytest.mark.parametrize("kind", ["volumes", "pictures"])
def test_croissant_is_valid_and_its_records_are_the_rows(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant validates Croissant")
    arrow = pytest.importorskip("pyarrow.parquet", reason="mlcroissant reads Parquet by pyarrow")
    fused: FusedSet = request.getfixturevalue(kind).fused
    export_set(fused, "croissant", tmp_path / "out", DATE)
    dataset = mlcroissant.Dataset(jsonld=str(tmp_path / "out" / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert not issues.warnings
    assert "not standard" not in caplog.text
    rows = arrow.read_table(tmp_path / "out" / "samples.parquet").to_pylist()
    records = list(dataset.records("samples"))
    assert len(records) == len(rows) == len(fused.samples)
    for record, row, sample in zip(records, rows, fused.samples, strict=True):
        for name, value in row.items():
            found = record[f"samples/{name}"]
            found = found.decode() if isinstance(found, bytes) else found
            missing = found is None or found != found
            assert (missing and value is None) or found == value, name
        assert row["licence"] == sample.licence
    described = json.loads((tmp_path / "out" / "croissant.json").read_text())
    assert described["conformsTo"][0] == "http://mlcommons.org/croissant/1.1"
    assert described["datePublished"] == "2026-01-31"
    media = {one.get("encodingFormat") for one in described["distribution"]}
    expected = "application/gzip; format=nifti" if kind == "volumes" else "image/png"
    assert expected in media
    if kind == "volumes":
        assert "not looked for" in described["rai:dataLimitations"]
        original = arrow.read_table(fused.folder / "samples.parquet").to_pylist()
        assert rows == original
    else:
        assert "rows without files" in described["rai:dataLimitations"]
        assert any("by-nc-nd" in url for url in described["license"])


def test_croissant_names_only_files_that_are_there(pictures: Fusion, tmp_path: Path) -> None:
    export_set(pictures.fused, "croissant", tmp_path / "out", DATE)
    held = open_set(tmp_path / "out")
    for sample in held.samples:
        uris = [sample.image.uri, *(mark.uri for mark in sample.marks)]
        assert all((tmp_path / "out" / uri).is_file() for uri in uris if uri)
        assert bool(sample.image.uri) == ("ND" not in sample.constraints)
    pixels = held.image(next(one for one in held.samples if one.image.uri)).pixels
    assert pixels.size
    again = export_set(held, "parquet", tmp_path / "again")
    assert again.samples == sum(bool(one.image.uri) for one in held.samples)
