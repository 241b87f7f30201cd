"""The true answer of a perception question about an image whose degradation is known.

For round trips of the builder and for simulated annotators. A record says what was done to the
image: ``key`` of the degradation ("" or level 0: nothing) and ``level``, 0 to 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .questions import suitable
from .vocabulary import CONCEPTS, Concept, concept_of

_YES_NO = re.compile(r"^does this image show (?P<title>.+)\?$", re.I)
_HOW = re.compile(r"^how strong is (?P<title>.+) in this image\?$", re.I)
_WHAT = re.compile(r"^which degradation affects the quality of this image most\?$", re.I)
_STRENGTH = {0: "not visible", 1: "mild", 3: "severe"}
NOTHING = ("none", "no degradation", "none of these")
"""Texts of options that say that the image is not degraded."""


def known_answer(
    question: str, options: Mapping[str, str], record: Mapping[str, Any]
) -> str | None:
    """The letter of the right option, or None where none of them fits or the wording is not ours.

    Parameters
    ----------
    question, options
        As :mod:`.questions` writes them, in any order of the options.
    record
        ``key``, ``level`` and, optionally, ``modality``: a degradation that this modality cannot
        show is answered like any other.

    Notes
    -----
    Level 2 lies between "Mild" and "Severe": a question of how strong it is has no answer then.

    Examples
    --------
    >>> known_answer("Does this image show blur?", {"A": "No", "B": "Yes"},
    ...              {"key": "gaussian_blur", "level": 3})
    'B'
    """
    words = " ".join(question.split())
    level = int(record.get("level", 0))
    shown = concept_of(str(record["key"])) if record.get("key") and level > 0 else None
    if found := _YES_NO.match(words):
        asked = _titled(found["title"])
        return None if asked is None else _letter(options, "yes" if asked is shown else "no")
    if found := _HOW.match(words):
        asked = _titled(found["title"])
        if asked is None:
            return None
        return _letter(options, _STRENGTH.get(level if asked is shown else 0, ""))
    if _WHAT.match(words):
        names = NOTHING if shown is None else (shown.title.casefold(),)
        return next((letter for name in names if (letter := _letter(options, name))), None)
    return None


def concepts_of(modality: Any) -> list[Concept]:
    """Concepts that a modality could show (degradations that move anatomy left out), in order."""
    named = {concept_of(key).name for key in suitable(modality)}
    return [concept for concept in CONCEPTS if concept.name in named]


def _titled(title: str) -> Concept | None:
    wanted = title.casefold()
    return next((c for c in CONCEPTS if c.title.casefold() == wanted), None)


def _letter(options: Mapping[str, str], text: str) -> str | None:
    wanted = [k for k, v in options.items() if text and v.strip().rstrip(".").casefold() == text]
    return wanted[0] if len(wanted) == 1 else None
