"""Why a record is a hit, what it fails, and what to drop where nothing is a hit."""

from __future__ import annotations

import numpy as np

from ..record import Dataset
from .index import Index
from .judging import Flags, Verdict
from .lexicon import lexicon
from .reading import Constraint, ReadQuery


def reasons(
    index: Index, query: ReadQuery, verdicts: tuple[Verdict, ...], row: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Short sentences: what of the question a record meets, and what it does not."""
    record = index.catalog.datasets[row]
    why: list[str] = []
    failed: list[str] = []
    if row in query.names:
        exact = query.names[row] >= 1
        why.append(f"name: {record.name}" if exact else f"name like: {' '.join(query.named)}")
    for one in verdicts:
        constraint = one.constraint
        if constraint.negative:
            why.append(f"not {constraint.facet}: {constraint.words}")
        elif one.holds[row]:
            why.append(f"{constraint.facet}: {_has(index, constraint, record, row)}")
        elif constraint.strength != "weak":
            failed.append(
                f"{constraint.facet}: asked for {constraint.words}, has "
                f"{_carried(record, constraint.facet)}"
            )
    return tuple(why), tuple(failed)


def _has(index: Index, constraint: Constraint, record: Dataset, row: int) -> str:
    """What of a record answers a constraint, and what was asked if that is another word."""
    from .judging import sense_degree

    if constraint.facet in ("year", "size", "licence", "access", "publisher"):
        return f"{_carried(record, constraint.facet)} ({constraint.words})"
    met = []
    for sense in constraint.senses:
        if sense_degree(index, sense)[row] >= 0.7:
            kind, code = max(sense.codes, key=lambda pair: _held(index, pair, row))
            label = lexicon().labels.get((kind, code), code)
            met.append(code if kind in ("modality", "dim") else label)
    carried = _carried(record, constraint.facet)
    said = ", ".join(dict.fromkeys(met)) or constraint.words
    plain = carried.lower().replace("_", " ")
    return said if said.lower() in plain or constraint.facet == "text" else f"{carried} ({said})"


def _held(index: Index, pair: tuple[str, str], row: int) -> float:
    kind, code = pair
    return float(index.degree(kind, code)[row]) if kind in index.degrees else 0.0


def _carried(record: Dataset, facet: str) -> str:
    """A record's own values of a facet, in words."""
    values: dict[str, str] = {
        "modality": ", ".join(record.modalities),
        "structure": ", ".join(record.structures),
        "task": ", ".join(record.tasks),
        "target": ", ".join(record.targets),
        "dimension": ", ".join(record.dims),
        "year": str(record.year or ""),
        "size": f"{record.count:,} {record.count_unit or 'item'}s" if record.count else "",
        "licence": ", ".join(record.licences),
        "access": record.access,
        "labelled": "yes" if record.labelled else "no",
        "publisher": record.publisher or "",
        "detail": ", ".join(record.modality_detail),
    }
    return values.get(facet, "") or "none stated"


def drops(
    index: Index, query: ReadQuery, verdicts: tuple[Verdict, ...], inside: Flags
) -> tuple[str, ...]:
    """Which single constraint to drop, the one that leaves most first, with how many it leaves.

    When no single one helps, the pairs; when the question has no constraint, its unknown words.
    """
    binding = [v for v in verdicts if v.constraint.strength != "weak"]
    said = []
    for without in _left_out(len(binding)):
        keep = inside.copy()
        for at, one in enumerate(binding):
            if at not in without:
                keep &= one.holds
        left = int(np.count_nonzero(keep))
        if left and len(without) < len(binding):
            said.append((len(without), -left, " and ".join(_name(binding[at]) for at in without)))
    said.sort()
    fewest = said[0][0] if said else 0
    made = [f"{what} (then {-left})" for steps, left, what in said if steps == fewest]
    if not made:
        made = [f"{_name(one)}, which no record meets" for one in binding if not one.holds.any()]
    if not made and query.unknown:
        made = [f"the word {one!r}, which no record has" for one in query.unknown]
    if not made and not binding and not inside.all():
        made = ["a filter"]
    return tuple(made[:5])


def _left_out(count: int) -> list[tuple[int, ...]]:
    single = [(one,) for one in range(count)]
    return single + [(a, b) for a in range(count) for b in range(a + 1, count)]


def _name(verdict: Verdict) -> str:
    one = verdict.constraint
    return f"{'not ' if one.negative else ''}{one.facet} '{one.words}'"
