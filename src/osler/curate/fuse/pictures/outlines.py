"""Outlines drawn on slides and fields of view: ASAP XML, Aperio XML, GeoJSON.

ASAP: https://computationalpathologygroup.github.io/ASAP; Aperio ImageScope's XML as MoNuSeg has it;
GeoJSON (RFC 7946) as QuPath writes it. Coordinates are pixels of the full resolution.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..case import Case, Source
from ..faults import LayoutError
from .documents import json_of, xml_of
from .shapes import numbers

UNNAMED = "unnamed"
"""Label of an outline that its file puts into no group."""

SUFFIXES = (".xml", ".geojson", ".json")
_AREAS = ("Polygon", "Spline", "Rectangle")


@dataclass(frozen=True, slots=True)
class Outline:
    """An area (``parts``: closed rings of x, y; ``holes`` in them) or a point (one ring of one)."""

    label: str
    parts: tuple[tuple[tuple[float, float], ...], ...]
    holes: tuple[tuple[tuple[float, float], ...], ...] = ()

    @property
    def is_point(self) -> bool:
        """Whether this marks a place and no area."""
        return len(self.parts) == 1 and len(self.parts[0]) == 1


def outlines_of(path: Path, case: str) -> list[Outline]:
    """The outlines of a file, in its order.

    Raises
    ------
    LayoutError
        ``file-unreadable`` or ``file-unsafe``; ``table-row`` for an outline without numbers.
    """
    try:
        if path.suffix.lower() == ".xml":
            root = xml_of(path)
            return _asap(root, path) if root.tag == "ASAP_Annotations" else _aperio(root, path)
        return _geojson(json_of(path), path)
    except LayoutError as error:
        error.case = error.case or case
        raise


def with_labels(source: Source, cases: list[Case], note: str) -> list[Case]:
    """The cases, each with the labels of all files of outlines: a class that is in some and not
    in this one was looked for and not found.

    Parameters
    ----------
    note
        The entry of ``Case.info`` that holds the name of its file of outlines; empty: none.
    """
    labels: set[str] = set()
    checked = []
    for case in cases:
        name = case.info.get(note, "")
        if name and case.fault is None:
            try:
                labels |= {one.label for one in outlines_of(source.folder / name, case.key)}
            except LayoutError as error:
                case = replace(case, fault=error)
        checked.append(case)
    names = sorted(labels)
    return [replace(case, info={**case.info, "outlined": names}) for case in checked]


def _number(text: str | None, path: Path) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise LayoutError("table-row", path, f"has the coordinate {text!r}, which is no number")
    return value


def _asap(root: ET.Element, path: Path) -> list[Outline]:
    found = []
    for one in root.iter("Annotation"):
        group = one.get("PartOfGroup") or "None"
        label = group if group != "None" else UNNAMED
        corners = sorted(one.iter("Coordinate"), key=lambda c: _number(c.get("Order", "0"), path))
        points = tuple((_number(c.get("X"), path), _number(c.get("Y"), path)) for c in corners)
        if not points:
            continue
        if one.get("Type") in _AREAS:
            found.append(Outline(label, (points,)))
        else:
            found += [Outline(label, ((point,),)) for point in points]
    return found


def _aperio(root: ET.Element, path: Path) -> list[Outline]:
    if root.tag != "Annotations":
        raise LayoutError(
            "file-unreadable", path, f"begins with <{root.tag}>; neither ASAP nor Aperio wrote it"
        )
    found = []
    for one in root.iter("Annotation"):
        named = [a.get("Name") or a.get("Value") for a in one.iter("Attribute")]
        label = one.get("Name") or next((n for n in named if n and n != "Description"), UNNAMED)
        for region in one.iter("Region"):
            points = tuple(
                (_number(v.get("X"), path), _number(v.get("Y"), path))
                for v in region.iter("Vertex")
            )
            if points:
                away = region.get("NegativeROA") == "1"
                found.append(Outline(f"not {label}" if away else label, (points,)))
    return found


def _geojson(content: Any, path: Path) -> list[Outline]:
    features = content.get("features") if isinstance(content, dict) else content
    if not isinstance(features, list):
        raise LayoutError("file-unreadable", path, "is no GeoJSON: it has no list of features")
    found = []
    for one in features:
        shape = one.get("geometry") if isinstance(one, dict) else None
        if not isinstance(shape, dict):
            raise LayoutError("table-row", path, "has a feature without geometry")
        facts = one.get("properties")
        group = facts.get("classification") if isinstance(facts, dict) else None
        group = group.get("name") if isinstance(group, dict) else group
        label = group if isinstance(group, str) and group else UNNAMED
        kind, places = shape.get("type"), shape.get("coordinates")
        if kind == "Point":
            found.append(Outline(label, (_ring([places], path),)))
        elif kind == "Polygon" and isinstance(places, list) and places:
            rings = [_ring(ring, path) for ring in places]
            found.append(Outline(label, (rings[0],), tuple(rings[1:])))
        elif kind == "MultiPolygon" and isinstance(places, list) and places:
            areas = [[_ring(ring, path) for ring in part] for part in places]
            holes = tuple(ring for part in areas for ring in part[1:])
            found.append(Outline(label, tuple(part[0] for part in areas if part), holes))
        else:
            raise LayoutError("table-row", path, f"has a geometry {kind!r}, which is no area")
    return found


def _ring(points: Any, path: Path) -> tuple[tuple[float, float], ...]:
    pairs = [numbers(p) for p in points] if isinstance(points, list) else []
    if not pairs or any(p is None or len(p) < 2 for p in pairs):
        raise LayoutError("table-row", path, "has an outline whose corners are no x, y")
    ring = tuple((p[0], p[1]) for p in pairs if p is not None)
    return ring[:-1] if len(ring) > 3 and ring[0] == ring[-1] else ring
