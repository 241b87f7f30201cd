"""Make the starting weights: ``python -m osler.models.vlm_tiny.starting OUT``.

First the student says answers in words (short sequences: projector and language model meet),
then it chooses letters in the form of MedQ-Deg, then both in turn (three to one). Adam (Kingma &
Ba 2015), the rate rising over 20 steps and falling to zero as a cosine. Killed, the same command
goes on from its last checkpoint. The result is start.safetensors (float16) and start.json in OUT,
to be copied beside this file, with its SHA-256 in ``weights.START_SHA256``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from osler.core import BadFileError, content_hash, sha256_hex, write_bytes, write_json

from ..learner import LoraSettings
from ..samples import training_pictures
from .learning import VlmLearner
from .lessons import Lesson, Lessons, album
from .model import open_student
from .weights import packed

_EVERY = 10
_WARM_UP = 20
_MEASURED = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings of the training: steps in words, with letters, with both; lessons a step."""

    say: int = 80
    choose: int = 20
    mixed: int = 60
    batch: int = 16
    rate: float = 1e-3
    rank: int = 8
    alpha: float = 16.0
    seed: int = 0

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.say + self.choose + self.mixed

    def chooses(self, step: int) -> bool:
        """Whether a step asks for letters."""
        late = step - self.say - self.choose
        return step >= self.say and (late < 0 or late % 4 == 3)


def make(out: Path, plan: Plan, tell: Any = None) -> dict[str, Any]:
    """Train and write the starting weights; what was done and measured, as written beside them.

    Parameters
    ----------
    tell
        Called with one line of progress at a time.

    Raises
    ------
    MissingError
        Weights, packages or training pictures are not installed.
    """
    say = tell or (lambda line: None)
    began = time.process_time()
    learner, lessons = _prepare(plan, say)
    optimizer = _optimizer(learner, plan)
    facts = _resume(out, plan, learner, optimizer)
    spent = float(facts["cpu_s"])
    if not facts["before"]:
        facts["before"] = _measure(learner, lessons)
    for step in range(int(facts["steps"]), plan.steps):
        loss = _step(learner, optimizer, lessons, plan, step)
        facts["losses"].append(round(loss, 4))
        facts["steps"], facts["cpu_s"] = step + 1, spent + time.process_time() - began
        if (step + 1) % _EVERY == 0 or step + 1 == plan.steps:
            _keep(out, plan, learner, optimizer, facts)
            recent = sum(facts["losses"][-_EVERY:]) / len(facts["losses"][-_EVERY:])
            say(f"step {step + 1} of {plan.steps}: loss a token {recent:.3f}, "
                f"{facts['cpu_s']:.0f} CPU-s")  # fmt: skip
    facts["after"] = _measure(learner, lessons)
    facts["cpu_s"] = spent + time.process_time() - began
    return _export(out, plan, learner, facts)


def _prepare(plan: Plan, say: Any) -> tuple[VlmLearner, Lessons]:
    pictures = training_pictures()
    student = open_student({}, start=False)
    words = student.network.get_input_embeddings().weight
    student.projector.draw(float(words.pow(2).mean().sqrt()), plan.seed)
    student.eyes = album(student.eyes, pictures, say)
    lora = LoraSettings(plan.rank, plan.alpha)
    return VlmLearner("osler/vlm-tiny", student, lora, seed=plan.seed), Lessons(pictures, plan.seed)


def _optimizer(learner: VlmLearner, plan: Plan) -> Any:
    import torch

    return torch.optim.Adam(learner.parameters(), lr=plan.rate, betas=(0.9, 0.99))


def _step(learner: VlmLearner, optimizer: Any, lessons: Lessons, plan: Plan, step: int) -> float:
    import torch

    rise = min(1.0, (step + 1) / _WARM_UP)
    for group in optimizer.param_groups:
        group["lr"] = plan.rate * rise * 0.5 * (1 + math.cos(math.pi * step / plan.steps))
    batch = lessons.batch(step, plan.batch, choose=plan.chooses(step))
    with torch.autocast("cpu", torch.bfloat16):  # 1.6 times faster; the weights stay float32
        total, count = _loss(learner, batch)
    optimizer.zero_grad()
    (total / count).backward()
    torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
    optimizer.step()
    return float(total.detach() / count)


