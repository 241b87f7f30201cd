"""Made datasets of images and masks: palette, colours, 0 and 255, object numbers, XML outlines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from osler.core import write_text

from ..case import Source
from .drawn import SHAPES, Drawn, drawn, picture_for, save, save_indexed, split_for
from .made import Made

Style = Literal["palette", "colours", "binary", "instances", "xml"]

COLOURS = {"disc": "#ff0000", "square": "#00ff00", "triangle": "#0000ff"}
PALETTE = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))


def make(
    folder: Path,
    *,
    subjects: int = 6,
    seed: int = 0,
    style: Style = "palette",
    size: tuple[int, int] = (64, 80),
    pictures: Sequence[NDArray[Any]] = (),
) -> Made:
    """Write one picture a subject with its mask in the given ``style``.

    The truth of a case is ``voxels`` (class name -> pixels), ``mask`` (class numbers in the order
    of :data:`.drawn.SHAPES`), ``objects``, ``patient`` and ``split``.
    """
    cases: dict[str, dict[str, Any]] = {}
    for subject in range(subjects):
        split = split_for(subject, subjects)
        picture = drawn(
            "png_masks", seed, subject, size=size, picture=picture_for(pictures, subject)
        )
        name = f"v{subject:03d}_f01"
        key = f"{split}/images/{name}.png"
        save(picture.pixels, folder / key)
        _write(picture, folder / split / "masks" / name, style)
        mask = picture.index_mask()
        counts = {n: int((mask == i + 1).sum()) for i, n in enumerate(SHAPES)}
        cases[key] = {
            "mask": mask,
            "voxels": {n: c for n, c in counts.items() if c},
            "objects": list(zip(picture.names, picture.polygons, picture.masks, strict=True)),
            "patient": f"v{subject:03d}",
            "split": split,
        }
    options: dict[str, Any] = {"patient_pattern": "{patient}_{*}"}
    if style == "palette":
        options["classes"] = {"0": "background", "1": "disc", "2": "square", "3": "triangle"}
    elif style == "colours":
        options["classes"] = {"#000000": "background", **{c: n for n, c in COLOURS.items()}}
    elif style == "binary":
        options["foreground"] = "object"
    elif style == "instances":
        options["instances"] = "object"
    return Made(Source(f"made-masks-{style}", folder, "png_masks", options=options), cases)


def _write(picture: Drawn, path: Path, style: Style) -> None:
    mask = picture.index_mask()
    if style == "palette":
        save_indexed(mask, PALETTE, path.with_suffix(".png"))
    elif style == "colours":
        save(np.asarray(PALETTE, np.uint8)[mask], path.with_suffix(".png"))
    elif style == "binary":
        save((mask > 0).astype(np.uint8) * 255, path.with_suffix(".png"))
    elif style == "instances":
        numbers = np.zeros(mask.shape, np.uint8)
        for n, one in enumerate(picture.masks, 1):
            numbers[one] = 3 * n  # numbers of objects have gaps in real sets
        save(numbers, path.with_suffix(".png"))
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path.with_suffix(".xml"), _aperio(picture))


def _aperio(picture: Drawn) -> str:
    parts = ['<?xml version="1.0"?>\n<Annotations MicronsPerPixel="0.25">\n']
    for n, (name, points) in enumerate(zip(picture.names, picture.polygons, strict=True), 1):
        corners = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in points)
        parts.append(
            f'<Annotation Id="{n}" Name="{name}"><Regions><Region Id="{n}" NegativeROA="0">'
            f"<Vertices>{corners}</Vertices></Region></Regions></Annotation>\n"
        )
    return "".join([*parts, "</Annotations>\n"])
