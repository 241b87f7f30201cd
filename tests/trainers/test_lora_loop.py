"""The loop itself on a student whose losses and gradients are known in closed form.

It is a table of one logit a letter, the same for every prompt: the loss of a text is the sum of
-log softmax of its letters, and the gradient of the mean over tokens is softmax minus frequency.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osler.core import InputError, Prompt, write_bytes
from osler.improve.trainers import lora as trainer
from osler.improve.trainers.batches import (
    batch_of_step,
    split_by_patient,
    steps_of_an_epoch,
)
from osler.improve.trainers.recipe import Recipe, read_recipe
from osler.improve.training_set import Example, TrainingSet, write_training_set

LETTERS = "abcd"


class Table:
    """A learner of one logit a letter; ``faults`` plants what goes wrong."""

    name = "table"

    def __init__(self, **faults: Any) -> None:
        import torch

        self.logits = torch.nn.Parameter(torch.tensor([0.5, 0.0, -0.5, 0.25]))
        self.faults = faults
        self.training = False
        self.sizes: list[int] = []

    def parameters(self) -> list[Any]:
        return [self.logits]

    def loss(self, prompts: Sequence[Prompt], targets: Sequence[str], read: Any) -> Any:
        import torch

        if len(targets) > self.faults.get("room", 10**9):
            raise torch.OutOfMemoryError("no room")
        if self.training:
            self.sizes.append(len(targets))
        logp = torch.log_softmax(self.logits, dim=0)
        if self.training and len(self.sizes) > self.faults.get("nan_after", 10**9):
            logp = logp * math.nan
        letters = [LETTERS.index(letter) for target in targets for letter in target]
        return -logp[letters].sum(), len(letters)

    def train(self, on: bool) -> None:
        self.training = on

    def save(self, folder: Path) -> Mapping[str, str]:
        values = self.logits.detach().numpy().astype("<f4")
        write_bytes(Path(folder) / "logits.bin", values.tobytes())
        return {"table": str(folder)}

    def state(self) -> Mapping[str, Any]:
        return {"logits": self.logits.detach().clone()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.logits.data.copy_(state["logits"])


def example(number: int, answer: str, patient: str = "") -> Example:
    return Example(f"e{number:03d}", Prompt((f"Question {number}",)), answer, patient=patient)


@pytest.fixture
def texts(tmp_path: Path) -> TrainingSet:
    rng = np.random.default_rng(0)
    rows = [
        example(n, "".join(rng.choice(list(LETTERS), int(rng.integers(1, 9))))) for n in range(24)
    ]
    return write_training_set(tmp_path / "set", rows, lambda ref: b"")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def make(examples: TrainingSet, name: str = "out", table: Table | None = None, **settings: str):
        student = table or Table()
        monkeypatch.setattr(trainer, "open_learner", lambda *a, **k: student)
        how = {"lr": "0.05", "validation": "0", "warmup": "0", **settings}
        trained = trainer.train(
            "table", {}, examples, tmp_path / name, settings=how, seed=1, progress=None
        )
        values = np.frombuffer((tmp_path / name / "student" / "logits.bin").read_bytes(), "<f4")
        return trained, values, json.loads((tmp_path / name / "losses.json").read_text())

    return make


def test_the_first_step_is_the_closed_form(texts: TrainingSet, run) -> None:
    _, after, losses = run(texts, batch="24", max_steps="1", clip="0", micro="5")
    counts = Counter("".join(one.answer for one in texts.examples))
    share = np.array([counts[letter] for letter in LETTERS]) / sum(counts.values())
    start = np.array([0.5, 0.0, -0.5, 0.25])
    p = np.exp(start) / np.exp(start).sum()
    first = losses["training"][0]
    assert first["loss"] == pytest.approx(-(share * np.log(p)).sum(), rel=1e-5)
    assert first["gradient_norm"] == pytest.approx(np.linalg.norm(p - share), rel=1e-4)
    assert first["tokens"] == sum(counts.values())
    np.testing.assert_allclose(after, start - 0.05 * np.sign(p - share), atol=1e-4)


def test_it_finds_the_frequencies_of_the_letters(texts: TrainingSet, run) -> None:
    trained, after, losses = run(texts, batch="24", epochs="200")
    counts = Counter("".join(one.answer for one in texts.examples))
    share = np.array([counts[letter] for letter in LETTERS]) / sum(counts.values())
    np.testing.assert_allclose(np.exp(after) / np.exp(after).sum(), share, atol=1e-3)
    entropy = -(share * np.log(share)).sum()
    assert trained.facts["loss_after"] == pytest.approx(entropy, abs=1e-4)
    assert trained.facts["loss_on"] == "sample of the training examples"
    assert losses["validation"] == []


def test_parts_of_a_batch_do_not_change_what_is_learned(texts: TrainingSet, run) -> None:
    """Token-weighted: the mean is over the tokens of the batch, however it is cut."""
    found = [run(texts, f"m{m}", batch="12", epochs="5", micro=str(m))[1] for m in (1, 5, 12)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    np.testing.assert_allclose(found[0], found[2], atol=1e-5)


def test_parts_are_halved_until_they_fit(texts: TrainingSet, run) -> None:
    small = Table(room=3)
    trained, found, _ = run(texts, "small", small, batch="12", micro="12", epochs="5")
    _, truth, _ = run(texts, "large", batch="12", micro="12", epochs="5")
    assert trained.facts["settings"]["micro"] == 3
    assert max(small.sizes) == 3
    np.testing.assert_allclose(found, truth, atol=1e-5)
    with pytest.raises(InputError, match="one example of training does not fit"):
        run(texts, "none", Table(room=0))


def test_clipping_bounds_the_gradient(texts: TrainingSet, run) -> None:
    _, clipped, losses = run(texts, batch="24", max_steps="3", clip="0.001")
    _, free, _ = run(texts, "free", batch="24", max_steps="3", clip="0")
    assert losses["training"][0]["gradient_norm"] > 0.001  # the norm before it was clipped
    np.testing.assert_allclose(clipped, free, atol=1e-3)  # AdamW divides the scale out again
    assert not np.array_equal(clipped, free)


def test_a_loss_that_is_no_number_stops_and_keeps_what_is_good(
    texts: TrainingSet, run, tmp_path: Path
) -> None:
    bad = Table(nan_after=7)  # two parts a step: the fourth step breaks
    how = {"batch": "12", "micro": "6", "epochs": "5", "checkpoint_steps": "2"}
    with pytest.raises(InputError, match=r"not a number at step 4 of 10.* after step 3 is kept"):
        run(texts, "bad", bad, **how)
    from safetensors.numpy import load_file

    kept = load_file(tmp_path / "bad" / "checkpoint" / "step-000003.safetensors")
    assert np.isfinite(kept["weights/logits"]).all()
    losses = json.loads((tmp_path / "bad" / "losses.json").read_text())
    assert [row["step"] for row in losses["training"]] == [1, 2, 3]
    assert not (tmp_path / "bad" / "training.json").exists()
    _, whole, _ = run(texts, "whole", **how)
    resumed, found, _ = run(texts, "bad", **how)  # the fault is gone: it goes on
    assert resumed.facts["resumed_at_step"] == 3
    np.testing.assert_array_equal(found, whole)
    with pytest.raises(InputError, match="nothing was learned"):
        run(texts, "at once", Table(nan_after=0), **how)


@pytest.fixture
def opposed(tmp_path: Path) -> TrainingSet:
    """Patients to learn from answer a, those set aside answer b: learning only hurts."""
    rows = [example(n, "a", f"p{n % 20}") for n in range(40)]
    _, aside = split_by_patient(rows, 0.2, seed=1)
    names = {one.id for one in aside}
    rows = [example(n, "b" if f"e{n:03d}" in names else "a", f"p{n % 20}") for n in range(40)]
    return write_training_set(tmp_path / "opposed", rows, lambda ref: b"")


def test_patience_stops_early_and_takes_the_best(opposed: TrainingSet, run) -> None:
    how = {"validation": "0.2", "epochs": "20", "batch": "8"}
    patient, best, losses = run(opposed, patience="2", **how)
    assert patient.facts["steps"] == 3 * 4  # the first epoch is the best, two more are waited for
    assert len(losses["validation"]) == 3
    _, first, _ = run(opposed, "first", **{**how, "epochs": "20", "max_steps": "4"})
    values = [row["loss"] for row in losses["validation"]]
    assert values == sorted(values)
    assert patient.facts["loss_after"] == pytest.approx(values[0])
    stubborn, last, _ = run(opposed, "stubborn", **how)
    assert stubborn.facts["steps"] == 20 * 4
    assert stubborn.facts["loss_after"] > patient.facts["loss_after"]
    assert best[0] < last[0]
    assert first.shape == best.shape


def test_patients_are_never_split() -> None:
    rows = [example(n, "a", f"p{n % 13}") for n in range(100)]
    learn, measure = split_by_patient(rows, 0.1, seed=3)
    assert not {one.patient for one in learn} & {one.patient for one in measure}
    assert len(learn) + len(measure) == 100
    assert 10 <= len(measure) <= 17
    assert split_by_patient(rows, 0.1, seed=3) == (learn, measure)
    assert split_by_patient(rows, 0.1, seed=4) != (learn, measure)
    assert split_by_patient(rows, 0.0, seed=3)[1] == []
    assert split_by_patient(rows[:9], 0.5, seed=3)[1] == []  # nine patients are too few


def test_every_epoch_shows_every_example_once_in_a_new_order() -> None:
    rows = [example(n, "a" * (1 + n % 7)) for n in range(50)]
    each = steps_of_an_epoch(50, 8)
    assert each == 7
    epochs = [
        [batch_of_step(rows, 8, epoch * each + step, seed=1) for step in range(each)]
        for epoch in range(2)
    ]
    for batches in epochs:
        assert sorted(one.id for batch in batches for one in batch) == [one.id for one in rows]
        for batch in batches:
            lengths = [len(one.answer) + len(one.prompt.text) for one in batch]
            assert lengths == sorted(lengths, reverse=True)
    first = [{one.id for one in batches[0]} for batches in epochs]
    assert first[0] != first[1]


def test_the_rate_rises_and_falls() -> None:
    recipe = read_recipe({"lr": "0.01", "warmup": "0.1"})
    rates = [recipe.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.001)
    assert rates[9] == rates[10] == pytest.approx(0.01) == max(rates)
    assert rates[55] == pytest.approx(0.005)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-5
    assert Recipe().rate(0, 1) == pytest.approx(1e-4)
