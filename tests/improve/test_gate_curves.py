"""The gate accepts and refuses what it should; curves interpolate and invert exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import InputError
from osler.evaluate.scoring import mcnemar
from osler.improve import judge_change, learning_curve, monotone, sample_efficiency, size_for


def outcomes(lost: int, won: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(before, after) of n items: ``lost`` right then wrong, ``won`` wrong then right."""
    before = np.ones(n, bool)
    after = np.ones(n, bool)
    after[:lost] = False
    before[lost : lost + won] = False
    return before, after


def gate(cells: dict[str, tuple[int, int, int]], **options: object) -> object:
    parts = {s: outcomes(*c) for s, c in cells.items()}
    before = np.concatenate([b for b, _ in parts.values()])
    after = np.concatenate([a for _, a in parts.values()])
    strata = [s for s, c in cells.items() for _ in range(c[2])]
    groups = [str(i) for i in range(len(strata))]
    return judge_change(before, after, strata, groups, **options)  # type: ignore[arg-type]


def test_a_gain_without_loss_is_accepted_with_its_figures() -> None:
    found = gate({"ct": (2, 20, 200), "mri": (3, 1, 200)})
    assert found.accepted
    assert "rises by 4.0 points (21 won, 5 lost" in found.reasons[0]
    ct = found.strata[0]
    assert (ct.lost, ct.won, ct.before, ct.after) == (2, 20, 0.9, 0.99)
    assert ct.change.value == pytest.approx(0.09)
    assert ct.p == mcnemar(2, 20, mid_p=True).p
    assert ct.state == "not worse"


def test_one_stratum_worse_than_the_margin_is_refused() -> None:
    found = gate({"ct": (0, 50, 200), "mri": (5, 0, 200)})
    assert not found.accepted
    assert found.reasons == ("mri falls by 2.5 points (5 lost, 0 won, p = 0.031), more than 2",)
    for policy in ("shown", "observed"):  # exactly the margin
        assert gate({"ct": (0, 50, 200), "mri": (4, 0, 200)}, policy=policy).accepted


def test_a_fall_that_may_be_chance_is_a_warning_unless_all_falls_count() -> None:
    cells = {"ct": (0, 50, 200), "mri": (8, 5, 100)}
    shown = gate(cells)
    assert shown.accepted
    assert "mri falls by 3.0 points" in shown.warnings[0]
    assert shown.strata[1].state == "open"
    observed = gate(cells, policy="observed")
    assert not observed.accepted
    assert observed.reasons == shown.warnings
    assert observed.warnings == ()


def test_no_gain_is_refused_and_proof_asks_for_more() -> None:
    assert "does not rise" in gate({"ct": (3, 3, 100)}).reasons[0]
    cells = {"ct": (0, 50, 200), "mri": (3, 3, 60)}
    assert gate(cells).accepted
    proven = gate(cells, policy="proven")
    assert not proven.accepted
    assert "mri may fall" in proven.reasons[0]
    assert gate({"ct": (0, 50, 2000), "mri": (3, 3, 2000)}, policy="proven").accepted


def test_small_strata_are_judged_together() -> None:
    found = gate({"a": (0, 30, 100), "b": (3, 0, 10), "c": (2, 0, 15)})
    assert [s.stratum for s in found.strata] == ["a", "other strata"]
    assert "other strata falls by 20.0 points (5 lost" in found.reasons[0]


def test_patients_widen_the_change() -> None:
    before, after = outcomes(0, 10, 100)
    single = judge_change(before, after, ["s"] * 100, [str(i) for i in range(100)])
    tied = judge_change(before, after, ["s"] * 100, [str(i // 10) for i in range(100)])
    assert tied.overall.change.low < single.overall.change.low
    with pytest.raises(InputError, match="unknown policy"):
        judge_change([True], [True], ["s"], ["g"], policy="any")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="empty"):
        judge_change([], [], [], [])


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_monotone_equals_scipy(values: list[float]) -> None:
    from scipy.optimize import isotonic_regression

    assert monotone(values) == pytest.approx(isotonic_regression(values).x, abs=1e-9)


def test_sizes_invert_the_curve() -> None:
    x, y = [0, 100, 200, 400], [0.5, 0.6, 0.7, 0.9]
    assert size_for(x, y, 0.65) == pytest.approx(150)
    assert size_for(x, y, 0.9) == pytest.approx(400)
    assert size_for(x, y, 0.5) == 0
    assert size_for(x, y, 0.95) == float("inf")
    assert size_for(x, [0.5, 0.7, 0.6, 0.9], 0.65) == pytest.approx(100)


def noisy_curves(factor: float, seeds: int = 5) -> tuple[object, object]:
    rng = np.random.default_rng(0)
    x = np.array([0, 50, 100, 200, 400, 800, 1600, 3200])

    def scores(scale: float) -> np.ndarray:
        return 0.9 - 0.4 / (1 + scale * x / 400) + 0.004 * rng.normal(size=(seeds, x.size))

    return learning_curve(x, scores(1)), learning_curve(x, scores(factor))


def test_planted_efficiency_is_recovered_inside_its_interval() -> None:
    found = sample_efficiency(*noisy_curves(4.0), accuracy=0.75)
    assert found.ratio is not None
    assert found.ratio.low < 4 < found.ratio.high
    assert 3 < found.ratio.value < 5.3
    assert found.ratio.value == pytest.approx(found.reference / found.engine)
    same = sample_efficiency(*noisy_curves(1.0), accuracy=0.75)
    assert same.ratio is not None
    assert same.ratio.low < 1 < same.ratio.high


def test_efficiency_interval_covers() -> None:
    rng = np.random.default_rng(1)
    x = np.array([0, 50, 100, 200, 400, 800, 1600, 3200])
    clean = [0.9 - 0.4 / (1 + scale * x / 400) for scale in (1, 4)]
    truth = size_for(x, clean[0], 0.75) / size_for(x, clean[1], 0.75)
    covered = 0
    for _ in range(200):
        noisy = [learning_curve(x, c + 0.01 * rng.normal(size=(5, x.size))) for c in clean]
        ratio = sample_efficiency(noisy[0], noisy[1], 0.75).ratio
        covered += ratio is not None and ratio.low <= truth <= ratio.high
    assert covered / 200 > 0.9


def test_efficiency_says_when_there_is_none() -> None:
    reference, engine = noisy_curves(2.0)
    assert "does not reach" in sample_efficiency(reference, engine, 0.99).note
    assert "first size" in sample_efficiency(reference, engine, 0.3).note
    assert "one seed" in sample_efficiency(*noisy_curves(2.0, seeds=1), accuracy=0.75).note
    with pytest.raises(InputError, match="no pairs"):
        sample_efficiency(reference, noisy_curves(1.0, seeds=4)[0], 0.7)
    with pytest.raises(InputError, match="rise"):
        learning_curve([10, 10], [[0.1, 0.2]])
