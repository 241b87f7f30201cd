"""COCO: pictures with boxes, instances and regions, one JSON a split.

Format: cocodataset.org, "Data format" (Lin et al., ECCV 2014). Identifiers are made of the content
of a sample, so that adding others changes none of them. Boxes keep their fractions of a pixel.
Where some classes were not looked for, ``not_exhaustive_category_ids`` names them (the field of
LVIS, Gupta et al., CVPR 2019): nothing of them there does not mean that there is none. Where a
picture holds something that nobody can name, that is so for all classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import InputError, sha256_hex, write_json

from ..label_tables import IGNORE
from ..sample import Mark, Sample
from ..storing import from_run_lengths, run_lengths
from .contents import Work, marks_of, suffix_of
from .regions import regions_of, renumbered

NAME = "coco"
TITLE = "COCO: pictures with boxes, polygons and run-length masks"

_KINDS = ("boxes", "instances", "mask")


def write(work: Work) -> None:
    """Write all pictures that have boxes, instances or a mask; see the module."""
    records: dict[str, dict[str, list[Any]]] = {}
    skipped: Counter[str] = Counter()
    used: dict[int, str] = {}
    for sample in sorted(work.samples, key=lambda one: one.sample_id):
        if sample.image.axes not in {"YX", "YXC"}:
            work.leave_out(sample, f"is no picture ({sample.image.axes})")
            continue
        if not marks_of(sample, *_KINDS):
            work.leave_out(sample, "no boxes, instances or mask")
            continue
        number = stable_id(sample.sample_id)
        if used.setdefault(number, sample.sample_id) != sample.sample_id:
            raise InputError(f"samples {used[number]} and {sample.sample_id} get one number")
        split = sample.split or "all"
        record = records.setdefault(split, {"images": [], "annotations": []})
        name = f"{sample.sample_id}{suffix_of(sample.image.uri)}"
        work.put(sample.image.uri, sample.image.sha256, work.folder / "images" / split / name)
        record["images"].append(_image(work, sample, number, name))
        record["annotations"] += _annotations(work, sample, number, skipped)
        work.wrote(sample)
    for split, record in sorted(records.items()):
        whole = {
            "info": {"description": work.name, "version": "1.0", "url": ""},
            "licenses": _licences(work),
            "categories": _categories(work),
            **record,
        }
        write_json(work.folder / "annotations" / f"instances_{split}.json", whole)
    for why, n in sorted(skipped.items()):
        work.notes.append(f"{n} {why}")


def stable_id(text: str) -> int:
    """A whole number from 1 below 2**53 (exact in JSON readers) made of ``text`` alone."""
    return int(sha256_hex(text.encode())[:13], 16) + 1


def _image(work: Work, sample: Sample, number: int, name: str) -> dict[str, Any]:
    height, width = sample.image.shape[:2]
    found: dict[str, Any] = {
        "id": number,
        "file_name": name,
        "height": height,
        "width": width,
        "license": _licence_ids(work)[sample.licence],
        "dataset": sample.dataset,
        "sample_id": sample.sample_id,
        "patient_group": sample.patient_group,
    }
    if sample.frame is not None:
        found |= {"case": sample.case, "frame": sample.frame}
    known = {name for one in marks_of(sample, *_KINDS) for name in _looked_for(work, one)}
    if _unnamed(work, sample):
        known = set()
    unknown = [one.id for one in work.classes if one.name not in known]
    if unknown:
        found["not_exhaustive_category_ids"] = unknown
    return found


def _unnamed(work: Work, sample: Sample) -> bool:
    """Whether an object or a pixel of a picture is something that cannot be told (ignore)."""
    objects = marks_of(sample, "boxes", "instances")
    if any(one["label"] == IGNORE for mark in objects for one in mark.value or ()):
        return True
    regions = regions_of(work, sample) if marks_of(sample, "mask") else None
    return regions is not None and bool((regions.values == work.targets.ignore).any())


def _looked_for(work: Work, mark: Mark) -> tuple[str, ...]:
    if mark.completeness == "full":
        return tuple(one.name for one in work.targets.pixel)
    return mark.annotated


def _annotations(
    work: Work, sample: Sample, image: int, skipped: Counter[str]
) -> list[dict[str, Any]]:
    """Objects of a picture, numbered by their content and place in the list."""
    ids = {one.name: one.id for one in work.classes}
    found: list[dict[str, Any]] = []
    for mark in marks_of(sample, "boxes", "instances"):
        for thing in mark.value or ():
            category = ids.get(thing["label"])
            if category is None:
                skipped["objects of no class of the export are left out"] += 1
                continue
            shape = _outline(thing, sample)
            box = thing.get("box") or _box_of(shape)
            if box is None:
                skipped["objects without a box or an outline are left out"] += 1
                continue
            found.append(_object(image, category, [float(x) for x in box], shape, mark.reader))
    if marks_of(sample, "mask"):
        found += _regions(work, sample, image)
    for place, one in enumerate(found):
        one["id"] = stable_id(f"{sample.sample_id}/{place}")
    return found


def _object(image: int, category: int, box: list[float], shape: Any, reader: str) -> dict[str, Any]:
    area = box[2] * box[3]
    if isinstance(shape, Mapping):
        area = float(sum(shape["counts"][1::2]))
    elif shape:
        area = float(sum(_polygon_area(one) for one in shape))
    found = {
        "id": 0,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "area": area,
        "iscrowd": 0,
        "segmentation": shape or [],
    }
    return {**found, "reader": reader} if reader else found


def _outline(thing: Mapping[str, Any], sample: Sample) -> Any:
    """Polygons as flat lists, or a run-length code; empty where there is neither."""
    if polygon := thing.get("polygon"):
        rings = polygon if isinstance(polygon[0][0], list | tuple) else [polygon]
        return [[float(x) for point in ring for x in point] for ring in rings]
    mask = thing.get("mask")
    if mask is not None and tuple(mask["size"]) != tuple(sample.image.shape[:2]):
        raise InputError(f"sample {sample.sample_id}: an instance is not on the picture's grid")
    return mask or []


def _regions(work: Work, sample: Sample, image: int) -> Iterator[dict[str, Any]]:
    """One region for each class of a mask; COCO cannot say which of them are one thing."""
    regions = regions_of(work, sample)
    if regions is None:
        return
    numbers = renumbered(work.targets, work.classes)[regions.values]
    for number, one in enumerate(work.classes, 1):
        mask = numbers == number
        if mask.any():
            yield _object(image, one.id, _bounds(mask) or [], run_lengths(mask), "")


def _bounds(mask: NDArray[np.bool_]) -> list[float] | None:
    """Box of a mask, from edge to edge of its pixels."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    x, y = int(columns.min()), int(rows.min())
    return [float(v) for v in (x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1)]


def _box_of(shape: Any) -> list[float] | None:
    if not shape:
        return None
    if isinstance(shape, Mapping):
        return _bounds(from_run_lengths(shape))
    xs = [x for one in shape for x in one[0::2]]
    ys = [y for one in shape for y in one[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _polygon_area(flat: Sequence[float]) -> float:
    """Area inside a polygon (shoelace formula)."""
    x, y = np.asarray(flat[0::2]), np.asarray(flat[1::2])
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _categories(work: Work) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id,
            "name": one.name,
            "supercategory": one.part_of[0] if one.part_of else "",
            "concept": f"{one.concept.scheme}:{one.concept.code}" if one.concept.code else "",
        }
        for one in work.classes
    ]


def _licence_ids(work: Work) -> dict[str, int]:
    names = sorted({one.licence for one in work.fused.samples})
    return {name: number for number, name in enumerate(names, 1)}


def _licences(work: Work) -> list[dict[str, Any]]:
    from osler.curate.licences import licences_named

    return [
        {"id": number, "name": name, "url": licences_named(name)[0].url}
        for name, number in _licence_ids(work).items()
    ]
