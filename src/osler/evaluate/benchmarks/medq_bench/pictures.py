"""Clean pictures to build questions from: the embedded ones, or a table of the user's own."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import BadFileError, InputError
from osler.images import Image, Modality, find_modality

MINI_KEYS = (
    "brain-axial-5",
    "brain-sagittal-3",
    "abdomen-mr",
    "head-ct-bone",
    "head-ct-soft",
    "heart-us-0",
    "bones-trunk",
    "fundus-whole",
    "fundus-disc",
    "colon-00",
    "colon-11",
)
"""Pictures of the mini set: every subject, few of each."""

_NAMES = {
    "path": ("image_path", "path", "image", "file"),
    "modality": ("modality", "image_type"),
    "patient": ("patient", "patient_id", "case_id", "subject"),
    "licence": ("licence", "license"),
    "dataset": ("dataset", "source"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Clean:
    """A clean plane, and whose it is; without a ``patient`` the image is the unit."""

    key: str
    image: Image
    modality: Modality
    patient: str = ""
    dataset: str = ""
    licence: str = "unknown"


def mini_pictures() -> list[Clean]:
    """The embedded pictures of osler-mini that the mini set is made from.

    Raises
    ------
    MissingError
        A package that holds one of them is not installed.
    """
    from osler.models.samples import test_pictures

    return [
        Clean(p.key, p.image, p.source.modality, p.source.patient, "osler-mini", p.source.licence)
        for p in test_pictures()
        if p.key in MINI_KEYS
    ]


def table_pictures(
    path: str | Path, images: str | Path | None = None, modality: str | None = None
) -> Iterator[Clean]:
    """The pictures of a table (.tsv, .csv, .jsonl), one a row, read one after the other.

    Columns: ``image_path`` and ``modality``; if there, ``patient``, ``licence``, ``dataset``.
    Paths start from ``images`` (default: the folder of the table).

    Raises
    ------
    BadFileError
        A row without image or modality, or an image that is no plane.
    """
    from osler.images import read

    path = Path(path)
    for number, record in read_records(path):
        where = f"{path}, line {number}"
        row = {name: _first(record, names) for name, names in _NAMES.items()}
        kind = find_modality(row["modality"] or modality or "")
        if not row["path"] or kind is None:
            what = (
                "no image_path" if not row["path"] else f"modality {row['modality']!r}, not known"
            )
            raise BadFileError(where, f"has {what}", "state both in every row")
        place = Path(images or path.parent) / row["path"]
        try:
            image = read(place)
        except InputError as error:
            raise BadFileError(where, str(error)) from error
        if image.axes not in ("yx", "yxc"):
            raise BadFileError(where, f"{place.name} is no single plane", "export one slice of it")
        yield Clean(
            f"{number}:{row['path']}", image, kind, row["patient"],
            row["dataset"] or path.stem, row["licence"] or "unknown",
        )  # fmt: skip


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    folded = {str(k).strip().lower(): v for k, v in record.items() if k is not None}
    return next((str(folded[n]).strip() for n in names if folded.get(n) not in (None, "")), "")


def read_records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(line, row) of a table."""
    csv.field_size_limit(1 << 30)
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            if path.suffix == ".jsonl":
                for number, line in enumerate(handle, 1):
                    if line.strip():
                        yield number, _object(line, path, number)
            else:
                reader = csv.DictReader(handle, delimiter="," if path.suffix == ".csv" else "\t")
                yield from enumerate(reader, 2)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadFileError(path, f"cannot be read as a table ({error})") from error


def _object(line: str, path: Path, number: int) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise BadFileError(f"{path}, line {number}", "is no JSON") from error
    if not isinstance(value, dict):
        raise BadFileError(f"{path}, line {number}", "is no JSON object")
    return value
