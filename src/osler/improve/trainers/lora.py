"""Fine-tune a language student: AdamW on the log-likelihood of the answers, resumable, exact.

Every step is decided by the seed and its number (order, dropout, learning rate), and a checkpoint
holds all that a step changes. So a run that was killed and called again gives, on the CPU, the same
weights to the last bit. Written to ``out``: ``student/`` (what ``load_model`` needs),
``losses.json``, ``training.json``; and ``checkpoint/`` until it is done.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from osler.core import (
    BadFileError,
    InputError,
    Prompt,
    alone,
    content_hash,
    plain,
    write_json,
)
from osler.evaluate.benchmarks.folder import image_path
from osler.models.learner import Learner, LoraSettings, open_learner

from ..training_set import Example, TrainingSet
from . import Progress, Trained
from .batches import batch_of_step, split_by_patient, steps_of_an_epoch, watched
from .checkpoint import FOLDER, Course, other_run, read_checkpoint, write_checkpoint
from .passes import Passes, device_name, peak_memory_mb
from .recipe import Recipe, read_recipe

RECORD, LOSSES, STUDENT = "training.json", "losses.json", "student"


def train(
    model: str,
    options: Mapping[str, str],
    examples: TrainingSet,
    out: Path,
    *,
    settings: Mapping[str, str],
    seed: int,
    progress: Progress | None,
) -> Trained:
    """Fine-tune ``model`` on ``examples``; a :class:`osler.improve.trainers.Trainer`.

    ``settings`` are those of :class:`.recipe.Recipe`, as words. Losses are nats a token of the
    answer, the token that ends it included.

    Raises
    ------
    UnknownNameError, InputError
        A setting is wrong, ``out`` holds another run, an image cannot be read, the loss is not a
        number, or one example does not fit in memory.
    MissingError
        torch, transformers or peft is not installed.
    """
    recipe = read_recipe(settings)
    place = Path(out).resolve()
    rows = examples.hash or content_hash([plain(one) for one in examples.examples], 32)
    key = content_hash(
        {"model": model, "options": dict(options), "set": rows, "seed": seed, **recipe.decisive}
    )
    finished = _finished(place, key)
    if finished is not None:
        return finished
    if recipe.targets == "words" or (recipe.targets == "auto" and options.get("choose") == "words"):
        examples = replace(examples, examples=tuple(map(in_words, examples.examples)))
    read_checkpoint(place, key)  # before the student is opened: a refusal is quick
    _outside_of_the_base(model, place)
    _images_are_there(examples)
    lora = LoraSettings(recipe.rank, recipe.alpha, recipe.dropout)
    learner = open_learner(model, options, lora, seed=seed)
    if recipe.recompute:
        _recompute(learner)
    with alone(place):
        finished, stored = _finished(place, key), read_checkpoint(place, key)  # by another process
        if finished is not None:
            return finished
        run = _Run(learner, recipe, examples, place, key, seed, stored)
        run.all_steps(progress)
        return run.finish(model)


def check_settings(settings: Mapping[str, str]) -> None:
    """Refuse settings that :func:`train` would refuse."""
    read_recipe(settings)


def _finished(place: Path, key: str) -> Trained | None:
    """What an earlier call of the same run left, its paths moved along with the folder."""
    if not (place / RECORD).exists():
        return None
    try:
        found = json.loads((place / RECORD).read_text(encoding="utf-8"))
        run, old = found["run"], str(found["folder"])
        options = {
            name: str(place) + value.removeprefix(old) if value.startswith(old) else value
            for name, value in found["options"].items()
        }
        trained = Trained(found["model"], options, found["facts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFileError(
            place / RECORD, "is damaged", f"remove {place} to train again"
        ) from error
    if run != key:
        raise other_run(place)
    return trained


def _outside_of_the_base(model: str, place: Path) -> None:
    """A local base is known by the hash of its folder, which must not change by training."""
    base = Path(model.removeprefix("hf/"))
    if base.is_dir() and place.is_relative_to(base.resolve()):
        raise InputError(f"{place} lies in the folder of the base {base}; give a folder outside")


def in_words(one: Example) -> Example:
    """A question with options as one without: the images, the question, the right option's text.

    Examples
    --------
    >>> from osler.core import Prompt
    >>> asked = Prompt(("Which part? A) Head B) Chest. Reply with the letter.",))
    >>> in_words(Example("1", asked, "B", "Which part?", {"A": "Head", "B": "Chest"})).answer
    'Chest'
    """
    if not one.options:
        return one
    prompt = Prompt((*one.images, one.question))
    return replace(one, prompt=prompt, answer=one.options[one.answer], options={})


def _images_are_there(examples: TrainingSet) -> None:
    for one in examples.examples:
        for ref in one.images:
            if not image_path(examples.folder, ref).is_file():
                raise BadFileError(
                    image_path(examples.folder, ref),
                    f"is missing, an image of example {one.id}",
                    "write the training set again",
                )


def _recompute(learner: Learner) -> None:
    switch = getattr(learner, "recompute", None)
    if switch is None:
        raise InputError(f"{learner.name} cannot recompute activations; leave recompute out")
    switch(True)


class _Run:
    """One training run in ``place``; ``course`` says how far it has come."""

    def __init__(
        self,
        learner: Learner,
        recipe: Recipe,
        examples: TrainingSet,
        place: Path,
        key: str,
        seed: int,
        stored: tuple[Course, dict[str, dict[str, Any]]] | None,
    ) -> None:
        import torch

        self.learner, self.recipe, self.examples = learner, recipe, examples
        self.place, self.key, self.seed = place, key, seed
        self.learn, self.measure = split_by_patient(examples.examples, recipe.validation, seed)
        self.watch = watched(self.learn, self.measure, seed)
        self.epoch = steps_of_an_epoch(len(self.learn), recipe.batch)
        self.steps = min(recipe.epochs * self.epoch, recipe.max_steps or sys.maxsize)
        self.weights = list(learner.parameters())
        self.device = self.weights[0].device
        self.adam = torch.optim.AdamW(self.weights, lr=recipe.lr, weight_decay=recipe.weight_decay)
        self.course = Course(micro=min(recipe.micro, recipe.batch))
        self.best: Mapping[str, Any] | None = None
        self.saved, self.resumed = 0, 0
        if stored is not None:
            self._go_on(*stored)
        self.passes = Passes(learner, examples.read, self.course, seed)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def _go_on(self, course: Course, tensors: dict[str, dict[str, Any]]) -> None:
        self.learner.restore(tensors["weights"])
        self.best = tensors["best"] or None
        for name, tensor in tensors["adam"].items():
            index, _, part = name.partition("/")
            weight = self.weights[int(index)]
            # As torch does it: the count of steps stays on the CPU.
            there = tensor if part == "step" else tensor.to(weight.device)
            self.adam.state[weight][part] = there
        self.course = course
        self.saved = self.resumed = course.step

    def all_steps(self, progress: Progress | None) -> None:
        """Every step that is still to be done, with checkpoints."""
        course, clock = self.course, _Clock(self.course.seconds)
        if course.before is None:
            course.before = self._measured_loss()
        last = time.monotonic()
        while course.step < self.steps and not self._is_stale():
            self._step()
            course.seconds = clock.seconds()
            if course.step % self.epoch == 0 or course.step == self.steps:
                self._validate()
            often = self.recipe.checkpoint_steps
            due = time.monotonic() - last >= self.recipe.checkpoint_seconds
            if due or (often and course.step % often == 0):
                course.seconds = clock.seconds()
                self._save()
                last = time.monotonic()
            if progress is not None:
                progress(course.step, self.steps)
        course.seconds = clock.seconds()

    def finish(self, model: str) -> Trained:
        """Write the student and the record, and return it."""
        if self.recipe.patience and self.best is not None:
            self.learner.restore(self.best)
        self.learner.train(False)
        after = self._measured_loss()
        options = dict(self.learner.save(self.place / STUDENT))
        facts = self._facts(after)
        self._write_losses()
        record = {"run": self.key, "folder": str(self.place), "model": model}
        write_json(self.place / RECORD, {**record, "options": options, "facts": facts})
        for old in (self.place / FOLDER).glob("*"):
            old.unlink(missing_ok=True)
        if (self.place / FOLDER).is_dir():
            (self.place / FOLDER).rmdir()
        return Trained(model, options, facts)

    def _step(self) -> None:
        import torch

        course = self.course
        rate = self.recipe.rate(course.step, self.steps)
        for group in self.adam.param_groups:
            group["lr"] = rate
        batch = batch_of_step(self.learn, self.recipe.batch, course.step, self.seed)
        loss, tokens = self.passes.gradient(batch)
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        for gradient in gradients:
            gradient.div_(tokens)  # every token of the batch weighs the same
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights, self.recipe.clip or math.inf))
        if not math.isfinite(loss) or not math.isfinite(norm):
            self._diverged(rate)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        course.step += 1
        course.tokens += tokens
        course.history.append(
            {
                "step": course.step,
                "epoch": (course.step - 1) // self.epoch + 1,
                "loss": loss / tokens,
                "learning_rate": rate,
                "gradient_norm": norm,
                "examples": len(batch),
                "tokens": tokens,
            }
        )

    def _measured_loss(self) -> float:
        loss = self.passes.mean_loss(self.watch)
        if not math.isfinite(loss):
            self._diverged(self.recipe.rate(max(0, self.course.step - 1), self.steps))
        return loss

    def _validate(self) -> None:
        if not self.measure:
            return
        course = self.course
        losses = [row["loss"] for row in course.validation]
        loss = self._measured_loss()
        course.validation.append({"step": course.step, "loss": loss})
        if self.recipe.patience and loss < min(losses, default=math.inf):
            self.best = self.learner.state()

    def _is_stale(self) -> bool:
        losses = [row["loss"] for row in self.course.validation]
        if not self.recipe.patience or not losses:
            return False
        return len(losses) - 1 - losses.index(min(losses)) >= self.recipe.patience

    def _save(self) -> None:
        adam = [dict(self.adam.state.get(weight, {})) for weight in self.weights]
        weights = self.learner.state()
        write_checkpoint(self.place, self.key, self.course, weights, adam, self.best)
        self._write_losses()
        self.saved = self.course.step

    def _write_losses(self) -> None:
        course = self.course
        before = {"step": 0, "loss": course.before, "on": self._watched_name()}
        write_json(
            self.place / LOSSES,
            {"before": before, "training": course.history, "validation": course.validation},
        )

    def _watched_name(self) -> str:
        return "validation" if self.measure else "sample of the training examples"

    def _diverged(self, rate: float) -> None:
        """Stop: what was learned up to the last good checkpoint stays on disk."""
        self.learner.train(False)
        weights = self.learner.state()
        good = all(bool(value.isfinite().all()) for value in weights.values())
        if good and self.course.step > self.saved:
            self._save()
        kept = f"the state after step {self.saved} is kept in {self.place / FOLDER}"
        raise InputError(
            f"the loss is not a number at step {self.course.step + 1} of {self.steps} (learning "
            f"rate {rate:g}), so training stopped; {kept if self.saved else 'nothing was learned'}"
            "; look at losses.json, and train in a new folder with a smaller lr"
        )

    def _facts(self, after: float) -> dict[str, Any]:
        course = self.course
        return {
            "trainer": "lora",
            "student": self.learner.name,
            "seed": self.seed,
            "settings": {**self.recipe.decisive, "micro": course.micro},
            "examples": len(self.learn),
            "validation_examples": len(self.measure),
            "steps": course.step,
            "steps_planned": self.steps,
            "tokens": course.tokens,
            "loss_on": self._watched_name(),
            "loss_before": course.before,
            "loss_after": after,
            "seconds": round(course.seconds, 3),
            "resumed_at_step": self.resumed,
            "trainable_parameters": sum(weight.numel() for weight in self.weights),
            "peak_memory_mb": peak_memory_mb(self.device),
            "device": device_name(self.device),
        }


class _Clock:
    """Seconds of wall time, on top of those of earlier calls."""

    def __init__(self, earlier: float) -> None:
        self._earlier, self._start = earlier, time.monotonic()

    def seconds(self) -> float:
        return self._earlier + time.monotonic() - self._start
