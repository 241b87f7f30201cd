"""Broken twins of the picture layouts: each breaks one thing and is refused with its own code."""

# ruff: noqa: E501 (one twin a line)

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from osler.core import UnknownNameError
from osler.curate.fuse.case import Source
from osler.curate.fuse.faults import FAULTS, LayoutError
from osler.curate.fuse.layouts import layout_named
from osler.curate.fuse.making.drawn import drawn, save, save_indexed
from osler.curate.fuse.making.png_masks import PALETTE
from osler.curate.fuse.making.slides import write_pyramid

Break = Callable[[Path], Any]
"""Breaks the dataset in a folder; may return options that replace those of the source."""


def faults(source: Source) -> tuple[dict[str, str], int]:
    """Code of the fault of each case ("" for the dataset), and how many cases load."""
    layout = layout_named(source.layout)
    found: dict[str, str] = {}
    good = 0
    try:
        cases = list(layout.scan(source))
    except LayoutError as error:
        return {error.case: error.code}, 0
    for case in cases:
        try:
            if case.fault is not None:
                assert case.fault.case == case.key
                raise case.fault
            layout.load(source, case)
            good += 1
        except LayoutError as error:
            found[case.key if error.case == case.key else f"{error.case} of another"] = error.code
    return found, good


def table(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of a text file."""
    lines = path.read_text("utf-8").split("\n")
    path.write_text("\n".join(change(lines)), "utf-8")


def coco(folder: Path, change: Callable[[dict[str, Any]], Any], split: str = "train") -> None:
    """Change the JSON of a split."""
    path = folder / "annotations" / f"instances_{split}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def rotated(path: Path, turn: int = 6) -> None:
    """Write an EXIF orientation into an image without touching its pixels."""
    picture = Pillow.open(path)
    picture.load()
    exif = Pillow.Exif()
    exif[0x0112] = turn
    picture.save(path, exif=exif)


def truncated(path: Path) -> None:
    """Cut a file in half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def bomb(path: Path) -> None:
    """A PNG of a few bytes that states 60,000 x 60,000 pixels."""
    import struct
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def _npz(folder: Path, **changes: Any) -> None:
    path = folder / "shapesmnist.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez_compressed(path, **{**arrays, **changes})


def _first(folder: Path, index: int = 0) -> dict[str, Any]:
    with np.load(folder / "shapesmnist.npz") as archive:
        return dict(archive)


def _mask(folder: Path, name: str = "train/masks/v001_f01.png") -> Path:
    return folder / name


COCO_1 = "images/train/P001_a.png"
YOLO_1 = "images/train/P001_a.png"
MASK_1 = "train/images/v001_f01.png"
FOLDER_1 = "train/square/square-P001-1.png"
HAM_1 = "HAM10000_images_part_1/ISIC_0000003.jpg"
XPERT_1 = "train/patient00001/study1/view1_frontal.jpg"
SLIDE_1 = "TCGA-AA-0001-01Z-00-DX1.tif"


def _one(content: dict[str, Any], image: int = 15) -> list[dict[str, Any]]:
    return [a for a in content["annotations"] if a["image_id"] == image]


def _set(rows: list[dict[str, Any]], **values: Any) -> None:
    rows[0].update(values)


def _segmentation(content: dict[str, Any], kind: str) -> dict[str, Any]:
    for row in content["annotations"]:
        part = row.get("segmentation")
        if isinstance(part, dict) and isinstance(part["counts"], list if kind == "runs" else str):
            found: dict[str, Any] = part
            return found
    raise AssertionError(kind)


def _leak(folder: Path) -> None:
    home = folder / "test" / "square"
    home.mkdir(exist_ok=True)
    save(drawn("leak", count=1).pixels, home / "square-P001-9.png")


def _respell(folder: Path) -> None:
    (folder / "val" / "square").rename(folder / "val" / "Square")


def _typo(folder: Path) -> None:
    (folder / "val" / "square").rename(folder / "val" / "sqaure")


def _antialias(folder: Path) -> None:
    picture = Pillow.open(_mask(folder))
    wide = picture.resize((160, 128)).resize(picture.size, Pillow.Resampling.BILINEAR)
    wide.save(_mask(folder))


def _jpeg_mask(folder: Path) -> None:
    path = _mask(folder)
    Pillow.open(path).convert("RGB").save(path.with_suffix(".jpg"), quality=90)
    path.unlink()


def _other_palette(folder: Path) -> None:
    values = np.asarray(Pillow.open(_mask(folder)))
    save_indexed(values, [(0, 0, 0), (9, 9, 9), (8, 8, 8), (7, 7, 7)], _mask(folder))


def _palette_by_colour(folder: Path) -> dict[str, Any]:
    """All masks keep their palettes and are told by colour; one has lost its palette."""
    values = np.asarray(Pillow.open(_mask(folder)))
    Pillow.fromarray(values).save(_mask(folder))
    colours = {
        "#000000": "background",
        "#ff0000": "disc",
        "#00ff00": "square",
        "#0000ff": "triangle",
    }
    return {"classes": colours}


def _swap_image_and_mask(folder: Path) -> None:
    image, mask = folder / MASK_1, _mask(folder)
    shutil.copy(image, image.with_name("keep.png"))
    Pillow.open(image).convert("L").save(mask)
    image.with_name("keep.png").unlink()


def _hostile_xml(path: Path) -> None:
    text = path.read_text()
    head = '<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>\n'
    path.write_text(head + text.split("\n", 1)[1].replace('Name="Annotation 0"', 'Name="&b;"'))


def _no_scale(folder: Path) -> None:
    pixels = drawn("slide", size=(256, 320)).pixels
    write_pyramid([pixels, pixels[::2, ::2].copy()], folder / SLIDE_1, None)


def _print_scale(folder: Path) -> None:
    pixels = drawn("slide", size=(256, 320)).pixels
    write_pyramid([pixels, pixels[::2, ::2].copy()], folder / SLIDE_1, 352.8)  # 72 dpi


def _mpp_microns(folder: Path) -> None:
    path = folder / SLIDE_1.replace(".tif", ".geojson")
    content = json.loads(path.read_text())
    ring = content["features"][0]["geometry"]["coordinates"][0]
    content["features"][0]["geometry"]["coordinates"][0] = [[x * 4, y * 4] for x, y in ring]
    path.write_text(json.dumps(content))


def _pickle(folder: Path) -> None:
    arrays = _first(folder)
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(folder / "shapesmnist.npz", "w") as archive:
        for name, values in arrays.items():
            if name == "train_labels":
                continue
            part = io.BytesIO()
            np.save(part, values)
            archive.writestr(f"{name}.npy", part.getvalue())
        archive.writestr("train_labels.npy", buffer.getvalue())


def _npz_bomb(folder: Path) -> None:
    head = b"\x93NUMPY\x01\x00"
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999, 9999, 99), }"
    body = text.ljust(117).encode() + b"\n"
    with zipfile.ZipFile(folder / "shapesmnist.npz", "a") as archive:
        archive.writestr("more.npy", head + len(body).to_bytes(2, "little") + body)


