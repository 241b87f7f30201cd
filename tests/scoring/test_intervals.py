"""Intervals and paired tests against closed forms, other libraries and simulated coverage."""

from __future__ import annotations

import time
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.core import InputError
from osler.evaluate.scoring import (
    bootstrap,
    discordant,
    estimate,
    estimates,
    holm,
    macro,
    macro_estimate,
    mcnemar,
    mcnemar_stratified,
    micro,
    paired_difference,
    sign_flip,
    stratum_means,
    weighted,
    wilson,
)


def test_wilson_against_published_values() -> None:
    """Newcombe (1998), table I: 81/263, 15/148, 0/20, 1/29."""
    for (k, n), bounds in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        assert wilson(k, n) == pytest.approx(bounds, abs=5e-5)


def test_wilson_against_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for k, n in ((3, 17), (50, 51), (200, 1000)):
        found = stats.binomtest(k, n).proportion_ci(0.9, "wilson")
        assert wilson(k, n, 0.9) == pytest.approx((found.low, found.high))


def test_bootstrap_of_single_items_has_the_normal_width() -> None:
    rng = np.random.default_rng(0)
    values = (rng.random(900) < 0.7).astype(float)
    found = estimate(values, [str(i) for i in range(900)])
    half = 1.96 * values.std() / 30
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * half, rel=0.08)
    assert (found.n, found.groups) == (900, 900)


def test_cluster_bootstrap_is_wider_by_the_design_effect() -> None:
    """200 patients with 5 equal answers each count as 200, not as 1,000."""
    rng = np.random.default_rng(1)
    per_patient = (rng.random(200) < 0.6).astype(float)
    values = np.repeat(per_patient, 5)
    groups = np.repeat(np.arange(200), 5).astype(str).tolist()
    clustered = estimate(values, groups)
    naive = estimate(values, [str(i) for i in range(1000)])
    ratio = (clustered.high - clustered.low) / (naive.high - naive.low)
    assert ratio == pytest.approx(np.sqrt(5), rel=0.1)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_coverage_with_unequal_clusters(method: str) -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for trial in range(120):
        sizes = rng.integers(1, 8, 60)
        levels = np.clip(rng.normal(0.7, 0.15, 60), 0, 1)
        values = np.concatenate(
            [(rng.random(n) < p).astype(float) for n, p in zip(sizes, levels, strict=True)]
        )
        groups = np.repeat(np.arange(60), sizes).astype(str).tolist()
        found = estimate(values, groups, seed=trial, draws=400, method=method)  # type: ignore[arg-type]
        truth = 0.6957  # mean of the clipped normal above
        hits += found.low <= truth <= found.high
    assert hits / 120 >= 0.88


def test_bca_against_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(3).beta(1, 4, 60)
    theirs = stats.bootstrap(
        (values,), np.mean, method="BCa", n_resamples=9999, rng=np.random.default_rng(0)
    ).confidence_interval
    groups = [str(i) for i in range(60)]
    ours = estimate(values, groups, method="bca", draws=9999)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_unanimous_and_few_groups_are_never_certain() -> None:
    five = estimate([1.0] * 5, list("abcde"))
    assert five.high == 1
    assert five.low == pytest.approx(wilson(5, 5)[0])
    one = estimate([1.0] * 50, ["same"] * 50)
    assert one.groups == 1
    assert one.low == pytest.approx(wilson(1, 1)[0])
    three = estimate([1.0, 0.0, 1.0], list("abc"))
    assert (three.low, three.high) == (0.0, 1.0)
    gap = estimate([0.0] * 8, list("abcdefgh"), bounds=(-1.0, 1.0))
    assert gap.low < 0 < gap.high


def test_few_patients_use_student_t() -> None:
    """At the ends of the interval the mean is t standard errors away, as Wilson has it."""
    stats = pytest.importorskip("scipy.stats")
    means = np.array([0.4, 0.5, 0.55, 0.6, 0.7, 0.5])
    values = np.repeat(means, 10)
    found = estimate(values, np.repeat(list("abcdef"), 10).tolist())
    p, error = means.mean(), stats.sem(means)
    for end in (found.low, found.high):
        at_end = error * np.sqrt(end * (1 - end) / (p * (1 - p)))
        assert abs(end - p) / at_end == pytest.approx(stats.t.ppf(0.975, 5))
    textbook = stats.t.interval(0.95, 5, p, error)
    assert (found.low, found.high) == pytest.approx(textbook, abs=0.01)


