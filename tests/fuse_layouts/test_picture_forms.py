"""Forms that real sets have beside the plain ones: suffixes, regions, series, stretches."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from osler.core import InputError, OslerError
from osler.curate.fuse.case import Case, Loaded, Source
from osler.curate.fuse.faults import LayoutError
from osler.curate.fuse.layouts import layout_named
from osler.curate.fuse.making.drawn import drawn, save, save_indexed
from osler.curate.fuse.making.png_masks import PALETTE
from osler.curate.fuse.pictures.conventions import state_of


def read(source: Source) -> dict[str, tuple[Case, Loaded]]:
    """All cases of a source, which must be without fault, loaded."""
    layout = layout_named(source.layout)
    cases = list(layout.scan(source))
    assert [str(case.fault) for case in cases if case.fault] == []
    return {case.key: (case, layout.load(source, case)) for case in cases}


def refused(source: Source) -> dict[str, str]:
    """Codes of the faults of the cases."""
    return {c.key: c.fault.code for c in layout_named(source.layout).scan(source) if c.fault}


def test_a_mask_variant_is_chosen_by_its_suffix(tmp_path: Path) -> None:
    """CholecSeg8k: three masks beside each frame."""
    picture = drawn("suffix")
    home = tmp_path / "video01" / "video01_00080"
    save(picture.pixels, home / "frame_80_endo.png")
    save((picture.index_mask() > 0).astype(np.uint8) * 50, home / "frame_80_endo_mask.png")
    colours = np.asarray(PALETTE, np.uint8)[picture.index_mask()]
    save(colours, home / "frame_80_endo_color_mask.png")
    save(picture.index_mask(), home / "frame_80_endo_watershed_mask.png")
    source = Source("x", tmp_path, "png_masks", options={"mask": "_watershed_mask"})
    named = {"1": "disc", "2": "square", "3": "triangle"}
    options = {**source.options, "classes": named, "patient_pattern": "{patient}/{*}"}
    found = read(replace(source, options=options))
    ((case, loaded),) = found.values()
    assert case.patient == "video01"
    assert np.array_equal(loaded.annotations[0].value, picture.index_mask())
    with pytest.raises(LayoutError, match="mask-variant"):
        list(layout_named("png_masks").scan(replace(source, options={})))


def test_one_mask_a_region_becomes_one_annotation_each(tmp_path: Path) -> None:
    """IDRiD: one binary mask a lesion, by suffix."""
    picture = drawn("regions")
    save(picture.pixels, tmp_path / "images/IDRiD_01.png")
    for suffix, mask in zip(("_MA", "_HE"), picture.masks, strict=True):
        save(mask.astype(np.uint8) * 255, tmp_path / "masks" / f"IDRiD_01{suffix}.png")
    regions = {"_MA": "microaneurysm", "_HE": "haemorrhage"}
    found = read(Source("x", tmp_path, "png_masks", options={"regions": regions}))
    ((_, loaded),) = found.values()
    assert {m.labels["255"]: int((m.value > 0).sum()) for m in loaded.annotations} == {
        "haemorrhage": int(picture.masks[1].sum()),
        "microaneurysm": int(picture.masks[0].sum()),
    }


@pytest.mark.parametrize("name", ["classes.json", "labelmap.txt", "class_dict.csv"])
def test_a_file_of_classes_is_read(name: str, tmp_path: Path) -> None:
    made = import_module("osler.curate.fuse.making.png_masks").make(tmp_path, style="colours")
    table = {"disc": (255, 0, 0), "square": (0, 255, 0), "triangle": (0, 0, 255)}
    if name == "classes.json":
        content = json.dumps({"#{:02x}{:02x}{:02x}".format(*c): n for n, c in table.items()})
    elif name == "labelmap.txt":
        content = "# label:color_rgb:parts:actions\n" + "".join(
            f"{n}:{','.join(map(str, c))}::\n" for n, c in table.items()
        )
    else:
        content = "name,r,g,b\n" + "".join(f"{n},{r},{g},{b}\n" for n, (r, g, b) in table.items())
    (tmp_path / name).write_text(content)
    options = {"patient_pattern": "{patient}_{*}"}
    for key, (_, loaded) in read(replace(made.source, options=options)).items():
        mark = loaded.annotations[0]
        counts = {
            mark.labels[str(n)]: int((mark.value == n).sum()) for n in np.unique(mark.value) if n
        }
        assert counts == made.cases[key]["voxels"]


def test_a_tree_is_read_by_a_template(tmp_path: Path) -> None:
    """BreakHis: class, subtype, patient and magnification are folders."""
    for number, name in enumerate(("benign", "malignant")):
        home = tmp_path / "histology" / name / "SOB" / "adenosis" / f"SOB_{number}_14-22549" / "40X"
        save(drawn("tree", number).pixels, home / "a.png")
    template = "histology/{class}/SOB/{*}/SOB_{*}_{patient}/{*}"
    found = read(Source("x", tmp_path, "class_folders", options={"path": template}))
    assert [loaded.annotations[0].value for _, loaded in found.values()] == ["benign", "malignant"]
    assert {case.patient for case, _ in found.values()} == {"14-22549"}
    pointless = Source("x", tmp_path, "class_folders", options={"path": "{patient}/{*}"})
    with pytest.raises(InputError, match="class"):
        list(layout_named("class_folders").scan(pointless))


def test_classes_that_only_look_alike_may_be_kept_apart(tmp_path: Path) -> None:
    for name in ("stage1", "stage2", "T-1", "T1"):
        save(drawn(name).pixels, tmp_path / name / "a.png")
    source = Source("x", tmp_path, "class_folders")
    with pytest.raises(LayoutError, match="spell one class"):
        list(layout_named("class_folders").scan(source))
    both = {"T-1": "T-1", "T1": "T1"}
    assert len(read(replace(source, options={"classes": both}))) == 4


def test_any_table_is_read_when_options_name_its_columns(tmp_path: Path) -> None:
    """APTOS: a number for each image, whose meaning is in no file."""
    for n in range(3):
        save(drawn("aptos", n).pixels, tmp_path / "images" / f"id{n}.png")
    (tmp_path / "train.csv").write_text("id_code,diagnosis,eye\nid0,0,p1\nid1,2,p2\n")
    source = Source("x", tmp_path, "csv_labels")
    with pytest.raises(LayoutError, match="table-columns"):
        list(layout_named("csv_labels").scan(source))
    options = {"image_column": "id_code", "label_columns": ["diagnosis"], "patient_column": "eye"}
    grades = {"0": "no retinopathy", "2": "moderate"}
    found = read(replace(source, options={**options, "classes": grades}))
    first, second, third = found.values()
    assert first[1].annotations[0].value == "0"
    assert dict(first[1].annotations[0].labels) == grades
    assert [first[0].patient, second[0].patient] == ["p1", "p2"]
    assert third[1].annotations == ()
    assert third[0].flags == ("unlabelled",)


def test_a_table_may_name_dicom_files(tmp_path: Path) -> None:
    """RSNA's sets: a radiograph as DICOM for each row; its header tells the patient."""
    from osler.images import Image, write

    pixels = drawn("radiograph").pixels[..., 0]
    for n in range(2):
        image = Image(pixels, "yx", modality="xray", unit="8-bit", patient=f"P{n}")
        write(image, tmp_path / "images" / f"case{n}.dcm")
    (tmp_path / "labels.csv").write_text("patientId,Target\ncase0,0\ncase1,1\n")
    options = {"image_column": "patientId", "label_columns": ["Target"]}
    found = read(Source("x", tmp_path, "csv_labels", modality="XR", options=options))
    assert [loaded.annotations[0].value for _, loaded in found.values()] == ["0", "1"]
    assert all(np.array_equal(loaded.image.pixels, pixels) for _, loaded in found.values())


