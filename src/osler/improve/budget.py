"""How many labels each stratum gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from osler.core import InputError

from .vectors import Floats, Ints


def shares(weakness: ArrayLike, *, alpha: float = 1.0, floor: float = 0.02) -> Floats:
    """Budget shares (k,) proportional to weakness^alpha, none below ``floor``; they sum to 1.

    alpha 0 is uniform, 1 proportional (arXiv 2603.19863). Shares under the floor are lifted to it
    and the others scaled down, repeated until all hold. With more than 1/floor strata the floor is
    1/k. All weaknesses zero: uniform.
    """
    rates = np.asarray(weakness, dtype=np.float64)
    if rates.ndim != 1 or rates.size == 0:
        raise InputError("no strata: the budget needs at least one weakness rate")
    if not np.isfinite(rates).all() or rates.min() < 0:
        raise InputError("weakness rates must be finite and not negative")
    if alpha < 0 or not 0 <= floor < 1:
        raise InputError(f"alpha = {alpha} must not be negative, floor = {floor} in [0, 1)")
    least = min(floor, 1.0 / rates.size)
    top = rates.max()
    raw = (rates / top if top > 0 else np.ones_like(rates)) ** alpha
    lifted = np.zeros(rates.size, dtype=bool)
    while True:
        if lifted.all():
            return np.full(rates.size, 1.0 / rates.size)
        left = 1.0 - least * int(lifted.sum())
        part: Floats = np.where(lifted, least, raw / raw[~lifted].sum() * left)
        low = ~lifted & (part < least - 1e-15)
        if not low.any():
            return part
        lifted |= low


def allocate(weights: ArrayLike, budget: int, available: ArrayLike | None = None) -> Ints:
    """Whole counts (k,) proportional to ``weights``, at most ``available``, by largest remainder.

    What a stratum cannot take goes to the others in proportion. The counts sum exactly to
    ``budget``, or to all that is available under a positive weight when that is less. Hamilton's
    method; equal remainders go to the earlier stratum.

    Examples
    --------
    >>> allocate([0.5, 0.3, 0.2], 10, [2, 100, 100]).tolist()
    [2, 5, 3]
    """
    parts = np.asarray(weights, dtype=np.float64)
    if parts.ndim != 1 or not np.isfinite(parts).all() or (parts < 0).any():
        raise InputError("weights must be one row of finite numbers that are not negative")
    if budget < 0:
        raise InputError(f"a budget of {budget} labels is less than none")
    caps = np.full(parts.size, budget) if available is None else np.asarray(available)
    if caps.shape != parts.shape or (caps < 0).any():
        raise InputError("available counts must match the weights and not be negative")
    limits: Ints = np.where(parts > 0, caps, 0).astype(np.int64)
    goal = min(budget, int(limits.sum()))
    exact = _capped(parts, limits, goal)
    counts: Ints = np.minimum(np.floor(exact + 1e-9).astype(np.int64), limits)
    remainder = np.where(counts < limits, exact - counts, -1.0)
    for i in np.argsort(-np.round(remainder, 9), kind="stable")[: goal - int(counts.sum())]:
        counts[i] += 1
    return counts


def _capped(parts: Floats, limits: Ints, goal: int) -> Floats:
    """Real shares of ``goal`` proportional to ``parts`` with those over their limit held at it."""
    held = limits == 0
    while True:
        free = ~held
        total = parts[free].sum()
        left = goal - limits[held].sum()
        exact: Floats = np.where(held, limits, 0).astype(np.float64)
        if total > 0:
            exact[free] = parts[free] / total * left
        over = free & (exact > limits)
        if not over.any():
            return exact
        held = held | over
