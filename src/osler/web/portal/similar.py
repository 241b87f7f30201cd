"""Datasets like another one: shared words of the vocabularies, the rare ones weighing more."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from osler.curate.catalog.record import Dataset

WEIGHT = {"modality": 1.5, "structure": 2.0, "task": 1.0, "dim": 0.5, "target": 2.0}


class Likeness:
    """How alike the datasets of a catalogue are.

    The score of two is the weighted Jaccard index of their codes (modality, structure, task,
    dimension, target); a code weighs by its kind and by ``log(1 + N / n)``, where n of the N
    datasets have it.
    """

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self._codes = {one.id: frozenset(_codes(one)) for one in datasets}
        frequent = Counter(code for codes in self._codes.values() for code in codes)
        total = len(self._codes)
        self._weight = {
            code: WEIGHT[code[0]] * math.log(1 + total / n) for code, n in frequent.items()
        }
        self._having: dict[tuple[str, str], list[str]] = {}
        for name, codes in self._codes.items():
            for code in codes:
                self._having.setdefault(code, []).append(name)

    def nearest(self, name: str, n: int = 6, least: float = 0.35) -> list[tuple[str, float]]:
        """Ids of the ``n`` most alike with their score in [0, 1], best first."""
        mine = self._codes[name]
        rare = [code for code in mine if code[0] in ("structure", "target", "modality")]
        others = {other for code in rare for other in self._having[code]} - {name}
        scored = [(other, self._score(mine, self._codes[other])) for other in others]
        scored = [one for one in scored if one[1] >= least]
        scored.sort(key=lambda one: (-one[1], one[0]))
        return scored[:n]

    def _score(self, one: frozenset[tuple[str, str]], two: frozenset[tuple[str, str]]) -> float:
        shared = sum(self._weight[code] for code in one & two)
        return shared / sum(self._weight[code] for code in one | two) if shared else 0.0


def _codes(one: Dataset) -> Iterator[tuple[str, str]]:
    for code in one.modalities:
        yield ("modality", code)
    for code in one.structures:
        yield ("structure", code)
    for code in one.tasks:
        yield ("task", code)
    for code in one.dims:
        yield ("dim", code)
    for code in one.targets:
        yield ("target", code)
