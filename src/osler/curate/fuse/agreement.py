"""Do two annotations of one picture say the same, but for what honest readers differ by?

Two readers never draw the same voxels and seldom name the same fourteen findings, so that equality
would call every pair of honest sources a contradiction. Masks are compared by what they cannot
both be: of ``a`` and ``b`` voxels no two masks have a Dice above ``2 min(a, b) / (a + b)``, and two
masks whose centres lie far apart are of two structures, as of a left and a right kidney.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .concepts import is_within
from .overlap import Kind

LEAST_DICE = 0.7
"""Readers of one organ reach more; of a small lesion about that much."""

FEW_VOXELS = 10
"""Voxels by which counts may always differ: the edge of what is tiny."""

FARTHEST = 0.1
"""Share of a side of the picture that two centres of one structure may lie apart."""

LEAST_COMMON = 0.5
"""Share of the findings stated by either of two readers that both state (Jaccard)."""

Marks = Mapping[int, Sequence[Mapping[str, Any]]]
"""By case, as of :func:`osler.curate.fuse.marking.marks_of`."""


def agree(marks: Marks, one: int, two: int, kind: Kind = "same") -> bool | None:
    """Whether two cases of one picture say the same; None where that cannot be told.

    Classes are compared by name, a narrower one being no contradiction of a wider; multi-labels
    by the findings that both state; masks by voxels and places of each target that both looked
    for; objects by the targets that occur. Masks and objects of copies that were cropped or
    resized (``kind`` near or part) are not compared, and places only where nothing was turned.
    """
    found: bool | None = None
    for first in marks.get(one, ()):
        for second in marks.get(two, ()):
            same = _same(first, second, kind)
            if same is not None:
                found = same if found is None else found and same
    return found


def _same(one: Mapping[str, Any], two: Mapping[str, Any], kind: Kind) -> bool | None:
    if one["kind"] != two["kind"] or "targets" not in one or "targets" not in two:
        return None
    if one["kind"] in ("class", "phase"):
        return _same_class(one["value"], two["value"])
    common = set(one["annotated"]) & set(two["annotated"])
    if not common:
        return None
    if one["kind"] == "multilabel":
        return _same_findings(one["value"], two["value"], common)
    if kind in ("near", "part"):
        return None
    if one["kind"] != "mask":
        return all(bool(one["targets"].get(n)) == bool(two["targets"].get(n)) for n in common)
    return all(_same_region(one, two, name, kind) for name in common)


def _same_class(one: str | None, two: str | None) -> bool | None:
    if one is None or two is None:
        return None
    return one == two or bool(one and two and (is_within(one, two) or is_within(two, one)))


def _same_findings(one: Mapping[str, int], two: Mapping[str, int], common: set[str]) -> bool | None:
    told = [name for name in common if one.get(name) in (0, 1) and two.get(name) in (0, 1)]
    if not told:
        return None
    either = sum(one[name] == 1 or two[name] == 1 for name in told)
    both = sum(one[name] == 1 == two[name] for name in told)
    return both >= LEAST_COMMON * either


def _same_region(one: Mapping[str, Any], two: Mapping[str, Any], name: str, kind: Kind) -> bool:
    low, high = sorted((one["targets"].get(name, 0), two["targets"].get(name, 0)))
    if high - low <= FEW_VOXELS and (low == 0 or high <= FEW_VOXELS):
        return True
    if 2 * low < LEAST_DICE * (low + high):
        return False
    first, second = one["centres"].get(name), two["centres"].get(name)
    if kind != "same" or first is None or second is None or len(first) != len(second):
        return True
    return all(abs(a - b) <= FARTHEST for a, b in zip(first, second, strict=True))
