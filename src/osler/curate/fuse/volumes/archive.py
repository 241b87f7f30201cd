"""What lies in a folder of DICOM files, by headers: series, and the objects that mark them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from pydicom import Dataset

from osler.core import BadFileError
from osler.images import Image, SeriesError, format_of
from osler.images.dicom import patient_key, read_dataset
from osler.images.dicom_geometry import Placement, placement, stack
from osler.images.dicom_tags import raw, text, whole
from osler.images.series import TIMES, slice_times, time_values

from ..case import Case, Source
from ..faults import LayoutError
from .files import below, of_case
from .settings import unit_of
from .tables import demographics

_FACTS = (
    "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "Modality", "PatientAge",
    "PatientSex", "ImageType", "Rows", "Columns", "NumberOfFrames", "SeriesDescription",
    "ContrastBolusAgent", "BodyPartExamined", "FrameOfReferenceUID",
)  # fmt: skip
_TAGS = (
    *_FACTS, *TIMES, "SpecificCharacterSet", "PatientID", "PatientIdentityRemoved",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "ReferencedSeriesSequence", "ReferencedFrameOfReferenceSequence",
    "SharedFunctionalGroupsSequence",
)  # fmt: skip
_SUFFIXES = {".dcm", ".dicom", ".ima"}
_FAULTS = {
    "gap": "slice-missing", "duplicate": "slice-missing", "orientation": "series-mixed",
    "shape": "series-mixed", "several": "series-mixed", "geometry": "affine-broken",
    "empty": "file-missing",
}  # fmt: skip

MODALITY = {"CT": "CT", "MR": "MR", "PT": "PET", "NM": "NM"}
"""DICOM modalities that make volumes -> codes of the catalogue's vocabulary."""


@dataclass(frozen=True, slots=True, eq=False)
class Object:
    """One DICOM file and what is kept of its header; archives have hundreds of thousands.

    ``facts``: attributes as text. ``place``: where its plane lies. ``times``: see
    :func:`osler.images.series.time_values`. ``refers``: series that it marks.
    """

    path: Path
    facts: dict[str, str]
    place: Placement | None
    times: tuple[float | None, ...]
    refers: tuple[str, ...] = ()

    def said(self, name: str) -> str:
        """One attribute as text, empty if it is not there."""
        return self.facts.get(name, "")


def object_of(path: Path) -> Object:
    """What is kept of the header of a DICOM file.

    Raises
    ------
    BadFileError
        If it is no DICOM file, or broken.
    """
    ds = read_dataset(path, pixels=False, tags=_TAGS)
    # Most of it is the same in all slices of a series: kept once.
    facts = {name: sys.intern(value) for name in _FACTS if (value := text(ds, name))}
    facts["patient"] = patient_key(ds)
    return Object(path, facts, placement(ds), time_values(ds), _referenced(ds))


@dataclass(frozen=True, slots=True, eq=False)
class Archive:
    """``series``: image objects by SeriesInstanceUID; ``marks``: RTSTRUCT and SEG objects.

    ``broken``: faults of files that should be slices, by their folder.
    """

    series: dict[str, list[Object]] = field(default_factory=dict)
    marks: list[Object] = field(default_factory=list)
    broken: dict[Path, LayoutError] = field(default_factory=dict)


def archive_of(folder: Path) -> Archive:
    """All DICOM objects below ``folder``, files in the order of their paths.

    Files of other kinds (licences, tables, XML) are passed over; one that by its name should be a
    slice but is no DICOM file is in ``broken``.
    """
    found = Archive()
    names: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.name.upper() == "DICOMDIR" or (path.is_dir() and not path.is_symlink()):
            continue
        try:
            if path.exists() and path.stat().st_size and format_of(path) == "dicom":
                _take(found, object_of(path), folder)
            else:
                names.setdefault(path.parent, []).append(path)
        except BadFileError as error:
            what = str(error).removeprefix(f"{error.path}: ")
            found.broken[path.parent] = LayoutError("file-unreadable", path, what)
    bare = {
        o.path.parent for objects in found.series.values() for o in objects if not o.path.suffix
    }
    for place, paths in names.items():
        for path in paths:
            if path.suffix.lower() in _SUFFIXES or (not path.suffix and place in bare):
                found.broken.setdefault(place, _no_slice(path))
    return found


