"""Tiers meet the budget; bounds hold in simulation; shared errors are seen (check 14)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from osler.core import InputError
from osler.improve import (
    HELD,
    Signals,
    annotators,
    answer_agreement,
    audit,
    audit_sample,
    bounded_review,
    conformal_review,
    doubt,
    lower_bound,
    novelty,
    route,
    route_compat,
    self_consistency,
    token_f1,
    trajectory_entropy,
    trusted_items,
    trusted_strata,
    upper_bound,
)


def test_signals_by_hand() -> None:
    assert trajectory_entropy([[-1, -2, -3], [0.0], None])[:2].tolist() == [2.0, 0.0]
    assert np.isnan(trajectory_entropy([[]])[0])
    with pytest.raises(InputError, match="answer 1"):
        trajectory_entropy([[-1], [0.5]])
    assert self_consistency([list("AABAC"), list("ABCDE")]).tolist() == [0.6, 0.2]
    assert self_consistency([["A", None, None, None]]).tolist() == [0.25]
    assert token_f1("a b c", "b c d e") == pytest.approx(4 / 7)
    assert token_f1("", "x") == 0
    assert answer_agreement(["A", "B", None], ["A", "C", None]).tolist() == [1, 0, 0]
    assert novelty(np.eye(3), np.eye(3)[:2]) == pytest.approx([0, 0, 1])
    assert novelty(np.eye(2), np.zeros((0, 2))).tolist() == [1, 1]


def test_doubt_rises_with_each_signal_and_unknown_is_doubtful() -> None:
    up, nan = np.arange(5.0), np.nan
    full = doubt(Signals(up, -up, -up, up))
    assert (np.diff(full) > 0).all()
    assert full.min() > 0
    assert full.max() < 1
    gap = doubt(Signals(entropy=np.array([1, nan, 3, 4, 5.0])))
    assert gap.argmax() == 1
    with pytest.raises(InputError, match="no signal"):
        doubt(Signals(entropy=np.full(3, nan)))
    missing = doubt(Signals(entropy=np.full(5, nan), novelty=up))
    assert missing == pytest.approx(doubt(Signals(novelty=up)))


@settings(deadline=None)
@given(st.integers(1, 400), st.floats(0, 1), st.integers(0, 5), st.integers(0, 99))
def test_routes_partition_and_meet_rho(n: int, rho: float, ties: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, ties + 1, n) / 7
    agree = rng.random(n) < 0.7
    routes = route(values, rho, agree=agree, seed=seed)
    assert abs(routes.review_rate - rho) <= 0.5 / n + 1e-9
    assert np.isin(routes.tier, [HELD, 0, 1, 2, 3]).all()
    assert agree[routes.tier == 0].all()
    assert not agree[routes.tier == HELD].any()
    seen, unseen = values[routes.tier > 0], values[routes.tier <= 0]
    if seen.size and unseen.size:
        assert seen.min() >= unseen.max()
    for low, high in ((1, 2), (2, 3)):
        a, b = values[routes.tier == low], values[routes.tier == high]
        if a.size and b.size:
            assert a.max() <= b.min()


def test_minutes_count_every_tier() -> None:
    routes = route(np.arange(100.0), 0.2)
    assert np.bincount(routes.tier).tolist() == [80, 12, 6, 2]
    assert routes.minutes({0: 0, 1: 1, 2: 4, 3: 10}) == 12 + 24 + 20


def test_published_rule() -> None:
    found = route_compat([3, 3, 1, 1], [0, 1, 0, 1], 2, 0.5)
    assert found == ["oracle", "oracle", "expert", "student"]


def test_clopper_pearson_equals_scipy() -> None:
    for k, n in [(0, 10), (3, 50), (50, 50), (7, 333)]:
        exact = stats.binomtest(k, n, alternative="less").proportion_ci(0.95, "exact").high
        assert float(upper_bound(k, n)) == pytest.approx(exact, abs=1e-9)
        low = stats.binomtest(k, n, alternative="greater").proportion_ci(0.95, "exact").low
        assert float(lower_bound(k, n)) == pytest.approx(low, abs=1e-9)
    assert float(upper_bound(0, 0)) == 1


def simulated(shared: float, seed: int, n: int = 4000) -> tuple[float, float, float]:
    """(review rate, true silent error, audited bound) of one routed set of labels."""
    who = annotators(n, shared=shared, seed=seed)
    agree = who.student == who.oracle
    doubts = doubt(Signals(entropy=who.entropy, agreement=agree.astype(float)))
    routes = route(doubts, 0.18, agree=agree, seed=seed)
    kept = np.flatnonzero(routes.tier == 0)
    wrong = who.oracle != who.truth
    looked = audit_sample(kept, 0.05, seed)
    found = audit(kept.size, looked.size, int(wrong[looked].sum()))
    return routes.review_rate, float(wrong[kept].mean()), found.bound


def test_shared_errors_raise_silent_error_and_the_audit_bound_covers() -> None:
    shares = np.linspace(0, 1, 5)
    runs = np.array(
        [[simulated(s, 1000 * i + r) for r in range(200)] for i, s in enumerate(shares)]
    )
    rate, silent, bound = runs[..., 0], runs[..., 1], runs[..., 2]
    assert np.abs(rate - 0.18).max() < 0.01
    means = silent.mean(axis=1)
    assert (np.diff(means) > 0.03).all()
    assert means[0] < 0.2
    assert means[-1] > 0.3
    assert (bound >= silent).mean() >= 0.95  # 1,000 runs in all


def world(seed: int, n: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    doubts = rng.random(n)
    return doubts, rng.random(n) < 0.35 * doubts**2


def test_bounded_review_keeps_its_promise_and_is_worth_it() -> None:
    broken, rates = 0, []
    for seed in range(300):
        doubts, wrong = world(seed)
        rows = audit_sample(np.arange(doubts.size), 0.08, seed)
        review = bounded_review(doubts, rows, wrong[rows])
        kept = doubts <= review.threshold
        broken += bool(kept.any() and wrong[kept].mean() > 0.05)
        rates.append(review.rate)
        assert review.rate == pytest.approx(1 - kept.mean())
    assert broken / 300 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    # All could be kept up to doubt 0.65 (error 0.35 x^2 / 3 <= 0.05): the bound asks for more.
    assert 0.345 < np.mean(rates) < 0.7


def test_bounded_review_without_enough_audit_reviews_all() -> None:
    review = bounded_review(np.arange(100.0), np.arange(50), np.zeros(50, bool))
    assert (review.rate, review.threshold) == (1.0, -np.inf)


def test_conformal_risk_is_controlled_on_average() -> None:
    losses, rates = [], []
    for seed in range(400):
        doubts, wrong = world(seed, 2000)
        rows = audit_sample(np.arange(doubts.size), 0.05, seed)
        review = conformal_review(doubts, rows, wrong[rows])
        losses.append(((doubts <= review.threshold) & wrong).mean())
        rates.append(review.rate)
    mean, error = np.mean(losses), np.std(losses) / np.sqrt(400)
    assert mean <= 0.05 + 3 * error
    assert mean > 0.03  # not bought by reviewing everything
    assert np.mean(rates) < 0.5


def test_conformal_review_of_perfect_labels_reviews_nothing() -> None:
    review = conformal_review(np.arange(500.0), np.arange(100), np.zeros(100, bool))
    assert (review.rate, review.threshold) == (0.0, np.inf)
    assert conformal_review([0.1], [0], [False]).rate == 1.0


def test_trust_needs_evidence() -> None:
    strata = ["good"] * 100 + ["bad"] * 100 + ["few"] * 5
    correct = [True] * 99 + [False] + [True] * 80 + [False] * 20 + [True] * 5
    trusted = trusted_strata(correct, strata)
    assert trusted == {"good": True, "bad": False, "few": False}
    assert trusted_items(["good", "few", "unseen"], trusted).tolist() == [True, False, False]
    routes = route(np.arange(3.0), 0, trusted=trusted_items(["good", "few", "new"], trusted))
    assert routes.tier.tolist() == [0, HELD, HELD]