@pytest.mark.parametrize(("groups", "rate"), [(10, 0.8), (15, 0.95), (20, 0.95), (30, 0.95)])
def test_coverage_near_the_ceiling(groups: int, rate: float) -> None:
    """Patients who differ, nearly all right: a percentile bootstrap covers .83 to .90 here."""
    rng = np.random.default_rng(1)
    hits = 0
    for trial in range(300):
        sizes = 1 + rng.geometric(1 / 6, groups)
        skill = rng.beta(rate * 7 / 3, (1 - rate) * 7 / 3, groups)  # intraclass correlation .3
        codes = np.repeat(np.arange(groups), sizes)
        values = (rng.random(codes.size) < skill[codes]).astype(float)
        found = estimate(values, codes.astype(str).tolist(), seed=trial % 8, draws=500)
        hits += found.low <= rate <= found.high
    assert hits / 300 >= 0.89


def test_patients_that_agree_by_luck_do_not_make_it_sure() -> None:
    """Three patients of nearly equal means: no surer than 300 independent answers."""
    values = np.concatenate([np.repeat([1.0, 0.0], [right, 100 - right]) for right in (60, 60, 61)])
    found = estimate(values, np.repeat(list("abc"), 100).tolist())
    low, high = wilson(181, 300)
    assert found.low < low < high < found.high
    strata = np.tile(["x", "y"], 150).tolist()
    both = macro_estimate(values, strata, np.repeat(list("abc"), 100).tolist())
    assert both.low < low + 0.01 < high - 0.01 < both.high


def test_coverage_with_six_patients() -> None:
    rng = np.random.default_rng(8)
    hits = 0
    for trial in range(300):
        levels = np.clip(rng.normal(0.6, 0.15, 6), 0, 1)
        values = (rng.random((6, 20)) < levels[:, None]).astype(float).ravel()
        groups = np.repeat(list("abcdef"), 20).tolist()
        found = estimate(values, groups, seed=trial, draws=200)
        hits += found.low <= 0.599 <= found.high
    assert hits / 300 >= 0.91


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abcdef")), min_size=1, max_size=40),
    st.integers(0, 3),
)
def test_interval_holds_its_value_in_any_order(rows: list[tuple[float, str]], seed: int) -> None:
    values, groups = [v for v, _ in rows], [g for _, g in rows]
    found = estimate(values, groups, seed=seed, draws=50)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1
    turned = estimate(values[::-1], groups[::-1], seed=seed, draws=50)
    assert (turned.low, turned.high) == pytest.approx((found.low, found.high))


def test_same_seed_same_interval_and_speed() -> None:
    rng = np.random.default_rng(0)
    values = rng.random(20_000)
    groups = rng.integers(0, 4000, 20_000).astype(str).tolist()
    began = time.process_time()
    one = estimate(values, groups, seed=1)
    assert time.process_time() - began < 2
    assert one == estimate(values, groups, seed=1)
    assert one != estimate(values, groups, seed=2)


