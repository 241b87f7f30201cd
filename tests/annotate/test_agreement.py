"""Agreement against published examples and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import InputError
from osler.curate.annotate import (
    alpha_estimate,
    coded,
    cohen_kappa,
    krippendorff_alpha,
    require_agreement,
)

X = np.nan
FOUR_RATERS = [  # Krippendorff 2011, "Computing Krippendorff's alpha-reliability", example C
    [1, 2, 3, 3, 2, 1, 4, 1, 2, X, X, X],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, X, 3],
    [X, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, X],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, X],
]


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_equals_the_published_example_with_gaps(level: str, published: float) -> None:
    assert krippendorff_alpha(FOUR_RATERS, level) == pytest.approx(published, abs=5e-4)


def test_alpha_equals_the_published_examples_of_two_raters() -> None:
    binary = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]  # example A
    assert krippendorff_alpha(binary) == pytest.approx(0.095, abs=5e-4)
    words = [list("aabbdcccedda"), list("babbbccceddd")]  # example B: 12 units, a to e
    found = krippendorff_alpha(coded(words, "abcde"))
    assert found == pytest.approx(0.692, abs=5e-4)


def test_alpha_limits() -> None:
    assert krippendorff_alpha([[1, 2, 3], [1, 2, 3]], "ordinal") == 1
    rng = np.random.default_rng(0)
    assert abs(krippendorff_alpha(rng.integers(0, 3, (3, 3000)))) < 0.03
    assert np.isnan(krippendorff_alpha([[1, 1], [1, 1]]))
    found = alpha_estimate(FOUR_RATERS, "ordinal")
    assert found.value == pytest.approx(0.815, abs=5e-4)
    assert found.low < found.value < found.high
    assert found.n == 11


def test_disagreement_refuses_the_round() -> None:
    assert require_agreement(FOUR_RATERS, "ordinal") > 0.8
    with pytest.raises(InputError, match=r"alpha \(nominal\) is .* the round is refused"):
        require_agreement([[0, 1, 0, 1], [1, 0, 1, 1]])
    with pytest.raises(InputError, match="cannot be told"):
        require_agreement([[1, 1], [1, 1]])
    with pytest.raises(InputError, match="rated twice"):
        require_agreement([[1, X], [X, 1]])
    with pytest.raises(InputError, match="'bad'"):
        coded([["bad"]], ["good"])


@settings(deadline=None)
@given(st.integers(0, 500), st.sampled_from(["none", "linear", "quadratic"]))
def test_kappa_equals_scikit_learn(seed: int, weights: str) -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(seed)
    a = np.concatenate([np.arange(4), rng.integers(0, 4, 30)])
    b = np.where(rng.random(34) < 0.6, a, rng.integers(0, 4, 34))
    theirs = cohen_kappa_score(a, b, weights=None if weights == "none" else weights)
    assert cohen_kappa(a, b, weights) == pytest.approx(theirs, abs=1e-12)
