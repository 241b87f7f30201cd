"""Every made dataset of planes, slides, videos and texts scans and loads, and equals its truth."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from osler.curate.fuse.case import Case, Loaded
from osler.curate.fuse.layouts import LAYOUTS, layout_named
from osler.curate.fuse.making.drawn import SHAPES
from osler.curate.fuse.making.made import Made
from osler.curate.fuse.pictures.shapes import filled

MADE: list[tuple[str, dict[str, Any]]] = [
    ("class_folders", {}),
    ("coco", {"subjects": 8}),
    ("yolo", {}),
    ("yolo", {"polygons": True}),
    *(("csv_labels", {"style": style}) for style in ("chexpert", "nih", "ham10000", "isic")),
    *(
        ("png_masks", {"style": style})
        for style in ("palette", "colours", "binary", "instances", "xml")
    ),
    ("slides", {"subjects": 3}),
    ("slides", {"subjects": 3, "masks": True}),
    *(
        ("medmnist", {"style": style})
        for style in ("multi-class", "multi-label", "ordinal-regression", "3d")
    ),
    ("video", {"style": "traced"}),
    ("video", {"style": "phases", "frames": 60}),
    *(("vqa", {"style": style}) for style in ("slake", "parquet", "choices")),
]


def _name(part: tuple[str, dict[str, Any]]) -> str:
    return "-".join([part[0], *map(str, part[1].values())])


def _made(part: tuple[str, dict[str, Any]], folder: Path) -> Made:
    found: Made = import_module(f"osler.curate.fuse.making.{part[0]}").make(folder, **part[1])
    return found


@pytest.fixture(scope="module", params=MADE, ids=_name)
def read(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Made, dict[str, tuple[Case, Loaded]]]:
    """A made dataset and all of it as it was read, every warning being an error."""
    made = _made(request.param, tmp_path_factory.mktemp("made"))
    layout = layout_named(made.source.layout)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cases = list(layout.scan(made.source))
        assert [str(c.fault) for c in cases if c.fault] == []
        return made, {case.key: (case, layout.load(made.source, case)) for case in cases}


def test_cases_are_those_that_were_made(read: Any) -> None:
    made, found = read
    assert set(found) == set(made.cases)
    for key, (case, loaded) in found.items():
        truth = made.cases[key]
        assert case.patient == truth.get("patient", "")
        assert case.split == truth.get("split", "")
        assert all(
            path.is_file() and path.is_relative_to(made.source.folder) for path in case.files
        )
        assert json.loads(json.dumps(case.info)) == case.info
        assert loaded.image.unit == "8-bit"
        assert loaded.image.patient == case.patient
        for mark in loaded.annotations:
            _labels_known(mark.kind, mark.value, mark.labels)
            assert len(set(mark.labels.values())) == len(mark.labels)


def _labels_known(kind: str, value: Any, labels: Mapping[str, str]) -> None:
    if kind == "mask":
        assert {str(n) for n in np.unique(value)} - {"0"} <= set(labels)
    elif kind in ("boxes", "instances", "keypoints"):
        assert {one["label"] for one in value} <= set(labels)
    elif kind in ("class", "phase"):
        assert value in labels
    elif kind == "multilabel":
        assert set(value) == set(labels)


def test_values_equal_the_truth(read: Any) -> None:
    made, found = read
    check = _CHECKS[made.source.layout]
    for key, (case, loaded) in found.items():
        check(made, made.cases[key], case, loaded)


def _class_folders(made: Made, truth: Any, case: Case, loaded: Loaded) -> None:
    assert loaded.annotations[0].value == truth["class"]
    assert np.array_equal(loaded.image.pixels, np.asarray(Pillow.open(case.files[0])))


def _coco(made: Made, truth: Any, case: Case, loaded: Loaded) -> None:
    """Against pycocotools reading the same JSON."""
    from contextlib import redirect_stdout
    from io import StringIO

    tools = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    with redirect_stdout(StringIO()):
        peer = tools.COCO(str(case.files[1]))
    image = next(i for i in peer.dataset["images"] if i["file_name"] == case.files[0].name)
    rows = peer.loadAnns(peer.getAnnIds(imgIds=[image["id"]]))
    boxes = {m.kind: m.value for m in loaded.annotations}
    ours = [*boxes.get("instances", []), *boxes.get("boxes", [])]
    assert len(ours) == len(rows) == len(truth["objects"])
    for one in ours:
        row = next(r for r in rows if np.allclose(r["bbox"], one["box"]))
        assert str(row["category_id"]) == one["label"]
        if "mask" in one:
            assert np.array_equal(one["mask"], peer.annToMask(row).astype(bool))
        elif "polygon" in one:
            flat = [v for point in one["polygon"] for v in point]
            assert flat == row["segmentation"][0]
            mine, theirs = filled([one["polygon"]], loaded.image.shape[:2]), peer.annToMask(row) > 0
            assert (mine & theirs).sum() / (mine | theirs).sum() > 0.9
    points = boxes["keypoints"]
    assert sum(p["visible"] for p in points) == len(rows)
    assert len(points) == sum(r["num_keypoints"] for r in rows)


def _yolo(made: Made, truth: Any, case: Case, loaded: Loaded) -> None:
    names = loaded.annotations[0].labels
    found = loaded.annotations[0].value
    assert [names[one["label"]] for one in found] == [o["name"] for o in truth["objects"]]
    for one, expected in zip(found, truth["objects"], strict=True):
        assert np.allclose(one["box"], expected["box"], atol=1e-4)
        if "polygon" in one:
            assert np.allclose(one["polygon"], expected["polygon"], atol=1e-4)


def _csv_labels(made: Made, truth: Any, case: Case, loaded: Loaded) -> None:
    value = loaded.annotations[0].value
    if isinstance(truth["value"], list):
        assert [name for name, state in value.items() if state == 1] == sorted(truth["value"])
        assert set(value.values()) <= {0, 1}
    else:
        assert value == truth["value"]
    if isinstance(truth["value"], dict):
        mentioned = {name for name, state in truth["value"].items() if state is not None}
        assert set(loaded.annotations[0].annotated or ()) == mentioned
    assert case.demographics.get("age_band", "") == truth["age_band"]
    assert case.demographics.get("sex", "") == truth["sex"]


def _png_masks(made: Made, truth: Any, case: Case, loaded: Loaded) -> None:
    (mark,) = loaded.annotations
    style = made.source.dataset.rsplit("-", 1)[1]
    if style in ("palette", "colours"):
        counts = {
            mark.labels[str(n)]: int((mark.value == n).sum()) for n in np.unique(mark.value) if n
        }
        assert counts == truth["voxels"]
        stored = Pillow.open(case.files[1])
        if style == "palette":
            assert np.array_equal(mark.value, np.asarray(stored))
    elif style == "binary":
        assert np.array_equal(mark.value > 0, truth["mask"] > 0)
        assert list(mark.labels.values()) == ["object"]
    else:
        assert len(mark.value) == len(truth["objects"])
        for one, (name, polygon, mask) in zip(mark.value, truth["objects"], strict=True):
            if style == "xml":
                assert mark.labels[one["label"]] == name
                assert np.allclose(one["polygon"], polygon)
            else:
                assert np.array_equal(one["mask"], mask)


def _slides(made: Made, truth: Any, case: Case, loaded: Loaded) -> None:
    assert loaded.image.spacing == pytest.approx((0.0005, 0.0005))
    if case.info.get("mask"):
        assert np.array_equal(loaded.annotations[0].value, truth["mask"])
        return
    for one, expected in zip(loaded.annotations[0].value, truth["objects"], strict=True):
        assert loaded.annotations[0].labels[one["label"]] == expected["name"]
        assert np.allclose(one["polygon"], expected["polygon"])


def _medmnist(made: Made, truth: Any, case: Case, loaded: Loaded) -> None:
    assert np.array_equal(loaded.image.pixels, truth["pixels"])
    first = loaded.annotations[0]
    if isinstance(truth["value"], list):
        assert list(first.value.values()) == truth["value"]
    else:
        assert first.labels[first.value] == SHAPES[truth["value"]]
    if made.source.dataset.endswith("ordinal-regression"):
        assert loaded.annotations[1].value["value"] == truth["value"]
    assert "resampled-28px" in loaded.flags


def _video(made: Made, truth: Any, case: Case, loaded: Loaded) -> None:
    assert case.frame == truth["frame"]
    top = loaded.image.pixels[: loaded.image.shape[0] // 5]
    assert (
        abs(float(top.mean()) - min(255, truth["level"])) < 2
    )  # the very frame, not its neighbour
    assert float(loaded.detail["seconds"]) == pytest.approx(truth["frame"] / 25, abs=1e-3)
    if "phase" in truth:
        assert loaded.annotations[0].value == truth["phase"]
        assert loaded.annotations[1].value == truth["tools"]
    else:
        assert np.allclose(loaded.annotations[0].value[0]["polygon"], truth["polygon"])
        assert loaded.annotations[1].value["value"] == truth["ef"]


def _vqa(made: Made, truth: Any, case: Case, loaded: Loaded) -> None:
    assert loaded.annotations[0].value == truth["questions"]


_CHECKS = {
    "class_folders": _class_folders,
    "coco": _coco,
    "yolo": _yolo,
    "csv_labels": _csv_labels,
    "png_masks": _png_masks,
    "slides": _slides,
    "medmnist": _medmnist,
    "video": _video,
    "vqa": _vqa,
}


def test_only_its_own_layout_is_detected(read: Any) -> None:
    made, _ = read
    why = {name: layout_named(name).detect(made.source.folder) for name in LAYOUTS}
    assert [name for name, text in why.items() if text] == [made.source.layout]


@pytest.mark.parametrize("part", MADE, ids=_name)
def test_making_and_scanning_twice_gives_the_same(part: Any, tmp_path: Path) -> None:
    one, other = _made(part, tmp_path / "a"), _made(part, tmp_path / "b")
    files = sorted(
        p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()
    )
    assert files
    for path in files:
        if path.suffix not in (".avi", ".parquet"):  # both state the writing library or a moment
            assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
    layout = layout_named(one.source.layout)
    assert [c.key for c in layout.scan(one.source)] == [c.key for c in layout.scan(other.source)]


def test_real_pictures_take_the_place_of_drawn_ones(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 250, 5, dtype=np.uint8), (40, 1))
    for name in ("coco", "yolo", "png_masks", "csv_labels", "vqa", "medmnist", "video", "slides"):
        module = import_module(f"osler.curate.fuse.making.{name}")
        made = module.make(tmp_path / name, subjects=3, pictures=[ramp])
        layout = layout_named(name)
        case = next(iter(layout.scan(made.source)))
        pixels = layout.load(made.source, case).image.pixels.astype(float)
        assert np.median(pixels[:, -8:]) > np.median(pixels[:, :8]) + 100
    own = import_module("osler.curate.fuse.making.class_folders")
    made = own.make(tmp_path / "own", pictures=[ramp, ramp.T], labels=["flat", "steep"])
    assert {truth["class"] for truth in made.cases.values()} == {"flat", "steep"}


def test_published_table_conventions_are_read_by_their_headers(tmp_path: Path) -> None:
    """The list of splits of NIH, and ISIC's by-products, leave no case over."""
    made = _made(("csv_labels", {"style": "isic"}), tmp_path)
    layout = layout_named("csv_labels")
    cases = list(layout.scan(made.source))
    assert not [c for c in cases if "superpixels" in c.key]
    assert sum("downsampled" in c.flags for c in cases) == 6
    with (tmp_path / "ISIC2018_Task3_Test_GroundTruth_test.csv").open() as handle:
        names = {row["image"] for row in csv.DictReader(handle)}
    assert {
        Path(c.key).stem.removesuffix("_downsampled") for c in cases if c.split == "test"
    } == names
