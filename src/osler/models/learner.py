"""What a language model must offer to be fine-tuned: the one interface of all its trainers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from osler.core import InputError, Prompt, ReadBlob


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Low-rank adaptation (Hu et al. 2021): ``rank``, ``alpha`` (scale is alpha / rank),
    ``dropout`` in [0, 1)."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0


class Learner(Protocol):
    """A student open for training; torch modules inside, all on one device."""

    name: str

    def parameters(self) -> Iterable[Any]:
        """The trainable torch parameters, in a fixed order."""
        ...

    def loss(self, prompts: Sequence[Prompt], targets: Sequence[str], read: ReadBlob) -> Any:
        """Negative log-likelihood of the tokens of ``targets`` (and the token that ends a reply)
        after ``prompts``, and the number of those tokens: (scalar sum tensor, int)."""
        ...

    def train(self, on: bool) -> None:
        """Switch dropout on or off."""
        ...

    def save(self, folder: Path) -> Mapping[str, str]:
        """Write what was trained (safetensors) and return the options for ``load_model``."""
        ...

    def state(self) -> Mapping[str, Any]:
        """The trainable tensors by name, on the CPU, for checkpoints."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state` gave."""
        ...


_OPENERS = {
    "osler/vlm-tiny": "osler.models.vlm_tiny.learning:open_learner",
    "hf/": "osler.models.transformers_learn:open_learner",
}


def open_learner(
    model: str, options: Mapping[str, str], lora: LoraSettings, *, seed: int = 0
) -> Learner:
    """The student ``model``, as ``load_model(model, **options)`` would open it, for training.

    An adapter among ``options`` is trained on; without one, new weights are drawn by ``seed``.

    Raises
    ------
    InputError
        The model cannot be fine-tuned here.
    MissingError
        torch, transformers or peft is not installed.
    """
    for prefix, target in _OPENERS.items():
        if model == prefix or (prefix.endswith("/") and model.startswith(prefix)):
            module, _, function = target.partition(":")
            learner: Learner = getattr(import_module(module), function)(
                model, options, lora, seed=seed
            )
            return learner
    raise InputError(f"{model} has no weights here that could be fine-tuned")
