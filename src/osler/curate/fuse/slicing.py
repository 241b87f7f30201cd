"""Which axial slices of a volume become samples, where a goal asks for 2D and admits volumes.

Told by the goal's key ``slices``:

- ``content`` (also when the goal says nothing): every slice that shows something, and every slice
  with a target. A slice shows nothing if all its values are equal or, in Hounsfield units, if less
  than 1 % of them lie above -500 HU (air, perhaps with a table). So a slice of the body without
  any target stays, as the negative that it is.
- ``targets``: only slices in which a mask holds a target.
- ``all``: every slice.

The lock lists the slices of each case, so that a build has nothing to decide. What is said of a
volume as a whole (a class, a report) does not hold for each of its slices and is left out; the
lock says which kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .align import align
from .choosing import Choice, as_slices
from .goal import Goal
from .marking import Maps
from .planes import numbers_of, runs_of
from .reading import annotation_of
from .scanning import Read


def apply_slices(choice: Choice, maps: Maps, goal: Goal) -> None:
    """Tell the slices of every kept volume, and drop those that give none.

    ``choice.slices`` then holds for each volume ``rule``, ``axis``, ``of`` (planes that it has),
    ``kept`` (runs of their numbers, from the feet), ``count`` and ``left_out`` (kinds of
    annotations of the whole volume).
    """
    for number in choice.kept:
        read = choice.reads[number]
        if not as_slices(read.told, goal):
            continue
        if "orientation-unknown" in read.told["flags"]:
            why = "it states no orientation, so nobody can tell its axial slices"
            choice.drop(number, "no-slice", why)
            continue
        found = _slices(read, maps, goal)
        if found["count"]:
            choice.slices[number] = found
        else:
            what = "a target" if found["rule"] == "targets" else "anything but air"
            choice.drop(number, "no-slice", f"none of its {found['of']} slices shows {what}")


def _slices(read: Read, maps: Maps, goal: Goal) -> dict[str, Any]:
    rule, planes = goal.slices or "content", int(read.told["shape"][2])
    kept = set(range(planes)) if rule == "all" else _target_planes(read, maps, goal)
    if rule == "content":
        kept.update(numbers_of(read.told["content"]))
    kinds = {one["kind"] for one in read.told["annotations"]} - {"mask"}
    return {
        "rule": rule,
        "axis": "S",
        "of": planes,
        "kept": runs_of(sorted(kept)),
        "count": len(kept),
        "left_out": sorted(kinds),
    }


def _target_planes(read: Read, maps: Maps, goal: Goal) -> set[int]:
    """Planes in which a mask holds a target."""
    targets = {one.id for one in maps.targets.pixel}
    found: set[int] = set()
    for told in read.told["annotations"]:
        label_map = maps.of(read.source.dataset, told["kind"], told["labels"])
        if told["kind"] != "mask" or label_map is None:
            continue
        where = f"{read.source.dataset}/{read.case.key}"
        aligned = align(
            annotation_of(told), label_map, maps.targets,
            uncertain=goal.uncertain, where=where, case=read.case.key,
        )  # fmt: skip
        for target, runs in zip(np.asarray(aligned.value).tolist(), told["planes"], strict=True):
            if target in targets:
                found.update(numbers_of(runs))
    return found


def samples_in(row: Mapping[str, Any]) -> int:
    """How many samples a case of a lock gives: its slices, or itself."""
    return int(row["slices"]["count"]) if row.get("slices") else 1
