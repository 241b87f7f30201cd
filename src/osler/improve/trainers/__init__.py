"""Trainers by the prefix of the student they train; third parties add theirs by entry point.

A trainer takes a student and a training set and leaves, in a new folder, all that
``load_model(trained.model, **trained.options)`` needs to answer as the trained student does.
An entry point of the group ``osler.trainers`` is named by the prefix without its slash. Its module
may also hold ``check_settings(settings)``, which refuses wrong settings before any work is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from osler.core import InputError

from ..training_set import TrainingSet

GROUP = "osler.trainers"

BUILT_IN: Mapping[str, str] = {
    "osler/probe": "osler.improve.trainers.probe:train",
    "osler/vlm-tiny": "osler.improve.trainers.lora:train",
    "hf/": "osler.improve.trainers.lora:train",
}
"""Prefix (or whole name) of the student -> ``module:function`` of its trainer."""

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained student: ``load_model(model, **options)``; ``facts`` are for the record.

    ``options`` are those of the student it started from, with the trained files in place of the
    old ones; paths are absolute.
    """

    model: str
    options: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


class Trainer(Protocol):
    """Trains ``model`` (loaded with ``options``) on ``examples`` and writes the result to ``out``.

    ``settings`` are the trainer's own (rank, learning rate, ...); an unknown one is refused. The
    same arguments and seed give the same student on the same machine. Killed in the middle, the
    same call goes on from its last checkpoint in ``out``.
    """

    def __call__(
        self,
        model: str,
        options: Mapping[str, str],
        examples: TrainingSet,
        out: Path,
        *,
        settings: Mapping[str, str],
        seed: int,
        progress: Progress | None,
    ) -> Trained: ...


def trainer_for(model: str) -> Trainer:
    """The trainer of students called ``model``.

    Raises
    ------
    InputError
        There is none: the student cannot be trained here (an endpoint, stored answers).
    """
    module, function = _place_of(model)
    trainer: Trainer = getattr(module, function)
    return trainer


def check_settings(model: str, settings: Mapping[str, str]) -> None:
    """Refuse settings that the trainer of ``model`` would refuse, before there is anything to do.

    Raises
    ------
    InputError
        ``model`` cannot be trained, or a setting is unknown or wrong.
    """
    module, _ = _place_of(model)
    check: Callable[[Mapping[str, str]], None] | None = getattr(module, "check_settings", None)
    if check is not None:
        check(settings)


def _place_of(model: str) -> tuple[ModuleType, str]:
    """Module and function of a trainer."""
    found = {
        **{f"{p.name}/": p.value for p in entry_points(group=GROUP)},
        **BUILT_IN,
    }
    for prefix, target in found.items():
        if model == prefix or (prefix.endswith("/") and model.startswith(prefix)):
            module, _, function = target.partition(":")
            return import_module(module), function
    raise InputError(
        f"{model} cannot be trained here; a student is one of {', '.join(sorted(found))}"
    )


__all__ = ["GROUP", "Progress", "Trained", "Trainer", "check_settings", "trainer_for"]
