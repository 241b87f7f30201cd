"""A goal as fields of a form and as an address, one field a key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from osler.core import InputError
from osler.curate.fuse.goal import Goal, goal_from

from .goal_fields import FIELDS, YES_NO

TEXT_MOST = 4000
ENTRIES_MOST = 400


OWN_JSON = "json"
"""Field of an address in which a whole goal.json can be given."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A goal as an address holds it: texts by field, in the order of the form."""

    texts: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def query(self) -> str:
        """The address's part after ``?``."""
        return urlencode([(name, text) for name, texts in self.texts for text in texts])

    def get(self, name: str) -> tuple[str, ...]:
        """What was filled in, or the default, for a field."""
        given = dict(self.texts).get(name)
        if given is not None:
            return given
        default = FIELDS[name].default
        return (default,) if default else ()

    def object(self) -> dict[str, Any]:
        """The goal as a JSON object: keys that are filled in."""
        found: dict[str, Any] = {}
        for name, texts in self.texts:
            value = _READ[FIELDS[name].kind](name, texts)
            outer, _, inner = name.partition(".")
            if inner:
                found.setdefault(outer, {})[inner] = value
            else:
                found[name] = value
        return found

    def goal(self) -> Goal:
        """The goal, checked.

        Raises
        ------
        InputError
            Something that was filled in is wrong.
        """
        return goal_from(self.object())


def wish_from(query: str) -> Wish:
    """The wish that an address holds; a whole goal in it under ``json`` is taken apart.

    Raises
    ------
    InputError
        It is too long, or the JSON is none.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=False, max_num_fields=2 * ENTRIES_MOST)
    except ValueError as error:
        raise InputError("the address holds too many fields; download the goal instead") from error
    whole = [text for name, text in pairs if name == OWN_JSON]
    return wish_of(whole[-1]) if whole else _wish(pairs)


def wish_of(text: str) -> Wish:
    """The wish of a goal.json.

    Raises
    ------
    InputError
        It is no goal.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"what was pasted is not JSON ({error})") from error
    goal_from(value, "goal.json")
    pairs: list[tuple[str, str]] = []
    for key, content in value.items():
        if content is None:
            continue
        if key in ("selection", "balance"):
            inner = [(f"{key}.{name}", one) for name, one in content.items() if one is not None]
            pairs.extend((name, _plain(one)) for name, one in inner)
        elif FIELDS[key].kind == "pairs":
            pairs.append((key, ", ".join(f"{name} {one}" for name, one in content.items())))
        elif FIELDS[key].kind == "json":
            pairs.append((key, json.dumps(content, ensure_ascii=False)))
        elif isinstance(content, list):
            pairs.extend((key, str(one)) for one in content)
        elif not (key == "dimension" and str(content).lower() == "any"):
            pairs.append((key, _plain(content)))
    return _wish(pairs)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wish(pairs: Iterable[tuple[str, str]]) -> Wish:
    """Fields in the order of the form, lists taken apart, empty and default ones left out."""
    given: dict[str, list[str]] = {}
    for name, text in pairs:
        if name in FIELDS and text.strip():
            if len(text) > TEXT_MOST:
                raise InputError(f"{name} has {len(text)} characters; use at most {TEXT_MOST}")
            given.setdefault(name, []).append(text.strip())
    found = []
    for name, field in FIELDS.items():
        texts = given.get(name, [])
        if field.kind in ("set", "words"):
            texts = list(dict.fromkeys(one for text in texts for one in _words(text)))
        else:
            texts = texts[-1:]
        if len(texts) > ENTRIES_MOST:
            raise InputError(f"{name} has {len(texts)} entries; use at most {ENTRIES_MOST}")
        if texts and texts != [field.default]:
            found.append((name, tuple(texts)))
    return Wish(tuple(found))


def _words(text: str) -> list[str]:
    return [one.strip() for one in text.replace("\n", ",").split(",") if one.strip()]


def _number(name: str, texts: tuple[str, ...]) -> int | float:
    try:
        return int(texts[0])
    except ValueError:
        pass
    try:
        return float(texts[0])
    except ValueError as error:
        raise InputError(f"goal: {name} is a number, not {texts[0]!r:.60}") from error


def _choice(name: str, texts: tuple[str, ...]) -> object:
    if FIELDS[name].choices is YES_NO:
        if texts[0].lower() not in YES_NO:
            raise InputError(f"goal: {name} is true or false, not {texts[0]!r:.60}")
        return texts[0].lower() == "true"
    return texts[0]


def _pairs(name: str, texts: tuple[str, ...]) -> dict[str, object]:
    found: dict[str, object] = {}
    for entry in _words(texts[0]):
        parts = entry.replace(":", " ").split()
        if len(parts) != 2:
            raise InputError(f"goal: {name} is written like {FIELDS[name].hint}, not {entry!r:.60}")
        found[parts[0]] = (
            _number(f"{name}.{parts[0]}", (parts[1],)) if name == "split" else parts[1]
        )
    return found


def _json(name: str, texts: tuple[str, ...]) -> object:
    try:
        return json.loads(texts[0])
    except (ValueError, RecursionError) as error:
        raise InputError(f"goal: {name} is not JSON ({error})") from error


_READ: dict[str, Callable[[str, tuple[str, ...]], Any]] = {
    "word": lambda name, texts: texts[0],
    "number": _number,
    "choice": _choice,
    "set": lambda name, texts: list(texts),
    "words": lambda name, texts: list(texts),
    "pairs": _pairs,
    "json": _json,
}
