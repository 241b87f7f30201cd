"""Whole-slide images with outlines (ASAP or Aperio XML, GeoJSON) or mask pyramids beside them.

CAMELYON16, TCGA, PANDA. A case is a slide; ``load`` gives one level of it and its annotations in
pixels of that level. ``detail`` holds the level, its scale and the micrometres of a pixel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from osler.core import InputError
from osler.images import Image

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.dictionary import classes_of
from ..pictures.documents import header_row, rows_of
from ..pictures.leaks import OPTION, mark_leaks
from ..pictures.listing import files_below, split_named
from ..pictures.options import check_options, choice_of, number_of, text_of
from ..pictures.outlines import Outline, outlines_of, with_labels
from ..pictures.planes import described
from ..pictures.shapes import filled, mask_box, polygon_box, polygon_fault
from ..pictures.slide import (
    SUFFIXES,
    TIFF,
    Slide,
    is_pyramid,
    level_for,
    level_pixels,
    level_values,
    slide_of,
)
from ..pictures.slide_files import DICOM, MASKS, Found, dicom_facts, slides_in
from ..pictures.template import patient_from
from ..volumes.files import fetched, inside, loads_cases

NAME = "slides"
TITLE = "Whole-slide images with XML, GeoJSON or masks"

OPTIONS = {
    "level": "level of the pyramid to load, 0 being the finest",
    "longest": "longer side in pixels that the loaded level may have (2048)",
    "mpp": "micrometres a pixel of the finest level, where slides do not say",
    "outlines": "unit of outlines: pixels of the finest level, or microns",
    "classes": "class of each value of a mask: {'1': 'stroma'}",
    "table": "table with one row a slide",
    "slide_column": "its column with the name of the slide (image_id)",
    "label_column": "its column with the class of the slide",
    "patient_pattern": "where the patient stands in a file name (or path, if it has a /)",
    "split_leak": OPTION,
}

_NOTES = (".xml", ".geojson", ".json")


def detect(folder: Path) -> str:
    """A slide of a vendor's format, or a tiled TIFF pyramid."""
    wanted = frozenset({*SUFFIXES, DICOM})
    for path in files_below(folder, wanted, most=200):
        suffix = path.suffix.lower()
        if suffix == DICOM:
            if dicom_facts(folder / path):
                return f"{path.as_posix()} is a DICOM slide"
        elif suffix not in TIFF or suffix == ".svs" or is_pyramid(folder / path):
            return f"{path.as_posix()} is a slide"
    return ""


def scan(source: Source) -> Iterator[Case]:
    """One case a slide; a DICOM slide is all files of one series.

    Raises
    ------
    LayoutError
        ``file-missing``: no slides. ``table-columns``, ``label-dictionary``: of the options.
    """
    check_options(source, OPTIONS)
    folder = source.folder
    paths = list(files_below(folder))
    slides = slides_in(folder, paths)
    if not slides:
        raise LayoutError("file-missing", folder, "has no slides", "fetch them")
    grades = _grades(source)
    classes_of(source)
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_stem[path.stem].append(path)
    labels = sorted(set(grades.values()))
    cases = [_case(source, one, by_stem, grades, labels) for one in slides]
    yield from mark_leaks(source, with_labels(source, cases, "notes"))


def _grades(source: Source) -> dict[str, str]:
    """The class of each slide by its name without suffix, from the table."""
    if not (name := text_of(source, "table")):
        return {}
    path = inside(source.folder, name, source.folder)
    columns = [text_of(source, "slide_column", "image_id"), text_of(source, "label_column")]
    if not columns[1]:
        known = [n for n in ("isup_grade", "label", "type") if n in header_row(path)]
        columns[1] = known[0] if known else "label"
    found: dict[str, str] = {}
    for row in rows_of(path, columns):
        stem = Path(row[columns[0]]).stem if row[columns[0]].endswith(SUFFIXES) else row[columns[0]]
        if stem in found:
            raise LayoutError("table-row", path, f"names the slide {stem!r} twice", "keep one")
        found[stem] = row[columns[1]]
    return found


