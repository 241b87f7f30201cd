"""Persistent failures against the binomial tail, weakness against its closed form."""

import numpy as np
import pytest
from scipy import stats

from osler.core import InputError
from osler.improve import persistent_failures, stratum_labels, weakness


@pytest.mark.parametrize(
    ("p", "published"), [(0.5, 0.1875), (0.6, 0.337), (0.7, 0.528), (0.8, 0.737), (0.9, 0.919)]
)
def test_compat_flag_rate_is_the_binomial_tail(p: float, published: float) -> None:
    n = 20_000
    wrong = np.random.default_rng(int(p * 100)).random((n, 5)) < p
    rate = persistent_failures(wrong, rule="compat").flagged.mean()
    tail = stats.binom.sf(3, 5, p)
    assert tail == pytest.approx(published, abs=6e-4)
    assert abs(rate - tail) < 3 * np.sqrt(tail * (1 - tail) / n)


def test_posterior_equals_scipy_beta_and_agrees_with_the_published_rule_at_five() -> None:
    table = np.tril(np.ones((6, 5)), -1)  # 0 to 5 wrong of 5
    found = persistent_failures(table)
    expected = [stats.beta.sf(0.5, k + 0.5, 5 - k + 0.5) for k in range(6)]
    assert found.certainty == pytest.approx(expected, abs=1e-12)
    assert (found.flagged == persistent_failures(table, rule="compat").flagged).all()


def test_unscored_trials_never_count_as_wrong() -> None:
    nan = np.nan
    table = [[1, 1, 1, 1, nan], [1, 1, 1, nan, nan], [0, 0, nan, nan, 1], [nan] * 5]
    compat = persistent_failures(table, rule="compat")
    assert compat.flagged.tolist() == [True, False, False, False]
    assert compat.undecided.tolist() == [False, True, False, True]
    beta = persistent_failures(table)
    assert beta.undecided.tolist() == [False, False, False, True]
    assert not beta.flagged[3]
    assert np.isnan(beta.certainty[3])
    assert beta.certainty[1] == pytest.approx(stats.beta.sf(0.5, 3.5, 0.5))


@pytest.mark.parametrize("bad", [[[2, 0]], [1, 0], np.zeros((3, 0))])
def test_bad_outcomes_are_refused(bad: object) -> None:
    with pytest.raises(InputError):
        persistent_failures(bad)  # type: ignore[arg-type]


def test_weakness_is_the_shrunk_rate_inside_its_interval() -> None:
    rng = np.random.default_rng(1)
    strata = np.repeat(["a", "b", "c"], [100, 20, 3])
    flags = np.concatenate([rng.random(100) < 0.1, rng.random(20) < 0.8, [True] * 3])
    e = flags.mean()
    for row in weakness(flags, list(strata)):
        mine = flags[strata == row.stratum]
        assert row.rate.value == pytest.approx((mine.sum() + 10 * e) / (mine.size + 10))
        assert row.rate.low < row.rate.value < row.rate.high
        a, b = mine.sum() + 10 * e, (~mine).sum() + 10 * (1 - e)
        if 0 < mine.sum() < mine.size:
            assert (row.rate.low, row.rate.high) == pytest.approx(
                stats.beta.interval(0.95, a, b), abs=1e-9
            )


def test_items_of_one_patient_widen_the_interval() -> None:
    flags = np.repeat([True, False, True, False, False, True, False, False], 10)
    strata = ["s"] * 80
    alone = weakness(flags, strata, m=0)[0].rate
    tied = weakness(flags, strata, list(np.repeat(np.arange(8), 10).astype(str)), m=0)[0].rate
    assert (tied.n, tied.groups) == (80, 8)
    assert tied.high - tied.low > 2 * (alone.high - alone.low)


def test_no_failures_gives_zero_with_an_interval() -> None:
    row = weakness([False] * 30, ["s"] * 30)[0]
    assert row.rate.value == 0
    assert row.rate.low == 0
    assert 0.01 < row.rate.high < 0.2


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean compat"):
        persistent_failures([[1]], rule="compact")  # type: ignore[arg-type]


def test_labels_cross() -> None:
    assert stratum_labels(["mri"], ["blur"]) == ["mri | blur"]
    with pytest.raises(InputError, match="different lengths"):
        stratum_labels(["mri"], [])
