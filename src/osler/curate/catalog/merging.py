"""From the normalised source table to records: rows of one dataset merged, differences kept.

The source table has one row for every place where the README of Project Imaging-X names a dataset;
111 names stand there several times, often with different values. A record takes single values
from the row marked as primary (the others fill what it leaves empty) and lists from all rows
together. What a row says otherwise stays in its :class:`SourceRow`, so that :func:`row_value`
gives back every row's own value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from osler.core import BadFileError
from osler.curate.licences import licence_named

from .load import text_lines
from .record import Dataset, SourceRow

SOURCE = "Project Imaging-X README, commit ec70f7b (MIT)"
_SINGLE = {
    "year": "year",
    "count_unit": "count_unit",
    "count": "count",
    "count_exact": "count_exact",
    "labelled": "labelled",
    "doi": "doi",
    "host": "host",
    "publisher": "publisher",
    "access": "access_hint",
    "idc_collection": "idc_collection_id",
}
_LISTS = (
    *("dims", "modalities", "modality_detail", "structures", "tasks", "targets"),
    *("annotation_objects", "extra_data", "urls"),
)
_OF_SIZE = ("count", "count_unit", "count_exact")
_EMPTY: dict[str, Any] = {"access": "unknown", "count_exact": True}


def read_source(path: Path) -> list[dict[str, Any]]:
    """Rows of a normalised source table, one JSON object a line.

    Raises
    ------
    BadFileError
        A line is no JSON object, or lacks a field that building needs; the message names it.
    """
    rows: list[dict[str, Any]] = []
    need = {"id", "name", "slug", "dup_group", "dup_primary", "section", "source_line", "flags"}
    need |= {*_SINGLE.values(), *_LISTS, "license", "license_source"}
    for number, line in enumerate(text_lines(path), 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadFileError(path, f"line {number} is not JSON ({error})") from None
        absent = sorted(need - set(row)) if isinstance(row, dict) else ["an object"]
        if absent:
            raise BadFileError(path, f"line {number} lacks {', '.join(absent[:4])}")
        rows.append(row)
    return rows


def merged(rows: Iterable[Mapping[str, Any]]) -> tuple[Dataset, ...]:
    """Records of source rows, in the order of their ids.

    Raises
    ------
    BadFileError
        A group has no primary row, or two groups have the same id.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["dup_group"], []).append(row)
    records = {}
    for name, group in groups.items():
        if sum(bool(row["dup_primary"]) for row in group) != 1:
            raise BadFileError(name, "a group of rows needs one primary row")
        record = _record(sorted(group, key=lambda row: not row["dup_primary"]))
        if record.id in records:
            raise BadFileError(record.id, "two groups of rows have this id")
        records[record.id] = record
    return tuple(records[key] for key in sorted(records))


def _record(group: Sequence[Mapping[str, Any]]) -> Dataset:
    """One record of rows of which the first is the primary one."""
    first = group[0]
    own = [_own(row) for row in group]
    values = {field: _single(field, own) for field in _SINGLE}
    if own[0]["count"] is None:
        values.update(_size(own))
    values.update({field: _joined(field, own) for field in _LISTS})
    licences = tuple(dict.fromkeys(one for values_of in own for one in values_of["licences"]))
    names = tuple(dict.fromkeys(str(row["name"]) for row in group))
    return Dataset(
        id=first["slug"],
        name=names[0],
        aliases=names[1:],
        licences=licences,
        licence_source="; ".join(
            dict.fromkeys(str(row["license_source"]) for row in group if row["license_source"])
        ),
        rows=tuple(
            _source_row(row, said, {**values, "name": names[0], "licences": licences})
            for row, said in zip(group, own, strict=True)
        ),
        flags=_flags(group, values),
        facts=_second_counts(group),
        source=SOURCE,
        **values,
    )


