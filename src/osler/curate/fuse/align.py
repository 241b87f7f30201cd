"""Annotations in the terms of the targets: nothing lost, nothing invented.

The rules are one table, :func:`meaning_of`: a label goes to its target, to *nothing* (0) when it
is known to be none of the targets, and to *ignore* when it cannot be told. What a source did not
look for is *not annotated*, which is not the same as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .case import Annotation, Kind
from .concepts import covered, is_within
from .faults import LayoutError
from .label_tables import BACKGROUND, IGNORE
from .labels import Entry, LabelMap
from .targets import TargetTable

Uncertain = Literal["drop", "positive", "negative", "keep"]
"""What a goal may say about a label that its reader left open (-1)."""

_LUT_MAX = 65536


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """One annotation in the terms of the targets.

    Parameters
    ----------
    value
        ``mask``: array of target ids (0 none, ``TargetTable.ignore`` cannot be told).
        ``class``, ``phase``: name of the target, empty for none of them, None where the label is
        unmapped. ``multilabel``: target name to 1, 0 or -1; what is not in it is not annotated.
        ``boxes``, ``instances``, ``keypoints``: the same list with names of targets, ``ignore``
        where the label is unmapped, without objects that are no target. Other kinds: unchanged.
    annotated
        Targets that were looked for completely: all of their region is known.
    counts
        Voxels (of a mask) or objects of each target.
    ignored, other
        Voxels or objects that cannot be told, and those that are known to be no target.
    unmapped
        Native names that nothing explains and that occur here.
    """

    kind: Kind
    value: Any
    label_map: str
    annotated: tuple[str, ...]
    completeness: Literal["full", "partial"]
    counts: Mapping[str, int] = field(default_factory=dict)
    ignored: int = 0
    other: int = 0
    unmapped: tuple[str, ...] = ()


def align(
    annotation: Annotation,
    label_map: LabelMap,
    targets: TargetTable,
    *,
    uncertain: Uncertain | None = None,
    where: object = "",
    case: str = "",
) -> Aligned:
    """An annotation in the terms of the targets.

    Parameters
    ----------
    label_map
        From :func:`label_map_for` with the annotation's own ``labels``.
    uncertain
        The goal's rule for labels of -1.
    where, case
        File and case that an error names.

    Raises
    ------
    LayoutError
        ``label-value``: a label that the map does not have; ``uncertain``: an uncertain label and
        no rule.
    """
    how = _BY_KIND.get(annotation.kind)
    if how is None:
        return Aligned(annotation.kind, annotation.value, label_map.id, (), "full")
    known = _known(annotation, label_map)
    family = [one.name for one in targets.family(annotation.kind)]
    annotated = tuple(name for name in family if covered(name, known))
    start = Aligned(annotation.kind, None, label_map.id, annotated,
                    "full" if len(annotated) == len(family) else "partial")  # fmt: skip
    return how(_Task(annotation, label_map, targets, known, uncertain, where, case), start)


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    annotation: Annotation
    map: LabelMap
    targets: TargetTable
    known: frozenset[str]
    uncertain: Uncertain | None
    where: object
    case: str

    def fault(self, code: str, what: str, todo: str) -> LayoutError:
        return LayoutError(code, self.where or self.map.dataset, what, todo, case=self.case)

    def entry(self, native: object) -> Entry:
        found = self.map.entry(native)
        if found is None:
            raise self.fault(
                "label-value",
                f"holds the label {native!r}, which the dictionary of {self.map.dataset} does not "
                "explain",
                "correct the dictionary, or drop the case",
            )
        return found


def _known(annotation: Annotation, label_map: LabelMap) -> frozenset[str]:
    """Concepts that were looked for and whose whole meaning the labels hold."""
    looked = None if annotation.annotated is None else set(annotation.annotated)
    return frozenset(
        one.key
        for one in label_map.entries
        if one.status == "exact"
        and one.concept is not None
        and (looked is None or one.text in looked or one.native in looked)
    )


def meaning_of(entry: Entry, targets: TargetTable, kind: str, known: frozenset[str]) -> str:
    """Name of the target of a label, ``background`` or ``ignore``.

    A label that is wider than a target (``adrenal`` where the goal wants each side) is ignored
    unless the source tells the target apart with a label of its own.
    """
    if entry.key in (BACKGROUND, IGNORE):
        return entry.key
    if entry.status in ("unmapped", "broader"):
        return IGNORE
    target = targets.target_of(entry.key, kind)
    if target is not None:
        return target.name
    inside = [one.name for one in targets.family(kind) if is_within(one.name, entry.key)]
    return BACKGROUND if all(covered(one, known) for one in inside) else IGNORE


def _mask(task: _Task, start: Aligned) -> Aligned:
    mask = _whole(task)
    meanings = {
        int(entry.native): meaning_of(entry, task.targets, "mask", task.known)
        for entry in task.map.entries
        if entry.native.lstrip("-").isdigit()
    }
    meanings.setdefault(0, BACKGROUND)
    values, counts = histogram(mask)
    ids = {one.name: one.id for one in task.targets.pixel}
    ids |= {BACKGROUND: 0, IGNORE: task.targets.ignore}
    voxels: dict[str, int] = dict.fromkeys((one.name for one in task.targets.pixel), 0)
    voxels |= {BACKGROUND: 0, IGNORE: 0}
    other, zero = 0, task.map.entry(0) is not None
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if value not in meanings:
            task.entry(value)
        voxels[meanings[value]] += count
        other += count if meanings[value] == BACKGROUND and (value or zero) else 0
    dtype = np.uint8 if task.targets.ignore < 256 else np.uint16
    new = np.array([ids[meanings[int(value)]] for value in values], dtype)
    found = _replaced(mask, values, new)
    present = {str(value) for value in values.tolist()}
    names = [one.text or one.native for one in task.map.entries
             if one.status == "unmapped" and one.native in present]  # fmt: skip
    ignored = voxels.pop(IGNORE)
    voxels.pop(BACKGROUND)
    return replace(start, value=found, counts=voxels, ignored=ignored, other=other,
                   unmapped=tuple(names))  # fmt: skip


def _whole(task: _Task) -> NDArray[Any]:
    mask = np.asarray(task.annotation.value)
    if mask.dtype == bool:
        return mask.astype(np.uint8)
    if mask.dtype.kind == "f":
        whole = mask.astype(np.int64) if np.isfinite(mask).all() else None
        if whole is None or not np.array_equal(whole, mask):
            raise task.fault(
                "label-value", "a mask holds values that are no whole numbers", "export it again"
            )
        return whole
    return mask


def histogram(mask: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The values that occur, in order, and how often; fast for small non-negative ones."""
    if mask.dtype == bool:
        mask = mask.view(np.uint8)
    if (
        mask.dtype.kind in "ui"
        and mask.size
        and int(mask.min()) >= 0
        and int(mask.max()) < _LUT_MAX
    ):
        counts = np.bincount(mask.ravel())
        values = np.flatnonzero(counts)
        return values, counts[values]
    return np.unique(mask, return_counts=True)