def _loss(learner: VlmLearner, batch: Sequence[Lesson]) -> Any:
    return learner.loss([one.prompt for one in batch], [one.reply for one in batch], _never)


def _never(ref: Any) -> bytes:
    raise LookupError(f"{ref} is in the album")


def _measure(learner: VlmLearner, lessons: Lessons) -> dict[str, float]:
    """Mean loss a token over lessons with the variant that no step trains on, in both forms."""
    import torch

    found = {}
    for choose in (False, True):
        total = count = 0.0
        for start in range(0, _MEASURED, 16):
            batch = lessons.batch(-1 - start, 16, choose=choose, held=True)
            with torch.no_grad():
                loss, tokens = _loss(learner, batch)
            total, count = total + float(loss), count + tokens
        found["choose" if choose else "say"] = round(total / count, 4)
    return found


def _keep(out: Path, plan: Plan, learner: VlmLearner, optimizer: Any, facts: Any) -> None:
    """Write the checkpoint: tensors and moments first, then what names them."""
    tensors = dict(learner.state())
    for name, parameter in zip(tuple(tensors), learner.parameters(), strict=True):
        for key in ("exp_avg", "exp_avg_sq"):
            tensors[f"{key}/{name}"] = optimizer.state[parameter][key]
    data = packed(tensors)
    write_bytes(out / f"checkpoint-{facts['steps']}.safetensors", data)
    stated = {**facts, "plan": _key(plan), "sha256": sha256_hex(data)}
    write_json(out / "checkpoint.json", stated)
    for old in out.glob("checkpoint-*.safetensors"):
        if old.stem != f"checkpoint-{facts['steps']}":
            old.unlink()


def _resume(out: Path, plan: Plan, learner: VlmLearner, optimizer: Any) -> dict[str, Any]:
    import torch
    from safetensors.torch import load

    stated = out / "checkpoint.json"
    if not stated.is_file():
        return {"steps": 0, "cpu_s": 0.0, "before": {}, "losses": []}
    facts: dict[str, Any] = json.loads(stated.read_text("utf-8"))
    data = (out / f"checkpoint-{facts['steps']}.safetensors").read_bytes()
    if facts.pop("plan") != _key(plan) or facts.pop("sha256") != sha256_hex(data):
        raise BadFileError(out, "holds the checkpoint of another training", "use an empty folder")
    tensors = load(data)
    names = tuple(learner.state())
    learner.restore({name: tensors[name] for name in names})
    for name, parameter in zip(names, learner.parameters(), strict=True):
        moments = {key: tensors[f"{key}/{name}"] for key in ("exp_avg", "exp_avg_sq")}
        optimizer.state[parameter] = {"step": torch.tensor(float(facts["steps"])), **moments}
    return facts


def _key(plan: Plan) -> str:
    return content_hash(asdict(plan), 16)


def _export(out: Path, plan: Plan, learner: VlmLearner, facts: dict[str, Any]) -> dict[str, Any]:
    data = packed({name: tensor.half() for name, tensor in learner.state().items()})
    write_bytes(out / "start.safetensors", data)
    losses = facts.pop("losses")
    about = {
        "kind": "osler/vlm-tiny starting weights",
        "sha256": sha256_hex(data),
        "rank": plan.rank,
        "alpha": plan.alpha,
        "plan": asdict(plan),
        **facts,
        "first_losses": losses[:5],
        "last_losses": losses[-5:],
        "pictures": len(training_pictures()),
        "on": learner.student.hashes,
    }
    write_json(out / "start.json", about)
    return about


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; prints progress to standard error and the facts as JSON."""
    parser = argparse.ArgumentParser(prog="python -m osler.models.vlm_tiny.starting")
    parser.add_argument("out", type=Path, help="folder for checkpoints and the result")
    for name, value in asdict(Plan()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    given = vars(parser.parse_args(arguments))
    out = given.pop("out")
    facts = make(out, Plan(**given), lambda line: print(line, file=sys.stderr, flush=True))
    print(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
