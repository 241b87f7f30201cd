"""The catalogue as readers see it: one selection, its rows, its facets and its charts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from osler.curate.catalog import Catalog
from osler.curate.catalog.record import Dataset

from .engine import Engine, Ranked, Read
from .facets import Facet, facets
from .selection import PAGE_SIZE, Selection
from .words import FIELDS, word
from .words import size as size_in_words

PLANNED = 60
PERMISSIVE = re.compile(r"CC0|CC-BY-[0-9.]+$|MIT|Apache|BSD|PDDL|ODC-BY|Unlicense|CC-PDDC")


@dataclass(frozen=True, slots=True)
class Row:
    """One dataset as a line of results."""

    id: str
    name: str
    year: int | None
    dims: str
    modalities: str
    structures: str
    tasks: str
    targets: str
    size: str
    labelled: bool
    licence: str
    licence_class: str
    access: str
    publisher: str
    why: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chip:
    """A constraint in use, and the selection without it."""

    field: str
    label: str
    query: str
    out: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """A constraint to give up, and how many datasets that brings."""

    words: str
    query: str
    count: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Everything that the page of a selection shows."""

    total: int
    first: int
    last: int
    pages: int
    rows: tuple[Row, ...]
    facets: tuple[Facet, ...]
    chips: tuple[Chip, ...]
    cleared: str
    plan_query: str
    corrected: tuple[tuple[str, str], ...] = ()
    read: tuple[Read, ...] = ()
    unknown: tuple[str, ...] = ()
    drops: tuple[Drop, ...] = ()
    near: tuple[int | None, ...] = field(default=())


