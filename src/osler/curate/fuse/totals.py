"""Sums over selected datasets that count no sample twice, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from osler.curate.catalog.record import Dataset

from .goal import Goal
from .selection import counted_modalities, publisher_of

_INVERSE = {"contains": "part_of", "source_of": "derived_from"}
LARGEST = 0.5
"""A source with more than this share of its modality is flagged."""


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest source of a modality, and its share of all of that unit."""

    dataset: str
    unit: str
    count: int
    share: float
    flagged: bool


@dataclass(frozen=True, slots=True)
class Total:
    """One modality, or all of them together.

    ``counts`` are as listed, by unit (image, volume, sample); ``distinct`` leaves out datasets
    whose samples are in another selected one. ``no_count`` names datasets that state no size.
    ``publishers`` counts those that are known, ``no_publisher`` the datasets without one.
    """

    modality: str
    datasets: int
    counts: Mapping[str, int]
    distinct: Mapping[str, int]
    no_count: tuple[str, ...]
    rounded: int
    publishers: int
    no_publisher: int
    labelled: float
    shared: tuple[str, ...]
    largest: tuple[Largest, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two selected datasets of which one has images or patients of the other."""

    a: str
    kind: str
    b: str
    source: str
    patients: int | None
    effect: str


def overlaps_of(datasets: Sequence[Dataset]) -> tuple[tuple[Overlap, ...], dict[str, str]]:
    """Overlaps within ``datasets``, and those not to be counted -> the one that has their samples.

    ``same`` keeps the largest of its group; ``part_of`` and ``contains`` keep the whole.
    ``derived_from``, ``source_of`` and ``shares_patients`` are told, and both are counted: images
    or annotations differ, only a split must keep the patients together.
    """
    chosen = {one.id: one for one in datasets}
    edges = {
        (one.id, link.kind, link.other): link
        for one in datasets
        for link in one.relations
        if link.other in chosen and link.other != one.id
    }
    inside: dict[str, str] = {}
    for part, kind, whole in sorted(edges):
        if kind == "contains":
            part, whole = whole, part
        if kind == "same":
            part, whole = sorted((part, whole), key=lambda name: (chosen[name].count or 0, name))
        if kind in {"same", "part_of", "contains"} and not _leads(inside, whole, part):
            inside.setdefault(part, whole)
    found: dict[tuple[str, ...], Overlap] = {}
    for (a, kind, b), link in sorted(edges.items()):
        key = (*sorted((a, b)), _INVERSE.get(kind, kind))
        part = next((name for name in (a, b) if inside.get(name) in {a, b}), "")
        effect = (
            f"{part} is not counted again"
            if part
            else "both are counted; patients must stay together"
        )
        if kind in {"derived_from", "source_of"}:
            again, first = (a, b) if kind == "derived_from" else (b, a)
            effect = f"{again} shows images of {first} again; patients must stay together"
        found.setdefault(key, Overlap(a, kind, b, link.source, link.patients, effect))
    return tuple(found.values()), inside


def _leads(inside: Mapping[str, str], start: str, goal: str) -> bool:
    """Whether following ``inside`` from ``start`` comes to ``goal``."""
    seen = set()
    while start not in seen:
        if start == goal:
            return True
        seen.add(start)
        start = inside.get(start, start)
    return False


def totals_of(
    goal: Goal, datasets: Sequence[Dataset], inside: Mapping[str, str]
) -> tuple[tuple[Total, ...], Total]:
    """A total for each modality, in the order of the goal, and the grand total."""
    held: dict[str, list[Dataset]] = {code: [] for code in goal.modalities}
    for one in datasets:
        for code in counted_modalities(goal, one) or ("not stated",):
            held.setdefault(code, []).append(one)
    codes = [*goal.modalities, *sorted(set(held) - set(goal.modalities))]
    each = tuple(_total(goal, code, held[code], inside) for code in codes)
    return each, _total(goal, "all", datasets, inside)


def _total(
    goal: Goal, modality: str, members: Sequence[Dataset], inside: Mapping[str, str]
) -> Total:
    names = {one.id for one in members}
    counted = [one for one in members if not _held_elsewhere(one.id, names, inside)]
    publishers = [publisher_of(one) for one in members]
    return Total(
        modality,
        len(members),
        _by_unit(members),
        _by_unit(counted),
        tuple(one.id for one in members if one.count is None),
        sum(1 for one in members if one.count is not None and not one.count_exact),
        len({name for name in publishers if name}),
        sum(1 for name in publishers if not name),
        round(sum(one.labelled for one in members) / len(members), 4) if members else 0.0,
        tuple(one.id for one in members if len(counted_modalities(goal, one)) > 1),
        tuple(_largest(counted, unit) for unit in _by_unit(counted)),
    )


def _held_elsewhere(name: str, names: set[str], inside: Mapping[str, str]) -> bool:
    """Whether a dataset in which ``name`` lies, directly or through others, is among ``names``."""
    while name in inside:
        name = inside[name]
        if name in names:
            return True
    return False


def _by_unit(members: Sequence[Dataset]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for one in members:
        if one.count is not None:
            unit = one.count_unit or "sample"
            sums[unit] = sums.get(unit, 0) + one.count
    return dict(sorted(sums.items()))


def _largest(members: Sequence[Dataset], unit: str) -> Largest:
    sized = [
        one for one in members if one.count is not None and (one.count_unit or "sample") == unit
    ]
    top = max(sized, key=lambda one: (one.count or 0, one.id))
    whole = sum(one.count or 0 for one in sized)
    part = (top.count or 0) / whole if whole else 0.0
    return Largest(top.id, unit, top.count or 0, round(part, 4), part > LARGEST)
