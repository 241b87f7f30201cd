"""Concepts: what a label means, as a code with a side, and the names by which people call it.

A concept's *key* is its identifier in the table, with a side where one applies: ``liver``,
``kidney``, ``kidney:left``. The table (``concepts.tsv``) holds codes as DICOM uses them; laterality
is a modifier of the code, never an organ of its own (PS3.3 C.8.20.2, Segmented Property Type
Modifier). A name that the table does not list means nothing here: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Literal

from osler.core import UnknownNameError

from .concept_table import forms, meanings, names, words_of
from .sample import Concept, Side

Status = Literal["exact", "broader", "narrower", "unmapped"]
"""What a native label is compared with a concept: the same, wider, or a part or kind of it."""

LOCAL = "99LOCAL"
"""Scheme of concepts that a goal defines itself (``own:NAME``)."""

_SIDES: dict[str, Side] = {
    "left": "left", "l": "left", "lt": "left", "sin": "left",
    "right": "right", "r": "right", "rt": "right", "dex": "right",
}  # fmt: skip
_BOTH = frozenset({"both", "bilateral"})


@dataclass(frozen=True, slots=True)
class Match:
    """The concept that a name means.

    ``status`` is ``exact`` or ``unmapped``; a label map may state ``broader`` or ``narrower``.
    ``how`` says by which name and rule it was found.
    """

    key: str
    concept: Concept | None
    status: Status
    how: str


def _look_up(words: tuple[str, ...]) -> str:
    """Identifier of exactly these words, joined or apart (``gall bladder``, ``gallbladder``)."""
    known = names()
    for form in forms(words):
        # A single letter is a side or a number, not the end of a word.
        joined = ("".join(form),) if all(len(word) > 1 for word in form) else form
        for spelling in (form, joined):
            if spelling in known:
                return known[spelling]
    return ""


def concept_for(text: str) -> Match:
    """The concept that a name means, by the table of names; never a guess.

    Sides are read wherever they stand: as words (``left``, ``L``, ``lt``), or as the first letter
    of a name of a sided concept (``lkidney``, ``RKid``). A key such as ``kidney:left`` is a name
    too. A side on something that has none (``left liver``) leaves the name unmapped.

    Examples
    --------
    >>> [concept_for(name).key for name in ("kidney_left", "Kidney (L)", "lkidney", "RKid")]
    ['kidney:left', 'kidney:left', 'kidney:left', 'kidney:right']
    >>> concept_for("left ventricle").key, concept_for("thing 7").status
    ('left_ventricle', 'unmapped')
    """
    words = words_of(text)
    key = _look_up(words)
    if key:
        return _match(key, "", f"name {text!r}")
    sides = {_SIDES[word] for word in words if word in _SIDES}
    rest = tuple(word for word in words if word not in _SIDES and word not in _BOTH)
    if rest and len(sides) <= 1 and rest != words:
        key = _look_up(rest)
        side = next(iter(sides), "")
        if key and (not side or takes_side(key, side)):
            return _match(key, side, f"name {' '.join(rest)!r} and side {side or 'both'!r}")
    if len(words) == 1 and len(words[0]) > 3 and words[0][0] in "lr":
        key, side = _look_up((words[0][1:],)), _SIDES[words[0][0]]
        if key and takes_side(key, side):
            return _match(key, side, f"name {words[0][1:]!r} and letter {words[0][0]!r}")
    return Match("", None, "unmapped", f"no concept is called {text!r}")


def _match(id: str, side: str, how: str) -> Match:
    own = meanings()[id].side
    key = f"{id}:{side}" if side and own == "sided" else id
    return Match(key, concept_of(key), "exact", how)


def takes_side(key: str, side: str) -> bool:
    """True if the concept may lie on that side."""
    return meanings()[key].side in ("sided", side)


def concept_of(key: str) -> Concept:
    """The coded concept of a key.

    Raises
    ------
    UnknownNameError
        If the table has no such concept or it does not take that side.

    Examples
    --------
    >>> concept_of("kidney:left")
    Concept(scheme='SCT', code='64033007', text='Kidney', side='left')
    """
    id, _, side = key.partition(":")
    if id == "own" and side:
        return Concept(LOCAL, side, side)
    found = meanings().get(id)
    if found is None or (side and (side not in ("left", "right") or found.side != "sided")):
        raise UnknownNameError("concept", key, meanings())
    only: Side = "right" if found.side == "right" else ""
    stated = _SIDES.get(side, only)
    return Concept(found.scheme, found.code, found.text, stated)


def key_named(text: str) -> str:
    """The key that a goal means by ``text``: a key, a name, or ``own:NAME``.

    Raises
    ------
    UnknownNameError
        If no concept has that name.
    """
    if text.startswith("own:") and text[4:].strip():
        return f"own:{text[4:].strip()}"
    found = concept_for(text)
    if found.status == "unmapped":
        raise UnknownNameError("concept", text, meanings())
    return found.key


def wider(key: str, *, inside: bool = True) -> tuple[str, ...]:
    """What the concept is a kind of and, if ``inside``, a part of, one step up.

    Examples
    --------
    >>> wider("kidney:left"), wider("kidney_tumour:left")
    (('kidney',), ('kidney_tumour', 'tumour', 'kidney_mass:left', 'kidney:left'))
    """
    id, _, side = key.partition(":")
    meaning = meanings().get(id)
    if meaning is None:  # a goal's own
        return ()
    side = side or (meaning.side if meaning.side == "right" else "")
    up = [id] if ":" in key else []
    for other in (*meaning.is_a, *(meaning.part_of if inside else ())):
        sided = side and meanings()[other].side == "sided"
        up.append(f"{other}:{side}" if sided else other)
    return tuple(up)


def nearest(key: str, among: Collection[str]) -> str:
    """The key itself or the nearest wider one that is ``among`` these; empty if none is."""
    level, seen = [key], {key}
    while level:
        for one in level:
            if one in among:
                return one
        level = [up for one in level for up in wider(one) if up not in seen]
        seen.update(level)
    return ""


@cache
def _above(key: str, inside: bool) -> frozenset[str]:
    """The key and everything wider."""
    found, level = {key}, [key]
    while level:
        level = [up for one in level for up in wider(one, inside=inside) if up not in found]
        found.update(level)
    return frozenset(found)


def is_within(key: str, other: str) -> bool:
    """True if ``key`` is ``other``, or a kind or part of it."""
    return other in _above(key, True)


def is_kind_of(key: str, other: str) -> bool:
    """True if ``key`` is ``other`` or a kind of it: a left kidney is a kidney, no abdomen."""
    return other in _above(key, False)


def parts_of(key: str) -> tuple[tuple[str, ...], ...]:
    """The sets of concepts that together make all of this one: both sides, or its ``whole``.

    Examples
    --------
    >>> parts_of("adrenal"), parts_of("lung:left")
    ((('adrenal:left', 'adrenal:right'),), (('lung_upper_lobe:left', 'lung_lower_lobe:left'),))
    """
    id, _, side = key.partition(":")
    meaning = meanings().get(id)
    if meaning is None:
        return ()
    found: list[tuple[str, ...]] = []
    if meaning.side == "sided" and not side:
        found.append((f"{id}:left", f"{id}:right"))
    if meaning.whole:
        whole = [one for one in meaning.whole if not side or takes_side(one, side)]
        sided = [bool(side) and meanings()[one].side == "sided" for one in whole]
        found.append(
            tuple(f"{one}:{side}" if has else one for one, has in zip(whole, sided, strict=True))
        )
    return tuple(found)


def covered(key: str, known: Collection[str]) -> bool:
    """True if all of the concept is among ``known``: itself, or all of its parts."""
    if key in known:
        return True
    return any(all(covered(part, known) for part in parts) for parts in parts_of(key))
