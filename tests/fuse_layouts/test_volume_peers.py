"""Contours, segments and dictionaries of volumes against closed forms and other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import derive_rng
from osler.curate.fuse.case import Source
from osler.curate.fuse.faults import LayoutError
from osler.curate.fuse.layouts import detect_layout, layout_named
from osler.curate.fuse.making.anatomy import grid
from osler.curate.fuse.making.dicom import keyhole, outlines, write_rtstruct, write_series
from osler.curate.fuse.volumes.bids_names import name_of, sidecars
from osler.curate.fuse.volumes.contours import filled, interior, on_edge
from osler.curate.fuse.volumes.dictionary import (
    by_id,
    by_name,
    convention,
    conventions,
    labels_file,
)
from osler.curate.fuse.volumes.sides import laterality_check, side_of
from osler.curate.fuse.volumes.tables import demographics

# Contours.


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_outlines_of_a_random_mask_fill_to_that_mask(seed: int) -> None:
    """Holes, islands and corners that touch: exclusive or of all outlines gives the mask back."""
    rng = derive_rng("mask", seed)
    mask = rng.random((9, 11)) < rng.uniform(0.2, 0.9)
    back = np.zeros_like(mask)
    for loop in outlines(mask):
        back ^= filled(loop, (9, 11))
    assert np.array_equal(back, mask)


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_the_inside_of_a_lattice_polygon_obeys_pick(seed: int) -> None:
    """A = I + B / 2 - 1, for star-shaped (so simple) polygons with whole-numbered corners."""
    rng = derive_rng("pick", seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 14))))
    if np.diff(np.append(angles, angles[0] + 2 * np.pi)).max() > 2.8:
        return
    radii = rng.uniform(6, 18, angles.size)
    corners = np.rint(np.column_stack([20 + radii * np.cos(angles), 20 + radii * np.sin(angles)]))
    corners = corners.astype(np.int64)
    turned = np.unwrap(np.arctan2(corners[:, 1] - 20, corners[:, 0] - 20))
    if (np.diff(turned) <= 0).any() or turned[-1] - turned[0] >= 2 * np.pi:
        return  # rounding has made the polygon cross itself
    x, y = corners.T
    area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    border = on_edge(corners, (41, 41)).sum()
    assert interior(corners, (41, 41)).sum() == area - border / 2 + 1


def test_an_ellipse_fills_to_its_area_and_agrees_with_opencv() -> None:
    angle = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    points = np.column_stack([50.3 + 40 * np.cos(angle), 47.8 + 25 * np.sin(angle)])
    mask = filled(points, (101, 99))
    xs, ys = np.meshgrid(np.arange(101), np.arange(99), indexing="ij")
    true = ((xs - 50.3) / 40) ** 2 + ((ys - 47.8) / 25) ** 2 <= 1
    assert (mask ^ true).sum() <= 1
    assert mask.sum() == pytest.approx(np.pi * 40 * 25, rel=0.002)
    probe = points.astype(np.float32).reshape(-1, 1, 2)
    for x, y in ((50, 47), (11, 47), (9, 47), (90, 48), (91, 48), (50, 23), (50, 22)):
        inside = cv2.pointPolygonTest(probe, (float(x), float(y)), False) > 0
        assert bool(mask[x, y]) is inside


def test_a_hole_by_keyhole_equals_a_hole_by_its_own_contour() -> None:
    xs, ys = np.meshgrid(np.arange(40), np.arange(36), indexing="ij")
    distance = np.hypot(xs - 19, ys - 17)
    ring = (distance < 14) & (distance > 6)
    outer, hole = sorted(outlines(ring), key=lambda loop: -float(np.ptp(loop, axis=0).prod()))
    assert np.array_equal(filled(keyhole(outer, hole), (40, 36)), ring)
    assert np.array_equal(filled(outer, (40, 36)) ^ filled(hole, (40, 36)), ring)


def test_a_contour_that_leaves_the_plane_is_cut_at_its_edge() -> None:
    square = np.array([[-5.0, -5.0], [3.5, -5.0], [3.5, 40.0], [-5.0, 40.0]])
    assert np.array_equal(filled(square, (10, 8)), np.arange(10)[:, None] < np.full(8, 4))


# RTSTRUCT.


def test_contours_of_analytic_ellipses_have_the_volume_of_the_cylinder(tmp_path: Path) -> None:
    """Contours written as numbers in millimetres, not derived from any mask."""
    affine = grid((80, 70, 12), (1.0, 1.2, 3.0), orientation="LPS")
    rng = derive_rng("cylinder")
    pixels = np.zeros((80, 70, 12), np.int16)
    series = write_series(tmp_path / "p" / "ct", pixels, affine, patient="P", name="c", rng=rng)
    path = tmp_path / "p" / "rt.dcm"
    write_rtstruct(path, series, {"tube": np.ones((80, 70, 12), bool)})
    ds = pydicom.dcmread(path)
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    for contour in ds.ROIContourSequence[0].ContourSequence:
        height = float(contour.ContourData[2])
        points = np.column_stack(
            [4 + 20 * np.cos(angle), -3 + 15 * np.sin(angle), np.full(720, height)]
        )
        contour.ContourData = [f"{v:.5f}" for v in points.ravel()]
        contour.NumberOfContourPoints = 720
    ds.save_as(path)
    source = Source("tubes", tmp_path, "dicom_series")
    layout = layout_named("dicom_series")
    [case] = layout.scan(source)
    [mark] = layout.load(source, case).annotations
    assert mark.value.sum() * 3.6 == pytest.approx(np.pi * 20 * 15 * 36, rel=0.005)
    # LPS 4, -3 is 4 mm to the left and 3 mm to the front.
    centre = affine[:3, :3] @ np.argwhere(mark.value).mean(0) + affine[:3, 3]
    assert centre[:2] == pytest.approx([-4, 3], abs=0.1)


def test_points_open_contours_and_empty_regions_are_no_masks(tmp_path: Path) -> None:
    affine = grid((30, 30, 6), (2, 2, 4), orientation="LPS")
    series = write_series(
        tmp_path / "ct", np.zeros((30, 30, 6), np.int16), affine,
        patient="P", name="o", rng=derive_rng("o"),
    )  # fmt: skip
    block = np.zeros((30, 30, 6), bool)
    block[5:12, 8:20, 1] = block[5:12, 8:20, 4] = True
    path = tmp_path / "rt.dcm"
    write_rtstruct(path, series, {"kept": block, "point": block, "empty": block})
    ds = pydicom.dcmread(path)
    items = ds.ROIContourSequence
    items[0].ContourSequence.append(items[0].ContourSequence[0])
    for contour in items[1].ContourSequence:
        contour.ContourGeometricType = "POINT"
    items[2].ContourSequence = []
    ds.save_as(path)
    source = Source("odd", tmp_path, "dicom_series")
    layout = layout_named("dicom_series")
    [case] = layout.scan(source)
    loaded = layout.load(source, case)
    assert [mark.labels for mark in loaded.annotations] == [{"1": "kept"}]
    assert np.array_equal(loaded.annotations[0].value > 0, block)
    assert set(loaded.flags) == {"contour-doubled (kept)", "contours-skip-slices (kept)"}
    wanted = Source("odd", tmp_path, "dicom_series", options={"regions": ["gtv"]})
    assert layout.load(wanted, case).annotations == ()


# SEG, written by highdicom.


def _highdicom(
    folder: Path, masks: np.ndarray[Any, Any], kind: str, *, overlap: bool = False
) -> None:
    """A SEG object of (slices, rows, columns, segments) over the series in ``folder``."""
    hd = pytest.importorskip("highdicom", reason="highdicom writes the SEG objects read here")
    from pydicom.sr.codedict import codes

    images = [pydicom.dcmread(path) for path in folder.glob("ct/*.dcm")]
    images.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    described = [
        hd.seg.SegmentDescription(
            number,
            name,
            codes.SCT.Organ,
            getattr(codes.SCT, name),
            hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, name in enumerate(("Liver", "Spleen")[: masks.shape[-1]], 1)
    ]
    seg = hd.seg.Segmentation(
        source_images=images,
        pixel_array=masks,
        segmentation_type=kind,
        segment_descriptions=described,
        series_instance_uid=hd.UID(),
        series_number=2,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="peer",
        manufacturer_model_name="peer",
        software_versions="1",
        device_serial_number="1",
    )
    seg.save_as(folder / "seg.dcm")


@pytest.fixture(scope="module")
def blocks() -> np.ndarray[Any, Any]:
    rng = derive_rng("blocks")
    masks = np.zeros((10, 26, 30, 2), np.uint8)
    masks[2:8, 4:12, 3:9, 0] = rng.random((6, 8, 6)) < 0.7
    masks[1:6, 15:23, 17:28, 1] = rng.random((5, 8, 11)) < 0.7
    return masks


def _read(folder: Path) -> Any:
    source = Source("peer", folder, "dicom_series")
    layout = layout_named("dicom_series")
    [case] = layout.scan(source)
    assert case.fault is None
    return layout.load(source, case)


def _ct(folder: Path) -> None:
    affine = grid((30, 26, 10), (2.5, 2.0, 3.0), orientation="LPS", tilt_degrees=4)
    write_series(
        folder / "ct", np.zeros((30, 26, 10), np.int16), affine,
        patient="P", name="peer", rng=derive_rng("peer"),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_segments_written_by_highdicom_come_back(
    kind: str, tmp_path: Path, blocks: np.ndarray[Any, Any]
) -> None:
    _ct(tmp_path)
    masks = blocks.astype(np.float32) * 0.8 if kind == "FRACTIONAL" else blocks
    _highdicom(tmp_path, masks, kind)
    loaded = _read(tmp_path)
    [mark] = loaded.annotations
    assert mark.labels == {"1": "Liver", "2": "Spleen"}
    for number in (1, 2):
        expected = blocks[..., number - 1].transpose(2, 1, 0) > 0
        assert np.array_equal(mark.value == number, expected)
    assert loaded.detail["code:Liver"] == "SCT:10200004"
    assert ("fractional-segments" in loaded.flags) is (kind == "FRACTIONAL")


def test_segments_that_overlap_stay_apart(tmp_path: Path, blocks: np.ndarray[Any, Any]) -> None:
    _ct(tmp_path)
    both = blocks.copy()
    both[..., 1] |= both[..., 0]
    _highdicom(tmp_path, both, "BINARY")
    loaded = _read(tmp_path)
    assert [mark.labels for mark in loaded.annotations] == [{"1": "Liver"}, {"1": "Spleen"}]
    for number, mark in enumerate(loaded.annotations):
        assert np.array_equal(mark.value, both[..., number].transpose(2, 1, 0))
    assert "segments-overlap" in loaded.flags


# Dictionaries, names, sides.


def test_the_two_ways_to_write_a_dictionary_mean_the_same() -> None:
    first = by_id({"0": "background", "1": "liver", "2": "tumour"}, "x")
    second = by_name({"background": 0, "liver": 1, "tumour": 2}, "x")
    assert first.labels == second.labels == {1: "liver", 2: "tumour"}
    regions = by_name({"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}, "x")
    assert regions.regions == (("whole", (1, 2)), ("core", (2,)))
    assert regions.ids == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("read", "mapping"),
    [
        (by_id, {}),
        (by_id, []),
        (by_id, {"0": "background"}),
        (by_id, {"liver": "1"}),
        (by_id, {"1": "liver", "x": "spleen"}),
        (by_id, {"1": ""}),
        (by_id, {"1": ["liver"]}),
        (by_id, {"1": "liver", "2": "Liver"}),
        (by_name, {"background": 1, "liver": 2}),
        (by_name, {"background": 0, "liver": 1, "spleen": 1}),
        (by_name, {"liver": -1}),
        (by_name, {"liver": True}),
        (by_name, {"liver": 1.0}),
        (by_name, {"liver": []}),
        (by_name, {"0": "background", "1": "liver"}),
        (by_name, {"liver": 2}),
    ],
)
def test_a_broken_dictionary_is_refused(read: Any, mapping: Any) -> None:
    with pytest.raises(LayoutError) as caught:
        read(mapping, "x")
    assert caught.value.code == "label-dictionary"


def test_every_known_numbering_is_whole_and_knows_its_dataset() -> None:
    for name in conventions():
        found = convention(name)
        assert found is not None
        assert min(found.labels) == 1
    acdc, mms = convention("acdc"), convention("m-ms")
    assert acdc is not None
    assert mms is not None
    assert acdc.labels[1] == mms.labels[3] == "right ventricle"
    kidneys = {n: next(k for k, v in convention(n).labels.items() if v == "left kidney")  # type: ignore[union-attr]
               for n in ("amos22", "word", "flare22", "btcv-abdomen")}  # fmt: skip
    assert kidneys == {"amos22": 3, "word": 3, "flare22": 13, "btcv-abdomen": 3}
    assert convention("imagenet") is None


def test_labels_can_stand_in_files(tmp_path: Path) -> None:
    for name, text in (
        ("a.json", '{"labels": {"1": "liver", "2": "left kidney"}}'),
        ("b.csv", "id,name,r,g,b\n1,liver,255,0,0\n2,left kidney,0,0,255\n"),
        ("c.txt", "# labels\n0 background\n1 liver\n2 left kidney\n"),
    ):
        (tmp_path / name).write_text(text)
        assert labels_file(tmp_path / name).labels == {1: "liver", 2: "left kidney"}
    (tmp_path / "d.txt").write_text("1 liver\n1 spleen\n")
    with pytest.raises(LayoutError, match="repeats a number"):
        labels_file(tmp_path / "d.txt")


@pytest.mark.parametrize(
    ("name", "what", "side"),
    [
        ("kidney_left", "kidney", "left"),
        ("Lung-R", "lung", "right"),
        ("Left-Lateral-Ventricle", "lateral ventricle", "left"),
        ("head of right femur", "head of femur", "right"),
        ("Parotid_Lt", "parotid", "left"),
        ("gtv_10_r", "gtv 10", "right"),
        ("liver", "liver", ""),
        ("clavicle", "clavicle", ""),
        ("left and right lung", "left and right lung", ""),
    ],
)
def test_sides_are_read_from_names(name: str, what: str, side: str) -> None:
    assert side_of(name) == (what, side)


def test_the_anatomy_contradicts_exchanged_sides_only() -> None:
    right = {
        "kidney_left": (-50.0, 0.0, 0.0),
        "kidney_right": (48.0, 0.0, 0.0),
        "liver": (60.0, 0.0, 0.0),
    }
    assert laterality_check(right) == ""
    mirrored = {name: (-x, y, z) for name, (x, y, z) in right.items()}
    assert "kidney_left" in laterality_check(mirrored)
    assert laterality_check({"liver": (-40.0, 0, 0), "spleen": (50.0, 0, 0)}) != ""
    assert laterality_check({"spleen": (50.0, 0, 0)}) == ""
    assert laterality_check({"left eye": (0.5, 0, 0), "right eye": (-0.5, 0, 0)}) == ""


def test_sidecars_are_inherited_from_far_to_near(tmp_path: Path) -> None:
    place = tmp_path / "sub-01" / "ses-02" / "anat"
    place.mkdir(parents=True)
    image = place / "sub-01_ses-02_acq-fast_T1w.nii.gz"
    wanted = [tmp_path / "T1w.json", tmp_path / "acq-fast_T1w.json",
              tmp_path / "sub-01" / "sub-01_T1w.json",
              place / "sub-01_ses-02_acq-fast_T1w.json"]  # fmt: skip
    others = [tmp_path / "T2w.json", tmp_path / "acq-slow_T1w.json", tmp_path / "sub-02_T1w.json",
              place / "sub-01_ses-02_run-1_T1w.json"]  # fmt: skip
    for path in (*wanted, *others):
        path.write_text("{}")
    assert sidecars(image, tmp_path) == wanted
    assert name_of(Path("sub-01_sub-02_T1w.nii.gz")) is None


@pytest.mark.parametrize(
    ("age", "sex", "expected"),
    [
        ("063Y", "M", {"age_band": "60-69", "sex": "M"}),
        ("63.5", "female", {"age_band": "60-69", "sex": "F"}),
        ("018M", "other", {"age_band": "0-9", "sex": "O"}),
        ("n/a", "n/a", {}),
        ("-4", "", {}),
        ("300", None, {}),
    ],
)
def test_ages_become_decades(age: str, sex: str | None, expected: dict[str, str]) -> None:
    assert demographics(age, sex) == expected


# Real images.


def test_real_ct_and_mr_with_their_organ_maps_load_as_a_dataset(
    shared: Path, tmp_path: Path
) -> None:
    """TotalSegmentator's reference files: left and right agree with the anatomy in all three."""
    real = shared / "images" / "liver_abdomen"
    parts = {"1": "spleen", "2": "kidney_right", "3": "kidney_left", "5": "liver", "6": "stomach"}
    for name, seg, top in (
        ("ct_abdomen_3mm", "ct_abdomen_3mm_seg117", 117),
        ("mr_abdomen_3mm", "mr_abdomen_3mm_seg50", 50),
    ):
        folder = tmp_path / name
        for kind, file in (("images", name), ("labels", seg)):
            (folder / kind).mkdir(parents=True)
            (folder / kind / "case1.nii.gz").symlink_to(real / f"{file}.nii.gz")
        labels = {str(n): parts.get(str(n), f"structure {n}") for n in range(1, top + 1)}
        source = Source(name, folder, "organ_maps", options={"labels": labels})
        assert detect_layout(folder)[0] == "organ_maps"
        layout = layout_named("organ_maps")
        [case] = layout.scan(source)
        assert case.fault is None
        loaded = layout.load(source, case)
        assert loaded.annotations[0].value.shape == loaded.image.shape
        swapped = {**labels, "2": "kidney_left", "3": "kidney_right"}
        wrong = Source(name, folder, "organ_maps", options={"labels": swapped})
        with pytest.raises(LayoutError) as caught:
            layout.load(wrong, case)
        assert caught.value.code == "laterality"


def test_real_dicom_slices_make_a_series(shared: Path) -> None:
    folder = shared / "images" / "liver_abdomen" / "ct_dicom_20slices"
    source = Source("real", folder, "dicom_series")
    layout = layout_named("dicom_series")
    [case] = layout.scan(source)
    assert case.fault is None
    loaded = layout.load(source, case)
    assert case.key == "ct_dicom_20slices (no UID)"  # de-identified down to the UIDs
    assert loaded.image.shape == (512, 512, 20)
    assert loaded.image.unit == "HU"
    assert loaded.modality == "CT"
