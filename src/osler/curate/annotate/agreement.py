"""Do raters agree: Cohen's kappa of two, Krippendorff's alpha of any number with gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osler.core import Estimate, InputError, UnknownNameError, derive_rng

Floats = NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]
Weights = Literal["none", "linear", "quadratic"]
ALPHA_LIMIT = 0.7


def coded(ratings: Sequence[Sequence[str | None]], order: Sequence[str]) -> Floats:
    """Ratings (raters, units) in words as numbers by their place in ``order``; None is NaN."""
    place = {word: float(i) for i, word in enumerate(order)}
    unknown = sorted({w for row in ratings for w in row if w is not None and w not in place})
    if unknown:
        raise InputError(f"rating {unknown[0]!r} is none of {', '.join(order)}")
    return np.array([[np.nan if w is None else place[w] for w in row] for row in ratings])


def cohen_kappa(first: ArrayLike, second: ArrayLike, weights: Weights = "none") -> float:
    """Cohen's kappa of two raters over the same items (Cohen 1960; weighted: 1968).

    Ratings are numbers in rank order; ``linear`` and ``quadratic`` weigh a disagreement by the
    distance of the two ranks among the values that occur. 1 perfect, 0 chance; NaN when both
    raters gave one and the same rating throughout.
    """
    _one_of("weights", weights, get_args(Weights))
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or a.size == 0:
        raise InputError(f"kappa needs two raters of the same items, not {a.size} and {b.size}")
    if np.isnan(a).any() or np.isnan(b).any():
        raise InputError("kappa needs every item rated by both; use alpha where some are not")
    values, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    table = np.zeros((values.size, values.size))
    np.add.at(table, (codes[: a.size], codes[a.size :]), 1.0)
    gap = np.abs(np.subtract.outer(np.arange(values.size), np.arange(values.size))).astype(float)
    cost = {"none": (gap > 0).astype(float), "linear": gap, "quadratic": gap**2}[weights]
    chance = float((cost * np.outer(table.sum(1), table.sum(0))).sum()) / a.size
    return 1.0 - float((cost * table).sum()) / chance if chance else float("nan")


def krippendorff_alpha(ratings: ArrayLike, level: Level = "nominal") -> float:
    """Krippendorff's alpha of ``ratings`` (raters, units), NaN where a rater gave none (2011).

    1 - observed / expected disagreement over all pairable values; units with fewer than two
    ratings say nothing. ``level``: nominal (equal or not), ordinal (ranks), interval (squared
    difference). NaN when fewer than two different values occur: agreement cannot be told then.
    """
    _one_of("level", level, get_args(Level))
    values, units = _units(ratings)
    return _alpha(_coincidences(units).sum(axis=0), values, level)


def alpha_estimate(
    ratings: ArrayLike,
    level: Level = "nominal",
    *,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Alpha with a percentile bootstrap interval over units (items are drawn, raters stay).

    A draw in which a single value occurs has no alpha and is left out.
    """
    _one_of("level", level, get_args(Level))
    values, units = _units(ratings)
    parts = _coincidences(units)
    value = float(_alpha(parts.sum(axis=0), values, level))
    rng = derive_rng("alpha", seed)
    n = len(parts)
    drawn = []
    for _ in range(draws):
        weight = np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)
        drawn.append(_alpha(np.tensordot(weight, parts, 1), values, level))
    if np.isnan(value) or np.isnan(drawn).all():
        return Estimate(value, float("nan"), float("nan"), n, n, confidence)
    low, high = np.nanquantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), n, n, confidence)


def require_agreement(
    ratings: ArrayLike, level: Level = "nominal", limit: float = ALPHA_LIMIT
) -> float:
    """Alpha, when it is at least ``limit``.

    Raises
    ------
    InputError
        Raters disagree more than that, or agreement cannot be told: such labels must not train.
    """
    alpha = krippendorff_alpha(ratings, level)
    if np.isnan(alpha):
        raise InputError(
            "agreement cannot be told: all ratings are the same value; have more varied items "
            "rated twice before training on these labels"
        )
    if alpha < limit:
        raise InputError(
            f"raters disagree: Krippendorff's alpha ({level}) is {alpha:.3f}, below {limit:g}; "
            "the round is refused, adjudicate the labels and rate again"
        )
    return alpha


def _one_of(kind: str, name: str, known: Sequence[str]) -> None:
    """Refuse a ``name`` that is not ``known``: types do not check what a user typed."""
    if name not in known:
        raise UnknownNameError(kind, name, known)


def _units(ratings: ArrayLike) -> tuple[Floats, Floats]:
    """(values that occur, counts (units, values)) of the units with two ratings or more."""
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2:
        raise InputError(f"ratings have shape {table.shape}; (raters, units) is needed")
    values = np.unique(table[~np.isnan(table)])
    counts: Floats = (table[:, :, None] == values).sum(axis=0).astype(np.float64)
    pairable = counts.sum(axis=1) >= 2
    if not pairable.any():
        raise InputError("no item was rated twice, so agreement cannot be measured")
    return values, counts[pairable]


def _coincidences(counts: Floats) -> Floats:
    """Each unit's ordered pairs of values, weighted 1/(m - 1): (units, values, values)."""
    m = counts.sum(axis=1)
    pairs = np.einsum("uc,uk->uck", counts, counts)
    diagonal = np.arange(counts.shape[1])
    pairs[:, diagonal, diagonal] -= counts
    parts: Floats = pairs / (m - 1)[:, None, None]
    return parts


def _alpha(coincidence: Floats, values: Floats, level: Level) -> float:
    n_c = coincidence.sum(axis=1)
    n = n_c.sum()
    cost = _difference(n_c, values, level)
    expected = float((np.outer(n_c, n_c) * cost).sum())
    observed = float((coincidence * cost).sum())
    return 1.0 - (n - 1) * observed / expected if expected > 0 else float("nan")


def _difference(n_c: Floats, values: Floats, level: Level) -> Floats:
    if level == "nominal":
        cost: Floats = 1.0 - np.eye(values.size)
    elif level == "interval":
        cost = np.subtract.outer(values, values) ** 2
    else:
        # Sum of the counts from c to k, less half of both ends: the distance of their mid-ranks.
        middle = np.cumsum(n_c) - n_c / 2
        cost = np.subtract.outer(middle, middle) ** 2
    return cost
