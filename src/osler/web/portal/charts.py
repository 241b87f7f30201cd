"""What a selection consists of: bars whose numbers are counts of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .holdings import Library
from .selection import Selection
from .words import FIELDS, word

CHARTS = ("modality", "structure", "task", "dim", "licence", "access", "publisher")
SHOWN = 14
MOST = 400


@dataclass(frozen=True, slots=True)
class Bar:
    """One value: how many datasets of the selection have it, and its share of the longest bar."""

    value: str
    label: str
    count: int
    share: float
    query: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The values of one field; ``unstated`` datasets of the selection have none."""

    name: str
    label: str
    bars: tuple[Bar, ...]
    unstated: int
    several: bool
    shown: int = SHOWN


def charts(library: Library, selection: Selection) -> tuple[Chart, ...]:
    """One chart a field: counts over exactly the datasets of the selection.

    A dataset with several values is counted once under each, so that bars may add up to more than
    there are datasets (``several``).
    """
    selection = selection.but(page=1)
    records = [library.records[one] for one in library.ids(selection)]
    counts = library.engine.counts(library.engine.rank(selection))
    found = []
    for name in CHARTS:
        values = counts[name]
        stated = sum(1 for one in records if _values(name, one))
        bars = _bars(name, values, selection)
        several = sum(values.values()) > stated
        found.append(Chart(name, FIELDS[name], bars, len(records) - stated, several))
    return tuple(found)


def years(library: Library, selection: Selection) -> Chart:
    """Datasets by year, without gaps between the first and the last."""
    selection = selection.but(page=1)
    counts = library.engine.counts(library.engine.rank(selection))["year"]
    total = len(library.ids(selection))
    unstated = total - sum(counts.values())
    if not counts:
        return Chart("year", FIELDS["year"], (), unstated, False)
    longest = max(counts.values())
    first, last = min(map(int, counts)), max(map(int, counts))
    first = max(first, last - 60)
    bars = []
    for year in range(first, last + 1):
        count = counts.get(str(year), 0)
        here = selection.since == year == selection.until
        query = selection.query(since=None if here else year, until=None if here else year)
        bars.append(Bar(str(year), str(year), count, 100 * count / longest, query, here))
    return Chart("year", FIELDS["year"], tuple(bars), unstated, False)


def _bars(name: str, counts: Mapping[str, int], selection: Selection) -> tuple[Bar, ...]:
    chosen: tuple[str, ...] = getattr(selection, name)
    longest = max(counts.values(), default=1)
    bars = []
    for value, count in counts.items():
        here = value in chosen
        towards = selection.toggled(name, value) if here else selection.but(**{name: (value,)})
        share = 100 * count / longest
        bars.append(Bar(value, word(name, value), count, share, towards.query(), here))
    bars.sort(key=lambda one: (-one.count, one.label.lower()))
    return tuple(bars[:MOST])


def _values(name: str, record: Any) -> Any:
    many = {"modality": "modalities", "structure": "structures", "task": "tasks", "dim": "dims"}
    if name == "licence":
        return True
    return getattr(record, many.get(name, name))