@pytest.mark.parametrize(
    ("cell", "state"), [("1.0", 1), ("0", 0), ("-1.0", -1), ("U", -1), ("", None), ("NaN", None)]
)
def test_states_of_a_label(cell: str, state: int | None) -> None:
    assert state_of(cell) == state


def test_a_path_in_a_table_never_falls_back_to_another_patient(tmp_path: Path) -> None:
    made = import_module("osler.curate.fuse.making.csv_labels").make(tmp_path, subjects=3)
    (tmp_path / "train/patient00000/study1/view1_frontal.jpg").unlink()
    for other in ("test/patient00002", "valid/patient00001"):
        shutil.rmtree(tmp_path / other)
    key = "CheXpert-v1.0-small/train/patient00000/study1/view1_frontal.jpg"
    assert refused(made.source)[key] == "file-missing"


def test_boxes_of_other_forms_are_converted(tmp_path: Path) -> None:
    made = import_module("osler.curate.fuse.making.coco").make(tmp_path, subjects=3)
    plain = {k: v[1].annotations for k, v in read(made.source).items()}
    for form in ("xywh1", "xyxy"):
        for path in sorted((tmp_path / "annotations").glob("*.json")):
            content = json.loads(path.read_text())
            for mark in content["annotations"]:
                x, y, w, h = mark["bbox"]
                mark["bbox"] = [x + 1, y + 1, w, h] if form == "xywh1" else [x, y, x + w, y + h]
            path.with_suffix(f".{form}").write_text(json.dumps(content))
        folder = tmp_path.parent / f"{tmp_path.name}-{form}"
        shutil.copytree(tmp_path, folder)
        for path in sorted((folder / "annotations").glob(f"*.{form}")):
            path.rename(path.with_suffix(".json"))
        options = {**made.source.options, "boxes": form}
        for key, (_, loaded) in read(replace(made.source, folder=folder, options=options)).items():
            for ours, theirs in zip(loaded.annotations, plain[key], strict=True):
                if ours.kind == "keypoints":
                    continue
                for one, other in zip(ours.value, theirs.value, strict=True):
                    assert np.allclose(one["box"], other["box"])


