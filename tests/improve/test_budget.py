"""Budgets: sums exact, floors and caps held, proportional where nothing binds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import InputError
from osler.improve import allocate, shares

RATES = st.lists(st.floats(0, 1), min_size=1, max_size=60)


@settings(deadline=None)
@given(RATES, st.sampled_from([0.0, 0.5, 1.0, 3.0]))
def test_shares_sum_to_one_above_the_floor_in_order(rates: list[float], alpha: float) -> None:
    part = shares(rates, alpha=alpha)
    assert part.sum() == pytest.approx(1)
    assert part.min() >= min(0.02, 1 / len(rates)) - 1e-12
    order = np.argsort(rates, kind="stable")
    assert (np.diff(part[order]) >= -1e-12).all()


def test_shares_known_values() -> None:
    assert shares([0.4, 0.2, 0.2]) == pytest.approx([0.5, 0.25, 0.25])
    assert shares([0.4, 0.2, 0.2], alpha=0) == pytest.approx([1 / 3] * 3)
    assert shares([0.4, 0.2], alpha=2) == pytest.approx([0.8, 0.2])
    assert shares([0.5, 0.5, 0.0]) == pytest.approx([0.49, 0.49, 0.02])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 300)), min_size=1, max_size=40),
    st.integers(0, 2_000),
)
def test_allocation_is_exact_and_capped(cells: list[tuple[float, int]], budget: int) -> None:
    weights, caps = (np.array(c) for c in zip(*cells, strict=True))
    counts = allocate(weights, budget, caps)
    assert (counts >= 0).all()
    assert (counts <= caps).all()
    assert counts[weights == 0].sum() == 0
    assert counts.sum() == min(budget, caps[weights > 0].sum())


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=30), st.integers(0, 5_000))
def test_largest_remainder_keeps_quota(weights: list[float], budget: int) -> None:
    exact = np.array(weights) / sum(weights) * budget
    assert (np.abs(allocate(weights, budget) - exact) < 1 + 1e-6).all()


def test_what_one_cannot_take_goes_to_the_others_in_proportion() -> None:
    assert allocate([4, 2, 1], 70, [10, 100, 100]).tolist() == [10, 40, 20]


def test_bad_budgets_are_refused() -> None:
    with pytest.raises(InputError):
        allocate([1.0], -1)
    with pytest.raises(InputError):
        allocate([np.nan], 1)
    with pytest.raises(InputError):
        shares([])
