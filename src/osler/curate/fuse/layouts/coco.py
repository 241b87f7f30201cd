"""COCO: images, and JSON files of boxes, polygons, run-length masks and keypoints.

One JSON a split (``instances_train.json``, ``annotations/val.json``) or one for all. Format:
https://cocodataset.org/#format-data. DENTEX, ChestX-Det and Endoscapes come so.
"""

from __future__ import annotations

import mmap
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.documents import json_of
from ..pictures.leaks import OPTION, mark_leaks, same_pictures
from ..pictures.listing import files_below, find_file, split_named
from ..pictures.objects import off_by_one, read_object
from ..pictures.options import check_options, choice_of, text_of
from ..pictures.planes import EXIF_OPTION, annotated_plane
from ..pictures.template import patient_from
from ..volumes.files import loads_cases

NAME = "coco"
TITLE = "COCO: images and JSON of boxes, polygons, run-length masks and keypoints"

OPTIONS = {
    "images": "folder of the images, below that of the dataset",
    "boxes": "xywh (COCO), xywh1 (counting from 1), xyxy (two corners)",
    "exif": EXIF_OPTION,
    "patient_pattern": "where the patient stands in a file name (or path, if it has a /)",
    "split_leak": OPTION,
}

_JSON = frozenset({".json"})
_PARTS = ("images", "annotations", "categories")


def detect(folder: Path) -> str:
    """A JSON with images, annotations and categories."""
    for path in files_below(folder, _JSON, most=200):
        if _looks_coco(folder / path):
            return f"{path.as_posix()} has images, annotations and categories"
    return ""


def _looks_coco(path: Path) -> bool:
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return all(text.find(f'"{part}"'.encode()) >= 0 for part in _PARTS)


def scan(source: Source) -> Iterator[Case]:
    """One case an image of a JSON, with all its annotations.

    Raises
    ------
    LayoutError
        ``file-missing``: no such JSON. ``label-dictionary``: categories without or with one id or
        name twice. ``table-row``: an id twice, or an annotation of no image. ``box``: boxes lie one
        pixel off their polygons throughout.
    """
    check_options(source, OPTIONS)
    tables = [p for p in files_below(source.folder, _JSON) if _looks_coco(source.folder / p)]
    if not tables:
        raise LayoutError("file-missing", source.folder, "has no JSON of COCO's form", "check it")
    cases = [case for table in tables for case in _cases(source, table)]
    keys: set[str] = set()
    for case in cases:
        if case.key in keys:
            raise LayoutError(
                "table-row", case.files[-1], f"describes the image {case.key!r} a second time"
            )
        keys.add(case.key)
    same = same_pictures([c.files[0] for c in cases], [c.split for c in cases])
    named = [str(c.files[0]) for c in cases]
    groups = [
        [n for n in (case.patient, twin, name) if n]
        for case, twin, name in zip(cases, same, named, strict=True)
    ]
    yield from mark_leaks(source, cases, groups)


def _cases(source: Source, table: Path) -> Iterator[Case]:
    path = source.folder / table
    content = json_of(path)
    if not isinstance(content, dict) or not all(isinstance(content.get(p), list) for p in _PARTS):
        raise LayoutError("table-columns", path, f"lacks one of the lists {', '.join(_PARTS)}")
    labels, joints = _categories(content["categories"], path)
    known = {_id(row, path, "image") for row in content["images"]}
    if len(known) < len(content["images"]):
        raise LayoutError("table-row", path, "gives two images one id", "number them anew")
    marks: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in content["annotations"]:
        image = str(row.get("image_id")) if isinstance(row, dict) else "None"
        if image not in known:
            raise LayoutError(
                "table-row", path, f"has an annotation of image {image}, which it does not list"
            )
        marks[image].append(row)
    if choice_of(source, "boxes", ("xywh", "xywh1", "xyxy")) == "xywh":
        off_by_one(content["annotations"], path)
    split = next(
        (
            s
            for part in re.split(r"[\W_\d]+", table.with_suffix("").as_posix())
            if (s := split_named(part))
        ),
        "",
    )
    for row in content["images"]:
        yield _case(source, table, row, split, marks[str(row["id"])], labels, joints)


def _id(row: Any, path: Path, what: str) -> str:
    if not isinstance(row, dict) or not isinstance(row.get("id"), int | str):
        raise LayoutError("table-row", path, f"has an {what} without id")
    return str(row["id"])


