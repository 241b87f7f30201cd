"""How far each record meets one constraint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .concepts import FULL
from .index import Index
from .lexicon import Sense
from .licensing import spdx_matches
from .reading import Constraint

Column = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

_ACCESS = {
    "anonymous": {"anonymous": 1.0, "mostly_anonymous": 0.9, "anonymous_or_account": 0.8,
                  "anonymous_or_gated": 0.72, "landing_page": 0.4, "unknown": 0.3},
    "account": {"account": 1.0, "account_or_credentialed": 0.9, "anonymous_or_account": 0.5},
    "application": {"application": 1.0, "account_or_credentialed": 0.75,
                    "anonymous_or_gated": 0.5},
}  # fmt: skip
_RULED_OUT = {"modality": 0.99, "dim": 0.99, "task": 0.99, "structure": 0.84, "target": FULL}
"""Degree from which a record has what a "not" forbids: near is not enough."""

UNSTATED = np.float32(0.3)
"""Degree for any target of a record that states none: not known is not no."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """(records,) whether a constraint holds and how well (0 to 1)."""

    constraint: Constraint
    holds: Flags
    score: Column


def judged(index: Index, constraint: Constraint) -> Verdict:
    """The verdict on every record."""
    if constraint.negative:
        free = ~_has_all(index, constraint.senses)
        if constraint.facet == "year":
            free = _year(index, constraint) < FULL
        return Verdict(constraint, free, free.astype(np.float32))
    if constraint.facet in ("year", "size"):
        column = (
            _year(index, constraint) if constraint.facet == "year" else _size(index, constraint)
        )
        return Verdict(constraint, column >= FULL, column)
    columns = [sense_degree(index, one) for one in constraint.senses]
    if not columns:
        return Verdict(constraint, np.ones(index.size, bool), np.ones(index.size, np.float32))
    if constraint.facet == "target":
        columns = [np.maximum(one, UNSTATED * index.untold) for one in columns]
    stacked = np.stack(columns)
    best = stacked.min(axis=0) if constraint.every else stacked.max(axis=0)
    if len(columns) == 1:
        return Verdict(constraint, best >= FULL, best)
    weights = np.array([_rarity(one) for one in columns], np.float32)
    share = (stacked * weights[:, None]).sum(axis=0) / weights.sum()
    return Verdict(constraint, best >= FULL, (0.6 * best + 0.4 * share).astype(np.float32))


def _rarity(column: Column) -> float:
    """Weight of one of several things asked for: what few records have says more."""
    return math.log(1 + len(column) / (1 + int((column >= FULL).sum())))


def sense_degree(index: Index, sense: Sense) -> Column:
    """(records,) how far each record has one of a sense's codes."""
    best = np.zeros(index.size, np.float32)
    for kind, code in sense.codes:
        best = np.maximum(best, _code_degree(index, kind, code))
    return best


def _code_degree(index: Index, kind: str, code: str) -> Column:
    if kind in index.degrees:
        return index.degree(kind, code)
    if kind == "licence":
        return _licence(index, code)
    if kind == "access":
        return _facet_degrees(index, "access", _ACCESS.get(code, {code: 1.0}))
    if kind == "labelled":
        return _facet_degrees(index, "labelled", {code: 1.0})
    if kind == "publisher":
        return _facet_degrees(index, "publisher", {code: 1.0})
    column = np.zeros(index.size, np.float32)
    if kind == "name":
        column[int(code)] = 1.0
    elif kind == "text":
        column[index.rows_with(code)] = 1.0
    return column


def _facet_degrees(index: Index, facet: str, degrees: dict[str, float]) -> Column:
    values, rows, which = index.facets[facet]
    given = np.array([degrees.get(one, 0.0) for one in values], np.float32)
    column = np.zeros(index.size, np.float32)
    if len(rows):
        np.maximum.at(column, rows, given[which])
    return column


def licence_fits(code: str, licence: str) -> bool:
    """Whether a record's licence is what a word or a pattern asks for.

    ``permissive``: no condition but naming the source. ``NC``: forbids commercial use. ``known``:
    stated at all. Anything else: an SPDX identifier, ``*`` for any version.
    """
    from osler.curate.licences import is_permissive, licence_named

    if licence == "unknown":
        return code == "unknown"
    if code == "known":
        return True
    if code == "permissive":
        return is_permissive(licence_named(licence))
    if code == "NC":
        return "NC" in licence_named(licence).constraints
    return spdx_matches(code, licence)


def _licence(index: Index, code: str) -> Column:
    """1 where every licence of a record fits: the tightest part of a dataset counts."""
    values, rows, which = index.facets["licence"]
    fits = np.array([licence_fits(code, one) for one in values], bool)
    column = np.ones(index.size, np.float32)
    column[rows[~fits[which]]] = 0.0
    return column


def _year(index: Index, constraint: Constraint) -> Column:
    low, high = constraint.low or 0, constraint.high or 9999
    known = index.years > 0
    column = (known & (index.years >= low) & (index.years <= high)).astype(np.float32)
    if constraint.edge is not None:
        column[index.years == constraint.edge] = 0.75
    return column


def _size(index: Index, constraint: Constraint) -> Column:
    low = constraint.low or 0
    high = constraint.high if constraint.high is not None else int(np.iinfo(np.int64).max)
    known = index.counts >= 0
    units, rows, which = index.facets["unit"]
    unit = np.full(index.size, "", dtype="U8")
    unit[rows] = np.array(units, dtype="U8")[which] if len(rows) else ""
    if constraint.unit == "word":  # "small", "large": what that is depends on what is counted
        counts = index.counts * np.where(unit == "volume", 10, 1)
        few = known & (counts <= 3 * high if constraint.high is not None else known)
        return (few & (counts >= low)).astype(np.float32)
    inside = (known & (index.counts >= low) & (index.counts <= high)).astype(np.float32)
    if constraint.unit in ("image", "volume"):
        inside[(unit != constraint.unit) & (inside > 0)] = 0.8
    return inside


def _has_all(index: Index, senses: Sequence[Sense]) -> Flags:
    """Whether a record has one code of every sense, closely enough to be ruled out."""
    if not senses:
        return np.zeros(index.size, bool)
    has = np.ones(index.size, bool)
    for sense in senses:
        one = np.zeros(index.size, bool)
        for kind, code in sense.codes:
            one |= _code_degree(index, kind, code) >= _RULED_OUT.get(kind, 0.99)
        has &= one
    return has


def standing(index: Index) -> Column:
    """(records,) from 0 to 1: labelled, large, and about one thing rather than many."""
    labelled = _facet_degrees(index, "labelled", {"yes": 1.0})
    size = np.log10(np.clip(index.counts, 1, 100_000)).astype(np.float32) / 5
    many = np.zeros(index.size, np.float32)
    for kind in ("modality", "structure", "target"):
        many += (index.degrees[kind][1] >= 100).sum(axis=1, dtype=np.float32)
    single = np.float32(0.3) / np.maximum(np.float32(1), many - 2)
    made: Column = (0.4 * labelled + 0.3 * size + single).astype(np.float32)
    return made
