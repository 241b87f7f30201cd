"""The settings of fine-tuning, read from words and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from osler.core import InputError, UnknownNameError


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a language student is fine-tuned.

    ``rank``, ``alpha``, ``dropout``: LoRA. ``lr``: peak learning rate of AdamW, reached after the
    share ``warmup`` of all steps, then falling to 0 as a cosine. ``batch``: examples a step;
    ``micro``: examples in one forward pass, halved where memory runs out. ``epochs`` passes, but
    at most ``max_steps`` steps (0: no limit). ``clip``: largest norm of the gradient (0: none).
    ``validation``: share of the examples, by whole patients, that only measures. ``patience``:
    epochs without a better validation loss after which training stops and the best weights are
    taken (0: never, the last are). ``targets``: what is learnt of a question with options, its
    ``letters`` after the whole prompt, or the ``words`` of the right option after the question
    alone; ``auto``: words for a student that weighs options by their words (``choose=words``). A
    checkpoint is written every ``checkpoint_steps`` steps (0:
    never) and ``checkpoint_seconds`` seconds. ``recompute``: activations are computed again
    instead of kept.

    Rank, alpha, learning rate, epochs and batch are Osler's own choice: those of MedQ-Engine
    (arXiv 2603.19863) are not published.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    lr: float = 1e-4
    epochs: int = 2
    batch: int = 32
    micro: int = 8
    max_steps: int = 0
    warmup: float = 0.03
    weight_decay: float = 0.0
    clip: float = 1.0
    validation: float = 0.1
    patience: int = 0
    checkpoint_steps: int = 0
    checkpoint_seconds: float = 300.0
    recompute: bool = False
    targets: str = "auto"

    @property
    def decisive(self) -> dict[str, Any]:
        """All that could change the result; when checkpoints are written does not."""
        return {k: v for k, v in asdict(self).items() if not k.startswith("checkpoint_")}

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of step ``step`` (from 0) of ``steps``.

        Examples
        --------
        >>> recipe = Recipe(lr=1.0, warmup=0.5)
        >>> [round(recipe.rate(step, 4), 2) for step in range(4)]
        [0.5, 1.0, 1.0, 0.5]
        """
        warm = math.ceil(self.warmup * steps)
        if step < warm:
            return self.lr * (step + 1) / warm
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


TARGETS = ("auto", "letters", "words")

_RANGES: Mapping[str, tuple[float, float]] = {
    "rank": (1, 4096),
    "alpha": (1e-6, 1e6),
    "dropout": (0, 0.95),
    "lr": (1e-9, 10),
    "epochs": (1, 10_000),
    "batch": (1, 100_000),
    "micro": (1, 100_000),
    "max_steps": (0, 10**9),
    "warmup": (0, 0.95),
    "weight_decay": (0, 10),
    "clip": (0, 1e6),
    "validation": (0, 0.5),
    "patience": (0, 10_000),
    "checkpoint_steps": (0, 10**9),
    "checkpoint_seconds": (0, 1e9),
}


def read_recipe(settings: Mapping[str, str]) -> Recipe:
    """The recipe that ``settings`` state in words; what is not stated keeps its default.

    Raises
    ------
    UnknownNameError
        A setting is not known; near names are listed.
    InputError
        A value is no number, or outside its range.
    """
    kinds = {one.name: str(one.type) for one in fields(Recipe)}
    values: dict[str, Any] = {}
    for key, text in settings.items():
        if key not in kinds:
            raise UnknownNameError("setting of fine-tuning", key, kinds)
        values[key] = _value(key, str(text).strip(), kinds[key])
    recipe = Recipe(**values)
    if recipe.patience and not recipe.validation:
        raise InputError("patience needs a validation share; set validation above 0")
    return recipe


def _value(key: str, text: str, kind: str) -> Any:
    if kind == "bool":
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in words:
            raise InputError(f"setting {key} must be true or false, not {text!r}")
        return words[text.lower()]
    if kind == "str":
        if text not in TARGETS:
            raise UnknownNameError(key, text, TARGETS)
        return text
    low, high = _RANGES[key]
    try:
        value = int(text) if kind == "int" else float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        number = "a whole number" if kind == "int" else "a number"
        raise InputError(f"setting {key} must be {number} from {low:g} to {high:g}, not {text!r}")
    return value