def _case(
    source: Source,
    slide: Found,
    by_stem: Mapping[str, list[Path]],
    grades: Mapping[str, str],
    labels: list[str],
) -> Case:
    key, fault, patient = slide.key, None, slide.patient
    stems = list(dict.fromkeys((slide.stem, slide.stem.split(".")[0])))
    beside = [p for s in stems for m in ("", *MASKS) for p in by_stem.get(s + m, ())]
    beside = [p for p in beside if p not in slide.parts]
    notes = [p for p in beside if p.suffix.lower() in _NOTES]
    masks = [p for p in beside if p.suffix.lower() in TIFF]
    grade = next((grades[s] for s in stems if s in grades), None)
    split = next((s for part in slide.parts[0].parts[:-1] if (s := split_named(part))), "")
    whole = source.folder / slide.parts[0]
    try:
        if len(notes) > 1 or len(masks) > 1:
            raise LayoutError(
                "mask-variant", whole, f"has several annotations: {', '.join(map(str, beside[:4]))}"
            )
        patient = patient_from(source, Path(key), case=key) or patient
        _scaled(source, slide_of(whole, key), key)
    except LayoutError as error:
        fault, error.case = error, key
    files = tuple(source.folder / p for p in [*slide.parts, *notes, *masks])
    info = {
        "slide": slide.parts[0].as_posix(),
        "notes": notes[0].as_posix() if notes else "",
        "mask": masks[0].as_posix() if masks else "",
        "grade": grade,
        "grades": labels,
    }
    flags = () if notes or masks or grade is not None else ("unlabelled",)
    return Case(key, files, patient=patient, split=split, flags=flags, info=info, fault=fault)


def _scaled(source: Source, slide: Slide, case: str) -> tuple[float, float]:
    """Micrometres a pixel of the finest level, by the slide or the option ``mpp``."""
    given = number_of(source, "mpp", None, least=0.05, most=20.0)
    if slide.mpp is None and given is None:
        raise LayoutError(
            "scale-missing",
            slide.path,
            "states no believable micrometres a pixel",
            "look them up and give them by the option mpp",
            case=case,
        )
    return (given, given) if given is not None else slide.mpp or (0.0, 0.0)


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """One level with its ``instances``, ``keypoints``, ``mask`` and ``class``.

    ``spacing`` of the image is millimetres a pixel of the loaded level.

    Raises
    ------
    LayoutError
        ``scale-missing``; ``box``: an outline leaves the slide; ``grid-mismatch``: no level of the
        mask has the size of the loaded level; ``label-value``: a value of the mask has no class.
    """
    slide = slide_of(source.folder / case.info["slide"], case.key)
    mpp = _scaled(source, slide, case.key)
    longest = number_of(source, "longest", 2048, least=64, most=16384)
    asked = number_of(source, "level", None, least=0, most=64)
    level = level_for(slide, int(longest or 2048)) if asked is None else int(asked)
    if level >= len(slide.sizes):
        raise InputError(
            f"{slide.path} has {len(slide.sizes)} levels, 0 to {len(slide.sizes) - 1}, no {level}"
        )
    pixels = level_pixels(slide, level, case.key)
    sx, sy = slide.scale(level)
    image = Image(
        pixels,
        "yxc",
        unit="8-bit",
        spacing=(mpp[1] * sy / 1000, mpp[0] * sx / 1000),
        source=str(slide.path),
    )
    detail = {
        "level": str(level),
        "levels": str(len(slide.sizes)),
        "scale": f"{sx:.6g}",
        "mpp": f"{mpp[0] * sx:.6g}",
        "mpp_finest": f"{mpp[0]:.6g}",
    }
    detail |= {k: v for k, v in (("power", slide.power), ("vendor", slide.vendor)) if v}
    found: list[Annotation] = []
    if case.info["notes"]:
        outlines = outlines_of(fetched(source.folder / case.info["notes"], case.key), case.key)
        found += _marks(source, slide, outlines, level, mpp, case)
    if case.info["mask"]:
        found.append(_mask(source, case, (pixels.shape[0], pixels.shape[1])))
    if case.info["grade"] is not None:
        labels = {name: name for name in case.info["grades"]}
        found.append(Annotation("class", case.info["grade"], labels))
    image = described(image, source, case)
    return Loaded(image, source.modality, tuple(found), detail=detail, flags=case.flags)


