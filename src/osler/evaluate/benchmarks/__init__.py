"""Benchmarks by name: ours are folders with a ``card.toml``, others come by entry point.

A third party's package declares an entry point of the group ``osler.benchmarks`` that names a
:class:`Card` (or a function without arguments that gives one). Listing reads cards and imports no
benchmark.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from osler.core import Benchmark, InputError, UnknownNameError

GROUP = "osler.benchmarks"


@dataclass(frozen=True, slots=True)
class Card:
    """What a benchmark is, before any of its code is imported.

    ``entry`` is ``module:function``; the function takes ``(data, **options)`` and gives a
    :class:`osler.core.Benchmark`. ``default_data`` is used when the user names none; ``trials``,
    ``temperature`` and ``max_tokens`` are the published (or sensible) sampling.
    """

    name: str
    title: str
    version: str
    entry: str
    summary: str = ""
    paper: str = ""
    licence: str = "unknown"
    default_data: str = ""
    trials: int = 1
    temperature: float = 1.0
    max_tokens: int = 64


@lru_cache(maxsize=1)
def _cards() -> dict[str, Card]:
    found: dict[str, Card] = {}
    for path in sorted(Path(__file__).parent.glob("*/card.toml")):
        card = Card(**tomllib.loads(path.read_text(encoding="utf-8")))
        found[card.name] = card
    for entry in entry_points(group=GROUP):
        loaded = entry.load()
        card = loaded if isinstance(loaded, Card) else loaded()
        if not isinstance(card, Card):
            raise InputError(f"entry point {entry.name} of group {GROUP} gives no benchmark card")
        if card.name in found:
            raise InputError(
                f"two benchmarks are called {card.name}; uninstall the package of {entry.value}"
            )
        found[card.name] = card
    return found


def list_benchmarks() -> list[Card]:
    """Cards of all benchmarks, by name."""
    return [card for _, card in sorted(_cards().items())]


def benchmark_card(name: str) -> Card:
    """The card of the benchmark ``name``; ``-`` and ``_`` are the same.

    Raises
    ------
    UnknownNameError
        With near names, if there is none.
    """
    cards = _cards()
    found = cards.get(name) or cards.get(name.replace("_", "-"))
    if found is None:
        raise UnknownNameError("benchmark", name, cards)
    return found


def load_benchmark(name: str, data: str | Path | None = None, **options: Any) -> Benchmark:
    """The benchmark ``name`` on ``data``, ready to run.

    Parameters
    ----------
    name
        See :func:`list_benchmarks`.
    data
        What the benchmark reads: a folder, a file, or a word it knows (``mini``); None takes the
        ``default_data`` of its card.
    options
        The benchmark's own, by name; see its README. An unknown one is refused.

    Raises
    ------
    UnknownNameError
        For an unknown benchmark.
    InputError
        For data that cannot be used, or an unknown option.
    """
    card = benchmark_card(name)
    module, _, function = card.entry.partition(":")
    load = getattr(import_module(module), function)
    return load(str(data) if data is not None else card.default_data, **options)  # type: ignore[no-any-return]


__all__ = ["Card", "benchmark_card", "list_benchmarks", "load_benchmark"]