def test_several_parts_are_one_object(tmp_path: Path) -> None:
    made = import_module("osler.curate.fuse.making.coco").make(tmp_path, subjects=3)
    path = tmp_path / "annotations/instances_train.json"
    content = json.loads(path.read_text())
    squares = [[2, 2, 8, 2, 8, 8, 2, 8], [20, 2, 30, 2, 30, 12, 20, 12]]
    content["annotations"] = [
        {"id": 1, "image_id": 5, "category_id": 1, "bbox": [2, 2, 28, 10], "segmentation": squares}
    ]
    path.write_text(json.dumps(content))
    _, loaded = read(made.source)["images/train/P000_a.png"]
    (one,) = loaded.annotations[0].value
    assert int(one["mask"].sum()) == 36 + 100
    assert one["box"] == [2, 2, 28, 10]


def test_phases_by_segment_and_by_another_rate(tmp_path: Path) -> None:
    make = import_module("osler.curate.fuse.making.video").make
    made = make(tmp_path, style="phases", subjects=2, frames=50)
    found = read(replace(made.source, options={"unit": "segment", "frames": 4}))
    assert len(found) == 6
    for case, loaded in found.values():
        assert loaded.image.axes == "tyxc"
        assert loaded.image.shape[0] <= 4
        tops = loaded.image.pixels[:, :10].mean((1, 2, 3))
        wanted = [min(255, 4 * n) for n in case.info["numbers"]]
        assert np.abs(tops - wanted).max() < 2
    table = tmp_path / "phase_annotations/video00-phase.txt"
    table.write_text("Frame\tPhase\n0\tPreparation\n1\tClosure\n")
    assert refused(made.source) == {"video00": "frame-order"}
    found = read(
        replace(made.source, options={"index_fps": 1.0}) if _only(tmp_path) else made.source
    )
    assert [case.frame for case, _ in found.values()] == [0, 25]
    assert [loaded.annotations[0].value for _, loaded in found.values()] == [
        "Preparation",
        "Closure",
    ]


def _only(folder: Path) -> bool:
    (folder / "phase_annotations/video01-phase.txt").unlink()
    return True


