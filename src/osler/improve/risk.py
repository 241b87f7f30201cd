"""How wrong the labels nobody looked at may be: audited bounds on silent error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from osler.core import InputError, derive_rng

from .vectors import Bools, Floats, Ints, same_length

AUDIT = 0.05
TARGET = 0.05


def upper_bound(wrong: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> Floats:
    """One-sided Clopper-Pearson upper bound of an error rate, for arrays of counts (1934).

    Exact: it covers the true rate with at least ``confidence``, whatever the rate. n = 0 gives 1.

    Examples
    --------
    >>> round(float(upper_bound(0, 59)), 4)
    0.0495
    """
    from scipy.special import betaincinv

    k, total = np.asarray(wrong, dtype=np.float64), np.asarray(n, dtype=np.float64)
    if (k < 0).any() or (k > total).any() or not 0 < confidence < 1:
        raise InputError(f"{wrong!r} wrong of {n!r} at confidence {confidence} is no error count")
    full = k >= total
    bound: Floats = np.where(full, 1.0, betaincinv(k + 1, np.where(full, 1, total - k), confidence))
    return bound


def lower_bound(right: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> Floats:
    """One-sided Clopper-Pearson lower bound of an accuracy, for arrays of counts."""
    total = np.asarray(n, dtype=np.float64)
    bound: Floats = 1.0 - upper_bound(total - np.asarray(right), total, confidence)
    return bound


def audit_sample(rows: ArrayLike, share: float = AUDIT, seed: int = 0) -> Ints:
    """A random ``share`` of ``rows`` (rounded up), each set equally likely, in order."""
    every = np.asarray(rows, dtype=np.int64)
    if not 0 < share <= 1:
        raise InputError(f"an audit of {share} of the labels is not a share in (0, 1]")
    size = int(np.ceil(share * every.size))
    drawn: Ints = np.sort(derive_rng("audit", seed).permutation(every)[:size])
    return drawn


@dataclass(frozen=True, slots=True)
class Audit:
    """Labels ``kept`` unseen, of which ``sampled`` were checked and ``wrong`` found wrong.

    ``error`` is their share; ``bound`` bounds the error rate of all that were kept, ``left_bound``
    that of the ``left`` which nobody has looked at: what trains where checked labels are replaced.
    """

    kept: int
    sampled: int
    wrong: int
    error: float
    bound: float
    confidence: float
    left: int
    left_bound: float


def audit(kept: int, sampled: int, wrong: int, confidence: float = 0.95) -> Audit:
    """The silent error of auto-kept labels, estimated and bounded from the audited ones.

    Raises
    ------
    InputError
        More audited than kept, or more wrong than audited.
    """
    if not 0 <= sampled <= kept:
        raise InputError(f"{sampled} audited of {kept} kept labels is not possible")
    error = wrong / sampled if sampled else float("nan")
    bound = float(upper_bound(wrong, sampled, confidence))
    left = left_bound(kept, sampled, wrong, confidence)
    return Audit(kept, sampled, wrong, error, bound, confidence, kept - sampled, left)


def left_bound(kept: int, sampled: int, wrong: int, confidence: float = 0.95) -> float:
    """Upper bound on the error rate of the labels that a random audit did not look at.

    Exact for the finite set: with ``wrong`` of ``sampled`` found among ``kept``, no more than K are
    wrong in all, K being the most that hypergeometric sampling does not rule out; K - ``wrong`` of
    them are left. A binomial bound holds for all ``kept`` together, not for the rest of them: few
    errors found means more left (with half of 100 audited it covers the rest in 86 %, not 95 %).
    Nothing left: 0.
    """
    from scipy.stats import hypergeom

    left = kept - sampled
    if left == 0:
        return 0.0
    low, high = wrong, wrong + left  # low is possible, above high nothing is
    while low < high:
        middle = (low + high + 1) // 2
        if hypergeom.cdf(wrong, kept, middle, sampled) > 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return (low - wrong) / left


def least_audit(target: float = TARGET, confidence: float = 0.95) -> int:
    """Audited labels that :func:`bounded_review` needs to promise anything (118 for 5 %).

    Twice the number that could pass with no error at all: n with (1 - target)^n <= 1 - confidence.
    """
    if not 0 < target < 1 or not 0 < confidence < 1:
        raise InputError(f"a silent error of {target} at confidence {confidence} is not in (0, 1)")
    return 2 * int(np.ceil(np.log(1 - confidence) / np.log(1 - target)))


@dataclass(frozen=True, slots=True)
class Review:
    """What must be reviewed: every item with doubt above ``threshold`` (-inf: all).

    ``rate`` is that share of all items, ``bound`` what is promised about the labels kept.
    """

    threshold: float
    rate: float
    bound: float


def bounded_review(
    doubts: ArrayLike,
    audited: ArrayLike,
    wrong: ArrayLike,
    *,
    target: float = TARGET,
    confidence: float = 0.95,
    steps: int = 20,
) -> Review:
    """Smallest review set whose kept labels are wrong at a rate of at most ``target``, surely.

    ``doubts`` (n,); ``audited`` (m,) rows of a random audit and whether each label is ``wrong``
    (m,). Fixed-sequence testing (Learn then Test: Angelopoulos et al. 2021): thresholds are tried
    from strict to loose in ``steps`` steps, chosen before the labels are seen, as long as the
    Clopper-Pearson bound of the kept audited labels holds. With probability ``confidence`` the
    error rate among kept labels is at most ``target``. The first step holds at least twice the
    audited labels that could pass with no error at all (59 for 5 %).
    """
    values, rows = np.asarray(doubts, dtype=np.float64), np.asarray(audited, dtype=np.int64)
    bad = np.asarray(wrong, dtype=bool)
    same_length(audited=rows, wrong=bad)
    least = least_audit(target, confidence)
    if rows.size < least:
        return Review(-np.inf, 1.0, float("nan"))
    seen = np.sort(values[rows])
    picks = np.unique(np.linspace(least - 1, rows.size - 1, steps).round().astype(np.int64))
    best = Review(-np.inf, 1.0, float("nan"))
    for threshold in seen[picks]:
        kept = values[rows] <= threshold
        bound = float(upper_bound(bad[kept].sum(), kept.sum(), confidence))
        if bound > target:
            break
        best = Review(float(threshold), float((values > threshold).mean()), bound)
    return best


def conformal_review(
    doubts: ArrayLike, audited: ArrayLike, wrong: ArrayLike, *, target: float = TARGET
) -> Review:
    """Smallest review set with an expected share of silent errors of at most ``target``.

    Conformal risk control (Angelopoulos et al. 2022): the loss of an item is 1 when its label is
    kept and wrong, which can only fall as the review grows; the loosest threshold with
    (sum of losses + 1) / (m + 1) <= target is taken. The promise is on average over audits and
    counts errors among all items of the kind that was audited, kept or not: weaker than
    :func:`bounded_review`, needs fewer audited labels (1 / target - 1 at least).
    """
    values, rows = np.asarray(doubts, dtype=np.float64), np.asarray(audited, dtype=np.int64)
    bad = np.asarray(wrong, dtype=bool)
    same_length(audited=rows, wrong=bad)
    allowed = int(np.floor(target * (rows.size + 1) - 1 + 1e-9))
    if allowed < 0:
        return Review(-np.inf, 1.0, 1.0 / (rows.size + 1))
    errors = np.sort(values[rows][bad])
    if errors.size <= allowed:
        return Review(np.inf, 0.0, (errors.size + 1) / (rows.size + 1))
    # Strictly below the error that would be one too many.
    threshold = float(np.nextafter(errors[allowed], -np.inf))
    losses = int((errors <= threshold).sum())
    rate = float((values > threshold).mean())
    return Review(threshold, rate, (losses + 1) / (rows.size + 1))


def trusted_strata(
    correct: ArrayLike, strata: Sequence[str], *, target: float = 0.9, confidence: float = 0.95
) -> dict[str, bool]:
    """Strata where the oracle's measured accuracy is surely at least ``target``.

    ``correct`` (n,) tells where the oracle agreed with gold or expert labels. Labels of an
    untrusted stratum are never used unseen. ``confidence`` holds for each stratum by itself and for
    items that err independently: of many strata just below the target, one in twenty is trusted.
    It opens the door only; what comes through is bounded by the audit.
    """
    right, labels = np.asarray(correct, dtype=bool), np.asarray(strata, dtype=str)
    same_length(correct=right, strata=labels)
    return {
        str(s): bool(
            lower_bound(right[labels == s].sum(), (labels == s).sum(), confidence) >= target
        )
        for s in np.unique(labels)
    }


def trusted_items(strata: Sequence[str], trusted: dict[str, bool]) -> Bools:
    """Marks (n,) of the items in trusted strata; a stratum never measured is not trusted."""
    return np.array([trusted.get(s, False) for s in strata], dtype=bool)
