"""Licences that the source table does not state, each with where it stands.

``tables/licences.jsonl`` holds one dataset a line: ``licences`` of the images,
``annotation_licences``, or both, and ``source``. A licence counts only where one place states it
without contradiction: not where the terms of a page and its licence disagree, and a re-upload
counts only where it quotes the licence of the original. A line with ``unconfirmed`` (why) is no
licence: the record stays without one, is flagged, and its facts tell what is said, where, and why
that does not count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from osler.core import InputError, UnknownNameError

from .corrections import MADE_BY
from .merging import changed
from .record import Dataset

UNCONFIRMED = "licence_unconfirmed"
"""Flag of a record whose licence is told somewhere, but not so that it counts."""
SAID = "unconfirmed licence"
"""Key below Osler's own facts: what is said of images and annotations, why it is in doubt."""


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
    known = {one.id: _partly(one) for one in records}
    for row in shipped() if statements is None else statements:
        if row["id"] not in known:
            raise UnknownNameError("dataset of a licence", row["id"], known)
        record = known[row["id"]]
        if record.licences or record.annotation_licences:
            raise InputError(f"{record.id} has a licence in the source; remove it from the table")
        images, annotations = row.get("licences", ()), row.get("annotation_licences", ())
        if "unconfirmed" in row:
            told = unconfirmed(record, images, annotations, row["unconfirmed"], row["source"])
        else:
            told = replace(
                changed(record, "licences", tuple(images)),
                annotation_licences=tuple(annotations),
                licence_source=row["source"],
            )
        known[record.id] = told
    return tuple(known.values())


def unconfirmed(
    record: Dataset, images: Iterable[str], annotations: Iterable[str], why: str, source: str
) -> Dataset:
    """The record without a licence, flagged; its facts tell which one is said, and why not."""
    said = {
        "images": list(images),
        "annotations": list(annotations),
        "why": why,
        "source": source,
    }
    return replace(
        changed(record, "licences", ()),
        annotation_licences=(),
        licence_source="",
        flags=tuple(sorted({*record.flags, UNCONFIRMED})),
        facts={**record.facts, MADE_BY: {**record.facts.get(MADE_BY, {}), SAID: said}},
    )


def confirmed(record: Dataset) -> Dataset:
    """The record without the doubt, for a source that settles its licence."""
    if UNCONFIRMED not in record.flags:
        return record
    own = {name: told for name, told in record.facts.get(MADE_BY, {}).items() if name != SAID}
    facts = {name: told for name, told in record.facts.items() if name != MADE_BY}
    flags = tuple(one for one in record.flags if one != UNCONFIRMED)
    return replace(record, flags=flags, facts={**facts, **({MADE_BY: own} if own else {})})


LACKING = "idc_lacks_claimed_modality"
"""Flag of a collection of which Imaging Data Commons holds not every stated modality."""
PARTLY = "of what Imaging Data Commons holds; it has no series of a modality stated here"
"""What the licence of such a collection is of: the rest may be under other terms (a plan holds it
unknown)."""


def _partly(record: Dataset) -> Dataset:
    """With the word that the licence is not that of all of it (heads of TCGA: slides only)."""
    if LACKING not in record.flags or not record.licences or PARTLY in record.licence_source:
        return record
    return replace(record, licence_source=f"{record.licence_source}, {PARTLY}")
