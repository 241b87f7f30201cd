"""Boxes, polygons, run-length codes, names and documents: round trips and independent truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image as Pillow
from PIL import ImageOps

from osler.core import InputError
from osler.curate.fuse.faults import LayoutError
from osler.curate.fuse.layouts import layout_named
from osler.curate.fuse.making import coco as coco_making
from osler.curate.fuse.making import slides as slide_making
from osler.curate.fuse.making import yolo as yolo_making
from osler.curate.fuse.pictures import documents, planes, shapes
from osler.curate.fuse.pictures.template import Template

MASKS = arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24)))


@given(MASKS)
def test_runs_come_back(mask: Any) -> None:
    runs = shapes.runs_of_mask(mask)
    assert sum(runs) == mask.size
    assert np.array_equal(shapes.mask_from_runs(runs, mask.shape), mask)
    assert shapes.runs_of(shapes.text_of_runs(runs)) == runs
    assert shapes.runs_of(runs) == runs


@given(MASKS)
def test_runs_are_those_of_pycocotools(mask: Any) -> None:
    tools = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    code = tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert shapes.text_of_runs(shapes.runs_of_mask(mask)) == code["counts"].decode()
    if mask.any():
        assert shapes.mask_box(mask) == [float(v) for v in tools.toBbox(code)]


@given(st.text(max_size=40))
def test_any_text_is_a_code_or_refused(text: str) -> None:
    try:
        runs = shapes.runs_of(text)
    except ValueError:
        return
    assert all(run >= 0 for run in runs)
    assert shapes.runs_of(shapes.text_of_runs(runs)) == runs


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), min_size=3, max_size=9))
def test_filling_agrees_with_a_test_of_each_centre(points: list[tuple[int, int]]) -> None:
    """Even-odd by a ray from each pixel centre, one by one."""
    mask = shapes.filled([[(float(x), float(y)) for x, y in points]], (30, 40))
    edges = list(zip(points, points[1:] + points[:1], strict=True))
    for row in range(0, 30, 3):
        for column in range(0, 40, 3):
            x, y = column + 0.5, row + 0.5
            inside = False
            for (ax, ay), (bx, by) in edges:
                if (ay > y) != (by > y) and x >= ax + (y - ay) / (by - ay) * (bx - ax):
                    inside = not inside
            assert mask[row, column] == inside


@given(
    st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 20)] * 2),
    st.floats(0, 1, exclude_max=True),
)
def test_a_filled_box_has_its_area(box: tuple[int, int, int, int], part: float) -> None:
    x, y, w, h = box
    corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    mask = shapes.filled([corners], (40, 40))
    assert int(mask.sum()) == w * h == shapes.polygon_area(corners)
    assert shapes.mask_box(mask) == [float(v) for v in box] == shapes.polygon_box(corners)
    cut = x + part * w  # two halves share no pixel and leave none out
    left = shapes.filled([[(x, y), (cut, y), (cut, y + h), (x, y + h)]], (40, 40))
    right = shapes.filled([[(cut, y), (x + w, y), (x + w, y + h), (cut, y + h)]], (40, 40))
    assert not (left & right).any()
    assert np.array_equal(left | right, mask)


@given(st.lists(st.floats(-5, 60, allow_nan=False), min_size=4, max_size=4))
def test_a_box_is_good_exactly_if_it_lies_in_its_image(box: list[float]) -> None:
    x, y, w, h = box
    good = w > 0 and h > 0 and x >= -0.5 and y >= -0.5 and x + w <= 50.5 and y + h <= 40.5
    edge = min(abs(v) for v in (x + 0.5, y + 0.5, x + w - 50.5, y + h - 40.5)) < 1e-9
    assert edge or (shapes.box_fault(box, 50, 40) == "") == good


def test_a_box_that_counts_from_1_is_told() -> None:
    assert "count from 1" in shapes.box_fault([1, 1, 50, 40], 50, 40)
    assert shapes.box_fault([0, 0, 50, 40], 50, 40) == ""


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10_000))
def test_boxes_and_masks_come_back_through_files(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """COCO and YOLO datasets of any seed give the boxes that were drawn."""
    folder = tmp_path_factory.mktemp("round")
    for making in (coco_making, yolo_making):
        made = making.make(folder / making.__name__, subjects=3, seed=seed, size=(48, 56))
        layout = layout_named(made.source.layout)
        for case in layout.scan(made.source):
            marks = layout.load(made.source, case).annotations
            found = [o["box"] for m in marks if m.kind in ("boxes", "instances") for o in m.value]
            wanted = [o["box"] for o in made.cases[case.key]["objects"]]
            polygons = [shapes.polygon_box(o["polygon"]) for o in made.cases[case.key]["objects"]]
            assert len(found) == len(wanted)
            for box in found:
                near = [np.abs(np.subtract(box, other)).max() for other in (*wanted, *polygons)]
                assert min(near) < 1e-4


@pytest.mark.parametrize("turn", range(1, 9))
def test_stored_pixels_undo_every_exif_turn(turn: int) -> None:
    stored = np.arange(7 * 5 * 3, dtype=np.uint8).reshape(7, 5, 3)
    picture = Pillow.fromarray(stored)
    exif = Pillow.Exif()
    exif[0x0112] = turn
    picture.info["exif"] = exif.tobytes()
    picture.getexif()[0x0112] = turn
    upright = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(planes.stored_pixels(upright, turn), stored)


@pytest.mark.parametrize("turn", [3, 6])
def test_annotations_follow_the_reading_that_the_option_names(turn: int, tmp_path: Path) -> None:
    made = yolo_making.make(tmp_path, subjects=3, size=(64, 64))
    path = tmp_path / "images/train/P000_a.png"
    plain = np.asarray(Pillow.open(path))
    exif = Pillow.Exif()
    exif[0x0112] = turn
    Pillow.fromarray(plain).save(path, exif=exif)
    layout = layout_named("yolo")
    from dataclasses import replace

    for mode, expected in (("stored", plain), ("upright", np.rot90(plain, 2 if turn == 3 else -1))):
        source = replace(made.source, options={**made.source.options, "exif": mode})
        case = next(c for c in layout.scan(source) if c.key.endswith("P000_a.png"))
        assert np.array_equal(layout.load(source, case).image.pixels, expected)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_outlines_scale_with_the_level(level: int, tmp_path: Path) -> None:
    from dataclasses import replace

    import tifffile

    made = slide_making.make(tmp_path, subjects=2)
    source = replace(made.source, options={"level": level})
    layout = layout_named("slides")
    for case in layout.scan(source):
        loaded = layout.load(source, case)
        truth = made.cases[case.key]
        with tifffile.TiffFile(case.files[0]) as tiff:
            assert np.array_equal(loaded.image.pixels, tiff.series[0].levels[level].asarray())
        assert loaded.image.shape[1::-1] == truth["sizes"][level]
        assert loaded.image.spacing == pytest.approx((0.0005 * 2**level,) * 2)
        assert float(loaded.detail["mpp"]) == pytest.approx(0.5 * 2**level)
        for one, expected in zip(loaded.annotations[0].value, truth["objects"], strict=True):
            area = shapes.polygon_area(one["polygon"]) * 4**level
            assert area == pytest.approx(expected["area"])
    small = replace(made.source, options={"longest": 100})
    case = next(iter(layout.scan(small)))
    assert max(layout.load(small, case).image.shape[:2]) <= 100


def test_a_pyramid_is_read_without_openslide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from osler.curate.fuse.pictures import slide

    made = slide_making.make(tmp_path, subjects=1)
    layout = layout_named("slides")
    case = next(iter(layout.scan(made.source)))
    with_library = layout.load(made.source, case)
    monkeypatch.setattr(slide, "_openslide", lambda: None)
    without = layout.load(made.source, case)
    assert np.array_equal(without.image.pixels, with_library.image.pixels)
    assert without.image.spacing == pytest.approx(with_library.image.spacing)


FIELDS = st.text(st.characters(codec="ascii", exclude_characters="-_/{}"), min_size=1, max_size=9)


@given(FIELDS, FIELDS, FIELDS)
def test_templates_read_what_they_spell(one: str, two: str, three: str) -> None:
    template = Template.of("{class}-{patient}_{*}")
    assert template.fields(f"{one}-{two}_{three}") == {"class": one, "patient": two}


def test_templates_are_never_slow() -> None:
    """A regular expression of these wildcards would take years on this text."""
    template = Template.of("{*}a{*}a{*}a{*}a{*}a{*}a{*}a{*}a{*}a{patient}b")
    assert template.fields("a" * 1024) is None
    assert template.fields("a" * 100_000) is None


@pytest.mark.parametrize("text", ["", "plain", "{patient", "{a}{b}", "{a}-{a}", "{A}", "x" * 400])
def test_patterns_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        Template.of(text)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("a,b\n1,2,3\n", "table-row"),
        ("a,a\n1,2\n", "table-columns"),
        ("", "file-unreadable"),
        ("b\n1\n", "table-columns"),
        ("a\n\0\n", "file-unreadable"),
        (b"a\n\xff\xfe\xfa\n", "file-unreadable"),
        ('a\n"open\n', "ok"),
    ],
)
def test_tables_are_strict(content: Any, code: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if code == "ok":
        assert documents.rows_of(path, ("a",)) == [{"a": "open"}]
        return
    with pytest.raises(LayoutError) as caught:
        documents.rows_of(path, ("a",))
    assert caught.value.code == code


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_tables_of_any_mark_are_read(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f'\ufeffa{mark}b\r\n 1 {mark}"x{mark}y"\r\n\r\n', "utf-8", newline="")
    assert documents.rows_of(path) == [{"a": "1", "b": f"x{mark}y"}]
    assert documents.header_row(path) == ["a", "b"]


@pytest.mark.parametrize(
    "content",
    ['{"a": 1, "a": 2}', '{"a": NaN}', "[" * 200_000, "[1e999]", '{"a": ', "\x00", "{'a': 1}"],
)
def test_json_is_strict(content: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises(LayoutError) as caught:
        documents.json_of(path)
    assert caught.value.code == "file-unreadable"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "file-unsafe"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "file-unsafe"),
        ("<a>" * 100 + "</a>" * 100, "file-unsafe"),
        ("<a><b></a>", "file-unreadable"),
        ("<a>&undefined;</a>", "file-unreadable"),
        ("no xml", "file-unreadable"),
    ],
)
def test_xml_is_strict(content: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / "t.xml"
    path.write_text(content)
    with pytest.raises(LayoutError) as caught:
        documents.xml_of(path)
    assert caught.value.code == code
    utf16 = tmp_path / "u.xml"
    utf16.write_bytes(f'<?xml version="1.0" encoding="utf-16"?>{content}'.encode("utf-16"))
    with pytest.raises(LayoutError):
        documents.xml_of(utf16)


ANYTHING = st.recursive(
    st.none() | st.integers() | st.floats() | st.booleans() | st.text(max_size=5),
    lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=4), s, max_size=3),
    max_leaves=8,
)


@given(value=ANYTHING)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_annotation_is_read_or_refused(value: Any, tmp_path_factory: Any) -> None:
    """Whatever stands in place of an annotation's fields, no other error comes out."""
    folder = tmp_path_factory.mktemp("any")
    made = coco_making.make(folder, subjects=3, size=(24, 32))
    path = folder / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    for number, field in enumerate(("bbox", "segmentation", "category_id", "keypoints")):
        content["annotations"][number % len(content["annotations"])][field] = value
    path.write_text(json.dumps(content))
    layout = layout_named("coco")
    try:
        for case in layout.scan(made.source):
            if case.fault is None:
                layout.load(made.source, case)
    except LayoutError:
        return
