"""What there is to add: folders, tables and DICOMDIRs become a stream of candidates."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from osler.core import BadFileError, InputError
from osler.images import format_of, modality_named

PatientFrom = Literal["none", "folder", "column", "dicom"]
PATIENT_FROM: tuple[PatientFrom, ...] = ("none", "folder", "column", "dicom")

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".dcm", ".dicom", ".nii", ".nii.gz")
_PATHS = ("path", "image_path", "file")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may go into the pool, with what is known of it before it is read."""

    path: str
    patient: str = ""
    modality: str = ""
    licence: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Stated:
    """What the user states of all images of one call; a table's own columns come first."""

    modality: str = ""
    licence: str = ""
    source: str = ""
    patient_from: PatientFrom = "none"

    def __post_init__(self) -> None:
        if self.patient_from not in PATIENT_FROM:
            raise InputError(
                f"patients come from {', '.join(PATIENT_FROM)}, not from {self.patient_from!r}"
            )


def candidates(sources: Sequence[str | Path], stated: Stated) -> Iterator[Candidate]:
    """Every candidate of ``sources``, in order, as a stream that is never held whole.

    A folder gives its image files, sorted, hidden ones passed over (``patient_from="folder"``: the
    first folder below it is the patient). A TSV or CSV gives a row each (columns path, image_path
    or file; and modality, licence, source, patient where there are such). A DICOMDIR gives the
    files that it lists. Any other file is taken for an image.

    Raises
    ------
    BadFileError
        If a source does not exist or is no readable table or DICOMDIR.
    InputError
        If there is not one candidate, or a table has no column of paths.
    """
    modality = modality_named(stated.modality) if stated.modality else ""
    known = {"modality": modality, "licence": stated.licence, "source": stated.source}
    count = 0
    for source in map(Path, sources):
        if not source.exists():
            raise BadFileError(source, "there is no such file or folder", "check the path")
        for found in _of(source, known, stated.patient_from):
            count += 1
            yield found
    if not count:
        raise InputError(f"there is no image in {', '.join(map(str, sources))}; check the path")


def _of(source: Path, known: Mapping[str, str], patient_from: str) -> Iterator[Candidate]:
    if source.is_dir():
        root = source.resolve()
        for path in _walk(root):
            inner = path.relative_to(root).parts
            patient = inner[0] if patient_from == "folder" and len(inner) > 1 else ""
            yield Candidate(str(path), patient, **known)
    elif source.name.upper() == "DICOMDIR":
        yield from _dicomdir(source, known)
    elif source.suffix.lower() in (".tsv", ".csv"):
        yield from _table(source, known, patient_from)
    else:
        folder = source.resolve().parent.name if patient_from == "folder" else ""
        yield Candidate(str(source.resolve()), folder, **known)


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if name.startswith(".") or name.upper() == "DICOMDIR":
                continue
            if name.lower().endswith(_SUFFIXES) or _is_image(path):
                yield path


def _is_image(path: Path) -> bool:
    try:
        return format_of(path) not in (None, "npy", "npz")
    except BadFileError:
        return False


def _table(source: Path, known: Mapping[str, str], patient_from: str) -> Iterator[Candidate]:
    csv.field_size_limit(sys.maxsize)
    delimiter = "\t" if source.suffix.lower() == ".tsv" else ","
    try:
        with source.open(encoding="utf-8-sig", newline="") as handle:
            rows = csv.DictReader(handle, delimiter=delimiter)
            names = rows.fieldnames or []
            column = next((name for name in _PATHS if name in names), None)
            if column is None:
                raise InputError(
                    f"{source} has no column of paths; name one {', '.join(_PATHS)} "
                    f"(it has: {', '.join(names) or 'nothing'})"
                )
            if patient_from == "column" and "patient" not in names:
                raise InputError(f"{source} has no column patient, which --patient-from asks for")
            for row in rows:
                stated = {k: (row.get(k) or known[k]) for k in known}
                if row.get("modality"):
                    stated["modality"] = modality_named(row["modality"])
                place = (source.parent / (row[column] or "")).resolve()
                patient = row.get("patient") or ""
                if patient_from == "folder":
                    patient = place.parent.name
                yield Candidate(str(place), patient, **stated)
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadFileError(source, f"is no UTF-8 table ({error})", "export it again") from error


def _dicomdir(source: Path, known: Mapping[str, str]) -> Iterator[Candidate]:
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        records = pydicom.dcmread(source).DirectoryRecordSequence
    except (InvalidDicomError, AttributeError, OSError, ValueError) as error:
        raise BadFileError(source, "is no DICOMDIR", "give the folder instead") from error
    root = source.resolve().parent
    for record in records:
        if record.get("DirectoryRecordType") == "IMAGE" and "ReferencedFileID" in record:
            parts = record.ReferencedFileID
            inner = [parts] if isinstance(parts, str) else list(parts)
            path = root.joinpath(*inner).resolve()
            if not path.is_relative_to(root):
                raise BadFileError(source, f"names a file outside its folder ({path})")
            yield Candidate(str(path), **known)