def _share_image(folder: Path) -> None:
    rows = json.loads((folder / "test.json").read_text())
    other = json.loads((folder / "train.json").read_text())
    rows.append({**other[0], "qid": 999})
    (folder / "test.json").write_text(json.dumps(rows))


def _share_bytes(folder: Path) -> None:
    """The same picture under another name asks in the test set."""
    (folder / "imgs" / "other").mkdir()
    shutil.copy(folder / "imgs/case000/source.png", folder / "imgs/other/source.png")
    rows = json.loads((folder / "test.json").read_text())
    rows.append({**rows[0], "img_name": "other/source.png"})
    (folder / "test.json").write_text(json.dumps(rows))


def _vqa(folder: Path, row: int = 0, **values: Any) -> None:
    path = folder / "train.json"
    rows = json.loads(path.read_text())
    rows[row].update(values)
    path.write_text(json.dumps(rows))


def _lesion_leak(folder: Path) -> None:
    path = folder / "ISIC2018_Task3_Test_GroundTruth_test.csv"
    table(path, lambda lines: [line.replace("IL_0000005", "IL_0000001") for line in lines])


def _cells(folder: Path, name: str, line: int, **values: str) -> None:
    def change(lines: list[str]) -> list[str]:
        names, cells = lines[0].split(","), lines[line].split(",")
        for column, value in values.items():
            cells[names.index(column.replace("_", " ") if column not in names else column)] = value
        return [*lines[:line], ",".join(cells), *lines[line + 1 :]]

    table(folder / name, change)


