"""LIDC-IDRI: DICOM series of the chest and an XML with the contours of up to four readers.

Each reader is an annotation of its own. A contour runs through the first pixels outside a nodule,
so it is no part of it; one with inclusion FALSE cuts its inside out again. Nodules below 3 mm are
points, not contours, and are counted in a flag, as are CR and DX series, which are passed over.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.documents import xml_of
from ..pictures.options import check_options
from ..volumes.archive import Archive, archive_of, objects_of
from ..volumes.contours import interior
from ..volumes.files import below, loads_cases, of_case
from ..volumes.settings import COMMON, list_of
from ..volumes.slices import Slices, read_volume, series_case, slices_of, stray_faults

NAME = "lidc"
TITLE = "LIDC-IDRI: DICOM CT and XML with the contours of up to four readers"

OPTIONS = {
    **COMMON,
    "characteristics": 'scores of the readers to give as values, such as ["malignancy"]',
}

_LOOKED_AT = 2000
_OFF_MM = 0.05


def detect(folder: Path) -> str:
    """An XML of readers (LidcReadMessage) somewhere below."""
    if not folder.is_dir():
        return ""
    for number, path in enumerate(folder.rglob("*")):
        if number > _LOOKED_AT:
            break
        if path.suffix.lower() == ".xml" and path.is_file():
            with path.open("rb") as handle:
                if b"LidcReadMessage" in handle.read(4096):
                    return "readers' XML (LidcReadMessage)"
    return ""


def scan(source: Source) -> Iterator[Case]:
    """CT series by UID, with their readers' XML; then XML whose series is not there.

    Raises
    ------
    LayoutError
        Of the dataset: ``file-missing`` if there is no CT series.
    """
    check_options(source, OPTIONS)
    archive = archive_of(source.folder)
    tables, broken = _tables(source.folder)
    found = [uid for uid, group in sorted(archive.series.items())
             if group[0].said("Modality") == "CT"]  # fmt: skip
    if not found:
        raise LayoutError("file-missing", source.folder, "holds no DICOM series of CT")
    for uid in found:
        case = series_case(source, archive, uid)
        if case is not None:
            yield _with_readers(source, case, tables.pop(uid, []), broken)
    yield from stray_faults(source, archive)
    yield from _lost(source, archive, tables, broken)


def _tables(folder: Path) -> tuple[dict[str, list[Path]], dict[Path, LayoutError]]:
    """XML of readers by the series they read, and what is wrong with others by their path."""
    found: dict[str, list[Path]] = {}
    broken: dict[Path, LayoutError] = {}
    for path in sorted(p for p in folder.rglob("*.[xX][mM][lL]") if not p.name.startswith(".")):
        try:
            root = xml_of(path)
        except LayoutError as error:
            broken[path] = error
            continue
        if _local(root) == "LidcReadMessage":
            uid = next((e.text for e in root.iter() if _local(e) == "SeriesInstanceUid"), None)
            found.setdefault((uid or "").strip(), []).append(path)
    return found, broken


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _with_readers(
    source: Source, case: Case, tables: list[Path], broken: dict[Path, LayoutError]
) -> Case:
    """The case with its XML; one that is broken and lies among its slices is its fault."""
    places = {path.parent for path in case.files}
    own = [path for path in broken if path.parent in places]
    for path in own:
        case = replace(case, fault=case.fault or of_case(broken.pop(path), case.key))
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        fault = LayoutError(
            "mask-variant", tables[0], f"and others ({names}) read one series", case=case.key
        )
        case = replace(case, fault=case.fault or fault)
    return replace(
        case,
        files=(*case.files, *tables),
        flags=case.flags if tables else (*case.flags, "unlabelled"),
        info={**case.info, "readers": below(tables[0], source.folder) if tables else ""},
    )


def _lost(
    source: Source,
    archive: Archive,
    tables: dict[str, list[Path]],
    broken: dict[Path, LayoutError],
) -> Iterator[Case]:
    for uid, paths in sorted(tables.items()):
        if uid not in archive.series:
            key = uid or below(paths[0], source.folder)
            yield Case(key, (paths[0],), fault=LayoutError(
                "file-missing", paths[0], f"is about the series {uid or '(none)'}, which is not "
                "here", "fetch that series", case=key))  # fmt: skip
    for path, error in sorted(broken.items()):
        key = below(path, source.folder)
        yield Case(key, (path,), fault=of_case(error, key))


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """The volume, and one mask of nodules for each reader.

    Raises
    ------
    LayoutError
        Besides the faults of ``scan``: ``contour-slice`` for a contour on no slice or beyond its
        edge, ``file-unreadable``.
    """
    paths = [source.folder / name for name in case.info["files"]]
    image = read_volume(paths, source, case.key)
    if image.affine is None or image.axes != "xyz":
        raise LayoutError("affine-broken", image.source, "is no volume in space", case=case.key)
    annotations: list[Annotation] = []
    points = 0
    if case.info["readers"]:
        path = source.folder / case.info["readers"]
        slices = slices_of(objects_of(paths), case.key)
        wanted = list_of(source, "characteristics", [])
        sessions = [e for e in xml_of(path).iter() if _local(e) == "readingSession"]
        for number, session in enumerate(sessions, 1):
            reader = f"reader-{number}"
            mask, small, scores = _session(session, image.shape, slices, wanted, path, case.key)
            points += small
            annotations.append(
                Annotation("mask", mask, {"1": "nodule"}, None, reader, source.dataset)
            )
            annotations += [
                Annotation("value", score, {}, None, reader, source.dataset) for score in scores
            ]
    flags = (*case.flags, f"nodules-as-points:{points}") if points else case.flags
    return Loaded(image, case.info["modality"], tuple(annotations), (), case.info["detail"], flags)


def _session(
    session: ET.Element,
    shape: tuple[int, ...],
    slices: Slices,
    wanted: list[str],
    path: Path,
    case: str,
) -> tuple[NDArray[np.uint8], int, list[dict[str, object]]]:
    """What one reader drew: the mask of all nodules, the count of points, and scores."""
    mask = np.zeros(shape, np.uint8, order="F")
    points, scores = 0, []
    for nodule in session:
        if _local(nodule) != "unblindedReadNodule":
            continue
        regions = [child for child in nodule if _local(child) == "roi"]
        name = _said(nodule, "noduleID") or "?"
        drawn = np.zeros_like(mask)
        for included in (True, False):
            for region in regions:
                if (_said(region, "inclusion").upper() != "FALSE") != included:
                    continue
                corners = _corners(region, shape, name, path, case)
                if len(corners) < 3:
                    points += included
                    continue
                index = _slice(region, slices, name, path, case)
                drawn[:, :, index][interior(corners, (shape[0], shape[1]))] = included
        mask |= drawn
        for element in nodule.iter():
            if _local(element) in wanted and (element.text or "").strip().isdigit():
                value = int((element.text or "").strip())
                scores.append(
                    {"name": f"{_local(element)} of {name}", "value": value, "unit": "1-5"}
                )
    return mask, points, scores


def _said(element: ET.Element, name: str) -> str:
    return next(((e.text or "").strip() for e in element if _local(e) == name), "")


def _corners(
    region: ET.Element, shape: tuple[int, ...], name: str, path: Path, case: str
) -> NDArray[np.int64]:
    """Pixels of a contour as (column, row)."""
    pairs = []
    for edge in (child for child in region if _local(child) == "edgeMap"):
        x, y = _said(edge, "xCoord"), _said(edge, "yCoord")
        if not (x.isdigit() and y.isdigit()):
            raise LayoutError(
                "file-unreadable", path, f"nodule {name} has the corner {x!r}, {y!r}", case=case
            )
        pairs.append((int(x), int(y)))
    corners = np.array(pairs, np.int64).reshape(-1, 2)
    if len(corners) and (corners.max(0) >= shape[:2]).any():
        raise LayoutError(
            "contour-slice", path, f"a contour of nodule {name} leaves its slice", case=case
        )
    return corners


def _slice(region: ET.Element, slices: Slices, name: str, path: Path, case: str) -> int:
    """The slice of a contour, by the UID of its image; its stated height must agree."""
    uid, height = _said(region, "imageSOP_UID"), _said(region, "imageZposition")
    spots = slices.at(uid)
    if not spots:
        raise LayoutError(
            "contour-slice",
            path,
            f"a contour of nodule {name} lies on the image {uid or '(none)'}, which is not in the "
            "series",
            "slices are missing, or the XML belongs to another series",
            case=case,
        )
    here = float(slices.places[spots[0]].position[2])
    levels = [float(place.position[2]) for place in slices.places]
    step = abs(levels[1] - levels[0]) if len(levels) > 1 else 1.0
    try:
        stated = float(height) if height else here
    except ValueError:
        stated = np.inf
    if not abs(stated - here) <= max(_OFF_MM, step / 2):
        raise LayoutError(
            "contour-slice",
            path,
            f"a contour of nodule {name} is said to lie at {height} mm, its image lies at "
            f"{here:g} mm",
            case=case,
        )
    return spots[0]
