"""What a judge says as a number, and text handed to a judge as data it cannot act through.

Candidate text reaches a judge only inside a fence whose mark the candidate cannot foresee
(:func:`fence`), put in by one pass over the template (:func:`fill`), so that a placeholder inside
the candidate stays text. Replies are read on an integer scale; what cannot be read is no score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from osler.core import InputError, derive_seed

LONGEST = 8000
"""Characters of a quoted text that a judge is shown; more is cut, and said to be."""

_PLACE = re.compile(r"\{([a-z_]+)\}")
_LABELLED = re.compile(
    r"\b(?:score|rating)\b[\"'*_`]*\s*(?:[:=]|is)?\s*[\"'*_`]*\s*(-?\d+(?:\.\d+)?)", re.I
)
_BARE = re.compile(r"[\s\"'*_`(\[]*(-?\d+(?:\.\d+)?)[\s\"'*_`)\].]*")
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


def parse_scale(text: str, low: int, high: int) -> int | None:
    """The integer score in a judge's reply, or None where it is not beyond doubt.

    Reads a JSON object with ``score``, one or more ``Score: n`` that all agree, or a reply that is
    a bare number. Out of range, a fraction, or two different scores are no score.

    Examples
    --------
    >>> parse_scale("The verdicts agree. Score: 2", 0, 2), parse_scale('{"score": 1}', 0, 2)
    (2, 1)
    >>> [parse_scale(text, 0, 2) for text in ("Score: 2 ... no, Score: 0", "Score: 7")]
    [None, None]
    """
    found = set(_json_scores(text) or _LABELLED.findall(text))
    if not found and (bare := _BARE.fullmatch(text)):
        found = {bare.group(1)}
    if len(found) != 1:
        return None
    return _within(found.pop(), low, high)


def parse_scale_compat(text: str, low: int, high: int) -> int | None:
    """As judges of published benchmarks are read: the first number that fits, however it stands.

    In turn: the first ``Score: n`` in range, ``score`` of a JSON object, the first lone digit in
    range anywhere.
    """
    candidates = [*_LABELLED.findall(text), *_json_scores(text), *re.findall(r"-?\b\d+\b", text)]
    return next((n for c in candidates if (n := _within(c, low, high)) is not None), None)


def _json_scores(text: str) -> list[str]:
    found = []
    for block in re.findall(r"\{[^{}]*\}", text):
        try:
            value: Any = json.loads(block)
        except ValueError:
            continue
        named = {str(k).lower(): v for k, v in value.items()} if isinstance(value, dict) else {}
        if "score" in named and not isinstance(named["score"], bool):
            found.append(str(named["score"]))
    return found


def _within(text: str, low: int, high: int) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() and low <= number <= high else None


def fence(text: str, *keys: object) -> str:
    """``text`` between two marks that it does not hold and whose name it could not foresee.

    The mark is random to whoever wrote the text (a hash over the text itself and ``keys``), yet the
    same in every run, so that replies can be cached and replayed. Control characters, invisible
    ones and changes of writing direction become blanks; what is longer than :data:`LONGEST` is cut.
    """
    shown = _UNSHOWABLE.sub(" ", text)
    if len(shown) > LONGEST:
        shown = f"{shown[:LONGEST]} [cut: {len(shown) - LONGEST} more characters]"
    turn = 0
    while True:
        mark = f"{derive_seed('fence', text, turn, *keys):032x}"[:16].upper()
        if mark not in shown.upper():
            return f"<<<DATA {mark}\n{shown}\nDATA {mark}>>>"
        turn += 1


def fill(template: str, values: Mapping[str, str]) -> str:
    """``template`` with each ``{name}`` replaced once, in one pass: values are never searched.

    Raises
    ------
    InputError
        A name in the template that ``values`` lacks, or a value that it does not use.
    """
    names = set(_PLACE.findall(template))
    if names != set(values):
        raise InputError(
            f"a prompt names {', '.join(sorted(names)) or 'nothing'} but is given "
            f"{', '.join(sorted(values)) or 'nothing'}; mend the prompt file"
        )
    return _PLACE.sub(lambda match: values[match.group(1)], template)


__all__ = ["LONGEST", "fence", "fill", "parse_scale", "parse_scale_compat"]
