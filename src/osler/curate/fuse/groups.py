"""Who is one person: patients joined by keys, studies and pictures they share."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .identity import is_telling, normal_key


class Sets:
    """Disjoint sets (union-find with path halving); a set is named by its smallest member."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def find(self, one: int) -> int:
        """The smallest member of the set of ``one``."""
        parent = self._parent
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    def join(self, one: int, two: int) -> None:
        """Make one set of two."""
        low, high = sorted((self.find(one), self.find(two)))
        self._parent[high] = low


@dataclass(frozen=True, slots=True)
class Who:
    """What tells whose picture a case is, as its source states it; empty where it does not."""

    dataset: str
    case: str
    patient: str = ""
    study: str = ""
    series: str = ""


def patient_sets(
    people: Sequence[Who], links: Iterable[tuple[int, int]], by_patient: bool = True
) -> list[int]:
    """For each case the number of the first case of the same person.

    Cases are joined by an equal patient key within a dataset; by an equal key that is telling
    (:func:`osler.curate.fuse.identity.is_telling`), study or series across datasets; and by
    ``links``, pairs of cases that show the same picture. A case of which nothing is known is a
    person of its own.

    Parameters
    ----------
    by_patient
        False leaves the keys out: then only equal pictures are kept together.
    """
    sets = Sets(len(people))
    first: dict[Hashable, int] = {}
    for number, who in enumerate(people):
        for key in _keys(who) if by_patient else ():
            sets.join(first.setdefault(key, number), number)
    for one, two in links:
        sets.join(one, two)
    return [sets.find(number) for number in range(len(people))]


def _keys(who: Who) -> Iterable[tuple[str, ...]]:
    if who.patient:
        # Within a dataset two keys are one person only if they are spelt alike: "P1" and "P01"
        # may be two.
        yield "patient", who.dataset, who.patient.strip()
        if is_telling(who.patient):
            yield "anywhere", normal_key(who.patient)
    for kind, uid in (("study", who.study), ("series", who.series)):
        if uid:
            yield kind, "" if is_telling(uid) and "." in uid else who.dataset, uid


def shared_patients(patients: Mapping[str, Iterable[str]]) -> list[tuple[str, str, int]]:
    """Pairs of datasets that have telling patient keys in common, and how many.

    ``patients`` are the keys by dataset. Sorted by number, the largest first, then by name.
    """
    owners: dict[str, set[str]] = {}
    for dataset, keys in patients.items():
        for key in keys:
            if is_telling(key):
                owners.setdefault(normal_key(key), set()).add(dataset)
    counts: dict[tuple[str, str], int] = {}
    for datasets in owners.values():
        ordered = sorted(datasets)
        for place, one in enumerate(ordered):
            for two in ordered[place + 1 :]:
                counts[one, two] = counts.get((one, two), 0) + 1
    return sorted(
        ((one, two, count) for (one, two), count in counts.items()),
        key=lambda pair: (-pair[2], pair[0], pair[1]),
    )