def test_vqa_rad_marks_its_test_questions_by_phrase(tmp_path: Path) -> None:
    for n in range(2):
        save(drawn("rad", n).pixels, tmp_path / "images" / f"synpic{n}.jpg")
    rows = [
        {"image_name": "synpic0.jpg", "question": "Is it?", "answer": 3, "phrase_type": "freeform"},
        {
            "image_name": "synpic0.jpg",
            "question": "And?",
            "answer": "No",
            "phrase_type": "test_para",
        },
        {"image_name": "synpic1.jpg", "question": "So?", "answer": "Yes", "phrase_type": "para"},
    ]
    (tmp_path / "VQA_RAD.json").write_text(json.dumps(rows))
    source = Source("x", tmp_path, "vqa")
    assert [c.split for c in layout_named("vqa").scan(source)] == ["", "test", ""]
    (tmp_path / "VQA_RAD.json").rename(tmp_path / "train.json")
    assert refused(source) == {"train/synpic0.jpg": "split-leak"}
    found = read(replace(source, options={"split_leak": "flag"}))
    assert found["train/synpic0.jpg"][1].annotations[0].value[0]["answer"] == "3"
    assert "split-leak" in found["test/synpic0.jpg"][0].flags


def test_one_language_of_two_is_read(tmp_path: Path) -> None:
    made = import_module("osler.curate.fuse.making.vqa").make(tmp_path, subjects=3)
    for _, loaded in read(replace(made.source, options={"language": "zh"})).values():
        assert {q["language"] for q in loaded.annotations[0].value} == {"zh"}


def test_the_table_of_published_sets_is_that_of_the_package() -> None:
    from osler.curate.catalog.vocabulary import codes
    from osler.curate.fuse.layouts.medmnist import known_sets

    info = pytest.importorskip("medmnist.info", reason="medmnist is not installed").INFO
    assert set(known_sets()) == set(info)
    for name, facts in known_sets().items():
        assert facts["labels"] == info[name]["label"]
        assert facts["task"] == info[name]["task"]
        assert facts["samples"] == info[name]["n_samples"]
        assert facts["md5"]["28"] == info[name]["MD5"]
        assert facts["md5"]["64"] == info[name]["MD5_64"]
        assert facts["modality"] in codes("modality")


def test_a_dicom_slide_is_a_series(tmp_path: Path) -> None:
    pytest.importorskip("openslide", reason="OpenSlide is not installed")
    picture = drawn("dicom slide", size=(256, 320)).pixels
    _dicom_slide(tmp_path / "case", picture)
    source = Source("x", tmp_path, "slides")
    ((case, loaded),) = read(source).values()
    assert (case.key, case.patient, len(case.files)) == ("case", "P7", 2)
    assert loaded.image.spacing == pytest.approx((0.0005, 0.0005))
    assert np.abs(loaded.image.pixels.astype(int) - picture).mean() < 3  # its tiles are JPEG
    assert "DICOM" in layout_named("slides").detect(tmp_path)
    assert layout_named("dicom_series").detect(tmp_path) == ""
    ((_, coarse),) = read(replace(source, options={"level": 1})).values()
    assert coarse.image.shape == (128, 160, 3)


