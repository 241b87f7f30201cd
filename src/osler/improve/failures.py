"""Which items a model fails persistently, and in which strata that happens too often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from osler.core import Estimate, InputError

from .vectors import Bools, Floats, Ints, one_of, same_length

Rule = Literal["posterior", "compat"]
JEFFREYS = 0.5


@dataclass(frozen=True, slots=True)
class Failures:
    """Persistent failures among n items.

    ``wrong`` and ``scored`` count trials (n,); ``flagged`` marks persistent failures and
    ``undecided`` items whose unscored trials could change the verdict; ``certainty`` is
    P(error probability > 1/2) under a Beta(1/2, 1/2) prior, NaN without a scored trial.
    """

    rule: Rule
    wrong: Ints
    scored: Ints
    flagged: Bools
    undecided: Bools
    certainty: Floats


def persistent_failures(
    wrong: ArrayLike, *, rule: Rule = "posterior", certainty: float = 0.9, gamma: float = 0.6
) -> Failures:
    """Items that fail persistently, from ``wrong`` (n, R): 1 wrong, 0 right, NaN unscored.

    ``posterior`` flags an item when P(p > 1/2 | trials) > ``certainty`` with Jeffreys' prior. At
    R = 5 that is 4 wrong of 5, the published rule, and it holds for any number of trials; unscored
    trials say nothing, and an item without a scored one is undecided.

    ``compat`` is the published rule (arXiv 2603.19863, second hand): error rate above ``gamma`` of
    all R trials. With unscored trials an item is flagged when it would be however they came out,
    cleared likewise, and undecided otherwise.

    Raises
    ------
    InputError
        Not a table, no trial, or a value other than 0, 1, NaN.
    """
    one_of("rule", rule, get_args(Rule))
    table = np.asarray(wrong, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] == 0:
        raise InputError(f"outcomes have shape {table.shape}; (items, trials) is needed")
    known = ~np.isnan(table)
    if not np.isin(table[known], (0.0, 1.0)).all():
        raise InputError("outcomes must be 1 (wrong), 0 (right) or NaN (unscored)")
    misses: Ints = np.where(known, table, 0).sum(axis=1).astype(np.int64)
    scored: Ints = known.sum(axis=1).astype(np.int64)
    sure = _above_half(misses, scored)
    if rule == "posterior":
        return Failures(rule, misses, scored, sure > certainty, scored == 0, sure)
    trials = table.shape[1]
    # gamma R + 1e-9: 0.6 x 5 is 3.0000000000000004 or 3 depending on how it is written.
    limit = gamma * trials + 1e-9
    flagged: Bools = misses > limit
    undecided: Bools = ~flagged & (misses + trials - scored > limit)
    return Failures(rule, misses, scored, flagged, undecided, sure)


def _above_half(wrong: Ints, scored: Ints) -> Floats:
    from scipy.special import betainc

    tail = 1.0 - betainc(wrong + JEFFREYS, scored - wrong + JEFFREYS, 0.5)
    sure: Floats = np.where(scored > 0, tail, np.nan)
    return sure


@dataclass(frozen=True, slots=True)
class Weakness:
    """One stratum: ``failures`` of ``items``; ``rate`` is the shrunk rate with its interval."""

    stratum: str
    items: int
    failures: int
    rate: Estimate


def weakness(
    flagged: ArrayLike,
    strata: Sequence[str],
    groups: Sequence[str] | None = None,
    *,
    m: float = 10.0,
    confidence: float = 0.95,
) -> list[Weakness]:
    """Failure rate of each stratum, shrunk towards the overall rate e: (e_k n_k + m e)/(n_k + m).

    ``flagged`` (n,) are persistent failures, ``strata`` their modality x capability labels,
    ``groups`` the patients. The interval is the Beta posterior whose mean is the shrunk rate
    (prior: ``m`` items at the overall rate); items of one patient count for less by the design
    effect (Kish 1965), so it is never narrower than the patients allow. Worst stratum first.
    """
    from scipy.special import betaincinv

    flags = np.asarray(flagged, dtype=np.float64)
    labels = np.asarray(strata, dtype=str)
    keys = np.arange(flags.size).astype(str) if groups is None else np.asarray(groups, dtype=str)
    if same_length(flags=flags, strata=labels, groups=keys) == 0:
        raise InputError("no items: weakness needs at least one evaluated item")
    if m < 0 or not 0 < confidence < 1:
        raise InputError(f"m = {m} must not be negative, confidence = {confidence} inside (0, 1)")
    overall = float(flags.mean())
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    found = []
    for label in np.unique(labels):
        mine = labels == label
        n, failed = int(mine.sum()), int(flags[mine].sum())
        value = (failed + m * overall) / (n + m)
        n_groups, worth = _effective(flags[mine], keys[mine])
        # At least Jeffreys' half a count on either side: no interval of width zero.
        a = max(failed * worth / n + m * overall, JEFFREYS)
        b = max((n - failed) * worth / n + m * (1 - overall), JEFFREYS)
        low, high = betaincinv(a, b, tails)
        rate = Estimate(
            value, min(float(low), value), max(float(high), value), n, n_groups, confidence
        )
        found.append(Weakness(str(label), n, failed, rate))
    return sorted(found, key=lambda w: (-w.rate.value, w.stratum))


def _effective(flags: Floats, groups: ArrayLike) -> tuple[int, float]:
    """(number of groups, how many independent items the flags of these groups are worth)."""
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    n, n_groups, p = flags.size, int(codes.max()) + 1, float(flags.mean())
    if n_groups == 1 or p in (0.0, 1.0):
        return n_groups, float(n_groups)
    residuals = np.bincount(codes, flags - p)
    spread = float((residuals**2).sum()) * n_groups / (n_groups - 1)
    effect = max(1.0, spread / (n * p * (1 - p) * n / (n - 1)))
    return n_groups, n / effect


def stratum_labels(*columns: Sequence[str]) -> list[str]:
    """Labels of crossed strata, such as modality x capability.

    Examples
    --------
    >>> stratum_labels(["mri", "ct"], ["noise", "blur"])
    ['mri | noise', 'ct | blur']
    """
    same_length(**{f"column_{i}": column for i, column in enumerate(columns)})
    return [" | ".join(parts) for parts in zip(*columns, strict=True)]
