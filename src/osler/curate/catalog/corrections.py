"""Corrections of the source table: each with why, and with what it rests on.

``tables/corrections.jsonl`` holds one correction a line: ``id``, ``field``, either ``becomes`` (a
new value) or ``adds`` (further values of a list), ``why`` and ``source``. Nothing is corrected in
silence: the source row keeps what it said (in ``says``), the record is flagged ``corrected``, and
its facts tell the old value, the reason and the source.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import cache
from importlib.resources import files
from typing import Any

from osler.core import InputError, UnknownNameError

from .merging import changed
from .record import Dataset

MADE_BY = "Osler"
"""Key of ``facts`` under which corrections are told."""
_FIELDS = frozenset(one.name for one in fields(Dataset)) - {"id", "rows", "facts", "relations"}


@cache
def shipped() -> tuple[Mapping[str, Any], ...]:
    """The corrections that ship with Osler."""
    text = files("osler.curate.catalog").joinpath("tables", "corrections.jsonl").read_text("utf-8")
    return tuple(json.loads(line) for line in text.splitlines() if line)


def corrected(
    records: Iterable[Dataset], corrections: Iterable[Mapping[str, Any]] | None = None
) -> tuple[Dataset, ...]:
    """Records with their corrections.

    Raises
    ------
    UnknownNameError
        A correction is for an id or a field that there is not.
    InputError
        A correction changes nothing; it is out of date.
    """
    known = {one.id: one for one in records}
    for row in shipped() if corrections is None else corrections:
        if row["id"] not in known:
            raise UnknownNameError("dataset of a correction", row["id"], known)
        if row["field"] not in _FIELDS:
            raise UnknownNameError("field of a correction", row["field"], _FIELDS)
        known[row["id"]] = _with(known[row["id"]], row)
    return tuple(known.values())


def _with(record: Dataset, row: Mapping[str, Any]) -> Dataset:
    field = row["field"]
    was = getattr(record, field)
    if "adds" in row:
        more: dict[str, Any] = {field: tuple(dict.fromkeys((*was, *row["adds"])))}
        return replace(record, **more)
    becomes = tuple(row["becomes"]) if isinstance(row["becomes"], list) else row["becomes"]
    if becomes == was:
        raise InputError(f"the correction of {field} of {record.id} changes nothing; remove it")
    told = {
        "was": list(was) if isinstance(was, tuple) else was,
        "why": row["why"],
        "source": row["source"],
    }
    facts = dict(record.facts)
    facts[MADE_BY] = {**facts.get(MADE_BY, {}), f"corrected {field}": told}
    flags = {*record.flags, "corrected"} - _MENDED.get(field, frozenset())
    return replace(changed(record, field, becomes), facts=facts, flags=tuple(sorted(flags)))


_MENDED = {
    "targets": frozenset({"target_conflicts_structure"}),
    "structures": frozenset({"target_conflicts_structure"}),
}
"""Flags that no longer hold once a field is corrected."""
