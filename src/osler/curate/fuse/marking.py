"""What the annotations of each case say in the terms of the goal: label maps, targets, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from osler.core import InputError

from .align import align
from .case import Source
from .faults import LayoutError
from .goal import Goal
from .labels import LabelMap, label_map_for, unused_overrides
from .reading import annotation_of, without_folder
from .scanning import Read, Refused
from .targets import TargetTable, target_classes

_LABELLED = frozenset({"class", "phase", "multilabel", "mask", "boxes", "instances", "keypoints"})
"""Kinds whose labels a map explains; the others are texts and numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Label maps by what they are of, and the classes of the fused set."""

    by_labels: Mapping[tuple[str, str, str], LabelMap]
    targets: TargetTable

    def of(self, dataset: str, kind: str, labels: Mapping[str, str]) -> LabelMap | None:
        """The map of the dictionary of an annotation; None for texts and numbers."""
        return self.by_labels.get(_key(dataset, kind, labels))


def maps_for(reads: Sequence[Read], goal: Goal) -> tuple[Maps, list[Refused]]:
    """Label maps of every dictionary in use and the target classes; sources whose maps fail."""
    overrides = {one.dataset: one.labels for one in goal.sources}
    found: dict[tuple[str, str, str], LabelMap] = {}
    refused: dict[str, Refused] = {}
    for read in reads:
        if read.fault:
            continue
        for told in read.told["annotations"]:
            key = _key(read.source.dataset, told["kind"], told["labels"])
            if told["kind"] not in _LABELLED or key in found or key[0] in refused:
                continue
            try:
                found[key] = label_map_for(
                    read.source, told["labels"], overrides.get(key[0]), told["kind"]
                )
            except LayoutError as error:
                if goal.on_fault == "stop":
                    raise
                reason = without_folder(str(error), read.source.folder)
                refused[key[0]] = Refused(key[0], error.code, reason)
    kept = {key: one for key, one in sorted(found.items()) if key[0] not in refused}
    _check_overrides(kept, overrides, goal)
    targets = target_classes(kept.values(), goal.targets)
    if targets.missing and kept:
        have = sorted({one.key for each in kept.values() for one in each.entries if one.concept})
        raise InputError(
            f"the goal {goal.name!r} wants the target {targets.missing[0]!r}, which no source that "
            f"can be used has; they have {', '.join(have[:12]) or 'none'}"
        )
    return Maps(kept, targets), list(refused.values())


def _check_overrides(
    kept: Mapping[tuple[str, str, str], LabelMap],
    overrides: Mapping[str, Mapping[str, str]],
    goal: Goal,
) -> None:
    """Refuse a decision of the goal on a label that is not there, but nearly.

    A decision on a label that occurs nowhere is none the worse: a folder may lack a class.
    """
    for dataset, wanted in overrides.items():
        maps = [one for key, one in kept.items() if key[0] == dataset]
        left = {name.lower(): name for one in maps for name in one.unmapped}
        for name in unused_overrides(maps, wanted):
            near = get_close_matches(name.lower(), left, n=1, cutoff=0.7)
            if near:
                raise InputError(
                    f"the goal {goal.name!r} decides on the label {name!r} of {dataset}, which has "
                    f"none of that name; did you mean {left[near[0]]!r}?"
                )


def _key(dataset: str, kind: str, labels: Mapping[str, str]) -> tuple[str, str, str]:
    return dataset, kind, "\n".join(f"{one}\t{name}" for one, name in sorted(labels.items()))


def marks_of(read: Read, maps: Maps, goal: Goal) -> list[dict[str, Any]]:
    """The annotations of a case as the lock tells them, in the order of the source.

    ``native`` and ``targets`` are counts: voxels of masks, objects, or 1 for what is stated.

    Raises
    ------
    LayoutError
        A label that no dictionary explains, or an uncertain one that the goal has no rule for.
    """
    return [
        _mark(read.source, read.case.key, told, maps, goal) for told in read.told["annotations"]
    ]


def _mark(
    source: Source, case: str, told: Mapping[str, Any], maps: Maps, goal: Goal
) -> dict[str, Any]:
    annotation = annotation_of(told)
    mark = {
        "kind": told["kind"],
        "reader": told["reader"],
        "source_dataset": told["source_dataset"],
        "sha256": told["sha256"],
    }
    label_map = maps.of(source.dataset, told["kind"], told["labels"])
    if label_map is None:
        return mark
    aligned = align(
        annotation, label_map, maps.targets,
        uncertain=goal.uncertain, where=f"{source.dataset}/{case}", case=case,
    )  # fmt: skip
    mark |= {
        "label_map": label_map.id,
        "annotated": list(aligned.annotated),
        "completeness": aligned.completeness,
        "unmapped": list(aligned.unmapped),
    }
    if told["kind"] == "mask":
        ids = np.asarray(aligned.value)
        native, counts, ignored = _voxels(told, ids, maps.targets)
        centres = _centres(told, ids, maps.targets)
        return {**mark, "native": native, "targets": counts, "ignored": ignored, **centres}
    stated = {name: count for name, count in aligned.counts.items() if count}
    native = _native(told)
    mark |= {"native": native, "targets": stated, "ignored": aligned.ignored}
    if told["kind"] in ("class", "phase", "multilabel"):
        mark["value"] = aligned.value
    return mark


def _voxels(
    told: Mapping[str, Any], ids: Any, targets: TargetTable
) -> tuple[dict[str, int], dict[str, int], int]:
    """Voxels by native label, by target, and of those that cannot be told."""
    names = {one.id: one.name for one in targets.pixel}
    native: dict[str, int] = {}
    counts: dict[str, int] = {}
    ignored = 0
    for label, voxels, target in zip(told["value"], told["voxels"], ids.tolist(), strict=True):
        if label or "0" in told["labels"]:
            native[str(int(label))] = voxels
        if target in names:
            counts[names[target]] = counts.get(names[target], 0) + voxels
        elif target == targets.ignore:
            ignored += voxels
    return native, counts, ignored


def _centres(told: Mapping[str, Any], ids: Any, targets: TargetTable) -> dict[str, Any]:
    """``centres``: where the voxels of each target lie, as shares of the sides; for comparisons."""
    names = {one.id: one.name for one in targets.pixel}
    held: dict[str, list[tuple[int, list[float]]]] = {}
    for voxels, centre, target in zip(told["voxels"], told["centres"], ids.tolist(), strict=True):
        if target in names and centre is not None:
            held.setdefault(names[target], []).append((voxels, centre))
    return {
        "centres": {
            name: np.average(
                [one for _, one in rows], axis=0, weights=[n for n, _ in rows]
            ).tolist()
            for name, rows in sorted(held.items())
        }
    }


def _native(told: Mapping[str, Any]) -> dict[str, int]:
    value = told["value"]
    if told["kind"] in ("class", "phase"):
        return {str(value): 1}
    if told["kind"] == "multilabel":
        return {str(name): 1 for name, said in sorted(value.items()) if said == 1}
    names = sorted(str(one["label"]) for one in value)
    return {name: names.count(name) for name in dict.fromkeys(names)}
