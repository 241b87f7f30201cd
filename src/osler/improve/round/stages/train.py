"""Stage train: a new student from the old one, the new labels and a share of earlier ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from osler.core import ImageRef, derive_rng, write_json

from ...trainers import Trained, trainer_for
from ...training_set import Example, TrainingSet, open_training_set, write_training_set
from ..context import Round, moved, tidy
from ..stage import Done, Stage
from .check import SET


def _run(round_: Round, folder: Path) -> Done:
    fresh = open_training_set(round_.folder("check") / SET)
    examples = with_replay(round_, fresh, folder / SET)
    trained = train(round_, examples, folder / "student", "training")
    write_json(folder / "trained.json", {**tidy(trained), "folder": str(folder)})
    again = len(examples) - len(fresh)
    replayed = f" and {again} earlier ones" if again else ""
    return Done(
        f"{round_.plan.model} trained on {len(fresh)} new examples{replayed}",
        ("trained.json",),
        {"examples": len(fresh), "replayed": again, **trained.facts},
    )


def train(round_: Round, examples: TrainingSet, out: Path, what: str) -> Trained:
    """Train the student that the round started with on ``examples``."""

    def step(done: int, total: int) -> None:
        round_.progress(what, done, total)

    trainer = trainer_for(round_.plan.model)
    return trainer(
        round_.plan.model,
        round_.plan.options,
        examples,
        out,
        settings=round_.plan.training,
        seed=round_.plan.seed,
        progress=step,
    )


def with_replay(round_: Round, fresh: TrainingSet, out: Path) -> TrainingSet:
    """``fresh`` with examples of earlier sets so that they make up ``replay_share`` of the whole.

    A model that sees only what it was bad at forgets what it was good at. A question about the same
    image is taken once, the latest; another one of the same id (two rounds of one name) gets a new
    id.
    """
    share = round_.plan.replay_share
    ids = {one.id for one in fresh.examples}
    asked = {_asks(one) for one in fresh.examples}
    earlier: list[tuple[Example, TrainingSet]] = []
    for folder in round_.plan.replay:
        held = open_training_set(folder)
        for one in held.examples:
            if _asks(one) in asked:
                continue
            name = f"{held.hash[:8]}-{one.id}" if one.id in ids else one.id
            earlier.append((replace(one, id=name), held))
            ids.add(name)
            asked.add(_asks(one))
    count = round(len(fresh) * share / (1 - share)) if share < 1 else len(earlier)
    if not earlier or not count:
        return fresh
    order = derive_rng("replay", round_.plan.seed).permutation(len(earlier))[:count]
    drawn = [earlier[int(i)] for i in sorted(order)]
    home = {ref.sha256: fresh for one in fresh.examples for ref in one.images}
    home |= {ref.sha256: held for one, held in drawn for ref in one.images}

    def read(ref: ImageRef) -> bytes:
        return home[ref.sha256].read(ref)

    whole = [*fresh.examples, *(one for one, _ in drawn)]
    return write_training_set(out, whole, read, {"replayed": len(drawn)})


def _asks(one: Example) -> tuple[str, ...]:
    """What an example is about: its question, options and images."""
    return (one.question, *sorted(one.options.values()), *(ref.sha256 for ref in one.images))


def read_trained(folder: Path) -> Trained:
    """What stage train left, its paths moved along with the folder."""
    body = json.loads((folder / "trained.json").read_text(encoding="utf-8"))
    options = moved(body["options"], body.get("folder", ""), folder)
    return Trained(body["model"], options, body["facts"])


TRAIN = Stage(
    "train",
    2,
    ("check",),
    ("model", "options", "training", "replay", "replay_share", "seed"),
    _run,
)
