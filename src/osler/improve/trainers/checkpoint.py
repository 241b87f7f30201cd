"""The state of a training run on disk: tensors in safetensors, everything else in JSON, no pickle.

checkpoint/step-000120.safetensors   weights/NAME, adam/INDEX/{exp_avg, exp_avg_sq, step}, best/NAME
checkpoint/checkpoint.json           step, history and which file; written last, so that it is true
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from osler.core import BadFileError, InputError, sha256_hex, write_bytes, write_json

FOLDER, NAME = "checkpoint", "checkpoint.json"
FORMAT = 1


@dataclass(slots=True)
class Course:
    """How far a run has come. ``history`` and ``validation`` are rows of losses.json."""

    step: int = 0
    micro: int = 0
    tokens: int = 0
    seconds: float = 0.0
    before: float | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    validation: list[dict[str, Any]] = field(default_factory=list)


def write_checkpoint(
    out: Path,
    key: str,
    course: Course,
    weights: Mapping[str, Any],
    adam: Sequence[Mapping[str, Any]],
    best: Mapping[str, Any] | None,
) -> None:
    """Write the state after ``course.step`` steps and remove the older one.

    ``key`` identifies the run (student, data, settings, seed); ``adam`` is the optimizer's state,
    one mapping a parameter.
    """
    from safetensors.torch import save

    tensors = {f"weights/{name}": tensor for name, tensor in weights.items()}
    for index, row in enumerate(adam):
        tensors |= {f"adam/{index}/{name}": tensor.detach().cpu() for name, tensor in row.items()}
    tensors |= {f"best/{name}": tensor for name, tensor in (best or {}).items()}
    data = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    place = out / FOLDER
    file = f"step-{course.step:06d}.safetensors"
    write_bytes(place / file, data)
    head = {"format": FORMAT, "run": key, "file": file, "sha256": sha256_hex(data)}
    write_json(place / NAME, {**head, **asdict(course)})
    for old in place.glob("step-*.safetensors"):
        if old.name != file:
            old.unlink(missing_ok=True)


def read_checkpoint(out: Path, key: str) -> tuple[Course, dict[str, dict[str, Any]]] | None:
    """The stored state: the course, and tensors by their first word (weights, adam, best).

    Returns None where there is none.

    Raises
    ------
    InputError
        The folder holds another run.
    BadFileError
        The state is damaged.
    """
    place = out / FOLDER
    if not (place / NAME).exists():
        return None
    again = f"remove {out} to begin again"
    try:
        stored = json.loads((place / NAME).read_text(encoding="utf-8"))
        run, file, digest = stored.pop("run"), stored.pop("file"), stored.pop("sha256")
        stored.pop("format")
        course = Course(**stored)
        data = (place / Path(file).name).read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFileError(place / NAME, "is damaged", again) from error
    if run != key:
        raise other_run(out)
    if sha256_hex(data) != digest:
        raise BadFileError(place / file, "has changed since it was written", again)
    from safetensors.torch import load

    tensors: dict[str, dict[str, Any]] = {"weights": {}, "adam": {}, "best": {}}
    for name, tensor in load(data).items():
        kind, _, rest = name.partition("/")
        tensors[kind][rest] = tensor
    return course, tensors


def other_run(out: Path) -> InputError:
    """The refusal of a folder that belongs to other data, another student or other settings."""
    return InputError(
        f"{out} holds a training run of another student, set, seed or settings; give a new folder"
    )
