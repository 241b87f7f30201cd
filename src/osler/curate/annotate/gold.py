"""Raters on items whose answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Literal

from osler.core import Estimate, InputError

GOLD_ACCURACY = 0.8
GOLD_LEAST = 5


@dataclass(frozen=True, slots=True)
class GoldResult:
    """One rater on gold items: ``accuracy`` with Wilson's interval, and the ``verdict``."""

    rater: str
    accuracy: Estimate
    verdict: Literal["passed", "failed", "too few"]


def gold_results(
    raters: Sequence[str],
    right: Sequence[bool],
    *,
    accuracy: float = GOLD_ACCURACY,
    least: int = GOLD_LEAST,
) -> list[GoldResult]:
    """Each rater's accuracy on items whose truth is known, lowest first.

    Below ``least`` gold items nothing is said; a rater below ``accuracy`` fails.
    """
    if len(raters) != len(right):
        raise InputError(f"{len(raters)} raters and {len(right)} gold outcomes do not match")
    found = []
    for rater in sorted(set(raters)):
        mine = [ok for who, ok in zip(raters, right, strict=True) if who == rater]
        n, share = len(mine), sum(mine) / len(mine)
        low, high = _wilson(share, n)
        verdict: Literal["passed", "failed", "too few"] = "too few"
        if n >= least:
            verdict = "passed" if share >= accuracy else "failed"
        found.append(GoldResult(rater, Estimate(share, low, high, n, n), verdict))
    return sorted(found, key=lambda g: (g.accuracy.value, g.rater))


def _wilson(p: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share (1927)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
