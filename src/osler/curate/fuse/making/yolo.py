"""A made dataset in YOLO's layout: boxes in one set, polygons in another, a yaml with the order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from osler.core import write_text

from ..case import Source
from ..pictures.shapes import polygon_box
from .drawn import SHAPES, drawn, picture_for, save, split_for
from .made import Made


def make(
    folder: Path,
    *,
    subjects: int = 6,
    seed: int = 0,
    size: tuple[int, int] = (64, 80),
    polygons: bool = False,
    pictures: Sequence[NDArray[Any]] = (),
) -> Made:
    """Write one picture a subject with two objects, as boxes or as ``polygons``.

    The truth of a case is ``objects`` (name, box, and polygon), ``split`` and ``patient``. The
    last subject has an empty text file: a picture in which nothing was found.
    """
    height, width = size
    cases: dict[str, dict[str, Any]] = {}
    splits = set()
    for subject in range(subjects):
        split = split_for(subject, subjects)
        splits.add(split)
        picture = drawn("yolo", seed, subject, size=size, picture=picture_for(pictures, subject))
        name = f"P{subject:03d}_a"
        save(picture.pixels, folder / "images" / split / f"{name}.png")
        objects, lines = [], []
        if subject < subjects - 1:
            for label, points in zip(picture.names, picture.polygons, strict=True):
                x, y, w, h = box = polygon_box(points)
                places = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
                if polygons:
                    places = [v for px, py in points for v in (px / width, py / height)]
                lines.append(" ".join([str(SHAPES.index(label)), *(f"{v:.8f}" for v in places)]))
                objects.append({"name": label, "box": box, "polygon": points})
        text = folder / "labels" / split / f"{name}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        write_text(text, "".join(f"{line}\n" for line in lines))
        cases[f"images/{split}/{name}.png"] = {
            "objects": objects,
            "split": split,
            "patient": f"P{subject:03d}",
        }
    names = "".join(f"  {n}: {name}\n" for n, name in enumerate(SHAPES))
    paths = "".join(f"{split}: images/{split}\n" for split in sorted(splits))
    write_text(folder / "data.yaml", f"{paths}nc: {len(SHAPES)}\nnames:\n{names}")
    options = {"patient_pattern": "{patient}_{*}"}
    return Made(Source("made-yolo", folder, "yolo", options=options), cases)
