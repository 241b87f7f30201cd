"""Fill an empty database with the index of a catalogue."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..load import Catalog
from ..record import Dataset
from . import concepts
from .lexicon import lexicon
from .names import all_names, other_names
from .text import fold, is_chinese, spaced, tokens
from .vectors import word_table

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE record (row INTEGER PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, year INTEGER,
                     count INTEGER, unit TEXT, labelled INTEGER NOT NULL, access TEXT NOT NULL);
CREATE TABLE facet (row INTEGER NOT NULL, facet TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX facet_of ON facet (facet, value, row);
CREATE TABLE word (stem TEXT NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (stem, row)) WITHOUT ROWID;
CREATE TABLE blob (name TEXT PRIMARY KEY, columns TEXT NOT NULL, type TEXT NOT NULL,
                   width INTEGER NOT NULL, data BLOB NOT NULL);
CREATE VIRTUAL TABLE doc USING fts5 (name, targets, facts, tokenize = 'porter unicode61');
"""


def facet_values(record: Dataset) -> Iterable[tuple[str, str]]:
    """(facet, value) of a record, each once; what is not stated is "unknown" where that helps."""
    yield from (("modality", one) for one in dict.fromkeys(record.modalities))
    yield from (("structure", one) for one in dict.fromkeys(record.structures))
    yield from (("task", one) for one in dict.fromkeys(record.tasks))
    yield from (("dimension", one) for one in dict.fromkeys(record.dims))
    if record.year is not None:
        yield "year", str(record.year)
    yield from (("licence", one) for one in dict.fromkeys(record.licences or ("unknown",)))
    yield "access", record.access
    yield "labelled", "yes" if record.labelled else "no"
    if record.publisher:
        yield "publisher", record.publisher
    if record.count_unit:
        yield "unit", record.count_unit


def _words(record: Dataset) -> set[str]:
    names = (record.name, spaced(record.name), *other_names(record))
    text = " ".join((*names, *record.targets, record.publisher or "", record.host or ""))
    return {one.stem for one in tokens(fold(text)) if not one.word.isdigit() and len(one.word) > 1}


def _facts(record: Dataset) -> str:
    """The labels of a record's codes; all their synonyms would drown its name."""
    labels = lexicon().labels
    made = []
    for kind, listed in (
        ("modality", record.modalities),
        ("structure", record.structures),
        ("task", record.tasks),
    ):
        made += [labels.get((kind, code), code) for code in listed]
    return " ".join((*made, *record.dims, record.publisher or "", record.host or ""))


def vectors_of(records: Sequence[Dataset]) -> npt.NDArray[np.float32]:
    """(records, dim) unit vectors: the mean of a record's targets, name and labels."""
    table = word_table()
    made: npt.NDArray[np.float32] = np.zeros((len(records), table.table.shape[1]), np.float32)
    for row, record in enumerate(records):
        texts = (" ".join(record.targets), spaced(record.name), _facts(record))
        parts = [
            table.mean(one.word for one in tokens(fold(text)) if not is_chinese(one.word))
            for text in texts
        ]
        total = np.sum([parts[0], 0.7 * parts[1], parts[2]], axis=0)
        made[row] = total / max(float(np.linalg.norm(total)), 1e-9)
    return made


def build(catalog: Catalog, connection: sqlite3.Connection) -> None:
    """Fill an empty database with the index of a catalogue."""
    records = catalog.datasets
    connection.executescript(_SCHEMA)
    with connection:
        connection.executemany(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    row,
                    one.id,
                    one.name,
                    one.year,
                    one.count,
                    one.count_unit,
                    one.labelled,
                    one.access,
                )
                for row, one in enumerate(records)
            ),
        )
        connection.executemany(
            "INSERT INTO facet VALUES (?, ?, ?)",
            ((row, *pair) for row, one in enumerate(records) for pair in facet_values(one)),
        )
        connection.executemany(
            "INSERT INTO word VALUES (?, ?)",
            sorted((stem, row) for row, one in enumerate(records) for stem in _words(one)),
        )
        connection.executemany(
            "INSERT INTO doc (rowid, name, targets, facts) VALUES (?, ?, ?, ?)",
            (
                (
                    row,
                    " ".join(dict.fromkeys((one.name, spaced(one.name), *other_names(one)))),
                    " ".join(one.targets),
                    _facts(one),
                )
                for row, one in enumerate(records)
            ),
        )
        for kind, (columns, table) in concepts.tables(records).items():
            _put(connection, kind, columns, table)
        _put(connection, "vectors", [], vectors_of(records))
        names = all_names(records)
        held = (names.spellings, names.rows, names.families, sorted(names.plain))
        connection.execute("INSERT INTO meta VALUES ('names', ?)", (json.dumps(held),))
        connection.execute("INSERT INTO meta VALUES ('complete', ?)", (str(len(records)),))


def _put(connection: sqlite3.Connection, name: str, columns: list[str], table: Any) -> None:
    values = (name, "\n".join(columns), str(table.dtype), table.shape[1], table.tobytes())
    connection.execute("INSERT INTO blob VALUES (?, ?, ?, ?, ?)", values)