def _categories(rows: list[Any], path: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    labels: dict[str, str] = {}
    joints: dict[str, list[str]] = {}
    for row in rows:
        key = _id(row, path, "category")
        name = row.get("name")
        if not isinstance(name, str) or not name.strip():
            raise LayoutError("label-dictionary", path, f"category {key} has no name")
        if key in labels or name in labels.values():
            raise LayoutError(
                "label-dictionary", path, f"names the category {key} ({name!r}) twice", "keep one"
            )
        labels[key] = name
        if row.get("keypoints"):
            joints[key] = [str(joint) for joint in row["keypoints"]]
    if not labels:
        raise LayoutError("label-dictionary", path, "declares no categories")
    return labels, joints


def _case(
    source: Source,
    table: Path,
    row: Mapping[str, Any],
    split: str,
    marks: list[Mapping[str, Any]],
    labels: dict[str, str],
    joints: dict[str, list[str]],
) -> Case:
    path, fault, patient = source.folder / table, None, ""
    name = str(row.get("file_name") or "")
    key, image = f"{split}/{name}" if split else name, path
    try:
        image = _image(source, table, name, split, key)
        key = image.relative_to(source.folder).as_posix()
        patient = patient_from(source, Path(key), case=key)
        size = _size(row, path, key)
        for mark in marks:
            read_object(mark, labels, joints, size, path, key, source, pixels=False)
    except LayoutError as error:
        fault, error.case = error, key
    return Case(
        key=key,
        files=(image, path) if image != path else (path,),
        patient=patient,
        split=split,
        info={
            "size": [row.get("width"), row.get("height")],
            "marks": marks,
            "labels": labels,
            "joints": joints,
        },
        fault=fault,
    )


def _image(source: Source, table: Path, name: str, split: str, key: str) -> Path:
    given = text_of(source, "images")
    here = table.parent.as_posix()
    places = [given] if given else []
    splits = [p for p in (split, f"{split}2017") if split] + (["valid"] if split == "val" else [])
    for root in dict.fromkeys(("images", "", here, table.parent.parent.as_posix())):
        places += [f"{root}/{part}".strip("/") for part in splits] + [root]
    unique = tuple(dict.fromkeys("" if p == "." else p.removeprefix("./") for p in places))
    return find_file(source.folder, name, unique, table=source.folder / table, case=key)


def _size(row: Mapping[str, Any], path: Path, key: str) -> tuple[int, int]:
    size = row.get("width"), row.get("height")
    if not all(isinstance(n, int) and 0 < n <= 1_000_000 for n in size):
        raise LayoutError(
            "table-row", path, f"states the size {size} for {row.get('file_name')!r}", case=key
        )
    return int(size[0] or 0), int(size[1] or 0)


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """The image with its ``boxes``, ``instances`` and ``keypoints``.

    ``instances`` are the annotations that have a mask or polygon, ``boxes`` those that have none,
    so that no object is given twice.

    Raises
    ------
    LayoutError
        ``grid-mismatch``: the image has not the size that the JSON states. ``category``, ``box``,
        ``rle``, ``table-row``: a broken annotation. ``orientation-tag``: see option ``exif``.
    """
    image = annotated_plane(source, case, case.files[0])
    table = case.files[-1]
    size = _size({"width": case.info["size"][0], "height": case.info["size"][1]}, table, case.key)
    if (image.shape[1], image.shape[0]) != size:
        raise LayoutError(
            "grid-mismatch",
            case.files[0],
            f"is {image.shape[1]} x {image.shape[0]}, {table.name} states {size[0]} x {size[1]}",
            "its annotations belong to an image of another size",
            case=case.key,
        )
    labels, joints = case.info["labels"], case.info["joints"]
    boxes: list[dict[str, Any]] = []
    instances: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    crowd = False
    for mark in case.info["marks"]:
        found = read_object(mark, labels, joints, size, table, case.key, source)
        points += found.pop("keypoints", [])
        crowd = crowd or bool(mark.get("iscrowd"))
        if "mask" in found or "polygon" in found:
            instances.append(found)
        elif "box" in found:
            boxes.append(found)
    names = {f"{k}:{j}": f"{labels[k]} {j}" for k, joined in joints.items() for j in joined}
    annotations = [Annotation("boxes", boxes, labels)] if boxes or not instances else []
    annotations += [Annotation("instances", instances, labels)] if instances else []
    annotations += [Annotation("keypoints", points, names)] if points else []
    return Loaded(image, source.modality, tuple(annotations), flags=("crowd",) if crowd else ())
