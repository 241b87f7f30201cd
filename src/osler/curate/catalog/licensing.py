"""Licences that the source table does not state, each with where it stands.

``tables/licences.jsonl`` holds one dataset a line: ``licences`` of the images,
``annotation_licences``, or both, and ``source``. A licence is entered only where one place states
it without contradiction: not where the terms of a page and its licence disagree, and a re-upload
counts only where it quotes the licence of the original.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from osler.core import InputError, UnknownNameError

from .merging import changed
from .record import Dataset


@cache
def shipped() -> tuple[Mapping[str, Any], ...]:
    """The licences that ship with Osler."""
    text = files("osler.curate.catalog").joinpath("tables", "licences.jsonl").read_text("utf-8")
    return tuple(json.loads(line) for line in text.splitlines() if line)


def licensed(
    records: Iterable[Dataset], statements: Iterable[Mapping[str, Any]] | None = None
) -> tuple[Dataset, ...]:
    """Records with these licences; those that the source states are not replaced.

    Raises
    ------
    UnknownNameError
        A statement is about a dataset that there is not.
    InputError
        A dataset has a licence already.
    """
    known = {one.id: one for one in records}
    for row in shipped() if statements is None else statements:
        if row["id"] not in known:
            raise UnknownNameError("dataset of a licence", row["id"], known)
        record = known[row["id"]]
        if record.licences or record.annotation_licences:
            raise InputError(f"{record.id} has a licence in the source; remove it from the table")
        record = changed(record, "licences", tuple(row.get("licences", ())))
        known[record.id] = replace(
            record,
            annotation_licences=tuple(row.get("annotation_licences", ())),
            licence_source=row["source"],
        )
    return tuple(known.values())
