"""Which datasets hold the same images or patients, and how that is known.

``tables/relations.jsonl`` holds one statement a line: ``one`` is ``kind`` of ``other``, with a
``source``. Each is written once; its inverse is computed, so both records tell it. An ``other``
that the catalogue does not hold is written ``idc:<collection>``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any

from osler.core import UnknownNameError

from .load import Catalog
from .record import Dataset, Kind, Relation

OUTSIDE = "idc:"
"""Prefix of a collection of Imaging Data Commons that has no record here."""
INVERSE: dict[str, Kind] = {
    "same": "same",
    "part_of": "contains",
    "contains": "part_of",
    "derived_from": "source_of",
    "source_of": "derived_from",
    "shares_patients": "shares_patients",
}
"""What ``other`` is to ``one`` when ``one`` is this to ``other``."""


@cache
def shipped() -> tuple[Mapping[str, Any], ...]:
    """The statements that ship with Osler."""
    text = files("osler.curate.catalog").joinpath("tables", "relations.jsonl").read_text("utf-8")
    return tuple(json.loads(line) for line in text.splitlines() if line)


def related(
    records: Iterable[Dataset], statements: Iterable[Mapping[str, Any]] | None = None
) -> tuple[Dataset, ...]:
    """Records with their relations, both directions of each: stated here, or by a record itself.

    Raises
    ------
    UnknownNameError
        A statement is about a dataset or a kind that there is not.
    """
    known = {one.id: one for one in records}
    found: dict[str, dict[tuple[str, str], Relation]] = {}
    for row in (*(shipped() if statements is None else statements), *_own(known.values())):
        if row["kind"] not in INVERSE:
            raise UnknownNameError("kind of relation", row["kind"], INVERSE)
        one, other, kind = row["one"], row["other"], row["kind"]
        for here, there, what in ((one, other, kind), (other, one, INVERSE[kind])):
            if here.startswith(OUTSIDE):
                continue
            if here not in known:
                raise UnknownNameError("dataset of a relation", here, known)
            relation = Relation(what, there, row["source"], row.get("patients"))
            found.setdefault(here, {}).setdefault((what, there), relation)
    return tuple(
        replace(one, relations=_joined(one, found.get(one.id, {}))) for one in known.values()
    )


def _own(records: Iterable[Dataset]) -> Iterator[Mapping[str, Any]]:
    """The relations that records hold already, as statements."""
    for record in records:
        for step in record.relations:
            yield {
                "one": record.id,
                "kind": step.kind,
                "other": step.other,
                "source": step.source,
                "patients": step.patients,
            }


def _joined(record: Dataset, found: Mapping[tuple[str, str], Relation]) -> tuple[Relation, ...]:
    both: dict[tuple[str, str], Relation] = {(one.kind, one.other): one for one in record.relations}
    both.update(found)
    return tuple(both[key] for key in sorted(both))


_STEPS: dict[str, dict[str, str]] = {
    "within": {
        "same": "within",
        "contains": "within",
        "part_of": "above",
        "derived_from": "made from",
        "source_of": "made of it",
        "shares_patients": "shared",
    },
    "made from": {
        "same": "made from",
        "derived_from": "made from",
        "part_of": "above",
        "source_of": "made of it",
        "contains": "below",
        "shares_patients": "shared",
    },
    "above": {
        "same": "above",
        "part_of": "above",
        "derived_from": "made from",
        "source_of": "made of it",
    },
    "made of it": {"same": "made of it", "source_of": "made of it", "part_of": "made of it"},
    "below": {"same": "below", "contains": "below"},
    "shared": {"same": "shared", "part_of": "shared"},
}
"""Where a chain of relations may go on. Not from a part up to the whole and down to another part
(parts of one dataset are apart), nor from a source to what else was put into a mixture, nor from
shared patients to further ones."""


def overlapping(catalog: Catalog, ids: Iterable[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Which of some datasets may hold the same images or patients, and through which chain.

    A chain follows stated relations through other datasets too: LiTS is in AbdomenCT-1K, which is
    in FLARE22, so LiTS and FLARE22 overlap; RSNA Pneumonia and SIIM-ACR are both made from NIH
    ChestX-ray14, so they may.

    Returns
    -------
    dict
        For each id that overlaps with another of ``ids``: the other, and the ids on the shortest
        way to it (ends included).
    """
    wanted = tuple(dict.fromkeys(ids))
    by_id = catalog.by_id()
    reached = {one: _reached(by_id, one) for one in wanted}
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for one, other in combinations(wanted, 2):
        ways = [reached[one][other]] if other in reached[one] else []
        ways += [reached[other][one][::-1]] if one in reached[other] else []
        if ways:
            chain = min(ways, key=len)
            found.setdefault(one, {})[other] = chain
            found.setdefault(other, {})[one] = chain[::-1]
    return found


def _reached(by_id: Mapping[str, Dataset], start: str) -> dict[str, tuple[str, ...]]:
    """Every dataset that a chain of relations leads to, with the shortest chain."""
    chains: dict[tuple[str, str], tuple[str, ...]] = {(start, "within"): (start,)}
    front = [(start, "within")]
    while front:
        place, state = front.pop(0)
        for step in by_id[place].relations if place in by_id else ():
            nearer = (step.other, _STEPS[state].get(step.kind, ""))
            if nearer[1] and nearer not in chains:
                chains[nearer] = (*chains[place, state], step.other)
                front.append(nearer)
    shortest: dict[str, tuple[str, ...]] = {}
    for (place, _), chain in chains.items():
        if place not in shortest or len(chain) < len(shortest[place]):
            shortest[place] = chain
    return shortest
