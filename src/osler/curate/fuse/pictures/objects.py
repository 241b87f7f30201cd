"""One object of a COCO file: its category, box, outline, run-length mask and keypoints, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..case import Source
from ..faults import LayoutError
from .options import choice_of
from .shapes import (
    box_fault,
    filled,
    mask_box,
    mask_from_runs,
    numbers,
    polygon_box,
    polygon_fault,
    runs_of,
)

_ENOUGH = 3


def read_object(
    mark: Mapping[str, Any],
    labels: Mapping[str, str],
    joints: Mapping[str, Sequence[str]],
    size: tuple[int, int],
    path: Path,
    case: str,
    source: Source,
    *,
    pixels: bool = True,
) -> dict[str, Any]:
    """The object of an annotation: ``label``, and what it has of ``box``, ``polygon`` (one part),
    ``mask`` (several parts, or run lengths) and ``keypoints``.

    Parameters
    ----------
    size
        Width and height of the image.
    pixels
        False: check only, and give no masks.

    Raises
    ------
    LayoutError
        ``category``, ``box``, ``rle`` or ``table-row``, each with ``case``.
    """
    label = str(mark.get("category_id"))
    what = f"annotation {mark.get('id')}"
    if label not in labels:
        raise LayoutError(
            "category",
            path,
            f"{what} has the category {label}, which is not declared; known: "
            f"{', '.join(list(labels)[:12])}",
            case=case,
        )
    found: dict[str, Any] = {"label": label}
    box = _box(mark, what, path, case, source)
    if box is not None:
        if fault := box_fault(box, *size):
            raise LayoutError("box", path, f"{what}: {fault}", "mend it at its source", case=case)
        found["box"] = box
    outline = mark.get("segmentation")
    if isinstance(outline, dict):
        found["mask"] = _mask(outline, size, what, path, case, pixels)
        if pixels:
            found.setdefault("box", mask_box(found["mask"]))
    elif outline:
        found.update(_outline(outline, size, what, path, case, pixels))
        if box is not None:
            found["box"] = box
    if mark.get("keypoints"):
        found["keypoints"] = _joints(mark["keypoints"], label, joints, size, what, path, case)
    if len(found) == 1:
        raise LayoutError("table-row", path, f"{what} has neither box nor outline", case=case)
    return found


def _box(
    mark: Mapping[str, Any], what: str, path: Path, case: str, source: Source
) -> list[float] | None:
    if mark.get("bbox") is None or (mark["bbox"] == [] and mark.get("segmentation")):
        return None
    box = numbers(mark["bbox"], 4)
    if box is None:
        raise LayoutError("box", path, f"{what}: its box is no four numbers", case=case)
    form = choice_of(source, "boxes", ("xywh", "xywh1", "xyxy"))
    if form == "xywh1":
        return [box[0] - 1, box[1] - 1, box[2], box[3]]
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]] if form == "xyxy" else box


def _mask(
    outline: Mapping[str, Any],
    size: tuple[int, int],
    what: str,
    path: Path,
    case: str,
    pixels: bool,
) -> Any:
    width, height = size
    try:
        if list(outline.get("size") or ()) != [height, width]:
            raise ValueError(f"it states the size {outline.get('size')} (rows, columns)")
        runs = runs_of(outline.get("counts"))
        if sum(runs) == height * width and not sum(runs[1::2]):
            raise ValueError("it covers nothing")
        if not pixels and sum(runs) == height * width:
            return None
        return mask_from_runs(runs, (height, width))
    except (ValueError, TypeError) as error:
        raise LayoutError(
            "rle",
            path,
            f"{what}: its run-length code does not fit its image of {width} x {height}: {error}",
            "encode it again from the mask",
            case=case,
        ) from error


def _outline(
    outline: Any, size: tuple[int, int], what: str, path: Path, case: str, pixels: bool
) -> dict[str, Any]:
    parts = outline if isinstance(outline, list) and isinstance(outline[0], list) else [outline]
    polygons = []
    for part in parts:
        flat = numbers(part)
        if flat is None or len(flat) % 2:
            raise LayoutError("table-row", path, f"{what}: a polygon is no list of x, y", case=case)
        points = [[x, y] for x, y in zip(flat[::2], flat[1::2], strict=True)]
        if fault := polygon_fault(points, *size):
            raise LayoutError("box", path, f"{what}: {fault}", "mend it at its source", case=case)
        polygons.append(points)
    if len(polygons) == 1:
        return {"polygon": polygons[0], "box": polygon_box(polygons[0])}
    if not pixels:
        return {"mask": None}
    mask = filled(polygons, (size[1], size[0]))
    if not mask.any():
        raise LayoutError("box", path, f"{what}: its polygons cover no pixel", case=case)
    return {"mask": mask, "box": polygon_box([p for part in polygons for p in part])}


def _joints(
    flat: Any,
    label: str,
    joints: Mapping[str, Sequence[str]],
    size: tuple[int, int],
    what: str,
    path: Path,
    case: str,
) -> list[dict[str, Any]]:
    names = joints.get(label, ())
    values = numbers(flat, 3 * len(names))
    if values is None or not names:
        raise LayoutError(
            "table-row",
            path,
            f"{what}: its keypoints do not fit the {len(names)} that its category names",
            case=case,
        )
    found = []
    for n, name in enumerate(names):
        x, y, seen = values[3 * n : 3 * n + 3]
        if not seen:
            continue
        if not (-0.5 <= x <= size[0] + 0.5 and -0.5 <= y <= size[1] + 0.5):
            raise LayoutError(
                "box", path, f"{what}: {name} at {x:g}, {y:g} leaves its image", case=case
            )
        found.append({"label": f"{label}:{name}", "x": x, "y": y, "visible": seen == 2})
    return found


def off_by_one(marks: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Refuse a file whose boxes all begin exactly one pixel after their polygons.

    Such boxes count pixels from 1; no single one of them looks wrong.

    Raises
    ------
    LayoutError
        ``box``, of the whole dataset.
    """
    seen = 0
    for mark in marks:
        box, outline = numbers(mark.get("bbox"), 4), mark.get("segmentation")
        if box is None or not isinstance(outline, list) or not outline:
            continue
        parts = outline if isinstance(outline[0], list) else [outline]
        if not all(isinstance(part, list) for part in parts):
            continue
        flat = numbers([v for part in parts for v in part])
        if flat is None or len(flat) < 6:
            continue
        apart = box[0] - min(flat[::2]), box[1] - min(flat[1::2])
        if max(abs(a - 1) for a in apart) > 0.01:
            return
        seen += 1
    if seen >= _ENOUGH:
        raise LayoutError(
            "box",
            path,
            f"each of {seen} boxes begins one pixel after its polygon: boxes count from 1",
            'set the option boxes to "xywh1" once you have looked at one',
        )
