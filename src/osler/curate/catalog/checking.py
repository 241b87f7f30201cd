"""Is the catalogue right? The shipped table and new entries, each fault by file and field."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import BadFileError

from .entry import read_entry, record_of, wrong_entry
from .fields import near, wrong_values
from .load import Catalog
from .merging import row_of
from .record import Dataset
from .relations import INVERSE, OUTSIDE
from .vocabulary import plain_words

SOURCE_ROWS = 1151
"""Rows of the source table; every one must be in exactly one record."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: the file (or the table), the record, the field, and a sentence."""

    file: str
    record: str
    field: str
    what: str


def wrong_table(catalog: Catalog, file: str = "records.jsonl") -> list[Problem]:
    """Everything that is wrong in a table of records."""
    known = catalog.by_id()
    found = [
        Problem(file, record.id, field, what)
        for record in catalog.datasets
        for field, what in (
            *wrong_values(row_of(record), empty_ok=True),
            *_wrong_relations(record, known),
        )
    ]
    return found + [Problem(file, "", "rows", what) for what in _wrong_rows(catalog)]


def _wrong_rows(catalog: Catalog) -> Iterator[str]:
    ids = [row.id for record in catalog.datasets for row in record.rows]
    if len(set(ids)) != len(ids):
        yield "a source row is in two records"
    if len(set(ids)) != SOURCE_ROWS:
        yield f"{len(set(ids))} source rows instead of {SOURCE_ROWS}"
    if len(catalog.by_id()) != len(catalog.datasets):
        yield "two records have one id"


def _wrong_relations(record: Dataset, known: Mapping[str, Dataset]) -> Iterator[tuple[str, str]]:
    for one in record.relations:
        if one.other.startswith(OUTSIDE):
            continue
        if one.other == record.id:
            yield "relations", "a dataset is not related to itself"
        elif one.other not in known:
            yield "relations", f"other {one.other!r} has no record; {near(one.other, known)}"
        elif (INVERSE[one.kind], record.id) not in {
            (back.kind, back.other) for back in known[one.other].relations
        }:
            yield "relations", f"{one.other} does not say it is {INVERSE[one.kind]} of this"


def wrong_files(paths: Iterable[Path], catalog: Catalog) -> list[Problem]:
    """Everything that is wrong in new entries: by themselves, against the table, between them."""
    found: list[Problem] = []
    seen = _seen(catalog.datasets)
    entries = list(paths)
    known = {*catalog.by_id(), *(path.stem for path in entries)}
    for path in entries:
        try:
            row = read_entry(path)
        except BadFileError as error:
            found.append(Problem(str(path), path.stem, "", str(error).removeprefix(f"{path}: ")))
            continue
        wrong = list(wrong_entry(row))
        if not wrong:
            record = record_of(row)
            wrong += _wrong_others(record, known)
            wrong += _repeats(record, seen)
            for key, value in _seen([record]).items():
                seen.setdefault(key, value)
        found += [Problem(str(path), str(row["id"]), field, what) for field, what in wrong]
    return found


def _wrong_others(record: Dataset, known: Collection[str]) -> Iterator[tuple[str, str]]:
    for one in record.relations:
        if not one.other.startswith(OUTSIDE) and (one.other not in known or one.other == record.id):
            yield "relations", f"other {one.other!r} has no record; {near(one.other, known)}"


def _keys(record: Dataset) -> Iterator[tuple[str, str, str]]:
    """(field, normalised value, value) by which two records are known to be one."""
    for name in (record.id, record.name, *record.aliases):
        yield "name", plain_words(name).replace(" ", ""), name
    for url in record.urls:
        yield "urls", bare_url(url), url
    if record.doi:
        yield "doi", record.doi.casefold(), record.doi


def bare_url(url: str) -> str:
    """A link without scheme, www, trailing slash and case of the host, for comparing.

    Examples
    --------
    >>> bare_url("https://www.Kaggle.com/c/x/") == bare_url("http://kaggle.com/c/x")
    True
    """
    bare = re.sub(r"^https?://(www\.)?", "", url.strip(), flags=re.IGNORECASE).rstrip("/")
    host, slash, path = bare.partition("/")
    return host.casefold() + slash + path


def _seen(records: Iterable[Dataset]) -> dict[tuple[str, str], str]:
    keys: dict[tuple[str, str], str] = {}
    for record in records:
        for field, key, _ in _keys(record):
            keys.setdefault((field, key), record.id)
    return keys


def _repeats(record: Dataset, seen: Mapping[tuple[str, str], Any]) -> Iterator[tuple[str, str]]:
    """Names, links and DOIs that another record has; a stated relation explains link and DOI."""
    explained = {one.other for one in record.relations}
    for field, key, value in dict.fromkeys(_keys(record)):
        other = seen.get((field, key))
        if other is None or other == record.id or (field != "name" and other in explained):
            continue
        todo = "" if field == "name" else ", or state the relation (same, part_of, ...)"
        yield field, f"{value!r} is that of {other}; correct that record instead{todo}"
