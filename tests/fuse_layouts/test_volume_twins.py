"""Broken twins of made volumes: one thing is wrong, and it is refused by its own name."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest

from osler.core import InputError, derive_rng
from osler.curate.fuse.case import Source
from osler.curate.fuse.faults import FAULTS, LayoutError
from osler.curate.fuse.layouts import layout_named
from osler.curate.fuse.making import bids, cine, dicom_series, lidc, nnunet, organ_maps
from osler.curate.fuse.making.made import Made

Breaks = Callable[[Made], str | None]
Fresh = Callable[[Callable[[Path], Made]], Made]


@dataclass(frozen=True)
class Twin:
    """How a valid dataset is made, what breaks it (giving the key of the case, "" for the whole
    dataset), and by which name it must be refused."""

    maker: Callable[[Path], Made]
    breaks: Callable[[Made], Any]
    code: str


TWINS: dict[str, Twin] = {}


def twin(code: str, maker: Callable[[Path], Made]) -> Callable[[Breaks], Breaks]:
    def register(breaks: Breaks) -> Breaks:
        TWINS[breaks.__name__] = Twin(maker, breaks, code)
        return breaks

    return register


def faults_of(source: Source) -> dict[str, LayoutError]:
    """Faults of all cases by key, found by scanning or by loading."""
    layout = layout_named(source.layout)
    found: dict[str, LayoutError] = {}
    for case in layout.scan(source):
        try:
            if case.fault is not None:
                raise case.fault
            layout.load(source, case)
        except LayoutError as error:
            found[case.key] = error
    assert all(error.case == key for key, error in found.items())
    return found


def _edit(path: Path, change: Callable[[Any, Any], tuple[Any, Any]]) -> None:
    """Rewrite a NIfTI file with other voxels or another affine."""
    image = nib.load(path)
    pixels, affine = change(np.asanyarray(image.dataobj).copy(), image.affine.copy())
    made = nib.Nifti1Image(pixels, affine, dtype=pixels.dtype)
    made.set_sform(affine, 1)
    made.set_qform(affine, 1)
    nib.save(made, path)


def _msd(folder: Path) -> Made:
    return nnunet.make(folder, style="msd01")


def _amos(folder: Path) -> Made:
    return nnunet.make(folder, style="AMOS22")


def _total(folder: Path) -> Made:
    return organ_maps.make(folder, style="TotalSegmentator")


def _flare(folder: Path) -> Made:
    return organ_maps.make(folder, style="FLARE22")


def _ct(folder: Path) -> Made:
    return dicom_series.make(folder, subjects=2, step=11.0)


def _acdc(folder: Path) -> Made:
    return cine.make(folder)


def _heads(folder: Path) -> Made:
    return bids.make(folder)


def _readers(folder: Path) -> Made:
    return lidc.make(folder)


_ONCE: dict[Callable[[Path], Made], Made] = {}


@pytest.fixture
def fresh(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """A copy, to be broken, of what a maker writes; each maker runs once."""

    def copied(maker: Callable[[Path], Made]) -> Made:
        if maker not in _ONCE:
            _ONCE[maker] = maker(tmp_path_factory.mktemp("once") / "set")
        made = _ONCE[maker]
        folder = tmp_path / f"set{len(list(tmp_path.iterdir()))}"
        shutil.copytree(made.source.folder, folder)
        own = replace(made.source, folder=folder, options=dict(made.source.options))
        return Made(own, made.cases)

    return copied


def _label(made: Made, number: int = 1) -> tuple[str, Path]:
    key = sorted(made.cases)[number]
    return key, made.source.folder / "labelsTr" / f"{key}.nii.gz"


def _shifted(path: Path, mm: float) -> None:
    def change(pixels: Any, affine: Any) -> tuple[Any, Any]:
        affine[1, 3] += mm
        return pixels, affine

    _edit(path, change)


# NIfTI: geometry.


@twin("grid-mismatch", _amos)
def mask_is_mirrored_by_its_affine(made: Made) -> str:
    key, path = _label(made)
    _edit(path, lambda p, a: (p, a @ np.diag([-1, 1, 1, 1])))
    return key


@twin("grid-mismatch", _amos)
def mask_is_a_hundredth_of_a_millimetre_off(made: Made) -> str:
    key, path = _label(made)
    _shifted(path, 0.01)
    return key


@twin("grid-mismatch", _total)
def one_structure_lacks_a_slice(made: Made) -> str:
    path = made.source.folder / "s0001" / "segmentations" / "liver.nii.gz"
    _edit(path, lambda p, a: (p[:, :, :-1], a))
    return "s0001"


@twin("grid-mismatch", lambda f: nnunet.make(f, style="brats21"))
def one_channel_lies_elsewhere(made: Made) -> str:
    key = sorted(made.cases)[0]
    _shifted(made.source.folder / "imagesTr" / f"{key}_0002.nii.gz", 1.0)
    return key


@twin("affine-broken", _amos)
def affine_of_the_image_is_singular(made: Made) -> str:
    key = sorted(made.cases)[2]
    path = made.source.folder / "imagesTr" / f"{key}_0000.nii.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[280:312] = content[296:312] + content[296:312]  # srow_x = srow_y
    path.write_bytes(gzip.compress(bytes(content)))
    return key


@twin("affine-broken", _flare)
def image_states_no_orientation(made: Made) -> str:
    key = sorted(made.cases)[0]
    path = made.source.folder / "images" / f"{key}_0000.nii.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[252:256] = b"\0\0\0\0"  # qform_code, sform_code
    path.write_bytes(gzip.compress(bytes(content)))
    return key


@twin("form-disagreement", _acdc)
def sform_and_qform_disagree(made: Made) -> str:
    path = next((made.source.folder / "patient002").glob("*_frame??.nii.gz"))
    image = nib.load(path)
    moved = image.affine.copy()
    moved[0, 3] += 2.0
    image.set_qform(moved, 1)
    nib.save(image, path)
    number = int(path.name[-9:-7]) - 1
    return next(
        k for k, t in made.cases.items() if t["patient"] == "patient002" and t["frame"] == number
    )


# NIfTI: values, files.


@twin("label-value", _msd)
def mask_holds_a_label_that_nobody_declared(made: Made) -> str:
    key, path = _label(made)

    def change(pixels: Any, affine: Any) -> tuple[Any, Any]:
        pixels[0, 0, :3] = 9
        return pixels, affine

    _edit(path, change)
    return key


@twin("label-value", _total)
def binary_mask_holds_two_values(made: Made) -> str:
    path = made.source.folder / "s0002" / "segmentations" / "spleen.nii.gz"

    def change(pixels: Any, affine: Any) -> tuple[Any, Any]:
        pixels[np.nonzero(pixels)[0][0]] *= 2
        return pixels, affine

    _edit(path, change)
    return "s0002"


@twin("mask-is-image", _amos)
def image_and_mask_are_exchanged(made: Made) -> str:
    key, mask = _label(made)
    image = made.source.folder / "imagesTr" / f"{key}_0000.nii.gz"
    mask.rename(mask.with_name("x.nii.gz"))
    image.rename(mask)
    mask.with_name("x.nii.gz").rename(image)
    return key


@twin("mask-is-image", _flare)
def mask_holds_probabilities(made: Made) -> str:
    key = sorted(made.cases)[1]
    path = made.source.folder / "labels" / f"{key}.nii.gz"
    _edit(path, lambda p, a: ((p * 0.37).astype(np.float32), a))
    return key


@twin("mask-overlap", _total)
def two_structures_claim_a_voxel(made: Made) -> str:
    folder = made.source.folder / "s0000" / "segmentations"
    liver = np.asanyarray(nib.load(folder / "liver.nii.gz").dataobj)
    spot = tuple(np.argwhere(liver)[5])

    def change(pixels: Any, affine: Any) -> tuple[Any, Any]:
        pixels[spot] = 1
        return pixels, affine

    _edit(folder / "stomach.nii.gz", change)
    return "s0000"


@twin("mask-variant", lambda f: _brats_folders(f))
def case_has_two_label_maps(made: Made) -> str:
    place = made.source.folder / "b1"
    shutil.copy(place / "b1-seg.nii.gz", place / "b1-label.nii.gz")
    return "b1"


def _brats_folders(folder: Path) -> Made:
    """A case a folder, as BraTS is published: from a made nnU-Net set, by renaming."""
    made = nnunet.make(folder.with_name("raw"), style="brats23", subjects=2)
    raw = made.source.folder
    for number, key in enumerate(sorted(made.cases)):
        place = folder / f"b{number}"
        place.mkdir(parents=True)
        for channel, name in enumerate(("t2f", "t1n", "t1c", "t2w")):
            path = raw / "imagesTr" / f"{key}_{channel:04d}.nii.gz"
            path.rename(place / f"b{number}-{name}.nii.gz")
        (raw / "labelsTr" / f"{key}.nii.gz").rename(place / f"b{number}-seg.nii.gz")
    source = replace(made.source, folder=folder, layout="organ_maps",
                     options={"convention": "BraTS 2023"})  # fmt: skip
    return Made(source, {f"b{n}": made.cases[k] for n, k in enumerate(sorted(made.cases))})


@twin("file-missing", _amos)
def label_has_no_image(made: Made) -> str:
    key = sorted(made.cases)[0]
    (made.source.folder / "imagesTr" / f"{key}_0000.nii.gz").unlink()
    return key


@twin("file-unreadable", _msd)
def file_is_cut_off(made: Made) -> str:
    key, path = _label(made)
    image = made.source.folder / "imagesTr" / path.name
    image.write_bytes(image.read_bytes()[:-3000])
    return key


@twin("channels", _msd)
def image_has_three_channels_of_four(made: Made) -> str:
    key, path = _label(made)
    _edit(made.source.folder / "imagesTr" / path.name, lambda p, a: (p[..., :3], a))
    return key


@twin("laterality", _amos)
def kidneys_are_named_the_wrong_way_about(made: Made) -> str:
    key, path = _label(made)
    swap = np.arange(256).astype(np.uint8)
    swap[[2, 3]] = swap[[3, 2]]
    _edit(path, lambda p, a: (swap[p], a))
    return key


@twin("laterality", _flare)
def image_and_mask_are_both_mirrored(made: Made) -> str:
    key = sorted(made.cases)[2]
    mirror = np.diag([-1.0, 1, 1, 1])
    for path in made.source.folder.glob(f"*/{key}*"):
        _edit(path, lambda p, a: (p, mirror @ a))
    return key


@twin("laterality", lambda f: organ_maps.make(f, style="AMOS22", only=("liver", "left kidney")))
def a_single_kidney_called_left_lies_beyond_the_liver(made: Made) -> str:
    key = sorted(made.cases)[0]
    path = made.source.folder / "labels" / f"{key}.nii.gz"

    def change(pixels: Any, affine: Any) -> tuple[Any, Any]:
        ras = nib.orientations.io_orientation(affine)
        axis = int(np.flatnonzero(ras[:, 0] == 0)[0])
        return np.where(pixels == 3, 0, pixels) | np.flip(np.where(pixels == 3, 3, 0), axis).astype(
            np.uint8
        ) * (pixels != 6), affine

    _edit(path, change)
    return key


# Tables.


def _rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    value = json.loads(path.read_text())
    path.write_text(json.dumps(change(value) or value))


@twin("label-dictionary", _msd)
def v1_dictionary_is_written_name_to_number(made: Made) -> str:
    path = made.source.folder / "dataset.json"
    _rewrite(path, lambda v: v | {"labels": {n: int(k) for k, n in v["labels"].items()}})
    return ""


@twin("label-dictionary", _amos)
def v2_dictionary_is_written_number_to_name(made: Made) -> str:
    path = made.source.folder / "dataset.json"
    _rewrite(path, lambda v: v | {"labels": {str(n): k for k, n in v["labels"].items()}})
    return ""


@twin("label-dictionary", _amos)
def v2_dictionary_has_a_gap(made: Made) -> str:
    path = made.source.folder / "dataset.json"
    _rewrite(path, lambda v: v["labels"].pop("liver") and None)
    return ""


@twin("label-dictionary", lambda f: cine.make(f, stated=False, dataset="somebody-s-hearts"))
def nothing_says_how_a_cine_is_numbered(made: Made) -> str:
    return ""


@twin("label-dictionary", lambda f: organ_maps.make(f, dataset="somebody-s-organs"))
def convention_is_unknown(made: Made) -> str:
    made.source.options["convention"] = "AMOS33"  # type: ignore[index]
    return ""


@twin("path-outside", _msd)
def dataset_json_climbs_out_of_its_folder(made: Made) -> str:
    def change(value: Any) -> None:
        value["training"][1]["label"] = "../../../etc/passwd"

    _rewrite(made.source.folder / "dataset.json", change)
    return ""


@twin("path-outside", _msd)
def dataset_json_names_an_absolute_path(made: Made) -> str:
    def change(value: Any) -> None:
        value["training"][0]["image"] = "/etc/passwd"

    _rewrite(made.source.folder / "dataset.json", change)
    return ""


@twin("table-row", _msd)
def dataset_json_names_a_case_twice(made: Made) -> str:
    def change(value: Any) -> None:
        value["training"].append(value["training"][0])

    _rewrite(made.source.folder / "dataset.json", change)
    return "whole:" + sorted(made.cases)[0]


# Cine.


@twin("frame-missing", _acdc)
def end_diastole_lies_beyond_the_cine(made: Made) -> str:
    card = made.source.folder / "patient001" / "Info.cfg"
    was = made.cases["patient001-ED"]["frame"] + 1
    card.write_text(card.read_text().replace(f"ED: {was}\n", "ED: 31\n"))
    for path in (made.source.folder / "patient001").glob(f"*_frame{was:02d}*"):
        path.rename(path.with_name(path.name.replace(f"frame{was:02d}", "frame31")))
    return "patient001-ED"


@twin("frame-missing", lambda f: cine.make(f, style="M&Ms", subjects=1, seed=3))
def frames_of_a_table_are_counted_from_one(made: Made) -> str:
    path = next(made.source.folder.glob("*.csv"))
    head, row = path.read_text().splitlines()
    cells = row.split(",")
    key = next(k for k in made.cases if k.endswith("-ED"))
    cells[4] = str(int(cells[4]) + 1)
    path.write_text(f"{head}\n{','.join(cells)}\n")
    return key


@twin("label-dictionary", lambda f: cine.make(f, style="ACDC", subjects=1))
def acdc_is_read_with_the_numbers_of_mms(made: Made) -> str:
    made.source.options["convention"] = "M&Ms"  # type: ignore[index]
    return "*"


# BIDS.


@twin("file-dangling", _heads)
def image_is_a_link_that_was_not_fetched(made: Made) -> str:
    path = made.source.folder / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
    path.unlink()
    path.symlink_to("../../.git/annex/objects/xx/MD5E-s1--0.nii.gz")
    return "sub-02_T1w"


@twin("file-dangling", _heads)
def image_is_a_pointer_of_git_lfs(made: Made) -> str:
    path = made.source.folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
    return "sub-01_T1w"


@twin("file-missing", _heads)
def there_is_no_dataset_description(made: Made) -> str:
    (made.source.folder / "dataset_description.json").unlink()
    return ""


@twin("file-missing", _heads)
def table_names_a_subject_that_is_not_there(made: Made) -> str:
    with (made.source.folder / "participants.tsv").open("a") as handle:
        handle.write("sub-77\t50\tF\n")
    return "sub-77"


@twin("table-row", _heads)
def two_sidecars_apply_equally(made: Made) -> str:
    path = made.source.folder / "sub-03" / "anat"
    shutil.copy(path / "sub-03_T1w.nii.gz", path / "sub-03_acq-a_rec-b_T1w.nii.gz")
    for name in ("acq-a", "rec-b"):
        (path / f"sub-03_{name}_T1w.json").write_text("{}")
    return "sub-03_acq-a_rec-b_T1w"


@twin("label-dictionary", lambda f: bids.make(f, subjects=1))
def nothing_explains_a_segmentation(made: Made) -> str:
    (made.source.folder / "derivatives" / "made" / "dseg.tsv").unlink()
    return "sub-01_T1w"


@twin("grid-mismatch", _heads)
def derived_mask_lies_in_another_space(made: Made) -> str:
    place = made.source.folder / "derivatives" / "made" / "sub-01" / "anat"
    _shifted(place / "sub-01_label-lesion_mask.nii.gz", 3.0)
    return "sub-01_T1w"


@twin("file-missing", _heads)
def mask_is_of_an_image_that_is_not_there(made: Made) -> str:
    (made.source.folder / "sub-02" / "anat" / "sub-02_T1w.nii.gz").unlink()
    lesion = made.source.folder / "derivatives" / "made" / "sub-02" / "anat"
    (lesion / "sub-02_dseg.nii.gz").unlink()
    return "sub-02_label-lesion_mask"


# DICOM.


def _first(made: Made, what: str = "images") -> tuple[str, Path]:
    key, true = next(iter(made.cases.items()))
    return key, made.source.folder / true["folder"] / what


def _slices(folder: Path) -> list[Path]:
    """Slices along their normal."""

    def depth(path: Path) -> float:
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        turn = np.array(ds.ImageOrientationPatient, float).reshape(2, 3)
        return float(np.cross(*turn) @ np.array(ds.ImagePositionPatient, float))

    return sorted(folder.glob("*.dcm"), key=depth)


def _change(path: Path, change: Callable[[Any], None]) -> None:
    ds = pydicom.dcmread(path)
    change(ds)
    ds.save_as(path)


@twin("slice-missing", _ct)
def series_lacks_a_slice(made: Made) -> str:
    key, folder = _first(made)
    _slices(folder)[7].unlink()
    return key


@twin("slice-missing", _ct)
def series_has_a_slice_twice(made: Made) -> str:
    key, folder = _first(made)
    source = _slices(folder)[5]
    copy = folder / "copy.dcm"
    shutil.copy(source, copy)
    _change(copy, lambda ds: setattr(ds, "SOPInstanceUID", "1.2.3.4"))
    return key


@twin("slice-missing", _ct)
def series_has_a_file_twice(made: Made) -> str:
    key, folder = _first(made)
    shutil.copy(_slices(folder)[5], folder / "copy.dcm")
    return key


@twin("series-mixed", _ct)
def series_mixes_directions(made: Made) -> str:
    key, folder = _first(made)
    _change(
        _slices(folder)[4], lambda ds: setattr(ds, "ImageOrientationPatient", [0, 1, 0, 0, 0, -1])
    )
    return key


@twin("affine-broken", _ct)
def slice_has_no_spacing(made: Made) -> str:
    key, folder = _first(made)
    _change(_slices(folder)[4], lambda ds: setattr(ds, "PixelSpacing", [0, 0]))
    return key


@twin("file-unreadable", _ct)
def among_the_slices_lies_what_is_no_dicom(made: Made) -> str:
    key, folder = _first(made)
    (folder / "IM9999.dcm").write_text("this was a slice once")
    return key


@twin("file-unreadable", _ct)
def slice_is_cut_off(made: Made) -> str:
    key, folder = _first(made)
    path = _slices(folder)[3]
    path.write_bytes(path.read_bytes()[:-200])
    return key


@twin("contour-slice", _ct)
def contour_lies_between_slices(made: Made) -> str:
    key, folder = _first(made, "rtstruct")

    def change(ds: Any) -> None:
        contour = ds.ROIContourSequence[1].ContourSequence[0]
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        points[:, 2] += 3.0  # the first series is axial
        contour.ContourData = [f"{v:.6f}" for v in points.ravel()]

    _change(folder / "1.dcm", change)
    return key


@twin("contour-slice", _ct)
def contour_refers_to_another_slice(made: Made) -> str:
    key, folder = _first(made, "rtstruct")

    def change(ds: Any) -> None:
        one, two = ds.ROIContourSequence[0].ContourSequence[:2]
        one.ContourImageSequence[0].ReferencedSOPInstanceUID = two.ContourImageSequence[
            0
        ].ReferencedSOPInstanceUID

    _change(folder / "1.dcm", change)
    return key


@twin("contour-slice", _ct)
def contours_reach_beyond_the_series(made: Made) -> str:
    key, folder = _first(made)
    for path in _slices(folder)[-12:]:
        path.unlink()
    (folder.parent / "seg" / "1.dcm").unlink()
    return key


@twin("file-missing", _ct)
def structures_are_of_a_series_that_is_not_here(made: Made) -> str:
    _, folder = _first(made)
    shutil.rmtree(folder)
    (folder.parent / "seg" / "1.dcm").unlink()
    return str(pydicom.dcmread(folder.parent / "rtstruct" / "1.dcm").SOPInstanceUID)


def _positions(ds: Any) -> list[list[float]]:
    frames = ds.PerFrameFunctionalGroupsSequence
    return [list(f.PlanePositionSequence[0].ImagePositionPatient) for f in frames]


@twin("frame-order", _ct)
def frames_of_a_segmentation_are_upside_down(made: Made) -> str:
    key, folder = _first(made, "seg")

    def change(ds: Any) -> None:
        spots = _positions(ds)
        order = sorted(range(len(spots)), key=lambda n: spots[n][2])
        for one, other in zip(order, reversed(order), strict=True):
            frame = ds.PerFrameFunctionalGroupsSequence[one]
            frame.PlanePositionSequence[0].ImagePositionPatient = spots[other]

    _change(folder / "1.dcm", change)
    return key


@twin("frame-order", _ct)
def frames_lie_between_slices(made: Made) -> str:
    key, folder = _first(made, "seg")

    def change(ds: Any) -> None:
        for frame in ds.PerFrameFunctionalGroupsSequence:
            x, y, z = frame.PlanePositionSequence[0].ImagePositionPatient
            frame.PlanePositionSequence[0].ImagePositionPatient = [x, y, z + 1.5]

    _change(folder / "1.dcm", change)
    return key


@twin("frame-order", _ct)
def a_slice_has_two_frames_of_one_segment(made: Made) -> str:
    key, folder = _first(made, "seg")

    def change(ds: Any) -> None:
        frames = ds.PerFrameFunctionalGroupsSequence

        def segment(frame: Any) -> int:
            return int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber)

        other = next(f for f in frames[1:] if segment(f) == segment(frames[0]))
        other.PlanePositionSequence = frames[0].PlanePositionSequence
        other.DerivationImageSequence = frames[0].DerivationImageSequence

    _change(folder / "1.dcm", change)
    return key


@twin("grid-mismatch", _ct)
def segmentation_is_half_a_pixel_off(made: Made) -> str:
    key, folder = _first(made, "seg")

    def change(ds: Any) -> None:
        for frame in ds.PerFrameFunctionalGroupsSequence:
            x, y, z = frame.PlanePositionSequence[0].ImagePositionPatient
            frame.PlanePositionSequence[0].ImagePositionPatient = [x + 4, y, z]

    _change(folder / "1.dcm", change)
    return key


@twin("mask-overlap", _ct)
def segments_overlap_that_are_said_not_to(made: Made) -> str:
    key, folder = _first(made, "seg")

    def change(ds: Any) -> None:
        ds.SegmentsOverlap = "NO"
        size = int(ds.NumberOfFrames) * ds.Rows * ds.Columns // 8 + 1
        ds.PixelData = b"\xff" * (size + size % 2)

    _change(folder / "1.dcm", change)
    return key


@twin("laterality", _ct)
def regions_are_named_the_wrong_way_about(made: Made) -> str:
    key, folder = _first(made, "rtstruct")

    def change(ds: Any) -> None:
        for roi in ds.StructureSetROISequence:
            roi.ROIName = {"Kidney_L": "Kidney_R", "Kidney_R": "Kidney_L"}.get(
                roi.ROIName, roi.ROIName
            )

    _change(folder / "1.dcm", change)
    return key


# LIDC.


@twin("file-unsafe", _readers)
def xml_defines_entities(made: Made) -> str:
    key, folder = _first(made, "ct")
    path = folder / "readers.xml"
    bomb = (
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>\n<LidcReadMessage'
    )
    path.write_text(path.read_text().replace("<LidcReadMessage", bomb, 1))
    return key


@twin("contour-slice", _readers)
def reader_drew_on_an_image_that_is_not_there(made: Made) -> str:
    key, folder = _first(made, "ct")
    path = folder / "readers.xml"
    text = path.read_text()
    at = text.index("<imageSOP_UID>") + 14
    path.write_text(text[:at] + "9.9.9" + text[text.index("</imageSOP_UID>") :])
    return key


@twin("contour-slice", _readers)
def reader_says_another_height_than_the_image(made: Made) -> str:
    key, folder = _first(made, "ct")
    path = folder / "readers.xml"
    text = path.read_text()
    at = text.index("<imageZposition>") + 16
    path.write_text(text[:at] + "812.5" + text[text.index("</imageZposition>") :])
    return key


@twin("file-missing", _readers)
def xml_is_about_a_series_that_is_not_here(made: Made) -> str:
    key, folder = _first(made, "ct")
    (folder / "readers.xml").rename(folder.parent / "readers.xml")
    for path in folder.glob("*.dcm"):
        path.unlink()
    return key


@twin("mask-variant", _readers)
def two_xml_read_one_series(made: Made) -> str:
    key, folder = _first(made, "ct")
    shutil.copy(folder / "readers.xml", folder / "again.xml")
    return key


@pytest.mark.parametrize("name", sorted(TWINS))
def test_a_broken_twin_is_refused_by_its_own_name(name: str, fresh: Fresh) -> None:
    broken = TWINS[name]
    assert broken.code in FAULTS
    made = fresh(broken.maker)
    key = broken.breaks(made)
    if key == "" or key.startswith("whole:"):
        with pytest.raises(LayoutError) as caught:
            faults_of(made.source)
        assert caught.value.code == broken.code
        assert caught.value.case == key.removeprefix("whole:")
        return
    found = faults_of(made.source)
    assert {error.code for error in found.values()} == {broken.code}
    assert set(found) == (set(made.cases) if key == "*" else {key})
    text = str(next(iter(found.values())))
    assert f"[{broken.code}]" in text
    assert "\n" not in text


def test_every_fault_that_volumes_can_have_has_a_twin() -> None:
    assert {one.code for one in TWINS.values()} >= {
        "file-missing", "file-dangling", "file-unreadable", "file-unsafe", "path-outside",
        "table-row", "label-dictionary", "label-value", "grid-mismatch", "affine-broken",
        "form-disagreement", "channels", "slice-missing", "series-mixed", "contour-slice",
        "frame-order", "frame-missing", "mask-is-image", "mask-overlap", "mask-variant",
        "laterality",
    }  # fmt: skip


def test_a_mask_half_a_thousandth_of_a_millimetre_off_is_on_the_grid(fresh: Fresh) -> None:
    made = fresh(_amos)
    _shifted(_label(made)[1], 0.0005)
    assert faults_of(made.source) == {}


def test_a_choice_between_sform_and_qform_can_be_stated(fresh: Fresh) -> None:
    made = fresh(_amos)
    key, mask = _label(made, 0)
    image = made.source.folder / "imagesTr" / f"{key}_0000.nii.gz"
    true = nib.load(image).affine
    for path in (image, mask):
        one = nib.load(path)
        moved = one.affine.copy()
        moved[2, 3] += 5.0
        one.set_qform(moved, 1)
        nib.save(one, path)
    assert set(faults_of(made.source)) == {key}
    for form, shift in (("sform", 0.0), ("qform", 5.0)):
        source = replace(made.source, options={"form": form})
        layout = layout_named("nnunet")
        case = next(c for c in layout.scan(source) if c.key == key)
        affine = layout.load(source, case).image.affine
        assert affine is not None
        assert affine[2, 3] == pytest.approx(true[2, 3] + shift, abs=1e-3)


def test_overlapping_structures_stay_apart_where_the_source_says_so(fresh: Fresh) -> None:
    made = fresh(_total)
    two_structures_claim_a_voxel(made)
    source = replace(made.source, options={"exclusive": False})
    layout = layout_named("organ_maps")
    case = next(iter(layout.scan(source)))
    marks = layout.load(source, case).annotations
    assert len(marks) == len(made.cases["s0000"]["voxels"])
    both = sum(m.value.astype(int) for m in marks)
    assert both.max() == 2


def test_situs_inversus_can_be_stated(fresh: Fresh) -> None:
    made = fresh(_amos)
    kidneys_are_named_the_wrong_way_about(made)
    assert faults_of(replace(made.source, options={"laterality": "off"})) == {}


@pytest.mark.parametrize(
    ("maker", "options", "said"),
    [
        (_amos, {"from": "sform"}, "did you mean form?"),
        (_amos, {"form": "xform"}, "sform"),
        (_amos, {"unit": "Hounsfield"}, "HU"),
        (_flare, {"convention": "FLARE22", "laterality": "none"}, "off"),
        (_total, {"exclusive": "no"}, "true or false"),
        (_ct, {"regions": "gtv"}, "a list of texts"),
        (_acdc, {"convention": "ACDC", "frame_base": 7}, "from 0 to 1"),
    ],
)
def test_options_are_checked_by_name_and_value(
    maker: Callable[[Path], Made], options: dict[str, Any], said: str, fresh: Fresh
) -> None:
    made = fresh(maker)
    source = replace(made.source, options=options)
    with pytest.raises(InputError, match=said) as caught:
        faults_of(source)
    assert not isinstance(caught.value, LayoutError)


def test_a_unit_is_taken_from_the_options_only_where_no_file_states_it(fresh: Fresh) -> None:
    for maker, unit in ((_amos, "a.u."), (_ct, "HU")):
        made = fresh(maker)
        source = replace(made.source, options={"unit": "a.u."})
        layout = layout_named(source.layout)
        assert layout.load(source, next(iter(layout.scan(source)))).image.unit == unit


def test_masks_in_a_template_or_of_another_image_are_no_fault(fresh: Fresh) -> None:
    """What preprocessing leaves beside the masks of an image: other spaces, other runs."""
    made = fresh(_heads)
    raw = made.source.folder / "sub-01" / "anat"
    place = made.source.folder / "derivatives" / "made" / "sub-01" / "anat"
    mask = place / "sub-01_label-lesion_mask.nii.gz"
    other = raw / "sub-01_run-2_T2w.nii.gz"
    shutil.copy(raw / "sub-01_T1w.nii.gz", other)
    _shifted(other, 7.0)
    for name in ("space-MNI152NLin6Asym_desc-brain", "run-2_label-lesion"):
        shutil.copy(mask, place / f"sub-01_{name}_mask.nii.gz")
        _shifted(place / f"sub-01_{name}_mask.nii.gz", 7.0 if "run" in name else 30.0)
    assert faults_of(made.source) == {}
    layout = layout_named("bids")
    cases = {case.key: case for case in layout.scan(made.source)}
    assert [Path(m).name for m in cases["sub-01_T1w"].info["masks"]] == [
        "sub-01_dseg.nii.gz", "sub-01_label-lesion_mask.nii.gz"]  # fmt: skip
    assert [Path(m).name for m in cases["sub-01_run-2_T2w"].info["masks"]] == [
        "sub-01_run-2_label-lesion_mask.nii.gz"]  # fmt: skip
    only = replace(made.source, options={"suffixes": ["T1w"]})
    assert "sub-01_run-2_T2w" not in {case.key for case in layout.scan(only)}


@pytest.mark.parametrize("number", range(6))
def test_damaged_bytes_give_faults_and_nothing_else(number: int, fresh: Fresh) -> None:
    """Whatever a byte turns into: a fault that names the case, or a case that still loads."""
    made = fresh([_msd, _total, _ct, _acdc, _heads, _readers][number])
    rng = derive_rng("damage", number)
    files = sorted(path for path in made.source.folder.rglob("*") if path.is_file())
    for _ in range(8):
        path = files[int(rng.integers(len(files)))]
        whole = path.read_bytes()
        zipped = path.name.endswith(".gz")
        content = bytearray(gzip.decompress(whole) if zipped else whole)
        for spot in rng.integers(0, min(len(content), 1200), 4).tolist():
            content[spot] = int(rng.integers(256))
        path.write_bytes(gzip.compress(bytes(content), 1) if zipped else bytes(content))
        with contextlib.suppress(LayoutError):
            faults_of(made.source)
        path.write_bytes(whole)
