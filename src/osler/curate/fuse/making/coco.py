"""A made dataset in COCO's layout: polygons, both run-length forms, keypoints, gaps in the ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from osler.core import write_json

from ..case import Source
from ..pictures.shapes import polygon_area, polygon_box, runs_of_mask, text_of_runs
from .drawn import SHAPES, Drawn, drawn, picture_for, save, split_for
from .made import Made

IDS = {"disc": 1, "square": 3, "triangle": 7}
"""Category ids with gaps, as real sets have them."""

_FORMS = ("polygon", "runs", "compressed", "box")


def make(
    folder: Path,
    *,
    subjects: int = 6,
    seed: int = 0,
    size: tuple[int, int] = (64, 80),
    pictures: Sequence[NDArray[Any]] = (),
) -> Made:
    """Write one picture a subject with two objects; one JSON a split.

    The truth of a case is ``objects`` (label name, box, mask), ``split``, ``patient`` and
    ``keypoints`` (top and left of each object).
    """
    cases: dict[str, dict[str, Any]] = {}
    tables: dict[str, dict[str, Any]] = {}
    for subject in range(subjects):
        split = split_for(subject, subjects)
        picture = drawn("coco", seed, subject, size=size, picture=picture_for(pictures, subject))
        name = f"P{subject:03d}_a.png"
        save(picture.pixels, folder / "images" / split / name)
        table = tables.setdefault(
            split, {"images": [], "annotations": [], "categories": _categories()}
        )
        number = 10 * subject + 5
        table["images"].append(
            {"id": number, "file_name": name, "width": size[1], "height": size[0]}
        )
        table["annotations"] += _marks(picture, number, subject)
        cases[f"images/{split}/{name}"] = {
            "split": split,
            "patient": f"P{subject:03d}",
            "objects": [
                {"name": n, "box": b, "mask": m, "polygon": p}
                for n, b, m, p in zip(
                    picture.names, picture.boxes, picture.masks, picture.polygons, strict=True
                )
            ],
        }
    for split, table in tables.items():
        (folder / "annotations").mkdir(parents=True, exist_ok=True)
        write_json(folder / "annotations" / f"instances_{split}.json", table)
    options = {"patient_pattern": "{patient}_{*}"}
    return Made(Source("made-coco", folder, "coco", options=options), cases)


def _categories() -> list[dict[str, Any]]:
    return [{"id": IDS[n], "name": n, "keypoints": ["top", "left"]} for n in SHAPES]


def _marks(picture: Drawn, image: int, subject: int) -> list[dict[str, Any]]:
    found = []
    for n, (name, points, mask) in enumerate(
        zip(picture.names, picture.polygons, picture.masks, strict=True)
    ):
        form = _FORMS[(2 * subject + n) % len(_FORMS)]
        box = polygon_box(points) if form == "polygon" else picture.boxes[n]
        mark: dict[str, Any] = {
            "id": 100 * image + n,
            "image_id": image,
            "category_id": IDS[name],
            "bbox": box,
            "area": polygon_area(points),
            "iscrowd": 0,
        }
        runs = runs_of_mask(mask)
        size = [int(n) for n in mask.shape]
        if form == "polygon":
            mark["segmentation"] = [[value for point in points for value in point]]
        elif form == "runs":
            mark["segmentation"] = {"size": size, "counts": runs}
        elif form == "compressed":
            mark["segmentation"] = {"size": size, "counts": text_of_runs(runs)}
        top, left = min(points, key=lambda p: p[1]), min(points)
        mark["keypoints"] = [*top, 2, *left, 1]
        mark["num_keypoints"] = 2
        found.append(mark)
    return found