def _replaced(mask: NDArray[Any], values: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
    if values.size and values[0] >= 0 and values[-1] < _LUT_MAX:
        table = np.zeros(int(values[-1]) + 1, new.dtype)
        table[values] = new
        return np.asarray(table[mask])
    found = new[np.searchsorted(values, mask)] if values.size else mask.astype(new.dtype)
    return np.asarray(found)


def _class(task: _Task, start: Aligned) -> Aligned:
    entry = task.entry(task.annotation.value)
    meaning = meaning_of(entry, task.targets, task.annotation.kind, task.known)
    if meaning == IGNORE:
        unmapped = (entry.text,) if entry.status == "unmapped" else ()
        return replace(start, value=None, annotated=(), completeness="partial", ignored=1,
                       unmapped=unmapped)  # fmt: skip
    if meaning == BACKGROUND:
        return replace(start, value="", other=1)
    return replace(start, value=meaning, counts={meaning: 1})


def _multilabel(task: _Task, start: Aligned) -> Aligned:
    said: dict[str, dict[str, int]] = {}
    unmapped = []
    for native, value in task.annotation.value.items():
        entry = task.entry(native)
        meaning = meaning_of(entry, task.targets, "multilabel", task.known)
        if value is None:
            continue
        if value not in (-1, 0, 1):
            raise task.fault(
                "label-value", f"{entry.text!r} is {value!r}, not 1, 0 or -1", "correct the table"
            )
        if entry.status == "unmapped":
            unmapped.append(entry.text)
        # What is only a part of a concept can show that it is there, not that it is absent.
        if meaning in (BACKGROUND, IGNORE) or (value != 1 and entry.key not in task.known):
            continue
        said.setdefault(meaning, {})[entry.key] = _settled(task, entry, value)
    found: dict[str, int] = {}
    for name in (one.name for one in task.targets.image):
        values = said.get(name, {})
        negative = {key for key, value in values.items() if value == 0}
        if 1 in values.values():
            found[name] = 1
        elif -1 in values.values():
            found[name] = -1
        elif negative and covered(name, negative):
            found[name] = 0
    complete: Literal["full", "partial"]
    complete = "full" if len(found) == len(task.targets.image) else "partial"
    return replace(
        start, value=found, annotated=tuple(found), completeness=complete,
        counts={name: 1 for name, value in found.items() if value == 1},
        ignored=len(unmapped), unmapped=tuple(unmapped),
    )  # fmt: skip


_RULES: Mapping[str, int | None] = {"positive": 1, "negative": 0, "keep": -1, "drop": None}


def _settled(task: _Task, entry: Entry, value: int) -> int:
    """A value of -1 by the goal's rule; 2 stands for *dropped*."""
    if value != -1:
        return value
    if task.uncertain is None:
        raise task.fault(
            "uncertain",
            f"{entry.text!r} is uncertain (-1) and the goal does not say what to do",
            "set uncertain in the goal to drop, positive, negative or keep",
        )
    settled = _RULES[task.uncertain]
    return 2 if settled is None else settled


def _objects(task: _Task, start: Aligned) -> Aligned:
    kept, counts, unmapped = [], dict[str, int](), set()
    ignored = other = 0
    for one in task.annotation.value:
        entry = task.entry(one["label"])
        meaning = meaning_of(entry, task.targets, task.annotation.kind, task.known)
        if entry.status == "unmapped":
            unmapped.add(entry.text)
        if meaning == BACKGROUND:
            other += 1
            continue
        ignored += meaning == IGNORE
        if meaning != IGNORE:
            counts[meaning] = counts.get(meaning, 0) + 1
        kept.append({**one, "label": meaning})
    return replace(start, value=kept, counts=counts, ignored=ignored, other=other,
                   unmapped=tuple(sorted(unmapped)))  # fmt: skip


_BY_KIND: Mapping[str, Callable[[_Task, Aligned], Aligned]] = {
    "mask": _mask,
    "class": _class,
    "phase": _class,
    "multilabel": _multilabel,
    "boxes": _objects,
    "instances": _objects,
    "keypoints": _objects,
}