def test_columns_share_resamples() -> None:
    rng = np.random.default_rng(5)
    table = (rng.random((50, 2)) < 0.5).astype(float)
    groups = [str(i // 2) for i in range(50)]
    both = estimates(table, groups, seed=3)
    assert both[1] == estimate(table[:, 1], groups, seed=3)


def test_bad_input_is_refused() -> None:
    for values, groups in (([], []), ([0.5], ["a", "b"]), ([1.5], ["a"]), ([np.nan], ["a"])):
        with pytest.raises(InputError):
            estimate(values, groups)
    with pytest.raises(InputError):
        estimate([0.5], ["a"], confidence=1.0)
    with pytest.raises(InputError):
        wilson(3, 2)


def test_general_bootstrap_agrees_with_the_fast_one() -> None:
    rng = np.random.default_rng(6)
    values = (rng.random(300) < 0.4).astype(float)
    groups = [str(i // 3) for i in range(300)]
    low, high = bootstrap(lambda at: float(values[at].mean()), groups, draws=2000)
    found = estimate(values, groups)
    assert (low, high) == pytest.approx((found.low, found.high), abs=0.012)


def test_mcnemar_exact_by_hand() -> None:
    """b = 10, c = 2: 2 * sum_{i<=2} C(12, i) / 2^12; the mid-p halves the observed table."""
    tail = sum(comb(12, i) for i in range(3)) / 2**12
    assert mcnemar(10, 2).p == pytest.approx(2 * tail)
    assert mcnemar(2, 10).p == pytest.approx(2 * tail)
    assert mcnemar(10, 2, mid_p=True).p == pytest.approx(2 * tail - comb(12, 2) / 2**12)
    assert mcnemar(4, 4).p == 1.0
    assert mcnemar(4, 4, mid_p=True).p == pytest.approx(1.0)
    assert mcnemar(0, 0).p == 1.0
    assert mcnemar(5, 0).p == pytest.approx(2 / 32)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_against_the_binomial_test(b: int, c: int) -> None:
    from scipy.stats import binomtest

    if b + c:
        assert mcnemar(b, c).p == pytest.approx(binomtest(b, b + c).pvalue, abs=1e-9)


def test_mcnemar_stratified_pools_and_tests_homogeneity() -> None:
    pooled, same = mcnemar_stratified([(10, 2), (20, 4), (5, 1)])
    assert (pooled.b, pooled.c) == (35, 7)
    assert pooled.p == mcnemar(35, 7).p
    assert same > 0.99
    _, differ = mcnemar_stratified([(20, 2), (2, 20)])
    assert differ < 1e-6


def test_sign_flip_is_mcnemar_for_single_pairs() -> None:
    differences = [1.0] * 7 + [-1.0] * 2 + [0.0] * 10
    groups = [str(i) for i in range(19)]
    assert sign_flip(differences, groups) == pytest.approx(mcnemar(7, 2).p)


def test_sign_flip_respects_patients() -> None:
    """Ten losses of one patient are one observation."""
    assert sign_flip([1.0] * 10, ["p"] * 10) == 1.0
    assert sign_flip([1.0] * 10, [str(i) for i in range(10)]) == pytest.approx(2 / 1024)
    many = sign_flip([1.0] * 40, [str(i) for i in range(40)])
    assert many == pytest.approx(1 / 4001)


def test_discordant_and_paired_difference() -> None:
    assert discordant([1, 1, 0, 0], [1, 0, 1, 0]) == (1, 1)
    found = paired_difference([1, 1, 1, 1], [0, 0, 0, 0], list("abcd"))
    assert found.value == 1
    assert 0 < found.low < 1
    with pytest.raises(InputError):
        paired_difference([1.0], [1.0, 0.0], ["a"])
    with pytest.raises(InputError):
        discordant([1], [1, 0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_monotone_and_no_smaller(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(a >= p and a <= 1 for a, p in zip(adjusted, p_values, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)


def test_micro_and_macro_differ_as_they_should() -> None:
    values, strata = [1.0] * 9 + [0.0], ["big"] * 9 + ["small"]
    assert micro(values) == pytest.approx(0.9)
    assert macro(values, strata) == pytest.approx(0.5)
    assert stratum_means(values, strata) == {"big": 1.0, "small": 0.0}
    assert weighted({"a": 1.0, "b": 0.0}, {"a": 3, "b": 1}) == pytest.approx(0.75)
    with pytest.raises(InputError, match="no weight for b"):
        weighted({"a": 1.0, "b": 0.0}, {"a": 3})


def test_macro_estimate_brackets_the_macro() -> None:
    rng = np.random.default_rng(7)
    strata = ["s0"] * 300 + ["s1"] * 30
    values = np.concatenate([rng.random(300) < 0.9, rng.random(30) < 0.3]).astype(float)
    groups = [str(i) for i in range(330)]
    found = macro_estimate(values, strata, groups)
    assert found.value == pytest.approx(macro(values, strata))
    exact = np.sqrt(sum(values[s].var() / (s.stop - s.start) / 4
                        for s in (slice(0, 300), slice(300, 330))))  # fmt: skip
    assert found.high - found.low == pytest.approx(2 * 1.96 * exact, rel=0.12)
