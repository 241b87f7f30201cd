"""Which datasets a selection holds, in which order, why, and how often each value is in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from osler.curate.catalog import Catalog
from osler.curate.catalog.search import Constraint, Filters, Index, open_index
from osler.curate.catalog.search.explain import reasons
from osler.curate.catalog.search.find import Ranking, ranked

from .selection import Selection
from .words import FIELDS, word

DIMENSION = "dimension"
NOT = (
    r"(?:\b(?:but\s+not|not|no|non|without|except|excluding|other\s+than)\b"
    r"|不要|不含|没有|非|无|除)?\s*"
)


@dataclass(frozen=True, slots=True)
class Read:
    """One thing that was understood of the text; ``out``: what must not be."""

    field: str
    words: str
    out: bool = False


@dataclass(frozen=True, slots=True)
class Ranked:
    """The rows of a selection, best first, and how its text was read."""

    rows: Sequence[int]
    ranking: Ranking

    @property
    def corrected(self) -> tuple[tuple[str, str], ...]:
        """Words that were taken for a slip, and what they were read as."""
        return self.ranking.query.corrections

    @property
    def unknown(self) -> tuple[str, ...]:
        """Words that no record has."""
        return self.ranking.query.unknown

    @property
    def read(self) -> tuple[Read, ...]:
        """What was understood, in the order of the question."""
        return tuple(_read(one) for one in self.ranking.query.constraints)


class Engine:
    """The index of a catalogue, opened on first use; safe to ask from several threads."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._index: Index | None = None
        self._lock = Lock()

    @property
    def index(self) -> Index:
        """The index: whoever comes first opens it, others wait."""
        with self._lock:
            if self._index is None:
                self._index = open_index(self.catalog)
            return self._index

    def rank(self, selection: Selection) -> Ranked:
        """All rows of a selection, best first."""
        found = ranked(self.index, selection.q, filters_of(selection))
        exact = tuple(one for one in selection.licence if one != "permissive")
        if not exact:
            return Ranked(found.rows, found)
        # One of the licences is enough, as for every other facet: the count beside a licence is
        # the number of rows that it leaves, also where parts of a dataset have different ones.
        good = self._carrying("licence", exact)
        if "permissive" in selection.licence:
            free = ranked(self.index, selection.q, filters_of(selection, permissive=True))
            good[list(free.rows)] = True
        return Ranked([row for row in found.rows if good[row]], found)

    def counts(self, found: Ranked) -> dict[str, dict[str, int]]:
        """Facet -> value -> how many of these rows carry it: SQL's count of distinct rows."""
        index = self.index
        selected = np.zeros(index.size, bool)
        selected[list(found.rows)] = True
        counts: dict[str, dict[str, int]] = {}
        for name in FIELDS:
            values, rows, which = index.facets[_facet(name)]
            numbers = np.bincount(which[selected[rows]], minlength=len(values))
            counts[name] = {v: int(n) for v, n in zip(values, numbers, strict=True) if n}
        return counts

    def why(self, found: Ranked, row: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What of the text a row meets, and what it does not."""
        if not found.ranking.verdicts and not found.ranking.query.names:
            return (), ()
        return reasons(self.index, found.ranking.query, found.ranking.verdicts, row)

    def without_words(self, selection: Selection) -> list[tuple[Read, Selection, int]]:
        """Each constraint that the text holds, the selection without it, and what that leaves."""
        offers = []
        for one in self.rank(selection).ranking.query.constraints:
            text = _cut(selection.q, one)
            if text is None or one.strength == "weak":
                continue
            less = selection.but(q=text, page=1)
            count = len(self.rank(less).rows)
            if count:
                offers.append((_read(one), less, count))
        return offers

    def _carrying(self, facet: str, wanted: Sequence[str]) -> np.ndarray:
        values, rows, which = self.index.facets[facet]
        good = np.array([value in wanted for value in values], bool)
        flags = np.zeros(self.index.size, bool)
        flags[rows[good[which]]] = True
        return flags


def filters_of(selection: Selection, permissive: bool = False) -> Filters:
    """The limits of a selection that are not text."""
    free = permissive or selection.licence == ("permissive",)
    return Filters(
        modalities=selection.modality,
        structures=selection.structure,
        tasks=selection.task,
        dims=selection.dim,
        licences=("permissive",) if free else (),
        access=selection.access,
        years=(selection.since, selection.until),
        min_count=selection.least,
        max_count=selection.most,
        labelled={"yes": True, "no": False}.get(selection.labelled),
        publishers=selection.publisher,
        exclude=tuple(_excluded(one) for one in selection.without),
    )


def _facet(name: str) -> str:
    return DIMENSION if name == "dim" else name


def _excluded(pair: str) -> str:
    name, _, value = pair.partition(":")
    return f"{_facet(name)}:{value}"


def _read(one: Constraint) -> Read:
    field = {"dimension": "dim", "dims": "dim"}.get(one.facet, one.facet)
    known = field in ("modality", "structure", "task")
    pairs = [pair for sense in one.senses for pair in sense.codes[:1]]
    if known and pairs and all(kind == field for kind, _ in pairs):
        said = ", ".join(dict.fromkeys(word(field, code) for _, code in pairs))
    else:
        said = one.words
    return Read(FIELDS.get(field, field.capitalize()), said, one.negative)


def _cut(text: str, one: Constraint) -> str | None:
    """The text without the words of a constraint; None where they do not stand in it."""
    left = text
    for words in one.words.split(", "):
        pattern = r"\s+".join(map(re.escape, words.split()))
        left = re.sub((NOT if one.negative else "") + pattern, " ", left, count=1, flags=re.I)
    left = " ".join(left.split()).strip(" ,;")
    return None if left == " ".join(text.split()) else left
