"""Paired tests: the same question clean and degraded, or two models on the same items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from osler.core import InputError, derive_rng


@dataclass(frozen=True, slots=True)
class McNemar:
    """Discordant pairs and their test: ``b`` right then wrong, ``c`` wrong then right.

    ``p`` is two-sided under the hypothesis that b and c are equally likely.
    """

    b: int
    c: int
    p: float


def discordant(before: ArrayLike, after: ArrayLike) -> tuple[int, int]:
    """(right then wrong, wrong then right) of two boolean vectors over the same pairs."""
    first, second = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    if first.shape != second.shape:
        raise InputError(f"{first.size} outcomes before and {second.size} after are no pairs")
    return int((first & ~second).sum()), int((~first & second).sum())


def mcnemar(b: int, c: int, *, mid_p: bool = False) -> McNemar:
    """McNemar's exact test (McNemar 1947): binomial with n = b + c and probability 1/2.

    ``mid_p`` counts the observed table half (Fagerland, Lydersen & Laake 2013): closer to the
    nominal level, no longer a guarantee. No discordant pair gives p = 1.

    Examples
    --------
    >>> round(mcnemar(10, 2).p, 6), round(mcnemar(10, 2, mid_p=True).p, 6)
    (0.038574, 0.022461)
    """
    from scipy.special import bdtr

    if b < 0 or c < 0:
        raise InputError(f"{b} and {c} are no counts of pairs")
    n, least = b + c, min(b, c)
    if n == 0:
        return McNemar(b, c, 1.0)
    tail = float(bdtr(least, n, 0.5))
    if mid_p:
        tail -= (tail - (float(bdtr(least - 1, n, 0.5)) if least else 0.0)) / 2
    return McNemar(b, c, min(1.0, 2 * tail))


def mcnemar_stratified(tables: Sequence[tuple[int, int]]) -> tuple[McNemar, float]:
    """McNemar over strata (degradations, say): the pooled exact test, and whether strata differ.

    Within each stratum the null says b and c are equally likely, so the pooled discordant pairs
    are again binomial: the exact test of the sums. The second value is the p of homogeneity: the
    chi-square of b/(b + c) over the strata that have discordant pairs (Pearson, k - 1 degrees).
    """
    from scipy.special import chdtrc

    pooled = mcnemar(sum(b for b, _ in tables), sum(c for _, c in tables))
    used = [(b, c) for b, c in tables if b + c]
    if len(used) < 2 or pooled.b == 0 or pooled.c == 0:
        return pooled, 1.0
    share = pooled.b / (pooled.b + pooled.c)
    statistic = sum((b - (b + c) * share) ** 2 / ((b + c) * share * (1 - share)) for b, c in used)
    return pooled, float(chdtrc(len(used) - 1, statistic))


def sign_flip(
    differences: ArrayLike, groups: Sequence[str], *, seed: int = 0, draws: int = 4000
) -> float:
    """Two-sided p that paired ``differences`` (n,) have mean zero, groups flipped whole.

    Under the null the two members of every pair may be swapped; pairs of one patient are swapped
    together, so dependence inside a patient does not make the test too sure. Exact over all 2^g
    flips up to g = 12 groups with a difference, else Monte Carlo with (hits + 1) / (draws + 1).
    """
    values = np.asarray(differences, dtype=np.float64)
    _, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sums = np.bincount(codes, values)
    sums = sums[np.abs(sums) > 1e-12]
    if sums.size == 0:
        return 1.0
    seen = abs(float(sums.sum())) - 1e-9
    if sums.size <= 12:
        bits = (np.arange(2**sums.size)[:, None] >> np.arange(sums.size)) & 1
        return float(np.mean(np.abs((2 * bits - 1) @ sums) >= seen))
    rng = derive_rng("sign flip", seed)
    signs = rng.integers(0, 2, size=(draws, sums.size), dtype=np.int8)
    hits = int(np.count_nonzero(np.abs((2.0 * signs - 1.0) @ sums) >= seen))
    return (hits + 1) / (draws + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Holm 1979): the chance of any false alarm stays below the level.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted
