"""Names of models: a prefix maps to an import string, so that listing imports nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from osler.core import InputError, MissingError, Model, UnknownNameError

GROUP = "osler.models"
"""Entry-point group of third parties: the name is the prefix without its slash."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A prefix (or whole name) of models and where its loader lives.

    ``target`` is ``module:function``; the function has the signature
    ``load(name: str, **options) -> Model`` and refuses options that it does not know.
    """

    prefix: str
    target: str
    about: str

    def fits(self, name: str) -> bool:
        """Whether ``name`` belongs to this entry."""
        whole = not self.prefix.endswith(("/", ":"))
        return name == self.prefix if whole else name.startswith(self.prefix)


_OPENAI = "osler.models.openai:load"

BUILT_IN = (
    ModelEntry(
        "osler/probe",
        "osler.models.probe:load",
        "embedded smoke-test model: frozen image features with small heads",
    ),
    ModelEntry(
        "osler/smollm2",
        "osler.models.smollm2:load",
        "embedded smoke-test language model (text only), SmolLM2-135M",
    ),
    ModelEntry(
        "osler/vlm-tiny",
        "osler.models.vlm_tiny:load",
        "embedded smoke-test vision-language model that can be fine-tuned",
    ),
    ModelEntry("openai/", _OPENAI, "OpenAI; key in OPENAI_API_KEY"),
    ModelEntry("vllm/", _OPENAI, "a vLLM server, http://localhost:8000/v1 unless --base-url"),
    ModelEntry("sglang/", _OPENAI, "an SGLang server, http://localhost:30000/v1 unless --base-url"),
    ModelEntry("ollama/", _OPENAI, "an Ollama server, http://localhost:11434/v1 unless --base-url"),
    ModelEntry(
        "hf/", "osler.models.transformers_vision:load", "a transformers vision model run here"
    ),
    ModelEntry("file:", "osler.models.replay:load", "stored answers: file:answers.jsonl"),
    ModelEntry("fake:", "osler.models.fake:load", "a scripted fake for tests: fake:script.json"),
)


def list_models() -> list[ModelEntry]:
    """All known prefixes, Osler's own first, then those of installed entry points."""
    own = {entry.prefix for entry in BUILT_IN}
    found = [
        ModelEntry(f"{point.name}/", point.value, f"from {point.dist.name if point.dist else '?'}")
        for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)
        if f"{point.name}/" not in own
    ]
    return [*BUILT_IN, *found]


def load_model(name: str, **options: Any) -> Model:
    """The model called ``name``.

    Parameters
    ----------
    name
        ``prefix/model`` with a prefix of :func:`list_models`, or any model name together with the
        option ``base_url`` of an OpenAI-compatible endpoint.
    options
        For the loader of the prefix; those that are None are dropped.

    Raises
    ------
    UnknownNameError
        No such model or option; near names are listed.
    MissingError
        The model's packages are not installed.
    """
    options = {key: value for key, value in options.items() if value is not None}
    entry = next((e for e in list_models() if e.fits(name)), None)
    if entry is None and "base_url" in options:
        entry = ModelEntry("", _OPENAI, "")
    if entry is None:
        known = [e.prefix for e in list_models()]
        raise UnknownNameError("model", name, known, "osler eval --list")
    if name == entry.prefix and name.endswith(("/", ":")) and name != "fake:":
        raise InputError(f"model {name!r} names no model; write it as {name}NAME")
    return _loader(entry)(name, **options)


def check_options(kind: str, options: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse options that a loader does not know.

    Raises
    ------
    UnknownNameError
        With the nearest known option.
    """
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of {kind}", option, known)


def whole_number(option: str, value: Any) -> int:
    """The value of an option that is a whole number from 1.

    Raises
    ------
    InputError
        It is none.
    """
    try:
        found = int(value)
    except (TypeError, ValueError):
        found = 0
    if found < 1:
        raise InputError(f"option {option} must be a whole number from 1, not {value!r}")
    return found


def _loader(entry: ModelEntry) -> Callable[..., Model]:
    module, _, function = entry.target.partition(":")
    try:
        loader: Callable[..., Model] = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        if error.name is not None and module.startswith(error.name):
            raise MissingError(f"{entry.prefix} is not part of this installation") from error
        raise MissingError(
            f"{entry.prefix} needs the package {error.name}; `osler doctor` says how to get it"
        ) from error
    return loader
