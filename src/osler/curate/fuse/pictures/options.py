"""Settings of a layout: a goal's ``sources[].options``, each checked by name and type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from osler.core import InputError, UnknownNameError

from ..case import Source

COMMON = {
    "label_table": 'table of labels to map names with, or "none" for the dictionary of the set',
}
"""Settings that no layout reads but what comes after it; every layout lets them through."""


def check_options(source: Source, known: Mapping[str, str]) -> None:
    """Refuse an option that the layout does not have; ``known`` maps names to what they do.

    Raises
    ------
    UnknownNameError
        With near names.
    """
    for name in source.options:
        if name not in known and name not in COMMON:
            raise UnknownNameError(f"option of layout {source.layout}", name, [*known, *COMMON])


def _wrong(source: Source, name: str, want: str) -> InputError:
    value = str(source.options[name])[:60]
    return InputError(
        f"source {source.dataset}: option {name!r} is {value!r}; give {want} or leave it out"
    )


def text_of(source: Source, name: str, default: str = "") -> str:
    """An option that is a text."""
    value = source.options.get(name, default)
    if not isinstance(value, str):
        raise _wrong(source, name, "a text")
    return value


def choice_of(source: Source, name: str, allowed: tuple[str, ...]) -> str:
    """An option that is one of ``allowed``, the first being the default."""
    value = source.options.get(name, allowed[0])
    if value not in allowed:
        raise _wrong(source, name, "one of " + ", ".join(map(repr, allowed)))
    return str(value)


def flag_of(source: Source, name: str, default: bool = False) -> bool:
    """An option that is true or false."""
    value = source.options.get(name, default)
    if not isinstance(value, bool):
        raise _wrong(source, name, "true or false")
    return value


def number_of(
    source: Source, name: str, default: float | None, *, least: float, most: float
) -> float | None:
    """An option that is a number from ``least`` to ``most``."""
    value: Any = source.options.get(name, default)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise _wrong(source, name, f"a number from {least:g} to {most:g}")
    return float(value)


def names_of(source: Source, name: str) -> dict[str, str]:
    """An option that maps texts to texts; a list gives the numbers from 0 as keys."""
    value: Any = source.options.get(name, {})
    if isinstance(value, list | tuple):
        value = {str(n): text for n, text in enumerate(value)}
    if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
        raise _wrong(source, name, "an object of texts or a list of texts")
    return {str(key): text for key, text in value.items()}
