"""Which cases stay: wishes of the goal, copies, balance. Whoever goes has a code and a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from osler.core import derive_seed
from osler.curate.catalog.vocabulary import narrower

from ..licences import licences_named
from .agreement import agree
from .balance import caps_for
from .faults import FAULTS
from .goal import Goal
from .overlap import Link
from .scanning import Read

DROPS: dict[str, str] = {
    "not-modality": "its modality is none of those that the goal names",
    "not-dimension": "it has another dimension than the goal asks for",
    "not-labelled": "nothing is said about it and the goal leaves such samples out",
    "copy": "the same picture is kept from elsewhere",
    "near-copy": "a changed copy of it is kept and the goal drops such copies",
    "no-slice": "the goal wants slices and it gives none",
    "balance": "its source would hold more than its share of the modality",
}
"""Code -> meaning, of cases that are left out without any fault; faults have codes of their own."""

REASONS: Mapping[str, str] = {**FAULTS, **DROPS}


@dataclass(slots=True)
class Choice:
    """The cases, by number: who is dropped (code, reason), and what the kept ones say.

    ``marks`` are as of :func:`osler.curate.fuse.marking.marks_of`, ``slices`` those of volumes
    that become slices, as of :func:`osler.curate.fuse.slicing.apply_slices`.
    """

    reads: Sequence[Read]
    dropped: dict[int, tuple[str, str]] = field(default_factory=dict)
    marks: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    slices: dict[int, dict[str, Any]] = field(default_factory=dict)

    def drop(self, number: int, code: str, reason: str) -> None:
        """Leave a case out; the first reason stands."""
        self.dropped.setdefault(number, (code, reason))

    @property
    def kept(self) -> list[int]:
        """Numbers of the cases that stay."""
        return [number for number in range(len(self.reads)) if number not in self.dropped]

    def name(self, number: int) -> str:
        """``dataset/case``."""
        read = self.reads[number]
        return f"{read.source.dataset}/{read.case.key}"

    def samples(self, number: int) -> int:
        """How many samples a case gives: its slices, or itself."""
        return int(self.slices[number]["count"]) if number in self.slices else 1


def apply_wishes(choice: Choice, goal: Goal) -> None:
    """Drop what the goal does not ask for: by modality, dimension, labels and unit."""
    wanted = {code for one in goal.modalities for code in narrower("modality", one)}
    for number in choice.kept:
        told = choice.reads[number].told
        for wish in (_modality, _dimension, _labelled, _unit):
            failed = wish(told, goal, wanted)
            if failed:
                choice.drop(number, *failed)


_Failed = tuple[str, str] | None


def _modality(told: Mapping[str, Any], goal: Goal, wanted: set[str]) -> _Failed:
    if not wanted or told["modality"] in wanted:
        return None
    return (
        "not-modality",
        f"it is {told['modality'] or 'of no stated modality'}; the goal asks "
        + (f"for {', '.join(goal.modalities)}"),
    )


_DIMENSIONS = {"xyz": "3D", "xyzc": "3D", "xyzt": "4D", "tyx": "video", "tyxc": "video"}


def dimension_of(axes: str) -> str:
    """``2D``, ``3D``, ``4D`` or ``video``."""
    return _DIMENSIONS.get(axes, "2D")


def as_slices(told: Mapping[str, Any], goal: Goal) -> bool:
    """Is this case a volume that the goal takes as slices?"""
    wanted = goal.allow_3d_as_2d_sources and goal.dimension == "2D"
    return wanted and dimension_of(told["axes"]) == "3D"


def _dimension(told: Mapping[str, Any], goal: Goal, wanted: set[str]) -> _Failed:
    found = dimension_of(told["axes"])
    if goal.dimension in (None, found) or as_slices(told, goal):
        return None
    return "not-dimension", f"it is {found}; the goal asks for {goal.dimension}"


def _labelled(told: Mapping[str, Any], goal: Goal, wanted: set[str]) -> _Failed:
    if goal.include_unlabeled:
        return None
    if as_slices(told, goal):
        if any(one["kind"] == "mask" for one in told["annotations"]):
            return None
        return "not-labelled", "it has no mask, so its slices have no annotation"
    if told["annotations"]:
        return None
    return "not-labelled", "it has no annotation; the goal leaves such samples out"


def _unit(told: Mapping[str, Any], goal: Goal, wanted: set[str]) -> _Failed:
    unit = goal.intensity.get(told["modality"])
    found = told["intensity"]
    if unit is None or found["unit"] == unit:
        return None
    evidence = f"; {found['evidence']}" if found["evidence"] else ""
    if found["unit"] is None:
        return "unit-unknown", f"states no unit and the goal wants {unit}{evidence}"
    return "unit-other", f"is in {found['unit']} and the goal wants {unit}{evidence}"


def drop_copies(choice: Choice, links: Sequence[Link], near: bool) -> None:
    """Keep one of equal pictures: the freest licence, then the most annotations, then by name.

    With ``near`` the same is done with changed copies and parts.
    """
    chosen = {"same"} | ({"turned", "part", "near"} if near else set())
    for group in _joined(links, chosen, choice):
        best = min(group, key=lambda number: _rank(choice, number))
        for number in group:
            if number != best:
                exact = any(
                    link.kind == "same" and number in (link.one, link.two) for link in links
                )
                code = "copy" if exact else "near-copy"
                what = "the same picture as" if exact else "a changed copy or a part of"
                said = agree(choice.marks, number, best, "turned" if exact else "near")
                says = "" if said is not False else "; their labels differ"
                lost = _lost(choice, number, best)
                choice.drop(number, code, f"{what} {choice.name(best)}, which is kept{says}{lost}")


def _lost(choice: Choice, number: int, best: int) -> str:
    """What only the dropped copy had annotated: it goes with it, so it is told."""

    def annotated(one: int) -> set[str]:
        return {name for mark in choice.marks.get(one, []) for name in mark.get("annotated", ())}

    names = sorted(annotated(number) - annotated(best))
    if not names:
        return ""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"; what only this copy annotates is not joined to it: {', '.join(names[:4])}{more}"


def _joined(links: Sequence[Link], kinds: set[str], choice: Choice) -> list[list[int]]:
    """Sets of kept cases that links of ``kinds`` join."""
    parent: dict[int, int] = {}

    def find(one: int) -> int:
        while parent.setdefault(one, one) != one:
            one = parent[one]
        return one

    for link in links:
        if link.kind in kinds and link.one not in choice.dropped and link.two not in choice.dropped:
            low, high = sorted((find(link.one), find(link.two)))
            parent[high] = low
    groups: dict[int, list[int]] = {}
    for number in sorted(parent):
        groups.setdefault(find(number), []).append(number)
    return [group for group in groups.values() if len(group) > 1]


def _rank(choice: Choice, number: int) -> tuple[int, int, int, str]:
    source = choice.reads[number].source
    terms = licences_named(source.licence) + licences_named(source.annotation_licence)
    burden = 10 * sum(not one.known for one in terms) + len(
        {constraint for one in terms for constraint in one.constraints}
    )
    marks = choice.marks.get(number, [])
    named = {name for mark in marks for name in mark.get("annotated", ())}
    return burden, -len(named), -len(marks), choice.name(number)


def apply_balance(choice: Choice, goal: Goal, group_of: Callable[[int], str]) -> None:
    """Drop persons, by lot, of sources that hold more than their share.

    Whole persons go, so a source may end a little below its cap, never above it.
    """
    if goal.balance is None:
        return
    pools: dict[str, dict[str, list[int]]] = {}
    for number in choice.kept:
        read = choice.reads[number]
        code = read.told["modality"] if goal.balance.by == "modality" else "all"
        pools.setdefault(code, {}).setdefault(read.source.dataset, []).append(number)
    for code, by_source in sorted(pools.items()):
        counts = {
            dataset: sum(map(choice.samples, numbers)) for dataset, numbers in by_source.items()
        }
        if len(counts) < 2:
            continue
        for dataset, cap in caps_for(counts, goal.balance.max_share).items():
            share = (
                f"{dataset} may give {cap} of its {counts[dataset]} {code} samples, so that "
                + (f"no source holds more than {goal.balance.max_share:.0%}")
            )
            for number in _over(choice, by_source[dataset], cap, goal, group_of):
                choice.drop(number, "balance", share)


def _over(
    choice: Choice, numbers: Sequence[int], cap: int, goal: Goal, group_of: Callable[[int], str]
) -> list[int]:
    """The cases beyond ``cap``, of the persons that lots put last."""
    groups: dict[str, list[int]] = {}
    for number in numbers:
        groups.setdefault(group_of(number), []).append(number)
    left, out = cap, []
    for group in sorted(groups, key=lambda one: derive_seed(goal.name, goal.seed, "balance", one)):
        size = sum(map(choice.samples, groups[group]))
        if size <= left:
            left -= size
        else:
            out += groups[group]
    return out
