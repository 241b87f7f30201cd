"""Facets of a selection: each value, how many have it, and where a click leads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .engine import Engine, Ranked
from .selection import Selection
from .words import FIELDS, word

SHOWN = {"modality": 9, "structure": 9, "task": 7, "licence": 6, "publisher": 6, "year": 6}
OFFERED = 60
ONE_VALUE = ("year", "labelled")


@dataclass(frozen=True, slots=True)
class Bin:
    """One value of a facet: how many of the selection have it, and where a click leads.

    A click leads to exactly ``count`` datasets where the facet is free. Where it is in use,
    ``more`` is how many a further value would bring. Years and labels hold one value at a time:
    there ``count`` is what the other one would leave.
    """

    value: str
    label: str
    count: int
    query: str
    chosen: bool = False
    more: int | None = None

    @property
    def slug(self) -> str:
        """The value as part of an id of the page."""
        return re.sub(r"[^A-Za-z0-9]+", "-", self.value)[:60]


@dataclass(frozen=True, slots=True)
class Facet:
    """One facet and its values, the most frequent first."""

    name: str
    label: str
    bins: tuple[Bin, ...]
    shown: int = 9


def facets(engine: Engine, selection: Selection, found: Ranked) -> tuple[Facet, ...]:
    """The facets of a selection: counts over exactly its datasets."""
    counts = engine.counts(found)
    made = []
    for name, label in FIELDS.items():
        free = selection.but(**_freed(name))
        used = free != selection
        wider = engine.counts(engine.rank(free))[name] if used else counts[name]
        bins = _bins(name, selection, counts[name], wider, used)
        made.append(Facet(name, label, bins[:OFFERED], SHOWN.get(name, 9)))
    return tuple(made)


def _freed(name: str) -> dict[str, Any]:
    """The selection's fields without those of one facet."""
    if name == "year":
        return {"since": None, "until": None}
    return {name: ""} if name == "labelled" else {name: ()}


def _bins(
    name: str,
    selection: Selection,
    counts: Mapping[str, int],
    wider: Mapping[str, int],
    used: bool,
) -> tuple[Bin, ...]:
    chosen = _chosen(name, selection)
    bins = []
    for value in {*wider, *counts, *(chosen if name != "year" else ())}:
        count = counts.get(value, 0)
        here = value in chosen
        more = wider.get(value, 0) - count if used and not here else None
        if more is not None and name in ONE_VALUE:
            count, more = wider.get(value, 0), None
        if count or here or more:
            label = word(name, value)
            bins.append(Bin(value, label, count, _towards(name, value, selection), here, more))
    if name == "year":
        bins.sort(key=lambda one: one.value, reverse=True)
    else:
        bins.sort(key=lambda one: (not one.chosen, -(one.more or one.count), one.label.lower()))
    return tuple(bins)


def _chosen(name: str, selection: Selection) -> tuple[str, ...]:
    if name == "year":
        if selection.since is not None and selection.since == selection.until:
            return (str(selection.since),)
        return ()
    value = getattr(selection, name)
    return value if isinstance(value, tuple) else ((value,) if value else ())


def _towards(name: str, value: str, selection: Selection) -> str:
    """The address that a click on a value leads to."""
    if name == "year":
        here = value in _chosen(name, selection)
        year = None if here else int(value)
        return selection.query(since=year, until=year, page=1)
    if name == "labelled":
        return selection.query(labelled="" if selection.labelled == value else value, page=1)
    return selection.toggled(name, value).query()
