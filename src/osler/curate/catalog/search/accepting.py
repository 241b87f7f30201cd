"""Which records answer: names, full answers, and near misses where those are few.

A near miss fails one thing that was asked for. What it fails is relaxed in an order that keeps the
question's subject: a task, a limit or another modality may be missing where body part and disease
hold; a disease or a body part is only replaced by one near it (a broader disease, a neighbouring
organ) or by what stands in the same place under the same modality in the full answers.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from .index import Index
from .judging import Column, Flags, Verdict
from .lexicon import lexicon
from .reading import SEPARATE, ReadQuery

FACTS = ("modality", "structure", "target", "task", "dimension", "detail")
"""Facets that say what a dataset is about."""
PARTLY = 0.35
"""Degree from which a record has nearly what is asked for."""
EXACT = 0.97
"""Likeness from which a name stands first whatever else was asked."""
ENOUGH = 10
"""With this many full answers, near misses are not shown."""
FEW = 2
"""So many near misses are shown where nothing answers in full."""
LEAST = 3
"""A near miss fails one of at least so many constraints where nothing answers in full."""
PETS = frozenset({"cat", "dog", "horse", "bird", "fish", "insect", "cattle"})
"""A question for these alone is hardly one for medical images."""
ALIKE = 0.5
"""Likeness to the full answers from which a record may stand beside them."""


def accepted(
    index: Index,
    query: ReadQuery,
    verdicts: tuple[Verdict, ...],
    inside: Flags,
    order: Column,
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Rows of the hits with their scores: names, then full answers, then near misses."""
    keep = inside.copy()
    for one in verdicts:
        if one.constraint.negative:
            keep &= one.holds
    binding = [v for v in verdicts if not v.constraint.negative and v.constraint.strength != "weak"]
    failing = np.zeros(index.size, np.int32)
    hard = np.zeros(index.size, np.int32)
    for one in binding:
        failing += ~one.holds
        hard += ~one.holds & (one.constraint.strength == "hard")
    names = {row: like for row, like in query.names.items() if keep[row]}
    scores = {
        row: (2.0 if like >= EXACT or not failing[row] else 0.9) + like * 0.1 + float(order[row])
        for row, like in names.items()
    }
    if binding or _only_negative(query, verdicts):
        full = [row for row in np.flatnonzero(keep & (failing == 0)).tolist() if row not in scores]
        if _off_topic(query, binding):
            full = []
        if query.named and not _beside_the_name(binding):
            full = []
        scores.update({row: 1.0 + float(order[row]) for row in full})
        if binding and len(scores) < ENOUGH and not _off_topic(query, binding):
            near = _near(index, binding, full, keep, failing, hard, order)
            listed = [row for row in near if row not in scores]
            room = ENOUGH - len(scores) if full or names or _subject_kept(binding) else FEW
            if not full and any(hard[row] for row in listed[: max(room, 0)]):
                room = min(room, FEW)
            if query.unknown and not any(v.constraint.facet == "target" for v in binding):
                room = min(room, FEW)  # what was not understood may be the disease
            if all(v.constraint.facet == "target" and _who(v) for v in binding):
                room = 0
            scores.update(
                {
                    row: 0.9 * value
                    for row, value in [(row, near[row]) for row in listed][: max(room, 0)]
                }
            )
    elif not query.named:
        scores.update(_by_text(index, query, verdicts, keep, order))
    rows = sorted(scores, key=lambda row: (-scores[row], row))
    if not query.names and _doubtful(query, binding):
        rows = rows[:FEW]
    return tuple(int(row) for row in rows), tuple(scores[row] / 3.2 for row in rows)


def _near(
    index: Index,
    binding: list[Verdict],
    full: list[int],
    keep: Flags,
    failing: npt.NDArray[np.int32],
    hard: npt.NDArray[np.int32],
    order: Column,
) -> dict[int, float]:
    """Rows of near misses, the nearest first, with a score below that of full answers."""
    near = keep & (failing == 1)
    alike = np.zeros(index.size, np.float32)
    if full:
        alike = _alike(index, full, order)
        near &= _related(index, binding, alike)
    else:
        nearly = np.logical_and.reduce([one.score >= PARTLY for one in binding])
        kept = any(one.constraint.facet in ("target", "task") for one in binding)
        near &= (hard == 0) | (nearly & kept & _meets(binding))
        if len(binding) < 2:
            near[:] = False
        elif len(binding) < LEAST:
            near &= _partly(binding)
    value = (order + 0.5 * alike) / 1.5
    rows = np.flatnonzero(near).tolist()
    rows.sort(key=lambda row: (-value[row], row))
    return {row: float(value[row]) for row in rows}


def _meets(binding: list[Verdict]) -> Flags:
    """(records,) whether every disease and task asked for is there."""
    flags = np.ones(len(binding[0].holds), bool)
    for one in binding:
        if one.constraint.facet in ("target", "task"):
            flags &= one.holds
    return flags


def _alike(index: Index, full: list[int], order: Column) -> Column:
    """(records,) how far a record has the body part and modality of the full answers: 0 to 1.

    The product of both, and a little for the task: what stands in the same place is looked at in
    the same way.
    """
    best = sorted(full, key=lambda row: (-order[row], row))[:ENOUGH]
    parts = {}
    for kind in ("structure", "modality", "task"):
        _, table = index.degrees[kind]
        share = (table[best] >= 100).mean(axis=0, dtype=np.float32)
        share /= max(float(share.max(initial=0)), 1e-6)
        parts[kind] = (table * np.float32(0.01) * share).max(axis=1, initial=0)
    made: Column = parts["structure"] * parts["modality"] * (0.8 + 0.2 * parts["task"])
    return made


