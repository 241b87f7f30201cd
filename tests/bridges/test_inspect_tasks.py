"""Benchmarks as Inspect tasks: both engines must give the same scores on the same server."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osler.bridges.inspect_logs import LoggedModel, import_log, read_log, write_answers
from osler.bridges.inspect_tasks import as_task
from osler.core import BadFileError, InputError, Request, Sampling
from osler.evaluate.engine import evaluate
from osler.models.registry import load_model


def run_inspect(task: Any, server: Any, folder: Path, **options: Any) -> Any:
    from inspect_ai import eval

    settings: dict[str, Any] = {"display": "none", "log_images": False, "max_connections": 32}
    return eval(
        task,
        model="openai-api/osler/fake",
        model_base_url=server.url,
        model_args={"api_key": "none"},
        log_dir=str(folder),
        **{**settings, **options},
    )[0]


def run_osler(benchmark: Any, server: Any, folder: Path, **options: Any) -> Any:
    model = load_model("fake", base_url=server.url)
    return evaluate(benchmark, model, folder, report=None, **options)


def scores_by_osler(folder: Path) -> dict[str, tuple[float | None, float | None]]:
    import duckdb

    rows = duckdb.sql(f"select * from '{folder / 'scores.parquet'}'")
    names = [column.lower() for column in rows.columns]
    at = [names.index(name) for name in ("item", "compat", "robust")]
    return {row[at[0]]: (row[at[1]], row[at[2]]) for row in rows.fetchall()}


def scores_by_inspect(log: Any) -> dict[str, tuple[float | None, float | None]]:
    found: dict[str, list[float | None]] = {}
    for reduction in log.reductions:
        for sample in reduction.samples:
            value = None if math.isnan(sample.value) else sample.value
            found.setdefault(str(sample.sample_id), []).append(value)
    return {item: (values[0], values[1]) for item, values in found.items()}


@pytest.fixture(scope="module")
def medq_deg(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """MedQ-Deg on 60 generated questions, each clean and with two degradations at two levels."""
    from osler.evaluate.benchmarks import load_benchmark
    from osler.evaluate.benchmarks.medq_deg.compose import compose
    from osler.evaluate.benchmarks.medq_deg.questions import SourceQuestion
    from osler.images import Image

    y, x = np.mgrid[:48, :48]
    questions = [
        SourceQuestion(
            index=f"q{number}",
            image=Image(
                (120 + 90 * np.sin((x + number) / (4 + number % 7)) * np.cos(y / 9)).astype(
                    np.uint8
                ),
                "yx",
                modality="xray",
                unit="8-bit",
            ),
            question=f"Which organ is shown in picture {number}?",
            options={"A": "lung", "B": "liver", "C": "knee", "D": "heart"},
            answer="ABCD"[number % 4],
            modality="xray",
            capability="perception" if number % 2 else "anatomy",
            patient=f"p{number // 2}",
        )
        for number in range(60)
    ]
    folder = tmp_path_factory.mktemp("medq-deg")
    compose(questions, folder / "data", per_item=(2, 2), levels=(1, 2))
    return load_benchmark("medq-deg", folder / "data")


def test_both_engines_give_equal_scores_on_300_items(
    medq_deg: Any, loopback, tmp_path: Path
) -> None:
    loopback.fails = {"picture 7?": 400}
    log = run_inspect(as_task(medq_deg), loopback, tmp_path / "logs")
    asked_by_inspect = sorted(_asked(loopback))
    loopback.seen.clear()
    result = run_osler(medq_deg, loopback, tmp_path / "run")

    assert sorted(_asked(loopback)) == asked_by_inspect  # same words, pictures and sampling
    ours, theirs = scores_by_osler(tmp_path / "run"), scores_by_inspect(log)
    assert len(ours) == 300
    assert ours == theirs
    failed = [case.item.id for case in medq_deg.cases() if "picture 7?" in case.item.question]
    assert len(failed) == 5
    assert {ours[item] for item in failed} == {(None, None)}  # unscored in both, never 0
    assert result.n_scored == 295
    assert log.results.scores[0].unscored_samples == 5
    assert {score for pair in ours.values() for score in pair} == {None, 0.0, 1.0}
    assert any(compat != robust for compat, robust in ours.values())

    imported = import_log(log.location, medq_deg, tmp_path / "imported", report=None)
    drawn = {"benchmark", "headline", "by_level", "cells", "calibration", "paired", "n_scored"}
    assert {k: imported.summary[k] for k in drawn} == {k: result.summary[k] for k in drawn}


def _asked(server: Any) -> list[tuple[str, tuple[str, ...], tuple[Any, ...]]]:
    keys = ("model", "temperature", "top_p", "max_tokens", "seed")
    return [
        (seen["text"], tuple(seen["pictures"]), tuple(seen["body"][key] for key in keys))
        for seen in server.seen
    ]


def test_logs_hold_no_pixels_but_name_every_image(toy, loopback, tmp_path: Path) -> None:
    benchmark = toy(30, size=128)
    log = run_inspect(as_task(benchmark), loopback, tmp_path)
    pixels = sum(len(data) for data in benchmark.blobs.values())
    assert Path(log.location).stat().st_size < pixels / 4
    named = {uri for sample in log.samples for uri in sample.metadata["images"]}
    assert named == {f"med://{digest}" for digest in benchmark.blobs}


def test_an_imported_log_makes_the_same_run_as_our_own_engine(
    toy, loopback, tmp_path: Path
) -> None:
    benchmark = toy(20)
    loopback.fails = {"Question 3:": 400}
    log = run_inspect(as_task(benchmark, trials=2), loopback, tmp_path / "logs")
    own = run_osler(benchmark, loopback, tmp_path / "own", trials=2)
    asked = len(loopback.seen)
    imported = import_log(log.location, benchmark, tmp_path / "imported", report=None)
    assert len(loopback.seen) == asked  # nothing is asked again
    assert scores_by_osler(tmp_path / "imported") == scores_by_osler(tmp_path / "own")
    assert imported.summary["headline"] == own.summary["headline"]
    assert imported.n_scored == own.n_scored == 19
    made = {path.name for path in (tmp_path / "imported").iterdir()}
    assert {"run.json", "journal.sqlite", "summary.json", "scores.parquet"} <= made
    with sqlite3.connect(tmp_path / "imported" / "journal.sqlite") as journal:
        dump = "\n".join(journal.iterdump())
    assert "as scripted" in dump  # the provider's own words about the failure survive

    rows = write_answers(read_log(log.location), tmp_path / "answers.jsonl")
    assert rows == 38
    replayed = evaluate(
        benchmark,
        load_model(f"file:{tmp_path / 'answers.jsonl'}"),
        tmp_path / "replayed",
        trials=2,
        report=None,
    )
    assert replayed.summary["headline"] == own.summary["headline"]


def test_a_log_that_showed_other_images_is_not_believed(toy, loopback, tmp_path: Path) -> None:
    benchmark = toy(4)
    log = run_inspect(as_task(benchmark), loopback, tmp_path / "logs")
    first, second = benchmark.cases()[:2]
    swapped = dataclasses.replace(first.item, images=second.item.images)
    model = LoggedModel(read_log(log.location))
    request = Request(benchmark.prompt(swapped), item_id=swapped.id)
    reply = asyncio.run(model.reply([request], benchmark.read_blob()))[0]
    assert reply.error is not None
    assert reply.error.kind == "other_image"


def test_a_log_of_another_benchmark_is_refused(toy, loopback, tmp_path: Path) -> None:
    log = run_inspect(as_task(toy(3)), loopback, tmp_path / "logs")
    other = toy(3)
    other.version = "2"
    with pytest.raises(InputError, match="version 1, not 2"):
        import_log(log.location, other, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"{}"])
@pytest.mark.parametrize("name", ["bad.eval", "bad.json", "bad.txt"])
def test_what_is_no_log_is_refused(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadFileError, match="Inspect log"):
        read_log(tmp_path / name)
    with pytest.raises(BadFileError, match="no such log"):
        read_log(tmp_path / "absent.eval")


def test_inspects_own_rate_limit_handling_loses_nothing(toy, loopback, tmp_path: Path) -> None:
    loopback.busy = 0.2
    log = run_inspect(as_task(toy(40)), loopback, tmp_path)
    assert len(loopback.seen) > 40
    assert log.results.scores[0].unscored_samples == 0


def test_epochs_given_to_inspect_replace_the_trials(toy, loopback, tmp_path: Path) -> None:
    benchmark = toy(6)
    log = run_inspect(as_task(benchmark), loopback, tmp_path / "a", epochs=3)
    run_osler(benchmark, loopback, tmp_path / "run", trials=3)
    assert scores_by_inspect(log) == scores_by_osler(tmp_path / "run")


def test_two_tasks_in_one_process_show_each_its_own_images(toy, loopback, tmp_path: Path) -> None:
    first, second = toy(3), toy(5, size=48)
    tasks = [as_task(first), as_task(second)]
    run_inspect(tasks[0], loopback, tmp_path / "a")
    run_inspect(tasks[1], loopback, tmp_path / "b")
    shown = {picture for seen in loopback.seen for picture in seen["pictures"]}
    assert shown == set(first.blobs) | set(second.blobs)


def test_sampling_reaches_the_server(toy, loopback, tmp_path: Path) -> None:
    sampling = Sampling(temperature=0.3, top_p=0.8, max_tokens=9, seed=5, stop=("END",))
    run_inspect(as_task(toy(1), trials=2, sampling=sampling), loopback, tmp_path)
    bodies = [seen["body"] for seen in loopback.seen]
    assert sorted(body["seed"] for body in bodies) == [5, 6]
    for body in bodies:
        assert (body["temperature"], body["top_p"]) == (0.3, 0.8)
        assert (body["max_tokens"], body["stop"]) == (9, ["END"])


def test_what_cannot_be_a_task_is_refused(toy) -> None:
    with pytest.raises(InputError, match="trials"):
        as_task(toy(1), trials=0)
    doubled = toy(2)
    doubled._cases.append(doubled._cases[0])
    with pytest.raises(InputError, match="two items have the id"):
        as_task(doubled)


@pytest.mark.slow
def test_the_inspect_command_runs_our_tasks(loopback, tmp_path: Path) -> None:
    """``inspect eval osler/medq_deg`` in a process of its own, found by the entry point."""
    command = [sys.executable, "-m", "inspect_ai", "eval", "osler/medq_deg", "--limit", "4"]
    command += ["--model", "openai-api/osler/fake", "--model-base-url", loopback.url]
    command += ["-M", "api_key=none", "--no-log-images", "--log-dir", str(tmp_path)]
    done = subprocess.run(
        [*command, "--display", "none", "-T", "trials=1"],
        env={**os.environ, "OSLER_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    run = read_log(next(tmp_path.glob("*.eval")))
    assert len(run.replies) == 4
    assert all(reply.error is None for reply in run.replies.values())