def _traces(folder: Path, change: Callable[[str], str]) -> None:
    """Change the rows of frame 6 of one video."""
    path = folder / "VolumeTracings.csv"
    mine = [x.startswith("video01") and x.endswith(",6") for x in path.read_text().split("\n")]
    table(path, lambda t: [change(x) if m else x for x, m in zip(t, mine, strict=True)])


def _from_one(folder: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        for mark in content["annotations"]:
            x, y, w, h = mark["bbox"]
            mark["bbox"] = [x + 1, y + 1, w, h]

    coco(folder, change)


def _playlist(folder: Path) -> None:
    (folder / "Videos" / "video01.avi").write_text("#EXTM3U\nhttp://127.0.0.1/secret.ts\n")


def _lines(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "labels/train/P001_a.txt").write_text(text)

    return change


TWINS: list[tuple[str, str, dict[str, Any], Break, str, str]] = [
    # name, layout, options of the maker, what breaks, the code, the key of the case ("": all)
    ("patient in two splits", "class_folders", {}, _leak, "split-leak", "train/square/square-P001-1.png train/square/square-P001-2.png"),
    ("class spelled twice", "class_folders", {}, _respell, "label-dictionary", ""),
    ("class mistyped in a split", "class_folders", {}, _typo, "label-dictionary", ""),
    ("truncated PNG", "class_folders", {}, lambda f: truncated(f / FOLDER_1), "file-unreadable", FOLDER_1),
    ("picture bomb", "class_folders", {}, lambda f: bomb(f / FOLDER_1), "file-unreadable", FOLDER_1),
    ("name without patient", "class_folders", {}, lambda f: (f / FOLDER_1).rename(f / "train/square/x.png"), "patient-unknown", "train/square/x.png"),
    ("LFS pointer", "class_folders", {}, lambda f: (f / FOLDER_1).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "file-dangling", FOLDER_1),
    ("box leaves its image", "coco", {}, lambda f: coco(f, lambda c: _set(_one(c), bbox=[60, 10, 30, 20])), "box", COCO_1),
    ("box counts from 1", "coco", {}, lambda f: coco(f, lambda c: _set(_one(c), bbox=[1, 1, 80, 64], segmentation=[])), "box", COCO_1),
    ("all boxes count from 1", "coco", {"subjects": 12}, _from_one, "box", ""),
    ("box inverted", "coco", {}, lambda f: coco(f, lambda c: _set(_one(c), bbox=[30, 10, -5, 20])), "box", COCO_1),
    ("category undeclared", "coco", {}, lambda f: coco(f, lambda c: _set(_one(c), category_id=2)), "category", COCO_1),
    ("category twice", "coco", {}, lambda f: coco(f, lambda c: c["categories"].append({"id": 1, "name": "disk"})), "label-dictionary", ""),
    ("runs do not fill the image", "coco", {}, lambda f: coco(f, lambda c: _segmentation(c, "runs")["counts"].append(3)), "rle", "images/train/P000_a.png"),
    ("runs of another size", "coco", {}, lambda f: coco(f, lambda c: _segmentation(c, "runs").update(size=[80, 64])), "rle", "images/train/P000_a.png"),
    ("compressed runs cut off", "coco", {}, lambda f: coco(f, lambda c: _segmentation(c, "text").update(counts=_segmentation(c, "text")["counts"][:-2])), "rle", COCO_1),
    ("image of another size", "coco", {}, lambda f: save(drawn("x", size=(80, 64)).pixels, f / COCO_1), "grid-mismatch", COCO_1),
    ("EXIF turn", "coco", {}, lambda f: rotated(f / COCO_1, 3), "orientation-tag", COCO_1),
    ("image missing", "coco", {}, lambda f: (f / COCO_1).unlink(), "file-missing", "train/P001_a.png"),
    ("image in two splits", "coco", {}, lambda f: shutil.copy(f / COCO_1, f / "images/test/P005_a.png"), "split-leak", COCO_1),
    ("path outside", "coco", {}, lambda f: coco(f, lambda c: c["images"][1].update(file_name="../../etc/passwd")), "path-outside", "train/../../etc/passwd"),
    ("annotation of no image", "coco", {}, lambda f: coco(f, lambda c: _set(_one(c), image_id=4)), "table-row", ""),
    ("keypoints too few", "coco", {}, lambda f: coco(f, lambda c: _set(_one(c), keypoints=[1, 2, 2])), "table-row", COCO_1),
    ("NaN in JSON", "coco", {}, lambda f: coco(f, lambda c: _set(_one(c), area=float("nan"))), "file-unreadable", ""),
    ("no order of classes", "yolo", {}, lambda f: table(f / "data.yaml", lambda t: t[:4]), "label-dictionary", ""),
    ("yaml says other number", "yolo", {}, lambda f: table(f / "data.yaml", lambda t: ["nc: 9" if x.startswith("nc") else x for x in t]), "label-dictionary", ""),
    ("class beyond the yaml", "yolo", {}, _lines("7 0.5 0.5 0.1 0.1\n"), "category", YOLO_1),
    ("pixels for parts", "yolo", {}, _lines("1 40 32 10 10\n"), "box", YOLO_1),
    ("box over the edge", "yolo", {}, _lines("1 0.99 0.5 0.1 0.1\n"), "box", YOLO_1),
    ("a model's output", "yolo", {}, _lines("1 0.5 0.5 0.1 0.1 0.93\n"), "table-row", YOLO_1),
    ("EXIF turn", "yolo", {}, lambda f: rotated(f / YOLO_1), "orientation-tag", YOLO_1),
    ("label without image", "yolo", {}, lambda f: (f / YOLO_1).unlink(), "file-missing", "labels/train/P001_a.txt"),
    ("yaml of aliases", "yolo", {}, lambda f: table(f / "data.yaml", lambda t: ["a: &a [x, x]", "b: [*a, *a]", *t]), "file-unsafe", ""),
    ("yaml of objects", "yolo", {}, lambda f: table(f / "data.yaml", lambda t: ["a: !!python/object/apply:os.system [ls]", *t]), "file-unreadable", ""),
    ("yaml leaves the set", "yolo", {}, lambda f: table(f / "data.yaml", lambda t: ["train: ../../../etc" if x.startswith("train") else x for x in t]), "path-outside", ""),
    ("label value", "csv_labels", {}, lambda f: _cells(f, "train.csv", 3, Edema="2"), "label-value", XPERT_1),
    ("image twice", "csv_labels", {}, lambda f: table(f / "train.csv", lambda t: [*t[:-1], t[3], ""]), "table-row", XPERT_1),
    ("image missing", "csv_labels", {}, lambda f: (f / XPERT_1).unlink(), "file-missing", f"CheXpert-v1.0-small/{XPERT_1}"),
    ("path outside", "csv_labels", {}, lambda f: _cells(f, "train.csv", 3, Path="../../x.jpg"), "path-outside", "../../x.jpg"),
    ("row too short", "csv_labels", {}, lambda f: table(f / "train.csv", lambda t: [*t[:3], "a,b", *t[3:]]), "table-row", ""),
    ("column missing", "csv_labels", {"style": "ham10000"}, lambda f: table(f / "HAM10000_metadata.csv", lambda t: [t[0].replace("dx,", "diagnosis,"), *t[1:]]), "table-columns", ""),
    ("uncertain class", "csv_labels", {"style": "ham10000"}, lambda f: _cells(f, "HAM10000_metadata.csv", 3, dx="U"), "uncertain", HAM_1),
    ("no class", "csv_labels", {"style": "ham10000"}, lambda f: _cells(f, "HAM10000_metadata.csv", 3, dx=""), "label-value", HAM_1),
    ("lesion in two splits", "csv_labels", {"style": "isic"}, _lesion_leak, "split-leak", "ISIC2018_Task3_Training_Input/ISIC_0000003.jpg ISIC2018_Task3_Training_Input/ISIC_0000004_downsampled.jpg"),
    ("two classes at once", "csv_labels", {"style": "isic"}, lambda f: _cells(f, "ISIC2018_Task3_Test_GroundTruth_test.csv", 1, MEL="1.0"), "label-value", "ISIC2018_Task3_Test_Input/ISIC_0000011.jpg"),
    ("finding beside none", "csv_labels", {"style": "nih"}, lambda f: _cells(f, "Data_Entry_2017.csv", 3, Finding_Labels="No Finding|Mass"), "label-value", "images_001/images/00000001_001.png"),
    ("soft edges", "png_masks", {"style": "colours"}, _antialias, "mask-colours", MASK_1),
    ("JPEG mask", "png_masks", {"style": "colours"}, _jpeg_mask, "mask-colours", MASK_1),
    ("JPEG of 0 and 255", "png_masks", {"style": "binary"}, _jpeg_mask, "mask-colours", MASK_1),
    ("palette lost", "png_masks", {"style": "palette"}, _palette_by_colour, "mask-colours", MASK_1),
    ("value without class", "png_masks", {"style": "palette"}, lambda f: save_indexed(np.full((64, 80), 5, np.uint8), [*PALETTE] * 2, _mask(f)), "mask-colours", MASK_1),
    ("image for a mask", "png_masks", {"style": "binary"}, _swap_image_and_mask, "mask-is-image", MASK_1),
    ("mask is a copy", "png_masks", {"style": "palette"}, lambda f: shutil.copy(f / MASK_1, _mask(f)), "mask-is-image", MASK_1),
    ("numbers unexplained", "png_masks", {"style": "instances"}, lambda f: {"patient_pattern": "{patient}_{*}"}, "label-value", "*"),
    ("mask of another size", "png_masks", {"style": "palette"}, lambda f: save(np.zeros((10, 12), np.uint8), _mask(f)), "grid-mismatch", MASK_1),
    ("EXIF turn", "png_masks", {"style": "palette"}, lambda f: rotated(f / MASK_1), "orientation-tag", MASK_1),
    ("two masks", "png_masks", {"style": "palette"}, lambda f: shutil.copy(_mask(f), f / "train/images/v001_f01_seg.png"), "mask-variant", MASK_1),
    ("mask without image", "png_masks", {"style": "palette"}, lambda f: (f / MASK_1).unlink(), "file-missing", "train/masks/v001_f01.png"),
    ("video in two splits", "png_masks", {"style": "palette"}, lambda f: save(drawn("y").pixels, f / "test/images/v001_f02.png"), "split-leak", MASK_1),
    ("hostile XML", "png_masks", {"style": "xml"}, lambda f: _hostile_xml(f / "train/masks/v001_f01.xml"), "file-unsafe", MASK_1),
    ("slide without scale", "slides", {"subjects": 3}, _no_scale, "scale-missing", SLIDE_1),
    ("scale of a printer", "slides", {"subjects": 3}, _print_scale, "scale-missing", SLIDE_1),
    ("outline in other units", "slides", {"subjects": 3}, _mpp_microns, "box", SLIDE_1),
    ("hostile XML", "slides", {"subjects": 3}, lambda f: _hostile_xml(f / "TCGA-AA-0000-01Z-00-DX1.xml"), "file-unsafe", "TCGA-AA-0000-01Z-00-DX1.tif"),
    ("truncated slide", "slides", {"subjects": 3}, lambda f: (f / SLIDE_1).write_bytes((f / SLIDE_1).read_bytes()[:300]), "file-unreadable", SLIDE_1),
    ("mask of another grid", "slides", {"subjects": 3, "masks": True}, lambda f: write_pyramid([np.zeros((250, 320), np.uint8)] * 2, f / "TCGA-AA-0001-01Z-00-DX1_mask.tif", 0.5), "grid-mismatch", SLIDE_1),
    ("mask value unexplained", "slides", {"subjects": 3, "masks": True}, lambda f: write_pyramid([np.full((256, 320), 9, np.uint8)] * 2, f / "TCGA-AA-0001-01Z-00-DX1_mask.tif", 0.5), "label-value", SLIDE_1),
    ("wrong MD5", "medmnist", {}, lambda f: _npz(f, train_labels=_first(f)["train_labels"][::-1]), "checksum", ""),
    ("pickled objects", "medmnist", {}, _pickle, "file-unsafe", ""),
    ("array bomb", "medmnist", {}, _npz_bomb, "file-unsafe", ""),
    ("labels too few", "medmnist", {}, lambda f: [_npz(f, test_labels=_first(f)["test_labels"][:2]), {"md5": "none"}][1], "table-row", ""),
    ("label without name", "medmnist", {}, lambda f: [_npz(f, test_labels=_first(f)["test_labels"] + 5), {"md5": "none"}][1], "label-value", ""),
    ("labels not named", "medmnist", {}, lambda f: {"labels": [], "md5": "none"}, "label-dictionary", ""),
    ("published name, other file", "medmnist", {}, lambda f: [(f / "shapesmnist.npz").rename(f / "pathmnist.npz"), {"md5": ""}][1], "checksum", ""),
    ("frame beyond the end", "video", {}, lambda f: _traces(f, lambda x: x.removesuffix(",6") + ",99"), "frame-missing", "video01/99"),
    ("video shorter than stated", "video", {}, lambda f: _cells(f, "FileList.csv", 2, NumberOfFrames="300"), "frame-missing", "video01/6 video01/18"),
    ("video of another size", "video", {}, lambda f: _cells(f, "FileList.csv", 2, FrameWidth="112"), "grid-mismatch", "video01/6 video01/18"),
    ("video missing", "video", {}, lambda f: (f / "Videos/video01.avi").unlink(), "file-missing", "video01/6 video01/18"),
    ("playlist for a video", "video", {}, _playlist, "file-unreadable", "video01/6 video01/18"),
    ("trace leaves the frame", "video", {}, lambda f: _traces(f, lambda x: x.replace("avi,", "avi,9")), "box", "video01/6"),
    ("phases beyond the end", "video", {"style": "phases"}, lambda f: table(f / "phase_annotations/video01-phase.txt", lambda t: [*t[:-1], "77\tClosure"]), "frame-missing", "video01"),
    ("phases of sampled frames", "video", {"style": "phases"}, lambda f: table(f / "phase_annotations/video01-phase.txt", lambda t: t[:8]), "frame-order", "video01"),
    ("tool of no frame", "video", {"style": "phases"}, lambda f: table(f / "tool_annotations/video01-tool.txt", lambda t: [*t[:-1], "80\t0\t1"]), "frame-missing", "video01"),
    ("tool of no state", "video", {"style": "phases"}, lambda f: table(f / "tool_annotations/video01-tool.txt", lambda t: [*t[:-2], "25\t0\t3"]), "label-value", "video01"),
    ("question without answer", "vqa", {}, lambda f: _vqa(f, answer=""), "answer-empty", "train/case000/source.png"),
    ("question without image", "vqa", {}, lambda f: _vqa(f, img_name=""), "answer-empty", "train/row 0"),
    ("image missing", "vqa", {}, lambda f: (f / "imgs/case001/source.png").unlink(), "file-missing", "train/case001/source.png"),
    ("path outside", "vqa", {}, lambda f: _vqa(f, img_name="/etc/passwd"), "path-outside", "train//etc/passwd"),
    ("image in train and test", "vqa", {}, _share_image, "split-leak", "train/case000/source.png"),
    ("picture in train and test", "vqa", {}, _share_bytes, "split-leak", "train/case000/source.png"),
    ("answer is no choice", "vqa", {"style": "choices"}, lambda f: _vqa(f, Answer="Z"), "label-value", "train/case000/source.png"),
]  # fmt: skip


@pytest.mark.parametrize(
    "twin", TWINS, ids=[f"{layout}: {name}".replace(" ", "-") for name, layout, *_ in TWINS]
)
def test_each_twin_is_refused_with_its_own_code(twin: Any, tmp_path: Path) -> None:
    _, layout, settings, break_it, code, keys = twin
    made = import_module(f"osler.curate.fuse.making.{layout}").make(tmp_path, **settings)
    changes = break_it(tmp_path)
    source = made.source
    if isinstance(changes, dict):
        options = changes if "patient_pattern" in changes else {**source.options, **changes}
        source = replace(source, options=options)
    found, good = faults(source)
    if keys == "*":
        assert set(found.values()) == {code}
    elif keys:
        named = [keys] if keys in found else keys.split(" ")
        assert found == dict.fromkeys(named, code)
    else:
        assert list(found.values()) == [code]
    assert good == 0 if not keys or keys == "*" or code == "mask-variant" else good > 0


def test_the_whole_room_of_faults_is_tried() -> None:
    assert {code for *_, code, _ in TWINS} <= set(FAULTS)
    assert len({code for *_, code, _ in TWINS}) >= 22
    assert len(TWINS) >= 80


@pytest.mark.parametrize(
    "layout",
    [
        "class_folders",
        "coco",
        "yolo",
        "csv_labels",
        "png_masks",
        "slides",
        "medmnist",
        "video",
        "vqa",
    ],
)
def test_unknown_options_and_empty_folders_are_refused(layout: str, tmp_path: Path) -> None:
    module = layout_named(layout)
    source = Source("x", tmp_path, layout, options={"patient_patern": "{patient}"})
    with pytest.raises(UnknownNameError, match="option of layout"):
        list(module.scan(source))
    with pytest.raises(LayoutError) as caught:
        list(module.scan(Source("x", tmp_path, layout)))
    assert caught.value.code in ("file-missing", "label-dictionary")
    assert module.detect(tmp_path) == ""
    assert module.OPTIONS


def test_an_option_resolves_what_was_refused(tmp_path: Path) -> None:
    """What a fault advises to do is done, and the dataset loads."""
    cures: list[tuple[str, dict[str, Any], Break, dict[str, Any]]] = [
        ("class_folders", {}, _respell, {"classes": {"Square": "square"}}),
        ("class_folders", {}, _leak, {"split_leak": "flag"}),
        ("coco", {}, lambda f: rotated(f / COCO_1, 3), {"exif": "stored"}),
        ("yolo", {}, lambda f: rotated(f / YOLO_1, 3), {"exif": "upright"}),
        ("slides", {"subjects": 3}, _no_scale, {"mpp": 0.5}),
        ("vqa", {}, lambda f: _vqa(f, answer=""), {"empty": "skip"}),
        (
            "yolo",
            {},
            lambda f: table(f / "data.yaml", lambda t: t[:3]),
            {"classes": ["a", "b", "c"]},
        ),
    ]
    for number, (layout, settings, break_it, options) in enumerate(cures):
        folder = tmp_path / str(number)
        made = import_module(f"osler.curate.fuse.making.{layout}").make(folder, **settings)
        break_it(folder)
        assert faults(made.source)[0], layout
        cured = replace(made.source, options={**made.source.options, **options})
        assert faults(cured)[0] == {}, layout