def _no_slice(path: Path) -> LayoutError:
    if path.is_symlink() and not path.exists():
        return LayoutError("file-dangling", path, "is a link to content that is not here")
    return LayoutError(
        "file-unreadable", path, "lies among slices but is no DICOM file", "fetch it again"
    )


def _take(found: Archive, one: Object, folder: Path) -> None:
    if one.said("Modality") in ("RTSTRUCT", "SEG"):
        found.marks.append(one)
    elif one.said("Rows"):
        # Some de-identified files have lost their UIDs: then a folder is a series.
        place = below(one.path.parent, folder)
        key = one.said("SeriesInstanceUID") or f"{folder.name if place == '.' else place} (no UID)"
        found.series.setdefault(key, []).append(one)


def without_localizers(objects: list[Object]) -> list[Object]:
    """The objects of a series but the localizers (scouts) that lie in it."""
    return [one for one in objects if "LOCALIZER" not in one.said("ImageType").upper()]


def _referenced(ds: Dataset) -> tuple[str, ...]:
    """SeriesInstanceUIDs that an RTSTRUCT or SEG object refers to."""
    found = [text(one, "SeriesInstanceUID")
             for one in raw(ds, "ReferencedSeriesSequence") or ()]  # fmt: skip
    for frame in raw(ds, "ReferencedFrameOfReferenceSequence") or ():
        for study in raw(frame, "RTReferencedStudySequence") or ():
            found += [text(series, "SeriesInstanceUID")
                      for series in raw(study, "RTReferencedSeriesSequence") or ()]  # fmt: skip
    return tuple(uid for uid in found if uid)


def objects_of(paths: list[Path]) -> list[Object]:
    """Objects whose headers are read again."""
    return [object_of(path) for path in paths]


def series_case(source: Source, archive: Archive, uid: str) -> Case | None:
    """A series as a case, with what its headers tell; None if it holds localizers only."""
    objects = without_localizers(archive.series[uid])
    if not objects:
        return None
    first = objects[0]
    study = first.said("StudyInstanceUID")
    modality = first.said("Modality")
    others = sorted({
        other.said("Modality") for group in archive.series.values() for other in group[:1]
        if other.said("StudyInstanceUID") == study and other.said("Modality") not in MODALITY
    })  # fmt: skip
    flags = [f"series-ignored:{other}" for other in others]
    if len(objects) < len(archive.series[uid]):
        flags.append("localizers-left-out")
    detail = {"sequence": first.said("SeriesDescription"),
              "contrast_agent": first.said("ContrastBolusAgent"),
              "body_part": first.said("BodyPartExamined")}  # fmt: skip
    case = Case(
        key=uid,
        files=tuple(one.path for one in objects),
        patient=first.said("patient"),
        study=study,
        series=first.said("SeriesInstanceUID"),
        demographics=demographics(first.said("PatientAge"), first.said("PatientSex")),
        flags=tuple(flags),
        info={
            "files": [below(one.path, source.folder) for one in objects],
            "modality": MODALITY.get(modality, modality),
            "detail": {key: value for key, value in detail.items() if value},
            "marks": [],
        },
    )
    try:
        slices_of(objects, case.key)
    except LayoutError as error:
        case = replace(case, fault=error)
    for place in sorted({one.path.parent for one in objects} & set(archive.broken)):
        case = replace(case, fault=of_case(archive.broken[place], case.key))
    return case


