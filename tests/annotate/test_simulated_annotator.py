"""The simulated annotator errs at the stated rate, reproducibly, and says that it is simulated."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from osler.core import InputError, derive_rng
from osler.curate.annotate import (
    Task,
    answer_queue,
    export_decisions,
    export_labels,
    open_queue,
)

OPTIONS = {"A": "1", "B": "2", "C": "3", "D": "4"}
PEOPLE = tuple(f"simulated person {n}" for n in (1, 2, 3))


def truth(task: Task) -> str:
    return "ABCD"[derive_rng("truth", task.id).integers(4)]


def tasks(n: int, **facts: object) -> list[Task]:
    return [Task(f"t{i}", "Which?", OPTIONS, **facts) for i in range(n)]  # type: ignore[arg-type]


def test_errors_at_the_stated_rate_spread_over_the_other_options(tmp_path: Path) -> None:
    with open_queue(tmp_path / "q") as queue:
        queue.add(tasks(600))
        assert answer_queue(queue, truth, error=0.2, seed=3) == 600
        wrong = [one for one in queue.labels() if one.answer != truth(one.task)]
        assert abs(len(wrong) / 600 - 0.2) < 0.05
        assert {one.answer for one in wrong} == set("ABCD")
        found = queue.progress()
    assert found.minutes == pytest.approx(600 * 15 / 60)
    assert found.simulated
    assert found.raters[0].rater == "simulated person 1"


def test_answers_depend_on_seed_task_and_rater_only(tmp_path: Path) -> None:
    def answers(name: str, order: int, seed: int) -> dict[str, str]:
        with open_queue(tmp_path / name) as queue:
            queue.add(tasks(60)[::order])
            answer_queue(queue, truth, error=0.3, seed=seed)
            return {one.task.id: one.answer for one in queue.labels()}

    assert answers("a", 1, 0) == answers("b", -1, 0) != answers("c", 1, 1)


def test_tier_3_disputes_are_ruled_on_by_a_third(tmp_path: Path) -> None:
    with open_queue(tmp_path / "q") as queue:
        queue.add(tasks(120, tier=3))
        answer_queue(queue, truth, error=0.1, seed=0, raters=PEOPLE)
        labels = queue.labels()
        assert {one.status for one in labels} == {"settled"}
        wrong = sum(one.answer != truth(one.task) for one in labels) / 120
        assert wrong < 0.06  # two of three wrong in the same way, or the ruling wrong
        assert 5 < queue.progress().adjudicated < 45  # 2 * 0.1 * 0.9 of 120, about 22
        alpha = queue.progress().alpha
    assert alpha is not None
    assert 0.6 < alpha.value < 0.9


def test_an_unknown_truth_is_flagged_and_drafts_are_taken_over(tmp_path: Path) -> None:
    draft = {"answer": "B", "description": "Noise.", "verdict": "usable"}
    with open_queue(tmp_path / "q") as queue:
        queue.add(tasks(2, draft=draft))
        answer_queue(queue, lambda t: None if t.id == "t0" else "A", error=0, seed=0)
        flagged, kept = queue.labels()
        assert (flagged.status, flagged.notes) == ("flagged", ("none of the options fits",))
        assert (kept.answer, kept.description, kept.verdict) == ("A", "Noise.", "usable")


def test_nobody_is_simulated_under_the_name_of_a_person(tmp_path: Path) -> None:
    with open_queue(tmp_path / "q") as queue:
        queue.add(tasks(1))
        with pytest.raises(InputError, match="must say so"):
            answer_queue(queue, truth, error=0, seed=0, raters=("ann",))
        with pytest.raises(InputError, match="error rate"):
            answer_queue(queue, truth, error=1.5, seed=0)
        with pytest.raises(InputError, match="none of its options"):
            answer_queue(queue, lambda task: "Z", error=0, seed=0)


def test_export_reads_back(tmp_path: Path) -> None:
    hostile = 'say "tab\there",\nthen = 1'
    with open_queue(tmp_path / "q") as queue:
        queue.add([Task("t", hostile, OPTIONS, tier=2), *tasks(3)])
        answer_queue(queue, truth, error=0, seed=0)
        assert export_labels(queue, tmp_path / "labels.tsv") == 4
        assert export_labels(queue, tmp_path / "labels.jsonl") == 4
        assert export_decisions(queue, tmp_path / "all.jsonl") == 4
        with pytest.raises(InputError, match=r"\.jsonl or \.tsv"):
            export_labels(queue, tmp_path / "labels.xlsx")
    lines = [json.loads(x) for x in (tmp_path / "labels.jsonl").read_text().splitlines()]
    with (tmp_path / "labels.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [r["question"] for r in rows] == [r["question"] for r in lines]
    assert rows[0]["question"] == hostile
    assert json.loads(rows[0]["options"]) == lines[0]["options"] == OPTIONS
    assert rows[1]["answer_text"] == OPTIONS[lines[1]["answer"]]
