"""The published tables replay through our own functions (spec checks 2 to 4)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from osler.evaluate.benchmarks.medq_deg.published import (
    ITEMS,
    published_accuracy,
    published_calibration,
    published_mean,
)
from osler.evaluate.scoring import Standing, inter_model, intra_model, macro, micro, weighted

CATEGORIES = ("intensity", "noise", "res_blur", "artifacts", "motion")
TASKS = ("CU", "IP", "AR", "BS", "Diag", "Treat")


def table(shared: Path, name: str) -> list[dict[str, str]]:
    with (shared / "medq" / f"medqdeg_{name}.csv").open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_counts_replay(shared: Path) -> None:
    rows = table(shared, "degradation_counts")
    assert sum(int(r["count_L1_plus_L2"]) for r in rows) == 20588 == ITEMS["1"] + ITEMS["2"]
    assert ITEMS["0"] + ITEMS["1"] + ITEMS["2"] == 24894


def test_micro_average_of_all_40(shared: Path) -> None:
    averages = {r["model"]: float(r["avg"]) for r in table(shared, "category_accuracy")}
    rows = table(shared, "accuracy_by_severity")
    assert len(rows) == 40
    for r in rows:
        mean = micro([float(r["acc_L1"]), float(r["acc_L2"])])
        assert mean == pytest.approx(averages[r["model"]], abs=0.0501)


def test_macro_average_of_all_40(shared: Path) -> None:
    rows = table(shared, "capability_accuracy")
    assert len(rows) == 40
    for r in rows:
        mean = macro([float(r[t]) for t in TASKS], TASKS)
        assert mean == pytest.approx(float(r["avg"]), abs=0.1)


def test_category_weighted_average_of_all_40(shared: Path) -> None:
    sizes: dict[str, float] = dict.fromkeys(CATEGORIES, 0.0)
    for r in table(shared, "degradation_counts"):
        sizes[r["category"]] += float(r["count_L1_plus_L2"])
    for r in table(shared, "category_accuracy"):
        mean = weighted({c: float(r[c]) for c in CATEGORIES}, sizes)
        assert mean == pytest.approx(float(r["avg"]), abs=0.12)


def test_calibration_figure(shared: Path) -> None:
    checked = 0
    for r in table(shared, "calibration_figure_readings"):
        for level in "012":
            values = [r[f"{k}_L{level}"] for k in ("delta_read", "conf", "acc")]
            if all(values):
                delta, conf, acc = map(float, values)
                assert abs(delta - (conf - acc)) <= 0.0031
                checked += 1
    assert checked >= 35


def test_intra_model_flag_is_true_for_all_18() -> None:
    found = []
    for row in published_calibration():
        clean, hard = row.standing("0"), row.standing("2")
        if clean and hard:
            found.append(intra_model(clean, hard))
    assert found == [True] * 18


def test_inter_model_share_and_rank_correlation() -> None:
    from scipy.stats import spearmanr

    standings = {r.model: s for r in published_calibration() if (s := r.standing("2"))}
    assert len(standings) == 19
    pairs = inter_model(standings)
    share = np.mean([p.flag for p in pairs])
    assert share == pytest.approx(0.76, abs=0.005)
    accuracy, shift = zip(*[(s.accuracy, s.shift) for s in standings.values()], strict=True)
    assert spearmanr(accuracy, shift).statistic == pytest.approx(-0.73, abs=0.005)


def test_means_over_40_models() -> None:
    means = [round(100 * published_mean(level), 2) for level in "012"]
    assert means == [61.52, 60.35, 55.74]
    assert published_accuracy()[0].model.startswith("InternVL3")


def test_macro_turns_the_ranking_over() -> None:
    by_macro = max(published_accuracy(), key=lambda r: r.macro)
    assert by_macro.model == "GPT-5"


def test_product_tables_hold_the_published_numbers(shared: Path) -> None:
    ours = {r.model: r for r in published_accuracy()}
    for r in table(shared, "accuracy_by_severity"):
        for level in "012":
            assert ours[r["model"]].levels[level] == pytest.approx(float(r[f"acc_L{level}"]) / 100)


def test_flags_refuse_to_mix_trials() -> None:
    from osler.core import InputError

    with pytest.raises(InputError, match="3 and 10 trials"):
        intra_model(Standing(0.7, 0.1, 3), Standing(0.6, 0.2, 10))
    with pytest.raises(InputError, match="3 and 10 trials"):
        inter_model({"a": Standing(0.7, 0.1, 3), "b": Standing(0.6, 0.2, 10)})
