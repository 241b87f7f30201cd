"""Whether the new model may replace the old one: paired, stratum by stratum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from osler.core import Estimate, InputError
from osler.evaluate.scoring import discordant, mcnemar, paired_difference

from .vectors import Bools, one_of, same_length

Policy = Literal["shown", "observed", "proven"]
State = Literal["not worse", "worse", "open"]
MARGIN = 0.02
LEVEL = 0.05
REST = "other strata"


@dataclass(frozen=True, slots=True)
class StratumChange:
    """One stratum before and after: ``change`` in accuracy (after - before) with its interval.

    ``lost`` right then wrong, ``won`` wrong then right, ``p`` McNemar's two-sided mid-p test.
    ``state``: surely within the margin, fallen by more than it (as observed, and by a one-sided
    test that the stratum fell at all), or open.
    """

    stratum: str
    before: float
    after: float
    change: Estimate
    lost: int
    won: int
    p: float
    state: State


@dataclass(frozen=True, slots=True)
class Decision:
    """``accepted`` or not and why (sentences), with the figures of all strata and of ``overall``.

    ``warnings`` name strata that fell by more than the margin without the policy refusing it.
    """

    accepted: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    overall: StratumChange
    strata: tuple[StratumChange, ...]


def judge_change(
    before: ArrayLike,
    after: ArrayLike,
    strata: Sequence[str],
    groups: Sequence[str],
    *,
    margin: float = MARGIN,
    policy: Policy = "shown",
    least: int = 20,
    seed: int = 0,
) -> Decision:
    """Accept a model on a gate set that neither chose its data nor trained it.

    ``before`` and ``after`` (n,) tell which items each model got right, ``strata`` and ``groups``
    (patients) where they belong. Strata below ``least`` items are judged together.

    A model is refused when overall accuracy does not rise, or a stratum falls: with ``shown`` by
    more than ``margin`` as observed and by McNemar's test (one-sided mid-p below 5 %, not adjusted
    for the number of strata: to miss a harm is worse than to train again); with ``observed`` by
    more than ``margin`` as observed, however few items say so; with ``proven`` unless the interval
    of its change lies above -``margin`` (non-inferiority). The test takes items as independent, the
    intervals draw patients: where a patient's items change together, ``shown`` refuses more (five
    such items each: 25 % instead of 7 % of harmless strata of 100). Simulated with ten strata of
    100 independent items, ten discordant each, and no stratum truly worse, they refuse 31, 85 and
    nearly 100 % of models; with one that falls by 10 points, 82, 99 and 100 %.
    """
    old, new = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    labels, keys = np.asarray(strata, dtype=str), np.asarray(groups, dtype=str)
    one_of("policy", policy, get_args(Policy))
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
    against = _against(overall, parts, margin, policy)
    warnings = [_told(p, margin) for p in parts if p.change.value < -margin - 1e-12]
    reasons = against or [
        f"accuracy rises by {100 * overall.change.value:.1f} points "
        f"({overall.won} won, {overall.lost} lost, p = {overall.p:.2g})"
    ]
    left = tuple(w for w in warnings if w not in reasons)
    return Decision(not against, tuple(reasons), left, overall, tuple(parts))


def _change(
    name: str, old: Bools, new: Bools, groups: list[str], margin: float, seed: int
) -> StratumChange:
    lost, won = discordant(old, new)
    change = paired_difference(new, old, groups, seed=seed)
    p = mcnemar(lost, won, mid_p=True).p
    state: State = "open"
    if change.low >= -margin:
        state = "not worse"
    elif change.value < -margin - 1e-12 and p / 2 < LEVEL:
        state = "worse"
    return StratumChange(name, float(old.mean()), float(new.mean()), change, lost, won, p, state)


def _against(
    overall: StratumChange, parts: Sequence[StratumChange], margin: float, policy: Policy
) -> list[str]:
    told = []
    if overall.change.value <= 0:
        told.append(f"overall accuracy does not rise ({100 * overall.change.value:+.1f} points)")
    for part in parts:
        fell = part.change.value < -margin - 1e-12
        if part.state == "worse" or (fell and policy == "observed"):
            told.append(_told(part, margin))
        elif policy == "proven" and part.state != "not worse":
            told.append(
                f"{part.stratum} may fall by up to {-100 * part.change.low:.1f} points: "
                f"not shown to be within {100 * margin:g}"
            )
    return told


def _told(part: StratumChange, margin: float) -> str:
    return (
        f"{part.stratum} falls by {-100 * part.change.value:.1f} points "
        f"({part.lost} lost, {part.won} won, p = {part.p:.2g}), more than {100 * margin:g}"
    )
