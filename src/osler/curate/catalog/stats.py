"""How many datasets there are of each kind: by facet, by name and by row of the source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from osler.core import UnknownNameError
from osler.curate.licences import is_permissive, known_licences

from .load import Catalog
from .merging import row_value
from .record import Dataset
from .vocabulary import targets_of

FACETS: Mapping[str, str] = {
    "modality": "modalities",
    "structure": "structures",
    "task": "tasks",
    "target": "targets",
    "dimension": "dims",
    "labelled": "labelled",
    "year": "year",
    "licence": "licences",
    "access": "access",
    "publisher": "publisher",
}
"""Facet -> field of a record. Targets are counted by their canonical term."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Datasets (distinct names) and rows of the source table with one value of a facet."""

    datasets: int
    rows: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the datasets counted in one unit: how many, their sum, median, and the largest.

    ``share_of_five`` is the part of the sum that the five largest hold.
    """

    datasets: int
    total: int
    median: float
    share_of_five: float
    largest: tuple[tuple[str, int], ...]


def values(record: Dataset, facet: str) -> tuple[Any, ...]:
    """The values of a record in a facet; empty: not stated."""
    return _listed(getattr(record, FACETS[facet]), facet)


def counted(catalog: Catalog, facet: str) -> dict[str, Counted]:
    """Value -> datasets and rows that have it, most datasets first.

    A dataset with several values counts at each. An added dataset has no row. What is not stated
    is counted as ``""``.

    Raises
    ------
    UnknownNameError
        There is no such facet.
    """
    if facet not in FACETS:
        raise UnknownNameError("facet", facet, FACETS)
    names: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for record in catalog.datasets:
        names.update(str(one) for one in set(values(record, facet)) or {""})
        for row in record.rows:
            said = _listed(row_value(record, row, FACETS[facet]), facet)
            rows.update(str(one) for one in set(said) or {""})
    order = sorted({*names, *rows}, key=lambda one: (-names[one], -rows[one], one))
    return {one: Counted(names[one], rows[one]) for one in order}


def _listed(value: Any, facet: str) -> tuple[Any, ...]:
    if facet == "target":
        return targets_of(value)
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def sizes(records: Iterable[Dataset]) -> dict[str, Sizes]:
    """Sizes by unit (image, volume, sample)."""
    counts: dict[str, list[tuple[str, int]]] = {}
    for record in records:
        if record.count is not None and record.count_unit is not None:
            counts.setdefault(record.count_unit, []).append((record.name, record.count))
    found = {}
    for unit, pairs in sorted(counts.items()):
        pairs.sort(key=lambda pair: (-pair[1], pair[0]))
        total = sum(count for _, count in pairs)
        five = pairs[:5]
        found[unit] = Sizes(
            len(pairs),
            total,
            float(median(count for _, count in pairs)),
            sum(count for _, count in five) / total,
            tuple(five),
        )
    return found


def summary(catalog: Catalog) -> dict[str, Any]:
    """Totals of the whole catalogue: names, rows, labelled, licences, relations, facts."""
    records = catalog.datasets
    known = known_licences()
    permissive = [
        one
        for one in records
        if one.licences and all(is_permissive(known[i]) for i in one.licences if i in known)
    ]
    return {
        "datasets": len(records),
        "rows": sum(len(one.rows) for one in records),
        "listed_several_times": sum(len(one.rows) > 1 for one in records),
        "added": sum(not one.rows for one in records),
        "labelled": sum(one.labelled for one in records),
        "licence_known": sum(bool(one.licences) for one in records),
        "licence_permissive": len(permissive),
        "with_relations": sum(bool(one.relations) for one in records),
        "with_facts": sum(bool(one.facts) for one in records),
        "corrected": sum("corrected" in one.flags for one in records),
        "digest": catalog.digest,
    }
