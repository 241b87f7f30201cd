"""The summary of a simulated run: planted effects are found, nothing is hidden."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from osler.core import InputError, canonical_json
from osler.evaluate.benchmarks.medq_deg.baseline import baseline_answers
from osler.evaluate.benchmarks.medq_deg.summary import summarise


@pytest.fixture(scope="module")
def run(simulated: Any) -> Any:
    return simulated(parents=200, trials=5)


@pytest.fixture(scope="module")
def summary(run: Any) -> dict[str, Any]:
    return summarise(run.cases, run.answers, baseline_answers(run.cases, 5), 7)


def test_is_json_and_complete(summary: dict[str, Any]) -> None:
    text = json.dumps(summary, allow_nan=False)
    wanted = {
        "trials", "n_items", "n_scored", "coverage", "unscored", "status_counts", "headline",
        "by_level", "cells", "micro", "macro", "calibration", "paired", "dunning_kruger",
        "baselines", "worst", "notes", "examples", "geometric",
    }  # fmt: skip
    assert wanted <= set(json.loads(text))
    assert summary["coverage"] == 1.0


def test_planted_accuracies_lie_in_the_intervals(run: Any, summary: dict[str, Any]) -> None:
    for row in summary["by_level"]:
        for form in ("compat", "robust"):
            estimate = row[form]
            truth = run.accuracy[row["level"]]
            slack = 0.5 * (estimate["high"] - estimate["low"])
            assert estimate["low"] - slack <= truth <= estimate["high"] + slack


def test_headline_is_the_mean_over_degraded_items(run: Any, summary: dict[str, Any]) -> None:
    gold = {c.item.id: c.gold.answer for c in run.cases}
    degraded = {c.item.id for c in run.cases if c.item.tags["level"] != "0"}
    hits = [a.value == gold[a.item_id] for a in run.answers if a.item_id in degraded]
    assert summary["headline"]["compat"]["value"] == pytest.approx(sum(hits) / len(hits))
    assert summary["headline"]["compat"]["groups"] == 100


def test_level_means_weigh_to_the_headline(summary: dict[str, Any]) -> None:
    rows = [r for r in summary["by_level"] if r["level"] != "0"]
    mean = sum(r["n"] * r["robust"]["value"] for r in rows) / sum(r["n"] for r in rows)
    assert summary["headline"]["robust"]["value"] == pytest.approx(mean)


def test_worst_finds_the_planted_degradation(summary: dict[str, Any]) -> None:
    worst = summary["worst"][0]
    assert (worst["key"], worst["level"]) in {("ghosting", "2"), ("artifacts", "2")}
    highs = [c["robust"]["high"] for c in summary["worst"]]
    assert highs == sorted(highs)


def test_paired_drop_and_mcnemar(summary: dict[str, Any]) -> None:
    rows = {(r["by"], r["key"], r["level"]): r for r in summary["paired"]}
    hard = rows["degradation", "ghosting", "2"]
    assert hard["n_pairs"] == 200
    assert hard["drop"]["low"] <= 0.30 <= hard["drop"]["high"]
    assert hard["p_mcnemar"] < 1e-3
    assert hard["p_group"] < 1e-3
    assert hard["p_holm"] >= hard["p_mcnemar"]
    assert hard["b"] > hard["c"]
    assert rows["all", "all", "2"]["p_homogeneity"] < 0.05
    assert rows["all", "all", "2"]["n_pairs"] == 600


def test_calibration_rows(summary: dict[str, Any]) -> None:
    rows = {(r["level"], r["confidence"]): r for r in summary["calibration"]}
    assert set(rows) == {
        (level, kind) for level in "012" for kind in ("vote_entropy", "max_vote", "model_prob")
    }
    for (_, kind), row in rows.items():
        assert (row["brier"] is None) == (kind == "vote_entropy")
        assert sum(b["n"] for b in row["bins"]) == row["n"]
        gap = row["mean_confidence"] - row["accuracy"]
        assert row["shift"]["value"] == pytest.approx(gap)
    # The simulated model is a calibrated sampler, so its C is that of one.
    row = rows["0", "vote_entropy"]
    assert row["mean_confidence"] == pytest.approx(
        row["calibrated_sampler"]["mean_confidence"], abs=0.05
    )


def test_baselines_are_where_chance_is(summary: dict[str, Any]) -> None:
    found = {b["name"]: b for b in summary["baselines"]}
    assert set(found) == {"always-A", "majority option", "random", "text-only"}
    assert found["always-A"]["robust"]["value"] == pytest.approx(0.25)
    assert found["random"]["robust"]["value"] == pytest.approx(0.25, abs=0.03)
    assert all(b["about"] for b in found.values())


def test_geometric_is_reported_apart(summary: dict[str, Any]) -> None:
    apart = summary["geometric"]
    assert apart["keys"] == ["rotation"]
    assert apart["only"]["n"] == 400
    assert apart["without"]["n"] == 800
    assert 0 < apart["laterality"]["n"] < 400


def test_the_baseline_of_a_row_is_played_on_the_items_of_that_row(simulated: Any) -> None:
    """Right letters differ by stratum, so a baseline of the whole set would be wrong for each."""
    run = simulated(40, 3)
    played = baseline_answers(run.cases, 3)
    found = summarise(run.cases, run.answers, played, 7)
    gold = {case.item.id: case.gold.answer for case in run.cases}
    rows = [("level", r["level"], r) for r in found["by_level"]]
    rows += [(r["by"], r["key"], r) for r in found["cells"]]
    for by, key, row in rows:
        mine = {
            case.item.id
            for case in run.cases
            if case.item.tags[by] == key and case.item.tags["level"] == row["level"]
        }
        assert len(mine) == row["n"]
        best = max(
            np.mean([a.value == gold[a.item_id] for a in answers if a.item_id in mine])
            for answers in played.values()
        )
        assert row["baseline"] == pytest.approx(best), (by, key)
    assert len({row["baseline"] for _, _, row in rows}) > 2
    for row in found["baselines"]:
        ahead = found["headline"]["robust"]["value"] - row["robust"]["value"]
        assert row["gain"]["value"] == pytest.approx(ahead)
        assert row["gain"]["low"] <= ahead <= row["gain"]["high"]


def test_order_of_items_and_answers_does_not_change_a_byte(
    run: Any, summary: dict[str, Any]
) -> None:
    turned = summarise(run.cases[::-1], run.answers[::-1], baseline_answers(run.cases[::-1], 5), 7)
    assert canonical_json(turned) == canonical_json(summary)


def test_failed_calls_are_unscored_never_wrong(run: Any) -> None:
    lost = {run.cases[0].item.id, run.cases[1].item.id}
    answers = [
        replace(a, status="model_error", value=None, compat_value=None)
        if a.item_id in lost and (a.trial == 0 or a.item_id == run.cases[0].item.id)
        else a
        for a in run.answers
    ]
    answers = [a for a in answers if not (a.item_id == run.cases[2].item.id and a.trial == 4)]
    answers = [a for a in answers if a.item_id != run.cases[3].item.id]
    found = summarise(run.cases, answers, {}, 0)
    assert found["unscored"] == {
        "missing trials": 1, "model_error": 1, "not asked": 1, "partial": 1,
    }  # fmt: skip
    assert found["n_scored"] == found["n_items"] - 4
    assert "unscored" in found["notes"][0]


def test_refused_and_unparsed_are_wrong_and_counted(run: Any) -> None:
    first = run.cases[0].item.id
    answers = [
        replace(a, status="refused", value=None, compat_value=None) if a.item_id == first else a
        for a in run.answers
    ]
    found = summarise(run.cases, answers, {}, 0)
    assert found["status_counts"]["refused"] == 5
    assert found["n_scored"] == found["n_items"]
    assert any("refused" in note for note in found["notes"])


def test_one_trial_gives_no_vote_confidence(simulated: Any) -> None:
    run = simulated(parents=20, trials=1)
    found = summarise(run.cases, run.answers, {}, 0)
    assert {r["confidence"] for r in found["calibration"]} == {"model_prob"}
    assert found["dunning_kruger"]["intra"] is None
    assert found["by_level"][0]["shift"] is None


def test_nothing_scored_is_an_error_not_a_zero(run: Any) -> None:
    with pytest.raises(InputError, match="no item can be scored"):
        summarise(run.cases, [], {}, 0)


def test_answers_to_unknown_items_are_refused(run: Any) -> None:
    stray = [*run.answers, replace(run.answers[0], item_id="elsewhere")]
    with pytest.raises(InputError, match="elsewhere"):
        summarise(run.cases, stray, {}, 0)
    with pytest.raises(InputError, match="two answers"):
        summarise(run.cases, [*run.answers, run.answers[0]], {}, 0)


def test_examples_hold_whole_families(summary: dict[str, Any]) -> None:
    assert 4 <= len(summary["examples"]) <= 8
    for family in summary["examples"]:
        assert family["items"][0]["level"] == "0"
        assert len(family["items"]) == 7
    assert {f["why"] for f in summary["examples"]} == {"largest loss", "picked by hash"}
    assert not math.isnan(summary["examples"][0]["items"][0]["robust"])
