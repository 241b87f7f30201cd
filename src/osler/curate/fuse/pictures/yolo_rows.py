"""The rows of a YOLO text file: class, then a centre box, a polygon or a box with keypoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..faults import LayoutError
from .documents import text_file
from .shapes import box_fault, polygon_box, polygon_fault

_SLACK = 0.02
"""How far a normalised value may lie beyond 0 or 1 before pixels are counted at all."""


def row_of(line: str) -> list[float]:
    """The numbers of a row, class first; empty if it is none."""
    cells = line.split()
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        return []
    fine = len(values) >= 5 and cells[0].isdecimal() and all(abs(v) < 1e6 for v in values)
    return values if fine else []


def objects_of(
    path: Path, case: str, labels: Mapping[str, str], joints: list[int], size: tuple[int, int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Boxes, instances and keypoints of a text file, in pixels of an image of ``size``.

    Parameters
    ----------
    joints
        Number of keypoints and of values each (2 or 3); empty for files of boxes or polygons.
    size
        Width and height.

    Raises
    ------
    LayoutError
        ``table-row``, ``category`` or ``box``, naming the case.
    """
    boxes: list[dict[str, Any]] = []
    outlines: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    text = text_file(path, 64 << 20, case) if path.stat().st_size else ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        values = row_of(line)
        extra = joints[0] * joints[1] if joints else 0
        polygon = not joints and len(values) >= 7 and len(values) % 2 == 1
        if not values or not (polygon or len(values) == 5 + extra):
            raise LayoutError(
                "table-row",
                path,
                f"line {number} is no class with a box or polygon: {line[:60]!r}",
                "six columns are a model's output, not a label",
                case=case,
            )
        label = str(int(values[0]))
        if label not in labels:
            raise LayoutError(
                "category",
                path,
                f"line {number} has the class {label}; the yaml names 0 to {len(labels) - 1}",
                case=case,
            )
        where = f"line {number}"
        places = values[1:] if polygon else values[1:5]
        if min(places) < -_SLACK or max(places) > 1 + _SLACK:
            raise LayoutError(
                "box",
                path,
                f"{where} has a place beyond 0 to 1; values must be parts of width and height",
                "divide pixels by the size of the image",
                case=case,
            )
        if polygon:
            outlines.append(_polygon(label, places, size, where, path, case))
            continue
        boxes.append(_box(label, places, size, where, path, case))
        points += _points(label, values[5:], joints, size, where, path, case)
    return boxes, outlines, points


def _box(
    label: str, places: list[float], size: tuple[int, int], where: str, path: Path, case: str
) -> dict[str, Any]:
    width, height = size
    x, y, w, h = (v * n for v, n in zip(places, (width, height, width, height), strict=True))
    box = [x - w / 2, y - h / 2, w, h]
    if fault := box_fault(box, width, height):
        raise LayoutError("box", path, f"{where}: {fault}", case=case)
    return {"label": label, "box": box}


def _polygon(
    label: str, places: list[float], size: tuple[int, int], where: str, path: Path, case: str
) -> dict[str, Any]:
    points = [[x * size[0], y * size[1]] for x, y in zip(places[::2], places[1::2], strict=True)]
    if fault := polygon_fault(points, *size):
        raise LayoutError("box", path, f"{where}: {fault}", case=case)
    return {"label": label, "polygon": points, "box": polygon_box(points)}


def _points(
    label: str,
    values: list[float],
    joints: list[int],
    size: tuple[int, int],
    where: str,
    path: Path,
    case: str,
) -> list[dict[str, Any]]:
    found = []
    step = joints[1] if joints else 1
    for n in range(0, len(values), step):
        x, y = values[n], values[n + 1]
        seen = values[n + 2] if step == 3 else 2.0
        if not seen:
            continue
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise LayoutError("box", path, f"{where}: a keypoint leaves its image", case=case)
        name = f"{label}:{n // step}"
        found.append({"label": name, "x": x * size[0], "y": y * size[1], "visible": seen == 2})
    return found
