"""Calibration against golden values, closed forms, scikit-learn and planted traps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.core import InputError
from osler.evaluate.scoring import (
    Votes,
    ace,
    aurc,
    brier,
    calibrated_sampler,
    calibration_shift,
    ece,
    max_vote,
    mce,
    modal_hit,
    nll,
    reliability_bins,
    risk_coverage,
    same_trials,
    vote_entropy,
    vote_entropy_miller_madow,
)

GOLDEN = [
    ((10, 0, 0, 0), 1.0),
    ((7, 2, 1, 0), 0.42161),
    ((5, 5, 0, 0), 0.5),
    ((4, 3, 2, 1, 0), 0.20478),
    ((6, 4), 0.02905),
    ((3, 3, 2, 2), 0.01452),
]


@pytest.mark.parametrize(("counts", "value"), GOLDEN)
def test_vote_entropy_golden(counts: tuple[int, ...], value: float) -> None:
    assert vote_entropy(Votes(counts)) == pytest.approx(value, abs=1e-5)


@given(st.lists(st.integers(0, 12), min_size=2, max_size=6).filter(any))
def test_vote_entropy_is_a_share_and_blind_to_order(counts: list[int]) -> None:
    votes = Votes(tuple(counts))
    value = vote_entropy(votes)
    assert 0 <= value <= 1
    assert value == pytest.approx(vote_entropy(Votes(tuple(sorted(counts)))))
    assert vote_entropy_miller_madow(votes) <= value + 1e-12
    assert 1 / len(counts) - 1e-12 <= max_vote(votes) <= 1


def test_lost_votes_prefer_nothing() -> None:
    assert vote_entropy(Votes((0, 0, 0, 0), lost=5)) == pytest.approx(0)
    assert max_vote(Votes((0, 0, 0, 0), lost=5)) == pytest.approx(0.25)
    assert vote_entropy(Votes((4, 0), lost=1)) < vote_entropy(Votes((5, 0)))
    # Miller-Madow counts options with a vote; a lost vote has none: m = 1, no correction.
    nine = Votes((9, 0, 0, 0), lost=1)
    assert vote_entropy_miller_madow(nine) == pytest.approx(vote_entropy(nine))


def test_mixed_trials_are_refused() -> None:
    assert same_trials([Votes((3, 0)), Votes((2, 1))]) == 3
    with pytest.raises(InputError, match="3 and 10 times"):
        same_trials([Votes((3, 0)), Votes((9, 1))])
    with pytest.raises(InputError):
        Votes((0, 0))


@pytest.mark.parametrize(
    ("accuracy", "confidence"), [(0.4, 0.164), (0.6, 0.326), (0.8, 0.599), (0.95, 0.887)]
)
def test_calibrated_sampler_at_ten_trials(accuracy: float, confidence: float) -> None:
    plug_in, _ = calibrated_sampler(accuracy, 4, 10)
    assert plug_in == pytest.approx(confidence, abs=0.01)


def test_plug_in_bias_by_trials_and_its_correction() -> None:
    found = {t: calibrated_sampler(0.8, 4, t, items=5000) for t in (3, 10, 1000)}
    assert found[3][0] == pytest.approx(0.753, abs=0.012)
    assert found[10][0] == pytest.approx(0.599, abs=0.01)
    assert found[1000][0] == pytest.approx(0.481, abs=0.01)
    assert abs(found[10][1] - found[1000][0]) < abs(found[10][0] - found[1000][0])


def test_sampler_against_the_exact_expectation() -> None:
    """K = 2, T = 3: E[C] by hand over the four outcomes."""
    p = 0.7
    share = {3: 1.0, 2: 1 - (-(2 / 3) * np.log2(2 / 3) - (1 / 3) * np.log2(1 / 3))}
    exact = (p**3 + (1 - p) ** 3) * share[3] + 3 * p * (1 - p) * share[2]
    assert calibrated_sampler(p, 2, 3)[0] == pytest.approx(exact, abs=0.006)


def test_confidence_of_one_is_in_the_last_bin() -> None:
    """The trap: a half-open last bin loses confidence 1.0, the commonest vote confidence."""
    bins = reliability_bins([1.0, 1.0, 0.95], [1, 0, 1])
    assert [(b.low, b.high, b.n) for b in bins] == [(0.9, 1.0, 3)]
    assert ece([1.0] * 4, [1, 1, 0, 0]) == pytest.approx(0.5)


@given(st.integers(1, 20), st.integers(0, 20))
def test_bin_edges_of_shares(bins: int, k: int) -> None:
    """A share k / bins belongs to the bin that begins there, whatever floating point says."""
    if k > bins:
        return
    (found,) = reliability_bins([k / bins], [1], bins)
    assert found.low == pytest.approx(min(k, bins - 1) / bins)


def test_ece_by_hand() -> None:
    confidence = [0.15, 0.15, 0.85, 0.95, 1.0]
    correct = [0, 1, 1, 1, 0]
    by_hand = 2 / 5 * abs(0.5 - 0.15) + 1 / 5 * abs(1 - 0.85) + 2 / 5 * abs(0.5 - 0.975)
    assert ece(confidence, correct) == pytest.approx(by_hand)
    assert mce(confidence, correct) == pytest.approx(0.475)
    assert calibration_shift(confidence, correct) == pytest.approx(0.62 - 0.6)


def test_ece_is_zero_when_every_bin_is_right() -> None:
    confidence = np.repeat([0.25, 0.75], 4)
    correct = [1, 0, 0, 0, 1, 1, 1, 0]
    assert ece(confidence, correct) == 0
    assert ace(confidence, correct, 2) == 0


def test_ace_has_bins_of_equal_mass_and_keeps_ties_together() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(1000)
    correct = rng.random(1000) < confidence
    by_sort = np.argsort(confidence)
    parts = np.array_split(by_sort, 10)
    by_hand = np.mean([abs(confidence[p].mean() - correct[p].mean()) for p in parts])
    assert ace(confidence, correct) == pytest.approx(by_hand, abs=1e-3)
    ties = np.ones(10)
    hits = np.array([1, 0] * 5)
    assert ace(ties, hits) == pytest.approx(0.5) == ace(ties, np.sort(hits))


def test_brier_and_nll_against_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    p = rng.dirichlet([1, 1, 1, 1], 300)
    y = rng.integers(0, 4, 300)
    assert nll(p, y) == pytest.approx(metrics.log_loss(y, p, labels=range(4)))
    onehot = np.eye(4)[y]
    each = [metrics.brier_score_loss(onehot[:, k], p[:, k]) for k in range(4)]
    assert brier(p, y) == pytest.approx(sum(each))


def test_proper_scores_refuse_what_is_no_distribution() -> None:
    for bad in ([[0.5, 0.6]], [[1.2, -0.2]], [[np.nan, 1.0]]):
        with pytest.raises(InputError):
            brier(bad, [0])
    with pytest.raises(InputError):
        nll([[0.5, 0.5]], [2])


def test_nll_of_unanimous_wrong_votes_is_finite() -> None:
    shares = Votes((10, 0, 0, 0)).smoothed()
    assert shares.sum() == pytest.approx(1)
    assert nll([shares], [1]) == pytest.approx(-np.log(0.5 / 12))
    assert nll([[1.0, 0.0]], [1]) == pytest.approx(-np.log(1e-6))


def test_aurc_by_hand_and_in_any_order() -> None:
    assert aurc([0.9, 0.8, 0.7], [1, 0, 1]) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    coverage, risk = risk_coverage([0.9, 0.8, 0.7], [1, 0, 1])
    assert coverage.tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3])
    confidence = np.array([1, 1, 1, 0.5, 0.5, 0.2])
    correct = np.array([1, 0, 1, 0, 1, 0])
    rng = np.random.default_rng(0)
    expected = np.mean(
        [
            np.mean(np.cumsum(1 - c) / np.arange(1, 7))
            for _ in range(4000)
            for c in [
                np.concatenate([rng.permutation(correct[:3]), rng.permutation(correct[3:5]), [0]])
            ]
        ]
    )
    assert aurc(confidence, correct) == pytest.approx(expected, abs=0.005)
    order = rng.permutation(6)
    assert aurc(confidence[order], correct[order]) == pytest.approx(aurc(confidence, correct))


def test_modal_hit_shares_a_tie() -> None:
    assert modal_hit(Votes((3, 1)).shares, 0) == 1
    assert modal_hit(Votes((2, 2)).shares, 0) == 0.5
    assert modal_hit(Votes((3, 1)).shares, 1) == 0


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(1, 20)
)
def test_calibration_figures_stay_in_range(pairs: list[tuple[float, bool]], bins: int) -> None:
    confidence, correct = [p for p, _ in pairs], [float(c) for _, c in pairs]
    assert sum(b.n for b in reliability_bins(confidence, correct, bins)) == len(pairs)
    for value in (ece(confidence, correct, bins), ace(confidence, correct, bins)):
        assert 0 <= value <= 1
    assert abs(calibration_shift(confidence, correct)) <= ece(confidence, correct, bins) + 1e-9
    assert 0 <= aurc(confidence, correct) <= 1
