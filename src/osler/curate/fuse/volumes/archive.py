"""What lies in a folder of DICOM files, by headers: series, and the objects that mark them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset

from osler.core import BadFileError
from osler.images import format_of
from osler.images.dicom import patient_key, read_dataset
from osler.images.dicom_geometry import Placement, placement
from osler.images.dicom_tags import raw, text
from osler.images.series import TIMES, time_values

from ..faults import LayoutError
from .files import below

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