def _marks(
    source: Source,
    slide: Slide,
    outlines: list[Outline],
    level: int,
    mpp: tuple[float, float],
    case: Case,
) -> list[Annotation]:
    """Outlines as instances and points as keypoints, in pixels of ``level``."""
    micron = choice_of(source, "outlines", ("pixels", "microns")) == "microns"
    unit = mpp if micron else (1.0, 1.0)
    sx, sy = slide.scale(level)
    width, height = slide.sizes[level]
    path = source.folder / case.info["notes"]
    instances: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    for outline in outlines:
        rings = [
            [[x / unit[0] / sx, y / unit[1] / sy] for x, y in ring]
            for ring in (*outline.parts, *outline.holes)
        ]
        parts, holes = rings[: len(outline.parts)], rings[len(outline.parts) :]
        if outline.is_point:
            x, y = parts[0][0]
            if not (0 <= x <= width and 0 <= y <= height):
                raise LayoutError("box", path, "has a point outside the slide", case=case.key)
            points.append({"label": outline.label, "x": x, "y": y, "visible": True})
            continue
        for part in parts:
            if fault := polygon_fault(part, width, height):
                raise LayoutError(
                    "box",
                    path,
                    f"{outline.label}: {fault}",
                    "check the unit of the outlines",
                    case=case.key,
                )
        instances.append(_instance(outline.label, parts, holes, (height, width)))
    labels = {name: name for name in case.info["outlined"]}
    found = [Annotation("instances", instances, labels)] if instances or not points else []
    return found + ([Annotation("keypoints", points, labels)] if points else [])


def _instance(
    label: str,
    parts: list[list[list[float]]],
    holes: list[list[list[float]]],
    shape: tuple[int, int],
) -> dict[str, Any]:
    if len(parts) == 1 and not holes:
        return {"label": label, "polygon": parts[0], "box": polygon_box(parts[0])}
    mask = filled(parts, shape) & ~filled(holes, shape)
    box = mask_box(mask) if mask.any() else polygon_box(parts[0])
    return {"label": label, "mask": mask, "box": box}


def _mask(source: Source, case: Case, shape: tuple[int, int]) -> Annotation:
    """The level of a mask pyramid that has the size of the loaded level."""
    path = source.folder / case.info["mask"]
    sizes = slide_of(path, case.key).sizes
    fits = [n for n, size in enumerate(sizes) if (size[1], size[0]) == shape]
    if not fits:
        raise LayoutError(
            "grid-mismatch",
            path,
            f"has the levels {', '.join(f'{w} x {h}' for w, h in sizes[:6])}, none as its slide "
            f"({shape[1]} x {shape[0]})",
            "load another level by the option level",
            case=case.key,
        )
    values = level_values(path, fits[0], case.key)
    values = values[..., 0] if values.ndim == 3 else values  # PANDA: classes in the first channel
    classes = classes_of(source)
    strange = sorted({str(int(v)) for v in np.unique(values) if v} - set(classes))
    if strange:
        raise LayoutError(
            "label-value",
            path,
            f"holds the values {', '.join(strange[:8])}, which no dictionary explains",
            "name them by the option classes",
            case=case.key,
        )
    labels = {number: name for number, name in classes.items() if number != "0"}
    return Annotation("mask", values.astype(np.int32), labels)
