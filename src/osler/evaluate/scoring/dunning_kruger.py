"""Dunning-Kruger flags of arXiv 2603.07769: weaker, yet not less sure of itself.

Accuracy a and calibration shift D (mean confidence minus accuracy). One model between clean and
degraded images: a(clean) > a(degraded) and D(clean) <= D(degraded). Two models on the same items:
a1 < a2 and D1 > D2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from osler.core import InputError


@dataclass(frozen=True, slots=True)
class Standing:
    """Accuracy and calibration shift of one model at one level, from ``trials`` trials."""

    accuracy: float
    shift: float
    trials: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models; ``weaker`` has the lower accuracy. ``flag``: it has the larger shift."""

    weaker: str
    stronger: str
    flag: bool
    accuracy_gap: float
    shift_gap: float


def intra_model(clean: Standing, degraded: Standing) -> bool:
    """True if accuracy falls from clean to degraded while the shift does not."""
    _same(clean.trials, degraded.trials)
    return clean.accuracy > degraded.accuracy and clean.shift <= degraded.shift


def inter_model(models: Mapping[str, Standing]) -> list[Pair]:
    """All pairs of different accuracy, by name; ``flag`` where the weaker has the larger shift."""
    names = sorted(models)
    pairs = []
    for i, one in enumerate(names):
        for two in names[i + 1 :]:
            _same(models[one].trials, models[two].trials)
            if models[one].accuracy == models[two].accuracy:
                continue
            weak, strong = sorted((one, two), key=lambda name: models[name].accuracy)
            gap = models[strong].accuracy - models[weak].accuracy
            shift = models[weak].shift - models[strong].shift
            pairs.append(Pair(weak, strong, shift > 0, gap, shift))
    return pairs


def _same(one: int, two: int) -> None:
    if one != two:
        raise InputError(
            f"calibration shifts at {one} and {two} trials cannot be compared: vote confidence "
            "depends on the number of trials; run both with the same --trials"
        )