def _related(index: Index, binding: list[Verdict], alike: Column) -> Flags:
    """(records,) whether what a near miss has instead has to do with what was asked for."""
    flags = np.zeros(index.size, bool)
    place = [one for one in binding if one.constraint.facet == "structure"]
    target = [one for one in binding if one.constraint.facet == "target"]
    exact = [one for one in target if one.constraint.strength == "hard"]
    for one in binding:
        close = (one.score >= PARTLY) | (alike >= ALIKE)
        if one.constraint.facet == "target":
            same = bool(place) or len(binding) >= LEAST  # the place holds, for one thing fails
            same = same or one.constraint.strength == "soft"
            flags |= ~one.holds & (close | same)
        elif one.constraint.facet == "structure":
            same = bool(exact) and len(binding) >= LEAST  # the disease holds, looked at alike
            flags |= ~one.holds & ((close & (bool(target) or len(binding) >= LEAST)) | same)
        else:
            flags |= ~one.holds & (bool(place or target) | close)
    return flags


def _doubtful(query: ReadQuery, binding: list[Verdict]) -> bool:
    """Whether so little of a question was understood that many hits would be noise.

    A modality alone beside a word that no record has ("x-ray of suitcases"), a body part beside
    two ("bone broth nutrition"), a task beside any ("face photos for age estimation"), pets.
    """
    said = [one for one in binding if one.constraint.facet in FACTS]
    if binding and all(_who(one, PETS) for one in binding):
        return True
    if len(said) != 1:
        return False
    only = said[0].constraint
    if only.facet == "modality":
        return len(query.unknown) >= 1
    if only.facet == "structure":
        return len(query.unknown) >= 2
    return only.facet == "task" and bool(query.unknown or query.rest)


def _who(one: Verdict, groups: Collection[str] = tuple(SEPARATE)) -> bool:
    """Whether a constraint says only who was imaged, as "dogs" does."""
    known = lexicon()
    codes = one.constraint.codes()
    return one.constraint.facet == "target" and all(
        not known.above(code).keys().isdisjoint(groups) for code in codes
    )


def _subject_kept(binding: list[Verdict]) -> bool:
    """Whether so much was asked for that what lacks a task only is still an answer."""
    facets = [one.constraint.facet for one in binding if one.constraint.facet != "task"]
    return len(binding) > LEAST or ("target" in facets and len(facets) >= 2)


def _partly(binding: list[Verdict]) -> Flags:
    """(records,) whether a near miss of two constraints is worth showing where none answers.

    It has nearly what it fails, such as the broader disease, or what it meets is more than a
    modality: all ultrasound is no answer to a question about ultrasound of a rare disease.
    """
    flags: Flags = np.logical_and.reduce([one.score >= PARTLY for one in binding])
    placed = np.logical_and.reduce(
        [one.holds for one in binding if one.constraint.facet in ("modality", "structure")]
        or [np.ones(len(flags), bool)]
    )
    for one in binding:
        if one.constraint.facet in ("structure", "target"):
            flags = flags | one.holds
    kept: Flags = flags & placed
    return kept


def _only_negative(query: ReadQuery, verdicts: tuple[Verdict, ...]) -> bool:
    return not query.rest and not query.unknown and any(v.constraint.negative for v in verdicts)


def _beside_the_name(binding: list[Verdict]) -> bool:
    """Whether more than a name was asked for."""
    return any(one.constraint.facet in ("modality", "structure", "target") for one in binding)


def _off_topic(query: ReadQuery, binding: list[Verdict]) -> bool:
    """Whether most of a question is about nothing that the catalogue knows."""
    said = [v.constraint for v in binding if v.constraint.facet in FACTS]
    if not any(one.strength == "hard" for one in said):  # "best laptops 2024", "cell phones"
        return len(query.unknown) > len(query.rest) + max(len(said) - 1, 0)
    return len(query.unknown) >= 2 and len(query.unknown) > 2 * sum(len(c.senses) for c in said)


def _by_text(
    index: Index,
    query: ReadQuery,
    verdicts: tuple[Verdict, ...],
    keep: Flags,
    order: Column,
) -> dict[int, float]:
    """Where nothing but plain words and hints was said: records that have most of the words."""
    weak = [v for v in verdicts if not v.constraint.negative and v.constraint.strength == "weak"]
    if not query.rest and not query.unknown:
        if not weak:
            return dict.fromkeys(np.flatnonzero(keep).tolist(), 1.0)
        holds = np.logical_or.reduce([one.holds for one in weak])
        return {row: 1.0 + float(order[row]) for row in np.flatnonzero(keep & holds).tolist()}
    share = np.zeros(index.size, np.float32)
    total = 0.0
    for word in query.rest:
        rarity = math.log(1 + index.size / (1 + index.weight(word)))
        total += rarity
        share[index.rows_with(word)] += rarity
    total += len(query.unknown) * math.log(1 + index.size)
    good = keep & (share >= 0.45 * max(total, 1e-6))
    return {row: 1.0 + float(order[row]) for row in np.flatnonzero(good).tolist()}