def _own(row: Mapping[str, Any]) -> dict[str, Any]:
    """What one row says, in the fields of a record."""
    said: dict[str, Any] = {field: row[name] for field, name in _SINGLE.items()}
    said["access"] = said["access"] or "unknown"
    said["count_exact"] = True if said["count"] is None else bool(said["count_exact"])
    said.update({field: tuple(row[field]) for field in _LISTS})
    stated = row["license"] or ()
    stated = (stated,) if isinstance(stated, str) else stated
    said["licences"] = tuple(licence_named(one).id for one in stated)
    said["name"] = row["name"]
    return said


def _single(field: str, own: Sequence[Mapping[str, Any]]) -> Any:
    """The primary row's value; where it has none, the first of another row."""
    if field in _OF_SIZE:
        return own[0][field]
    empty = _EMPTY.get(field)
    return next((said[field] for said in own if said[field] not in (None, empty)), own[0][field])


def _size(own: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Count, unit and exactness of the first row that has a count; they are one statement."""
    said = next((one for one in own if one["count"] is not None), own[0])
    return {field: said[field] for field in _OF_SIZE}


def _joined(field: str, own: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """All values of all rows. "Several modalities" falls away where a row names them."""
    values = tuple(dict.fromkeys(value for said in own for value in said[field]))
    if field == "modalities" and len(values) > 1:
        values = tuple(one for one in values if one != "MIXED")
    return values


def _source_row(
    row: Mapping[str, Any], said: Mapping[str, Any], record: Mapping[str, Any]
) -> SourceRow:
    differs = {
        field: list(value) if isinstance(value, tuple) else value
        for field, value in said.items()
        if not _agree(value, record[field])
    }
    return SourceRow(row["id"], row["source_line"], row["section"], differs)


def _agree(one: Any, other: Any) -> bool:
    """Whether two values say the same; the order of a list says nothing."""
    if isinstance(one, tuple):
        return set(one) == set(other)
    return bool(one == other)


_MADE_GOOD = {
    "target_missing": "targets",
    "structure_missing": "structures",
    "task_missing": "tasks",
    "year_missing": "year",
    "count_missing": "count",
    "count_zero": "count",
    "url_missing": "urls",
    "modality_missing": "modalities",
}


def _flags(group: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> tuple[str, ...]:
    """Flags of all rows, without those that another row of the group makes good."""
    flags = {flag for row in group for flag in row["flags"]}
    flags -= {flag for flag, field in _MADE_GOOD.items() if values[field]}
    if "MIXED" not in values["modalities"]:
        flags.discard("modality_unspecific")
    return tuple(sorted(flags))


def _second_counts(group: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    counts = {
        f"{row['count_secondary']['unit']}s": row["count_secondary"]["value"]
        for row in group
        if row.get("count_secondary")
    }
    return {SOURCE: counts} if counts else {}


def row_value(record: Dataset, row: SourceRow, field: str) -> Any:
    """What one source row says of a field: its own value, or the record's where they agree.

    A list that the row gives comes back as a tuple.
    """
    value = row.says.get(field, getattr(record, field))
    return tuple(value) if isinstance(value, list) else value


def changed(record: Dataset, field: str, value: Any) -> Dataset:
    """The record with another value; its source rows go on saying what they said."""
    values: dict[str, Any] = {field: value}
    rows = tuple(_keeping(record, row, field, value) for row in record.rows)
    return replace(record, rows=rows, **values)


def _keeping(record: Dataset, row: SourceRow, field: str, value: Any) -> SourceRow:
    said = row_value(record, row, field)
    says = {name: one for name, one in row.says.items() if name != field}
    if not _agree(said, value):
        says[field] = list(said) if isinstance(said, tuple) else said
    return replace(row, says=says)


def row_of(record: Dataset) -> dict[str, Any]:
    """The JSON object of a record; :func:`~osler.curate.catalog.load.dataset_from` reads it."""
    return asdict(record)


def jsonl(records: Iterable[Dataset]) -> str:
    """Records as the text of ``records.jsonl``: one a line, equal for equal records."""
    return "".join(json.dumps(row_of(one), ensure_ascii=False) + "\n" for one in records)
