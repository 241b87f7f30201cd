"""Which datasets a selection holds, and how often each value stands in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from osler.curate.catalog import Catalog
from osler.curate.catalog.record import Dataset

from .selection import LISTS, Selection


@dataclass(frozen=True, slots=True)
class Hit:
    id: str
    why: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selected:
    hits: tuple[Hit, ...]
    corrected: tuple[tuple[str, str], ...] = ()
    read: tuple[tuple[str, bool], ...] = ()
    drops: tuple[str, ...] = ()


VALUES: dict[str, Callable[[Dataset], tuple[str, ...]]] = {
    "modality": lambda d: d.modalities,
    "structure": lambda d: d.structures,
    "task": lambda d: d.tasks,
    "dim": lambda d: d.dims,
    "licence": lambda d: d.licences or ("unknown",),
    "access": lambda d: (d.access,),
    "publisher": lambda d: (d.publisher,) if d.publisher else (),
    "labelled": lambda d: ("yes" if d.labelled else "no",),
    "year": lambda d: (str(d.year),) if d.year else (),
}


class Engine:
    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def _ok(self, d: Dataset, s: Selection) -> bool:
        for name in LISTS:
            want = getattr(s, name)
            if want and not set(want) & set(VALUES[name](d)):
                return False
        if s.labelled and s.labelled not in VALUES["labelled"](d):
            return False
        if s.since is not None and (d.year is None or d.year < s.since):
            return False
        if s.until is not None and (d.year is None or d.year > s.until):
            return False
        if s.least is not None and (d.count is None or d.count < s.least):
            return False
        if s.most is not None and (d.count is None or d.count > s.most):
            return False
        return all(
            w in f"{d.name} {d.modalities} {d.structures} {d.tasks} {d.targets}".lower()
            for w in s.q.lower().split()
        )

    def select(self, s: Selection) -> Selected:
        return Selected(
            tuple(Hit(d.id, tuple(s.q.split())) for d in self.catalog.datasets if self._ok(d, s))
        )

    def counts(self, s: Selection) -> Mapping[str, Mapping[str, int]]:
        ok = [d for d in self.catalog.datasets if self._ok(d, s)]
        return {name: Counter(v for d in ok for v in set(get(d))) for name, get in VALUES.items()}