def _dicom_slide(folder: Path, picture: Any) -> None:
    """Two levels of a tiled slide (PS3.3 A.32.8), 0.5 micrometres a pixel, as JPEG tiles."""
    import cv2
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit, generate_uid

    folder.mkdir()
    shared = {
        n: generate_uid() for n in ("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
    }
    for number, step in ((1, 1), (2, 2)):
        plane, mpp, side = picture[::step, ::step], 0.5 * step, 64
        height, width = plane.shape[:2]
        tiles = []
        for y in range(0, height, side):
            for x in range(0, width, side):
                tile = np.full((side, side, 3), 255, np.uint8)
                part = plane[y : y + side, x : x + side]
                tile[: part.shape[0], : part.shape[1]] = part
                tiles.append(bytes(cv2.imencode(".jpg", tile[..., ::-1], [1, 100])[1]))
        one, meta = Dataset(), FileMetaDataset()
        meta.TransferSyntaxUID = JPEGBaseline8Bit
        one.SOPClassUID = meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.6"
        one.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = generate_uid()
        one.file_meta, one.Modality, one.PatientID = meta, "SM", "P7"
        for name, value in shared.items():
            setattr(one, name, value)
        kind = ["ORIGINAL", "NONE"] if step == 1 else ["DERIVED", "RESAMPLED"]
        one.ImageType = [kind[0], "PRIMARY", "VOLUME", kind[1]]
        one.Rows = one.Columns = side
        one.TotalPixelMatrixColumns, one.TotalPixelMatrixRows = width, height
        one.NumberOfFrames, one.InstanceNumber = len(tiles), number
        one.TotalPixelMatrixFocalPlanes = one.NumberOfOpticalPaths = 1
        one.SamplesPerPixel, one.PhotometricInterpretation = 3, "YBR_FULL_422"
        one.PlanarConfiguration = one.PixelRepresentation = 0
        one.BitsAllocated, one.BitsStored, one.HighBit = 8, 8, 7
        one.DimensionOrganizationType = "TILED_FULL"
        one.ImagedVolumeWidth, one.ImagedVolumeHeight = width * mpp / 1000, height * mpp / 1000
        path, measures, group = Dataset(), Dataset(), Dataset()
        path.OpticalPathIdentifier = "1"
        one.OpticalPathSequence = [path]
        measures.PixelSpacing, measures.SliceThickness = [mpp / 1000] * 2, "0.001"
        group.PixelMeasuresSequence = [measures]
        one.SharedFunctionalGroupsSequence = [group]
        one.PixelData = encapsulate(tiles)
        one["PixelData"].is_undefined_length = True
        one["PixelData"].VR = "OB"
        one.save_as(folder / f"{number}.dcm", enforce_file_format=True)


def test_slides_have_classes_from_a_table(tmp_path: Path) -> None:
    """PANDA: a grade for each slide."""
    made = import_module("osler.curate.fuse.making.slides").make(tmp_path, subjects=2)
    names = [key.removesuffix(".tif") for key in made.cases]
    (tmp_path / "train.csv").write_text(f"image_id,isup_grade\n{names[0]},4\n{names[1]},0\n")
    found = read(replace(made.source, options={"table": "train.csv"}))
    marks = [
        [m.value for m in loaded.annotations if m.kind == "class"] for _, loaded in found.values()
    ]
    assert marks == [["4"], ["0"]]


LAYOUT_NAMES = (
    *("class_folders", "coco", "yolo", "csv_labels", "png_masks"),
    *("slides", "medmnist", "video", "vqa"),
)


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_no_bytes_bring_another_error(layout: str, tmp_path: Path) -> None:
    """Files with bytes changed, cut or added are read, or refused by an error of ours."""
    made = import_module(f"osler.curate.fuse.making.{layout}").make(tmp_path / "whole", subjects=3)
    module = layout_named(layout)
    rng = random.Random(layout)
    files = sorted(p for p in made.source.folder.rglob("*") if p.is_file())
    for turn in range(12):
        folder = tmp_path / str(turn)
        shutil.copytree(made.source.folder, folder)
        path = folder / rng.choice(files).relative_to(made.source.folder)
        content = bytearray(path.read_bytes())
        for _ in range(rng.choice((1, 4, 16))):
            at = rng.randrange(len(content) or 1)
            content[at : at + rng.choice((0, 1, 30))] = rng.randbytes(rng.choice((0, 1, 4)))
        path.write_bytes(content)
        options = {**made.source.options, **({"md5": "none"} if layout == "medmnist" else {})}
        source = replace(made.source, folder=folder, options=options)
        module.detect(folder)
        try:
            for case in module.scan(source):
                _loaded(module, source, case)
        except OslerError:
            continue


def _loaded(module: Any, source: Source, case: Case) -> None:
    if case.fault is not None:
        return
    try:
        module.load(source, case)
    except OslerError:
        return


def test_an_indexed_png_without_its_classes_is_told(tmp_path: Path) -> None:
    save(drawn("plain").pixels, tmp_path / "images/a.png")
    save_indexed(drawn("plain").index_mask(), PALETTE, tmp_path / "masks/a.png")
    source = Source("x", tmp_path, "png_masks")
    case = next(iter(layout_named("png_masks").scan(source)))
    with pytest.raises(LayoutError, match="label-value"):
        layout_named("png_masks").load(source, case)
    assert Pillow.open(tmp_path / "masks/a.png").mode == "P"
