"""The catalogue as a table: CSV with ``; `` between the values of a list, Parquet with lists."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import InputError, canonical_json, write_bytes

from ..record import Dataset

COLUMNS: Mapping[str, str] = {
    "id": "VARCHAR",
    "name": "VARCHAR",
    "aliases": "VARCHAR[]",
    "year": "INTEGER",
    "dims": "VARCHAR[]",
    "modalities": "VARCHAR[]",
    "modality_detail": "VARCHAR[]",
    "structures": "VARCHAR[]",
    "tasks": "VARCHAR[]",
    "targets": "VARCHAR[]",
    "count": "BIGINT",
    "count_unit": "VARCHAR",
    "count_exact": "BOOLEAN",
    "labelled": "BOOLEAN",
    "annotation_objects": "VARCHAR[]",
    "extra_data": "VARCHAR[]",
    "urls": "VARCHAR[]",
    "doi": "VARCHAR",
    "host": "VARCHAR",
    "publisher": "VARCHAR",
    "access": "VARCHAR",
    "licences": "VARCHAR[]",
    "annotation_licences": "VARCHAR[]",
    "licence_source": "VARCHAR",
    "idc_collection": "VARCHAR",
    "relations": "VARCHAR[]",
    "rows": "VARCHAR[]",
    "flags": "VARCHAR[]",
    "facts": "VARCHAR",
    "source": "VARCHAR",
}
"""Column -> DuckDB type. A relation is written ``kind other``, a row by its id, facts as JSON."""

BETWEEN = "; "


def cells(record: Dataset) -> dict[str, Any]:
    """The values of a record's row; lists are lists of text."""
    row = {name: getattr(record, name) for name in COLUMNS}
    row["relations"] = [f"{one.kind} {one.other}" for one in record.relations]
    row["rows"] = [one.id for one in record.rows]
    row["facts"] = canonical_json(record.facts) if record.facts else None
    return {
        name: list(value) if isinstance(value, tuple) else (None if value == "" else value)
        for name, value in row.items()
    }


def csv_text(records: Sequence[Dataset]) -> str:
    """The table as CSV (RFC 4180, LF); what is not stated is an empty cell."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({name: _text(value) for name, value in cells(record).items()})
    return out.getvalue()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return BETWEEN.join(value) if isinstance(value, list) else str(value)


def write_parquet(records: Sequence[Dataset], path: Path) -> None:
    """The table as Parquet, one row a dataset.

    Raises
    ------
    InputError
        There are no records.
    """
    import duckdb

    if not records:
        raise InputError("there are no datasets to write")
    rows = [cells(record) for record in records]
    columns = ", ".join(
        f'unnest(${number}::{kind}[]) as "{name}"'
        for number, (name, kind) in enumerate(COLUMNS.items(), 1)
    )
    values = [[row[name] for row in rows] for name in COLUMNS]
    connection = duckdb.connect(config={"threads": 1})
    made = connection.sql(f"select {columns}", params=values)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "table.parquet"
        made.write_parquet(str(file), compression="zstd")
        write_bytes(path, file.read_bytes())
