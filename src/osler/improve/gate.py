"""Whether the new model may replace the old one: paired, stratum by stratum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from osler.core import Estimate, InputError
from osler.evaluate.scoring import discordant, mcnemar, paired_difference

from .vectors import Bools, same_length

Policy = Literal["observed", "proven"]
MARGIN = 0.02
REST = "other strata"


@dataclass(frozen=True, slots=True)
class StratumChange:
    """One stratum before and after: ``change`` in accuracy (after - before) with its interval.

    ``lost`` right then wrong, ``won`` wrong then right, ``p`` McNemar's exact mid-p test.
    ``state``: no worse than the margin for sure, worse than it as observed, or open.
    """

    stratum: str
    before: float
    after: float
    change: Estimate
    lost: int
    won: int
    p: float
    state: Literal["not worse", "worse", "open"]


@dataclass(frozen=True, slots=True)
class Decision:
    """``accepted`` or not, why (sentences), and the figures of all strata and of ``overall``."""

    accepted: bool
    reasons: tuple[str, ...]
    overall: StratumChange
    strata: tuple[StratumChange, ...]


def judge_change(
    before: ArrayLike,
    after: ArrayLike,
    strata: Sequence[str],
    groups: Sequence[str],
    *,
    margin: float = MARGIN,
    policy: Policy = "observed",
    least: int = 20,
    seed: int = 0,
) -> Decision:
    """Accept a model on a gate set that neither chose its data nor trained it.

    ``before`` and ``after`` (n,) tell which items each model got right, ``strata`` and ``groups``
    (patients) where they belong. Strata below ``least`` items are judged together.

    ``observed``: accepted when overall accuracy rises and no stratum falls by more than
    ``margin`` as observed. ``proven``: accepted when overall accuracy rises and the interval of
    every stratum's change lies above -``margin`` (non-inferiority), which takes a large gate set.
    """
    old, new = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    labels, keys = np.asarray(strata, dtype=str), np.asarray(groups, dtype=str)
    if same_length(before=old, after=new, strata=labels, groups=keys) == 0:
        raise InputError("the gate set is empty; hold back some items to judge the new model on")
    if not 0 <= margin < 1:
        raise InputError(f"a margin of {margin} is not in [0, 1)")
    names, counts = np.unique(labels, return_counts=True)
    labels = np.where(np.isin(labels, names[counts < least]), REST, labels)
    parts = []
    for name in np.unique(labels):
        mine: Bools = labels == name
        parts.append(_change(str(name), old[mine], new[mine], list(keys[mine]), margin, seed))
    overall = _change("all", old, new, list(keys), margin, seed)
    reasons = _against(overall, parts, margin, policy)
    if reasons:
        return Decision(False, tuple(reasons), overall, tuple(parts))
    told = (
        f"accuracy rises by {100 * overall.change.value:.1f} points "
        f"({overall.won} won, {overall.lost} lost, p = {overall.p:.2g}) and no stratum falls by "
        f"more than {100 * margin:g} points"
    )
    return Decision(True, (told,), overall, tuple(parts))


def _change(
    name: str, old: Bools, new: Bools, groups: list[str], margin: float, seed: int
) -> StratumChange:
    lost, won = discordant(old, new)
    change = paired_difference(new, old, groups, seed=seed)
    worse = change.value < -margin - 1e-12
    state: Literal["not worse", "worse", "open"] = "worse" if worse else "open"
    if change.low >= -margin:
        state = "not worse"
    p = mcnemar(lost, won, mid_p=True).p
    return StratumChange(name, float(old.mean()), float(new.mean()), change, lost, won, p, state)


def _against(
    overall: StratumChange, parts: Sequence[StratumChange], margin: float, policy: Policy
) -> list[str]:
    told = []
    if overall.change.value <= 0:
        told.append(f"overall accuracy does not rise ({100 * overall.change.value:+.1f} points)")
    for part in parts:
        figures = f"({part.lost} lost, {part.won} won, p = {part.p:.2g})"
        if part.state == "worse":
            told.append(
                f"{part.stratum} falls by {-100 * part.change.value:.1f} points {figures}, "
                f"more than {100 * margin:g}"
            )
        elif policy == "proven" and part.state == "open":
            told.append(
                f"{part.stratum} may fall by up to {-100 * part.change.low:.1f} points "
                f"{figures}: not shown to be within {100 * margin:g}"
            )
    return told
