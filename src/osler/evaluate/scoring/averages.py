"""Micro and macro averages: they can rank models differently, so both are always shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osler.core import InputError


def as_column(values: ArrayLike, what: str = "values") -> NDArray[np.float64]:
    """``values`` as a float vector (n,), n >= 1, all finite.

    Raises
    ------
    InputError
        If it is empty, not one-dimensional or holds NaN or infinity.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{what}: a non-empty list of numbers is needed, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(
            f"{what}: NaN or infinity at position {int(np.argmin(np.isfinite(array)))}"
        )
    return array


def micro(values: ArrayLike) -> float:
    """Mean over items: every item weighs the same, large strata dominate."""
    return float(as_column(values).mean())


def stratum_means(values: ArrayLike, strata: Sequence[str]) -> dict[str, float]:
    """Mean of ``values`` (n,) within each of the ``strata`` (n labels), by sorted label."""
    array = as_column(values)
    if len(strata) != array.size:
        raise InputError(f"{array.size} values but {len(strata)} strata; give one label a value")
    labels, codes = np.unique(np.asarray(strata, dtype=str), return_inverse=True)
    sums = np.bincount(codes, weights=array)
    return {str(k): float(v) for k, v in zip(labels, sums / np.bincount(codes), strict=True)}


def macro(values: ArrayLike, strata: Sequence[str]) -> float:
    """Unweighted mean of the stratum means: every stratum weighs the same, however small."""
    return float(np.mean(list(stratum_means(values, strata).values())))


def weighted(means: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Mean of ``means`` weighted by ``weights`` (the counts of the strata, say)."""
    missing = sorted(set(means) - set(weights))
    total = sum(weights[key] for key in means if key in weights)
    if missing or total <= 0:
        raise InputError(f"no weight for {', '.join(missing) or 'any stratum'}; give one for each")
    return float(sum(means[key] * weights[key] for key in means) / total)
