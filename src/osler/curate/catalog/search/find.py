"""Search: what is asked, which records answer, in which order, and how many of each kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .accepting import accepted
from .explain import drops, reasons
from .filters import Filters, allowed
from .index import FACETS, Index, cached_index
from .judging import Column, Flags, Verdict, judged, standing
from .lexicon import Sense
from .reading import Constraint, ReadQuery
from .understand import understood
from .vectors import word_table

WEIGHTS = {"hard": 1.0, "soft": 0.7, "weak": 0.4}
"""What a constraint counts for in the order of hits."""
PRIOR = 0.02
"""What a record's own standing counts for: it decides between equal answers."""
PLACE = 1.3
"""How much more modality and structure count than what else is asked for."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that answers: ``why`` it does, and the one thing it fails, if any.

    ``score`` is from 0 to 1 and comparable within one question only.
    """

    id: str
    name: str
    score: float
    why: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Hits in order, how the question was read, and what to drop when there is no hit.

    ``total`` counts all hits, those beyond the limit included.
    """

    hits: tuple[Hit, ...]
    query: ReadQuery
    drop: tuple[str, ...] = ()
    total: int = 0


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows of all hits, best first, with their scores and what was judged."""

    query: ReadQuery
    rows: tuple[int, ...]
    scores: tuple[float, ...]
    verdicts: tuple[Verdict, ...]
    inside: Flags


def read_query(text: str, index: Index | None = None) -> ReadQuery:
    """A question as it is understood: constraints, negations, corrections, names.

    ``index`` gives the names and words of the records; default: Osler's own catalogue.
    """
    index = index or cached_index()
    return understood(text, index.names, index.weight)


def ranked(index: Index, text: str, filters: Filters = Filters()) -> Ranking:  # noqa: B008
    """All hits of a question, in order."""
    query = read_query(text, index)
    inside = allowed(index, filters)
    if not text.strip():
        every = tuple(np.flatnonzero(inside).tolist())
        return Ranking(query, every, (1.0,) * len(every), (), inside)
    verdicts = tuple(
        judged(index, one) for one in (*query.constraints, *_text_constraints(index, query))
    )
    order = _order(index, query, verdicts)
    rows, scores = accepted(index, query, verdicts, inside, order)
    return Ranking(query, rows, scores, verdicts, inside)


def search(
    index: Index,
    text: str,
    *,
    filters: Filters = Filters(),  # noqa: B008
    limit: int | None = 10,
) -> Found:
    """The records that answer a question, best first.

    An empty text asks for everything within the filters. Where nothing answers, ``drop`` names
    the constraints without which something would.
    """
    found = ranked(index, text, filters)
    rows = found.rows if limit is None else found.rows[:limit]
    records = index.catalog.datasets
    hits = []
    for row, score in zip(rows, found.scores, strict=False):
        why, failed = reasons(index, found.query, found.verdicts, row)
        hits.append(Hit(records[row].id, records[row].name, round(score, 4), why, failed))
    drop = () if hits else drops(index, found.query, found.verdicts, found.inside)
    return Found(tuple(hits), found.query, drop, len(found.rows))


def facet_counts(
    index: Index,
    text: str = "",
    filters: Filters = Filters(),  # noqa: B008
) -> dict[str, dict[str, int]]:
    """How many of all hits of a question carry each value of each facet, most frequent first.

    The counts are those of ``SELECT value, count(DISTINCT row) FROM facet ... GROUP BY value``
    over the rows of the hits.
    """
    selected = np.zeros(index.size, bool)
    selected[list(ranked(index, text, filters).rows)] = True
    counts = {}
    for facet in FACETS:
        values, rows, which = index.facets[facet]
        numbers = np.bincount(which[selected[rows]], minlength=len(values)).tolist()
        pairs = [(value, n) for value, n in zip(values, numbers, strict=True) if n]
        if facet == "year":
            pairs.sort(key=lambda pair: pair[0], reverse=True)
        else:
            pairs.sort(key=lambda pair: (-pair[1], pair[0]))
        counts[facet] = dict(pairs)
    return counts


def _text_constraints(index: Index, query: ReadQuery) -> list[Constraint]:
    """Words without a meaning of their own that stand in records: a hint, or all there is."""
    if not query.rest:
        return []
    senses = tuple(Sense((("text", word),)) for word in query.rest)
    return [Constraint("text", senses, ", ".join(query.rest), "weak")]


def _order(index: Index, query: ReadQuery, verdicts: tuple[Verdict, ...]) -> Column:
    """(records,) from 0 to about 1: constraints first, then meaning and words."""
    total = np.zeros(index.size, np.float32)
    weight = 0.0
    for one in verdicts:
        if one.constraint.negative:
            continue
        part = WEIGHTS[one.constraint.strength]
        if one.constraint.facet in ("modality", "structure"):
            part *= PLACE
        total += part * one.score
        weight += part
    if weight:
        total /= weight
    asked = word_table().mean(query.meaning)
    meaning = index.vectors @ asked
    order: Column = 0.9 * total + 0.05 * meaning + 0.05 * _text_score(index, query)
    return order + PRIOR * standing(index)


def _text_score(index: Index, query: ReadQuery) -> Column:
    """(records,) FTS5's bm25 of the question's words, 1: the best of them."""
    column = np.zeros(index.size, np.float32)
    words = dict.fromkeys(one for one in query.meaning if one.isalnum() and len(one) > 1)
    if not words:
        return column
    match = " OR ".join(f'"{one}"' for one in list(words)[:24])
    found = index.matches(match)
    if found:
        best = max(score for _, score in found)
        for row, score in found:
            column[row] = score / best if best > 0 else 0.0
    return column
