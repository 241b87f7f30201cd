"""A whole round on drawn pictures, checked against what is known of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_world import BLUR, NOISE, World
from scipy import stats

from osler.improve.round import RoundResult, resume_round, run_round
from osler.improve.round.stages import gate as gate_stage
from osler.improve.training_set import open_training_set
from osler.models.registry import load_model


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def body(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_weakness_is_found_and_mended(done: RoundResult) -> None:
    rates = body(done.path / "find" / "weakness.json")
    assert rates[0]["stratum"] == "blur"
    assert rates[0]["failures"] > 5 * max(rates[1]["failures"], 1)
    decision = body(done.path / "gate" / "decision.json")
    by_name = {row["stratum"]: row for row in decision["strata"]}
    assert done.outcome == "accepted"
    assert by_name["blur"]["after"] > by_name["blur"]["before"] + 0.15
    assert by_name["noise"]["after"] >= by_name["noise"]["before"] - 0.1


def test_the_decision_counts_what_the_runs_say(done: RoundResult) -> None:
    import duckdb

    decision = body(done.path / "gate" / "decision.json")
    right = {
        name: dict(
            duckdb.sql(
                f"select item, robust from '{done.path / 'gate' / name / 'scores.parquet'}'"
            ).fetchall()
        )
        for name in ("before", "after")
    }
    won = sum(right["after"][k] > right["before"][k] for k in right["after"])
    lost = sum(right["after"][k] < right["before"][k] for k in right["after"])
    overall = decision["overall"]
    assert (overall["won"], overall["lost"]) == (won, lost)
    assert overall["after"] == pytest.approx(np.mean(list(right["after"].values())))


def test_the_new_student_answers_as_the_gate_saw_it(done: RoundResult) -> None:
    assert done.model == "osler/probe"
    assert Path(done.options["heads"]).is_relative_to(done.path / "train")
    seen = body(done.path / "gate" / "after" / "summary.json")["model"]["identity"]
    assert dict(load_model(done.model, **done.options).identity()) == seen


def test_labels_are_wrong_as_often_as_stated(done: RoundResult, world: World) -> None:
    """Sums over the labels that people gave: 2 % errors each, and drafts are checked."""
    chosen = {row["id"]: row for row in lines(done.path / "retrieve" / "selection.jsonl")}
    labels = [row for row in lines(done.path / "label" / "labels.jsonl") if row["answer"]]
    seen = [row for row in labels if row["status"] == "settled"]
    wrong = [
        chosen[row["id"]]["options"][row["answer"]]
        != world.truths[chosen[row["id"]]["sha256"]][chosen[row["id"]]["question"]]
        for row in seen
    ]
    assert len(seen) >= 15
    assert np.mean(wrong) <= 0.15
    assert all(row["labelled_by"].startswith("simulated person") for row in seen)
    told = body(done.path / "label" / "labelling.json")
    assert told["simulated"] is True
    assert "simulated" in told["annotator"]


def test_the_audit_bounds_the_labels_nobody_saw(done: RoundResult) -> None:
    told = body(done.path / "label" / "labelling.json")["audit"]
    routes = lines(done.path / "route" / "routes.jsonl")
    assert told["kept"] == sum(row["tier"] == 0 for row in routes)
    assert told["n"] == sum(row["audited"] for row in routes)
    kept, n, wrong = told["kept"], told["n"], told["wrong"]
    possible = [k for k in range(wrong, kept - n + wrong + 1)
                if stats.hypergeom.cdf(wrong, kept, k, n) > 0.05]  # fmt: skip
    assert told["left"] == kept - n
    assert told["bound"] == pytest.approx((max(possible) - wrong) / (kept - n))
    assert f"{kept - n} labels that nobody looked at" in told["bounds"]
    assert {row["tier"] for row in routes if row["audited"]} == {0}


def test_what_trains_is_what_was_labelled_and_checked(done: RoundResult) -> None:
    held = open_training_set(done.path / "check" / "set")
    labels = {row["id"]: row for row in lines(done.path / "label" / "labels.jsonl")}
    for one in held.examples:
        row = labels[one.id.removeprefix("round-")]
        assert one.answer == row["answer"]
        assert row["status"] in ("settled", "unseen")
        assert one.licence == "CC0-1.0"
        assert one.patient.startswith("subject-2")
    checks = body(done.path / "check" / "checks.json")
    assert checks["kept"] == len(held)
    assert checks["given"] == checks["kept"] + sum(checks["dropped"].values())


def test_questions_are_those_of_failures_of_the_prototype(done: RoundResult) -> None:
    kinds = {kind["name"]: kind for kind in body(done.path / "find" / "prototypes.json")}
    items = {row["id"]: row for row in lines(done.path / "find" / "items.jsonl")}
    for row in lines(done.path / "retrieve" / "selection.jsonl"):
        assert row["like"] in kinds[row["prototype"]]["members"]
        assert row["question"] == items[row["like"]]["question"]
        assert items[row["like"]]["flagged"]
    assert {row["question"] for row in items.values()} == {NOISE, BLUR}


def test_every_output_is_recorded_with_its_hash(done: RoundResult) -> None:
    from osler.improve.round.stage import file_hash

    for record in done.path.glob("*/stage.json"):
        told = body(record)
        for name, sha in told["outputs"].items():
            assert file_hash(record.parent / name) == sha


def test_the_same_command_again_asks_nothing(done: RoundResult) -> None:
    before = {p: p.stat().st_mtime_ns for p in done.path.glob("*/stage.json")}
    again = resume_round(done.path)
    assert again.outcome == done.outcome
    assert {p: p.stat().st_mtime_ns for p in done.path.glob("*/stage.json")} == before


def test_same_plan_same_outcome(done: RoundResult, world: World, tmp_path: Path) -> None:
    other = run_round(world.plan, tmp_path / "round")
    for name in ("find/prototypes.json", "retrieve/selection.jsonl", "route/routes.jsonl",
                 "label/labels.jsonl", "gate/decision.json"):  # fmt: skip
        assert (other.path / name).read_bytes() == (done.path / name).read_bytes(), name


def test_a_round_killed_between_stages_goes_on(
    world: World, tmp_path: Path, done: RoundResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "round"
    shutil.copytree(done.path, place)
    shutil.rmtree(place / "gate")
    shutil.rmtree(place / "train")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gate_stage, "judge_change", killed)
        with pytest.raises(KeyboardInterrupt):
            run_round(world.plan, place)
    kept = (place / "train" / "stage.json").stat().st_mtime_ns
    result = run_round(world.plan, place)
    assert (place / "train" / "stage.json").stat().st_mtime_ns == kept
    assert result.outcome == "accepted"


def test_a_changed_file_makes_its_stage_run_again(
    world: World, tmp_path: Path, done: RoundResult
) -> None:
    place = tmp_path / "round"
    shutil.copytree(done.path, place)
    target = place / "route" / "routes.jsonl"
    whole = target.read_bytes()
    target.write_bytes(whole[: len(whole) // 2])
    early = (place / "ask" / "stage.json").stat().st_mtime_ns
    run_round(world.plan, place)
    assert target.read_bytes() == whole
    assert (place / "ask" / "stage.json").stat().st_mtime_ns == early


def test_wrong_labels_are_rolled_back(world: World, tmp_path: Path) -> None:
    """People who are always wrong agree with nobody; with the limit off, the gate still holds."""
    plan = replace(world.plan, annotator="simulated:1.0", agreement=0.0, rho=1.0, gold=0.0)
    plan = replace(plan, raters=1, space="encoder", cosine=0.5)
    result = run_round(plan, tmp_path / "round")
    decision = body(result.path / "gate" / "decision.json")
    assert not decision["accepted"]
    assert result.outcome == "rolled back"
    assert result.options == dict(world.plan.options)
    assert (result.path / "train" / "trained.json").is_file()


def test_a_promise_on_silent_errors_is_audited_first(world: World, tmp_path: Path) -> None:
    plan = replace(world.plan, review="conformal", silent_error=0.2)
    result = run_round(plan, tmp_path / "round")
    audited = lines(result.path / "audit" / "audited.jsonl")
    routing = body(result.path / "route" / "routing.json")
    assert audited
    assert routing["review"] == "conformal"
    assert routing["review_rate"] == pytest.approx(routing["rho"], abs=0.02)


def test_the_learning_curve_has_both_arms(world: World, tmp_path: Path) -> None:
    plan = replace(world.plan, curve=(30,), curve_seeds=2)
    result = run_round(plan, tmp_path / "round")
    curve = body(result.path / "curve" / "curve.json")
    assert curve["sizes"] == [0, 30]
    for rows in curve["arms"].values():
        assert np.shape(rows) == (2, 2)
        assert all(row[0] == rows[0][0] for row in rows)
