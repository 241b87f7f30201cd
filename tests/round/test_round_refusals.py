"""What a round refuses, in one sentence, and what it does not lose while people work."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_world import World, drawn

from osler.core import BadFileError, InputError, OslerError, UnknownNameError
from osler.curate.annotate import Decision, open_queue
from osler.curate.pool import Stated, add, create_pool
from osler.improve import trainers
from osler.improve.round import read_plan, read_round, resume_round, run_round
from osler.improve.round.plan import RoundPlan, checked, plan_of


def said(error: pytest.ExceptionInfo[OslerError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_people_are_waited_for_and_nothing_is_lost(world: World, tmp_path: Path) -> None:
    plan = replace(world.plan, annotator="people", raters=1, rho=0.3, gold=0.2)
    first = run_round(plan, tmp_path / "round")
    assert first.outcome == "waiting"
    assert "osler serve" in first.says
    assert not (first.path / "train").exists()
    queue_file = first.path / "label" / "queue.sqlite"
    sha_of = {
        row["image"]["sha256"]: row["sha256"]
        for row in map(
            json.loads, (first.path / "retrieve" / "selection.jsonl").read_text().splitlines()
        )
    }
    gold = {
        (row["images"][0]["sha256"], row["question"]): row["gold"]
        for row in map(json.loads, (first.path / "find" / "items.jsonl").read_text().splitlines())
    }
    halfway = 5
    for part in (halfway, 10_000):
        with open_queue(queue_file) as queue:
            for _ in range(part):
                task = queue.claim("Ada")
                if task is None:
                    break
                image = task.images[0].sha256
                if image in sha_of:
                    text = world.truths[sha_of[image]][task.question]
                    letter = next(k for k, v in task.options.items() if v == text)
                else:
                    letter = gold[image, task.question]
                queue.submit(task.id, "Ada", Decision("label", letter), seconds=12.0)
        result = resume_round(first.path)
        if part == halfway:
            assert result.outcome == "waiting"
    assert result.outcome in ("accepted", "rolled back")
    told = json.loads((first.path / "label" / "labelling.json").read_text())
    assert told["annotator"] == "people"
    assert told["simulated"] is False
    assert told["minutes"] == pytest.approx(
        12 * sum(1 for _ in _decisions(queue_file)) / 60, rel=1e-6
    )
    golden = told["gold"]
    assert golden
    assert golden[0]["accuracy"]["value"] == 1.0


def _decisions(path: Path) -> list[object]:
    with open_queue(path) as queue:
        return list(queue.decisions())


def test_labels_of_people_are_kept_when_they_no_longer_fit(world: World, tmp_path: Path) -> None:
    plan = replace(world.plan, annotator="people", raters=1)
    first = run_round(plan, tmp_path / "round")
    with open_queue(first.path / "label" / "queue.sqlite") as queue:
        task = queue.claim("Ada")
        assert task is not None
        queue.submit(task.id, "Ada", Decision("skip"), seconds=1.0)
    target = first.path / "route" / "stage.json"
    record = json.loads(target.read_text())
    record["outputs"]["routes.jsonl"] = "0" * 64  # as if another version had routed
    target.write_text(json.dumps(record))
    (first.path / "label" / "begun.json").write_text("{}")
    resume_round(first.path)
    kept = list((first.path / "outdated").glob("label-*/queue.sqlite"))
    assert len(kept) == 1
    assert len(_decisions(kept[0])) == 1


def test_raters_who_disagree_end_the_round(world: World, tmp_path: Path) -> None:
    plan = replace(world.plan, annotator="simulated:0.6", overlap=1.0, rho=1.0)
    with pytest.raises(InputError, match="the raters disagree") as error:
        run_round(plan, tmp_path / "round")
    assert "refused" in said(error)
    assert not (tmp_path / "round" / "train").exists()
    assert read_round(tmp_path / "round")["outcome"] == "stopped"
    assert (tmp_path / "round" / "report.html").is_file()


def test_no_failure_is_said_and_ends_the_round(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [json.loads(row) for row in (world.folder / "dev" / "items.jsonl").open()]
    answers = tmp_path / "answers.jsonl"
    with answers.open("w") as out:
        for row in rows:
            for trial in range(world.plan.trials):
                line = {"item": row["id"], "repeat": trial, "text": row["answer"]}
                out.write(json.dumps(line) + "\n")
    perfect = f"file:{answers}"  # as if stored answers could be trained
    known = {**trainers.BUILT_IN, perfect: "osler.improve.trainers.probe:train"}
    monkeypatch.setattr(trainers, "BUILT_IN", known)
    plan = replace(world.plan, model=perfect, options={})
    with pytest.raises(InputError, match="nothing to mend") as error:
        run_round(plan, tmp_path / "round")
    assert "no persistent failure among 54 dev items" in said(error)


def test_planted_leaks_are_listed_and_never_taken(world: World, tmp_path: Path) -> None:
    import cv2

    pool = tmp_path / "pool"
    shutil.copytree(world.folder / "pool", pool)
    extra = tmp_path / "extra"
    extra.mkdir()
    table = ["path\tpatient\tmodality"]
    for number, (subject, n) in enumerate([(0, 1), (1, 4), (10, 2), (12, 8)]):
        content = drawn(subject, n, n % 3, (n // 3) % 3)
        plane = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        (extra / f"copy{number}.png").write_bytes(content)
        cv2.imwrite(str(extra / f"coded{number}.jpg"), plane, [cv2.IMWRITE_JPEG_QUALITY, 80])
        cv2.imwrite(str(extra / f"crop{number}.png"), plane[8:88, 10:90])
        names = [f"copy{number}.png", f"coded{number}.jpg", f"crop{number}.png"]
        table += [f"{extra / name}\tnobody\tmri" for name in names]
    other = drawn(77, 3, 0, 1)
    (extra / "same-patient.png").write_bytes(other)
    table.append(f"{extra / 'same-patient.png'}\tsubject-11\tmri")
    (tmp_path / "extra.tsv").write_text("\n".join(table) + "\n")
    add(pool, [tmp_path / "extra.tsv"], stated=Stated(patient_from="column"))
    truth = tmp_path / "truth.jsonl"
    plan = replace(world.plan, pool=str(pool), oracle="", annotator="people", crops=20)
    truth.write_text("")
    result = run_round(plan, tmp_path / "round")
    leaks = [json.loads(row) for row in
             (result.path / "retrieve" / "leaks.jsonl").read_text().splitlines()]  # fmt: skip
    listed = {Path(row["path"]).name for row in leaks}
    planted = {path.name for path in extra.iterdir()}
    assert planted <= listed
    taken = [json.loads(row) for row in
             (result.path / "retrieve" / "selection.jsonl").read_text().splitlines()]  # fmt: skip
    assert not planted & {Path(row["path"]).name for row in taken}
    assert ("same-patient.png", "patient") in {(Path(r["path"]).name, r["kind"]) for r in leaks}


def test_a_changed_pool_file_is_noticed(world: World, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(world.folder / "pool-images", images)
    add(tmp_path / "pool", [images], stated=Stated(modality="mri"))
    for path in images.iterdir():
        path.write_bytes(path.read_bytes() + b"\0")
    plan = replace(world.plan, pool=str(tmp_path / "pool"))
    with pytest.raises(BadFileError, match="has changed since it was added") as error:
        run_round(plan, tmp_path / "round")
    said(error)
    assert not (tmp_path / "round" / "retrieve" / "selection.jsonl").exists()


def test_pools_that_cannot_serve(world: World, tmp_path: Path) -> None:
    create_pool(tmp_path / "empty", encoder="efficientnet-lite0", identity="x", dim=1280)
    with pytest.raises(InputError, match="is empty"):
        run_round(replace(world.plan, pool=str(tmp_path / "empty")), tmp_path / "a")
    shutil.copytree(world.folder / "pool", tmp_path / "foreign")
    manifest = tmp_path / "foreign" / "pool.json"
    manifest.write_text(manifest.read_text().replace("efficientnet-lite0-", "another-"))
    with pytest.raises(InputError, match="encoder"):
        run_round(replace(world.plan, pool=str(tmp_path / "foreign")), tmp_path / "b")
    with pytest.raises(InputError, match="larger than the pool"):
        run_round(replace(world.plan, budget=91), tmp_path / "c")


def test_dev_and_gate_share_no_patient(world: World, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="share 3 patients"):
        run_round(replace(world.plan, gate=world.plan.dev), tmp_path / "round")


def test_without_a_gate_half_of_the_patients_judge(world: World, tmp_path: Path) -> None:
    result = run_round(replace(world.plan, gate=""), tmp_path / "round")
    run = {name: json.loads((result.path / name / "summary.json").read_text())
           for name in ("evaluate/run", "gate/before")}  # fmt: skip
    assert sum(s["n_items"] for s in run.values()) == 54


def test_another_plan_in_the_same_folder_is_refused(world: World, tmp_path: Path) -> None:
    place = tmp_path / "round"
    run_round(replace(world.plan, annotator="people"), place)
    with pytest.raises(InputError, match="it differs in budget"):
        run_round(replace(world.plan, annotator="people", budget=10), place)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        run_round(world.plan, tmp_path / "other")
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("field", "value", "needle"),
    [
        ("rho", 1.5, "share from 0 to 1"),
        ("budget", 0, "at least 1"),
        ("cosine", 2.0, "threshold"),
        ("policy", "lenient", "lenient"),
        ("annotator", "me", "simulated:RATE"),
        ("annotator", "simulated:often", "error rate"),
        ("strata", (), "at least one tag"),
        ("curve", (30, 10), "rise"),
        ("truth", "", "known truths"),
    ],
)
def test_plans_that_make_no_sense(world: World, field: str, value: object, needle: str) -> None:
    with pytest.raises(InputError, match=needle) as error:
        checked(replace(world.plan, **{field: value}))
    said(error)


def test_plans_as_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    good = tmp_path / "round.toml"
    good.write_text(
        'benchmark = "medq-bench"\ndev = "data"\npool = "pool"\nmodel = "osler/probe"\n'
        'strata = ["modality", "concept"]\nbudget = 50\nrho = 1\n[training]\npenalty = "0.1"\n'
    )
    plan = read_plan(good)
    assert plan == RoundPlan(
        "medq-bench", str(tmp_path / "data"), str(tmp_path / "pool"), "osler/probe",
        strata=("modality", "concept"), budget=50, rho=1.0, training={"penalty": "0.1"},
    )  # fmt: skip
    with pytest.raises(UnknownNameError, match="budgets"):
        plan_of({"benchmark": "a", "dev": "b", "pool": "c", "model": "d", "budgets": 1})
    for text in ('budget = "many"', "budget = 1.5", 'strata = "modality"', "budget = true"):
        good.write_text(f'benchmark = "a"\ndev = "b"\npool = "c"\nmodel = "d"\n{text}\n')
        with pytest.raises(InputError, match="cannot be used"):
            read_plan(good)
    good.write_text("benchmark = ")
    with pytest.raises(BadFileError):
        read_plan(good)