class Library:
    """A catalogue opened for readers; safe to use from several threads."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.records: Mapping[str, Dataset] = catalog.by_id()
        self.engine = Engine(catalog)

    def warm(self) -> None:
        """Open the index now, so that the first reader need not wait for it."""
        self.engine.counts(self.engine.rank(Selection(q="ct")))

    def ids(self, selection: Selection) -> list[str]:
        """The ids of a selection in its order."""
        rows = self._ordered(selection, self.engine.rank(selection))
        return [self.catalog.datasets[row].id for row in rows]

    def _ordered(self, selection: Selection, found: Ranked) -> Sequence[int]:
        of = self.catalog.datasets
        order = "name" if selection.sort == "relevance" and not selection.q else selection.sort
        if order == "relevance":
            return found.rows
        first: dict[str, Callable[[int], int]] = {
            "size": lambda row: -(of[row].count or 0),
            "year": lambda row: -(of[row].year or 0),
            "name": lambda row: 0,
        }
        number = first[order]
        return sorted(found.rows, key=lambda row: (number(row), of[row].name.lower(), row))

    def find(self, selection: Selection) -> Finding:
        """The page of a selection."""
        found = self.engine.rank(selection)
        rows = self._ordered(selection, found)
        start = PAGE_SIZE * (selection.page - 1)
        part = rows[start : start + PAGE_SIZE]
        pages = -(-len(rows) // PAGE_SIZE)
        of = self.catalog.datasets
        return Finding(
            total=len(rows),
            first=start + 1 if part else 0,
            last=start + len(part),
            pages=pages,
            rows=tuple(row_of(of[row], *self.engine.why(found, row)) for row in part),
            facets=facets(self.engine, selection, found),
            chips=chips_of(selection),
            cleared=Selection(q=selection.q, sort=selection.sort, view=selection.view).query(),
            plan_query=plan_query(selection, [of[row].id for row in rows[: PLANNED + 1]]),
            corrected=found.corrected,
            read=found.read,
            unknown=found.unknown,
            drops=() if rows else self._drops(selection),
            near=pages_near(selection.page, pages),
        )

    def _drops(self, selection: Selection) -> tuple[Drop, ...]:
        """Single constraints, of the text and beside it, without which something is left."""
        offers = [
            Drop(f"{'not ' if read.out else ''}{read.field.lower()} {read.words}", less.query(), n)
            for read, less, n in self.engine.without_words(selection)
        ]
        for name, value, less in selection.constraints():
            if count := len(self.engine.rank(less).rows):
                offers.append(Drop(f"{_field(name)}: {_value(name, value)}", less.query(), count))
        if selection.q and (selection.constraints() or not offers):
            less = selection.but(q="", page=1)
            if count := len(self.engine.rank(less).rows):
                offers.append(Drop(f"all words: {selection.q}", less.query(), count))
        offers.sort(key=lambda one: (-one.count, one.words))
        return tuple({one.query: one for one in offers}.values())


def row_of(one: Dataset, why: tuple[str, ...] = (), failed: tuple[str, ...] = ()) -> Row:
    """A record as a line of results."""
    return Row(
        id=one.id,
        name=one.name,
        year=one.year,
        dims=", ".join(word("dim", dim) for dim in one.dims),
        modalities=", ".join(one.modalities),
        structures=", ".join(word("structure", code) for code in one.structures[:4])
        + (f" and {len(one.structures) - 4} more" if len(one.structures) > 4 else ""),
        tasks=", ".join(word("task", code) for code in one.tasks),
        targets=", ".join(one.targets[:4]),
        size=size_in_words(one.count, one.count_unit, one.count_exact),
        labelled=one.labelled,
        licence="\n".join(one.licences) or "not known",
        licence_class=licence_class(one.licences),
        access=word("access", one.access),
        publisher=one.publisher or "",
        why=why,
        failed=failed,
    )


def licence_class(licences: tuple[str, ...]) -> str:
    """How a licence is coloured: free, bound or not known."""
    if not licences:
        return "unknown"
    return "free" if all(PERMISSIVE.match(one) for one in licences) else "bound"


def chips_of(selection: Selection) -> tuple[Chip, ...]:
    """The constraints in use."""
    return tuple(
        Chip(_field(name), _value(name, value), without.query(), name == "without")
        for name, value, without in selection.constraints()
    )


def pages_near(page: int, pages: int) -> tuple[int | None, ...]:
    """Numbers of pages to offer; None is a gap.

    Examples
    --------
    >>> pages_near(5, 20)
    (1, None, 4, 5, 6, None, 20)
    """
    wanted = sorted({1, pages, *range(page - 1, page + 2)} & set(range(1, pages + 1)))
    found: list[int | None] = []
    for number in wanted:
        if found and number - (found[-1] or 0) > 1:
            found.append(None)
        found.append(number)
    return tuple(found)


def plan_query(selection: Selection, ids: Sequence[str]) -> str:
    """The address of a plan over a selection; empty when no goal says what it says.

    A short selection becomes a list of datasets; a longer one keeps its constraints, if all of
    them are wishes of a goal.
    """
    if len(ids) <= PLANNED:
        return urlencode({"datasets": ", ".join(ids), "min_valid_image_n_per_dataset": "0"})
    told = {"modality": "modalities", "structure": "anatomy_whitelist", "task": "task_types"}
    pairs = [(key, value) for name, key in told.items() for value in getattr(selection, name)]
    pairs += [("license_allowlist", one) for one in selection.licence]
    pairs += [("release_date_min", str(selection.since))] if selection.since is not None else []
    least = selection.least if selection.least is not None else 0
    pairs.append(("min_valid_image_n_per_dataset", str(least)))
    if selection.labelled == "yes":
        pairs.append(("include_unlabeled", "false"))
    untold = selection.but(
        **dict.fromkeys((*told, "licence"), ()), since=None, least=None, sort="relevance",
        view="table", page=1, labelled="" if selection.labelled == "yes" else selection.labelled,
    )  # fmt: skip
    return urlencode(pairs) if untold == Selection() and "unknown" not in selection.licence else ""


def _field(name: str) -> str:
    return {"since": "Year", "least": "Size", "without": "Not"}.get(name) or FIELDS.get(name, name)


def _value(name: str, value: str) -> str:
    if name == "without":
        kind, _, code = value.partition(":")
        return word(kind, code)
    return word(name, value)