def stray_faults(source: Source, archive: Archive) -> Iterator[Case]:
    """Files that should be slices but are none, in folders without any slice."""
    places = {one.path.parent for objects in archive.series.values() for one in objects}
    for place, fault in sorted(archive.broken.items()):
        if place not in places:
            key = below(Path(fault.path), source.folder)
            yield Case(key, (), fault=of_case(fault, key))


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Where the slices of a volume lie, in its order: UID and placement of each."""

    uids: tuple[str, ...]
    places: tuple[Placement, ...]

    def at(self, uid: str) -> list[int]:
        """Indices of the slices of this image object."""
        return [index for index, own in enumerate(self.uids) if own == uid]


def slices_of(objects: list[Object], case: str) -> Slices:
    """The slices of a series in the order of its volume, checked to make one.

    Raises
    ------
    LayoutError
        ``slice-missing``, ``series-mixed``, ``affine-broken``.
    """
    where = objects[0].path.parent
    if len(objects) == 1 and _frames(objects[0]) > 1:
        return _of_frames(objects[0])
    sizes = {(one.said("Rows"), one.said("Columns")) for one in objects}
    if len(sizes) > 1:
        listing = ", ".join(" x ".join(size) for size in sorted(sizes))
        raise LayoutError("series-mixed", where, f"mixes sizes: {listing}", case=case)
    seen: dict[str, Object] = {}
    for one in objects:
        other = seen.setdefault(one.said("SOPInstanceUID") or str(one.path), one)
        if other is not one:
            raise LayoutError(
                "slice-missing",
                where,
                f"{other.path.name} and {one.path.name} are the same image",
                "remove one of them",
                case=case,
            )
    places = []
    for one in objects:
        if one.place is None:
            raise LayoutError(
                "affine-broken", one.path, "states no position, direction or spacing", case=case
            )
        places.append(one.place)
    names = [one.path.name for one in objects]
    times = slice_times([one.times for one in objects])
    order = [0]
    if len(places) > 1:
        try:
            order = stack(places, where, names, times).order[0]
        except SeriesError as error:
            raise series_fault(error, case) from error
    return Slices(
        tuple(objects[i].said("SOPInstanceUID") for i in order), tuple(places[i] for i in order)
    )


def _frames(one: Object) -> int:
    text_of = one.said("NumberOfFrames")
    return int(text_of) if text_of.isdigit() else 1


def _of_frames(one: Object) -> Slices:
    """Frames of an enhanced object, which has all slices in one file."""
    ds = read_dataset(one.path, pixels=False)
    count = whole(ds, "NumberOfFrames") or 1
    places = [place for f in range(count) if (place := placement(ds, f)) is not None]
    if len(places) != count:
        return Slices((), ())
    order = stack(places, one.path, [f"frame {f}" for f in range(count)]).order[0]
    uid = one.said("SOPInstanceUID")
    return Slices((uid,) * count, tuple(places[i] for i in order))


def series_fault(error: SeriesError, case: str) -> LayoutError:
    """What a series that makes no volume is called among the faults."""
    what = str(error).removeprefix(f"{error.path}: ")
    return LayoutError(_FAULTS[error.kind], error.path, what, case=case)


def read_volume(paths: list[Path], source: Source, case: str) -> Image:
    """The volume of a series from its files, in the unit they state, else that of the option.

    Raises
    ------
    LayoutError
        As :func:`slices_of`; ``file-unreadable`` for a file that is cut off.
    """
    from osler.images.dicom import read_dicom
    from osler.images.series import read_slices

    try:
        image = read_dicom(paths[0]) if len(paths) == 1 else read_slices(paths, paths[0].parent)
    except SeriesError as error:
        raise series_fault(error, case) from error
    except BadFileError as error:
        what = str(error).removeprefix(f"{error.path}: ")
        raise LayoutError("file-unreadable", error.path, what, case=case) from error
    unit = unit_of(source)
    return replace(image, unit=cast(Any, unit)) if unit and image.unit == "unknown" else image
