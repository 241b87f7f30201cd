"""A selection as a file: CSV for tables, JSON for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict

from osler.curate.catalog.record import Dataset

from .selection import Selection

COLUMNS = (
    *("id", "name", "year", "dims", "modalities", "structures", "tasks", "targets", "count"),
    *("count_unit", "count_exact", "labelled", "licences", "annotation_licences"),
    *("licence_source", "access", "publisher", "doi", "urls", "source"),
)


def csv_of(records: Sequence[Dataset], selection: Selection) -> bytes:
    """One row a dataset; several values of a cell are joined by ``; ``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in records:
        writer.writerow([_cell(getattr(one, name)) for name in COLUMNS])
    return out.getvalue().encode("utf-8", "replace")


def json_of(records: Sequence[Dataset], selection: Selection) -> bytes:
    """The whole records, and the selection that they answer."""
    rows = [asdict(one) for one in records]
    told = {"query": selection.query(), "count": len(rows), "datasets": rows}
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "; ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
