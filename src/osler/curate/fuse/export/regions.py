"""The mask of a sample as one map of target ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sample import Mark, Sample
from ..targets import TargetClass, TargetTable
from .contents import Work, marks_of, read_file


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Target ids on the grid of the image.

    ``annotated`` are the classes that were looked for; ``clashes`` counts voxels that two
    annotations give to classes of which neither lies in the other (they become ``ignore``).
    """

    values: NDArray[np.int64]
    annotated: frozenset[str]
    clashes: int

    def partial(self, classes: Iterable[TargetClass]) -> bool:
        """Whether one of ``classes`` was not looked for."""
        return not {one.name for one in classes} <= self.annotated

    def undecided(self, classes: Sequence[TargetClass]) -> list[TargetClass]:
        """Classes that hold another one of ``classes`` that was not looked for.

        Where only the liver was drawn, a voxel of it may be tumour: it is liver, but neither
        tumour nor *liver without tumour*.
        """
        missing = {one.id for one in classes if one.name not in self.annotated}
        return [one for one in classes if missing & (set(one.region) - {one.id})]


def regions_of(work: Work, sample: Sample) -> Regions | None:
    """The masks of one reader laid over each other; None where the sample has no mask.

    Of several readers the one that the options name, else the first by name.
    """
    masks = [one for one in marks_of(sample, "mask") if one.uri]
    readers = sorted({one.reader for one in masks})
    if work.options.reader:
        masks = [one for one in masks if one.reader == work.options.reader]
    elif len(readers) > 1:
        masks = [one for one in masks if one.reader == readers[0]]
    if not masks:
        return None
    targets = work.targets
    values = _read(work, sample, masks[0])
    clashes = 0
    for one in masks[1:]:
        values, n = _laid_over(values, _read(work, sample, one), targets)
        clashes += n
    known = {name for one in masks for name in _looked_for(one, targets)}
    return Regions(values, frozenset(known), clashes)


def _looked_for(mark: Mark, targets: TargetTable) -> tuple[str, ...]:
    if mark.completeness == "full":
        return tuple(one.name for one in targets.pixel)
    return mark.annotated


def _read(work: Work, sample: Sample, mark: Mark) -> NDArray[np.int64]:
    read_file(work.fused.folder, mark.uri, mark.sha256)
    return work.fused.mask(sample, mark).astype(np.int64)


def _laid_over(
    under: NDArray[np.int64], over: NDArray[np.int64], targets: TargetTable
) -> tuple[NDArray[np.int64], int]:
    """Both maps in one: the class that lies in the other wins, e.g. a tumour in its organ."""
    found = np.where(under == 0, over, under)
    clashes = 0
    differing = (under != 0) & (over != 0) & (under != over)
    if not differing.any():
        return found, 0
    inside = {one.id: set(one.region) for one in targets.pixel}
    pairs = np.unique(np.stack([under[differing], over[differing]]), axis=1).T
    for a, b in pairs.tolist():
        here = differing & (under == a) & (over == b)
        if b in inside.get(a, ()):
            found[here] = b
        elif a not in inside.get(b, ()):
            found[here] = targets.ignore
            clashes += int(here.sum())
    return found, clashes


def renumbered(targets: TargetTable, classes: Sequence[TargetClass]) -> NDArray[np.int64]:
    """New id of each old one: ``classes`` from 1 on, then ignore; what is none of them is 0.

    A class that lies in a wanted one without being wanted itself counts as that one: with liver
    alone, a tumour in the liver is liver.
    """
    new = np.zeros(targets.ignore + 1, dtype=np.int64)
    outer_first = sorted(enumerate(classes, 1), key=lambda pair: -len(pair[1].region))
    for number, one in outer_first:
        new[list(one.region)] = number
    for number, one in enumerate(classes, 1):
        new[one.id] = number
    new[targets.ignore] = len(classes) + 1
    return new
