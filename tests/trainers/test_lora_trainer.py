"""Fine-tuning through the real evaluation path: it learns, resumes exactly, and stops cleanly."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from osler.core import (
    BadFileError,
    InputError,
    Prompt,
    Request,
    Sampling,
    UnknownNameError,
)
from osler.improve.trainers import Trained, trainer_for
from osler.improve.training_set import TrainingSet, open_training_set
from osler.models.registry import load_model

CPU = {"device": "cpu"}
FAST = {"lr": "0.005", "epochs": "8", "batch": "16", "rank": "8"}


def run(student: str, examples: TrainingSet, out: Path, progress=None, **settings: str) -> Trained:
    return trainer_for(student)(
        student, CPU, examples, out, settings={**FAST, **settings}, seed=7, progress=progress
    )


def right(student: str, toy, **options: str) -> float:
    """Share of right letters on new images, asked as the engine asks."""
    model = load_model(student, **options)
    fresh = [toy.example(1000 + number) for number in range(24)]
    asked = [Request(e.prompt, Sampling(temperature=0, max_tokens=4)) for e in fresh]
    found = asyncio.run(model.reply(asked, toy.read))
    return sum(r.text == e.answer for r, e in zip(found, fresh, strict=True)) / len(fresh)


def weights(trained: Trained) -> bytes:
    return (Path(trained.options["adapter"]) / "adapter_model.safetensors").read_bytes()


class Killed(Exception):
    """Stands for a kill between two steps."""


def killed_at(step: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == step:
            raise Killed

    return progress


def test_it_learns_what_only_the_image_tells(student: str, toy, toy_set, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    before = right(student, toy, **CPU)
    trained = run(student, toy_set(64), tmp_path / "out", lambda *at: seen.append(at))
    facts = trained.facts
    assert trained.model == student
    assert right(student, toy, **trained.options) >= 0.9 > before + 0.3
    assert facts["loss_after"] < 0.2 < 2 < facts["loss_before"]
    assert facts["loss_on"] == "validation"
    assert facts["validation_examples"] >= 7
    assert seen == [(n, facts["steps"]) for n in range(1, facts["steps"] + 1)]
    losses = json.loads((tmp_path / "out" / "losses.json").read_text())
    assert len(losses["training"]) == facts["steps"] == 8 * 4
    assert len(losses["validation"]) == 8
    assert losses["validation"][-1]["loss"] == facts["loss_after"]
    assert losses["before"]["loss"] == facts["loss_before"]
    assert facts["tokens"] == 2 * 8 * facts["examples"]  # a letter and the end, eight epochs
    assert facts["trainable_parameters"] == 8 * 2 * (4 * 64 + 3 * 96)
    assert facts["device"] == "cpu"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "losses.json", "student", "training.json",
    ]  # fmt: skip


def test_a_killed_run_ends_with_the_same_weights(llava: Path, toy_set, tmp_path: Path) -> None:
    student, examples = f"hf/{llava}", toy_set(48)
    how = {"epochs": "3", "dropout": "0.2", "micro": "4", "checkpoint_steps": "3", "patience": "9"}
    whole = run(student, examples, tmp_path / "whole", **how)
    for step in (5, 8):  # after a checkpoint, so that steps are lost; the second one is resumed
        with pytest.raises(Killed):
            run(student, examples, tmp_path / "cut", killed_at(step), **how)
        names = sorted(p.name for p in (tmp_path / "cut" / "checkpoint").iterdir())
        assert names == ["checkpoint.json", f"step-{step // 3 * 3:06d}.safetensors"]
    resumed = run(student, examples, tmp_path / "cut", **how)
    assert resumed.facts["resumed_at_step"] == 6
    assert weights(resumed) == weights(whole)
    timeless = ("seconds", "resumed_at_step", "peak_memory_mb")
    one, other = ({k: v for k, v in t.facts.items() if k not in timeless} for t in (whole, resumed))
    assert one == other
    assert (tmp_path / "cut" / "losses.json").read_text() == (
        tmp_path / "whole" / "losses.json"
    ).read_text()


def test_checkpoints_hold_no_pickle(llava: Path, toy_set, tmp_path: Path) -> None:
    from safetensors import safe_open

    out = tmp_path / "out"
    with pytest.raises(Killed):
        run(f"hf/{llava}", toy_set(20), out, killed_at(2), checkpoint_seconds="0")
    files = [p for p in out.rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".json", ".safetensors"}
    with safe_open(out / "checkpoint" / "step-000002.safetensors", "pt") as stored:
        kinds = {(key.split("/")[0], key.split("/")[-1]) for key in stored.keys()}  # noqa: SIM118
    assert {("adam", "exp_avg"), ("adam", "exp_avg_sq"), ("adam", "step")} <= kinds
    assert {kind for kind, _ in kinds} == {"adam", "weights"}


def test_a_finished_run_is_returned_and_another_refused(
    llava: Path, toy, toy_set, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student, examples, out = f"hf/{llava}", toy_set(20), tmp_path / "out"
    first = run(student, examples, out, max_steps="1")
    (tmp_path / "moved").mkdir()
    out.rename(tmp_path / "moved" / "out")
    out = tmp_path / "moved" / "out"
    with monkeypatch.context() as patch:
        patch.setattr("osler.improve.trainers.lora.open_learner", None)  # not even opened
        again = run(student, examples, out, max_steps="1")
        with pytest.raises(InputError, match="another student, set, seed or settings"):
            run(student, examples, out, max_steps="1", lr="0.1")
    assert again.facts == first.facts
    assert again.options["adapter"] == str(out / "student")
    assert weights(again)
    (out / "training.json").write_text("{}")
    with pytest.raises(BadFileError, match="is damaged"):
        run(student, examples, out, max_steps="1")


def test_damaged_and_foreign_checkpoints_are_refused(llava: Path, toy_set, tmp_path: Path) -> None:
    student, examples, out = f"hf/{llava}", toy_set(20), tmp_path / "out"
    with pytest.raises(Killed):
        run(student, examples, out, killed_at(1), checkpoint_seconds="0")
    with pytest.raises(InputError, match="give a new folder"):
        run(student, examples, out, rank="4")
    state = out / "checkpoint" / "step-000001.safetensors"
    state.write_bytes(state.read_bytes()[:-1] + b"x")
    with pytest.raises(BadFileError, match="begin again"):
        run(student, examples, out)
    (out / "checkpoint" / "checkpoint.json").write_text('{"run": 1}')
    with pytest.raises(BadFileError, match="is damaged"):
        run(student, examples, out)


BAD = {
    "epoch": ("3", UnknownNameError, "did you mean epochs"),
    "lr": ("fast", InputError, "setting lr must be a number from 1e-09 to 10, not 'fast'"),
    "epochs": ("1.5", InputError, "a whole number from 1"),
    "rank": ("0", InputError, "from 1"),
    "dropout": ("nan", InputError, "from 0 to 0.95"),
    "recompute": ("maybe", InputError, "true or false"),
    "validation": ("0.9", InputError, "from 0 to 0.5"),
}


@pytest.mark.parametrize("key", BAD)
def test_settings_without_meaning_are_refused(
    key: str, llava: Path, toy_set, tmp_path: Path
) -> None:
    value, error, words = BAD[key]
    with pytest.raises(error, match=words):
        run(f"hf/{llava}", toy_set(4), tmp_path / "out", **{key: value})
    with pytest.raises(InputError, match="patience needs"):
        run(f"hf/{llava}", toy_set(4), tmp_path / "out", patience="1", validation="0")
    assert not (tmp_path / "out").exists()


def test_a_lost_image_is_named_before_anything_is_written(
    llava: Path, toy, toy_set, tmp_path: Path
) -> None:
    examples = toy_set(6)
    lost = examples.examples[4].images[0].sha256
    next((tmp_path / "set" / "images").rglob(f"{lost}*")).unlink()
    with pytest.raises(BadFileError, match="an image of example e004"):
        run(f"hf/{llava}", open_training_set(tmp_path / "set"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_text_answers_are_learned_as_text(llava: Path, toy, tmp_path: Path) -> None:
    from osler.improve.training_set import write_training_set

    words = ("red", "a blue one")
    rows = [
        toy.example(
            n,
            options={},
            answer=words[n % 2],
            prompt=Prompt((toy.example(n).images[0], "Describe.")),
        )
        for n in range(16)
    ]
    examples = write_training_set(tmp_path / "set", rows, toy.read)
    trained = run(f"hf/{llava}", examples, tmp_path / "out", epochs="30", batch="8", validation="0")
    asked = [Request(rows[n].prompt, Sampling(temperature=0, max_tokens=16)) for n in (0, 1)]
    found = asyncio.run(load_model(trained.model, **trained.options).reply(asked, toy.read))
    assert [reply.text for reply in found] == list(words)
    assert [reply.finish for reply in found] == ["stop", "stop"]


def test_nothing_is_written_into_the_base(llava: Path, toy_set) -> None:
    with pytest.raises(InputError, match="give a folder outside"):
        run(f"hf/{llava}", toy_set(4), llava / "tuned")
    assert not (llava / "tuned").exists()


@pytest.mark.slow
def test_kill_nine_in_the_middle(llava: Path, toy_set, tmp_path: Path) -> None:
    examples, how = toy_set(40), {"epochs": "60", "checkpoint_steps": "5", "batch": "8"}
    program = textwrap.dedent(f"""
        from osler.improve.trainers import trainer_for
        from osler.improve.training_set import open_training_set
        trainer_for("hf/x")("hf/{llava}", {CPU!r}, open_training_set({str(tmp_path / "set")!r}),
            __import__("pathlib").Path({str(tmp_path / "cut")!r}),
            settings={ {**FAST, **how}!r}, seed=7, progress=None)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    until = time.monotonic() + 120
    while not (tmp_path / "cut" / "checkpoint" / "checkpoint.json").exists():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "cut" / "training.json").exists()
    resumed = run(f"hf/{llava}", examples, tmp_path / "cut", **how)
    assert resumed.facts["resumed_at_step"] >= 5
    assert weights(resumed) == weights(run(f"hf/{llava}", examples, tmp_path / "whole", **how))


def test_words_are_learnt_by_students_that_weigh_words() -> None:
    from osler.core import ImageRef, Prompt
    from osler.improve.trainers.lora import in_words
    from osler.improve.training_set import Example

    picture = ImageRef("0" * 64)
    asked = Prompt(("Question", picture, "A) Mild B) Severe. Reply with the letter."), "system")
    one = Example("1", asked, "B", "How strong?", {"A": "Mild", "B": "Severe"})
    taught = in_words(one)
    assert taught.prompt == Prompt((picture, "How strong?"))
    assert (taught.answer, dict(taught.options)) == ("Severe", {})
    assert in_words(taught) == taught
