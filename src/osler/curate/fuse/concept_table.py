"""The table of concepts: what labels may mean, and the names by which people call it.

Osler's own rows (``concepts.tsv``) come first; the structures and targets of the catalogue's
vocabulary follow, by code, label and Chinese names. Their other synonyms are for searching
datasets ("renal" finds kidneys) and too wide for labels.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from osler.core import InputError

from ..catalog.vocabulary import Term, terms

OWN = "99OSLER"
"""Scheme of concepts for which DICOM has no code."""

_FILLERS = frozenset({"the", "of", "and"})
_CHINESE_SIDES = {"\u5de6": " left ", "\u53f3": " right "}


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of the table: a concept without its side, and how it lies among the others.

    ``side`` is ``sided`` (takes left or right), ``right`` (lies on the right only) or empty.
    ``is_a`` are more general meanings, ``part_of`` what it lies inside, ``whole`` the concepts
    that together make all of it.
    """

    id: str
    text: str
    scheme: str
    code: str
    side: str = ""
    is_a: tuple[str, ...] = ()
    part_of: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()


@cache
def _own() -> dict[str, Meaning]:
    """The rows of ``concepts.tsv``, by identifier."""
    text = files("osler.curate.fuse").joinpath("concepts.tsv").read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and line[0] != "#"]
    found = {}
    for id, name, scheme, code, side, is_a, part_of, whole, synonyms in rows[1:]:
        up, inside, all_of = (tuple(column.split()) for column in (is_a, part_of, whole))
        names = tuple(one.strip() for one in synonyms.split(";") if one.strip())
        found[id] = Meaning(id, name, scheme, code, side, up, inside, all_of, names)
    return found


@cache
def _ours() -> dict[tuple[str, ...], str]:
    """Words of every name (and its plural) of the own rows to the identifier."""
    found: dict[tuple[str, ...], str] = {}
    plurals: dict[tuple[str, ...], str] = {}
    for id, meaning in _own().items():
        for name in (id, meaning.text, *meaning.synonyms):
            for words in forms(words_of(name)):
                if found.setdefault(words, id) != id:
                    raise InputError(f"concepts.tsv: {name!r} means {found[words]} and {id}")
                plurals.setdefault((*words[:-1], words[-1] + "s"), id)
    return {**plurals, **found}


@cache
def _with_catalogue() -> tuple[dict[str, Meaning], dict[tuple[str, ...], str]]:
    """All meanings and all names: our own, then what the catalogue's vocabulary adds."""
    known, called = dict(_own()), dict(_ours())
    vocabulary = (*terms("structure"), *terms("target"))
    ids = {(one.kind, one.code): _id_of(one, called) for one in vocabulary}
    for one in vocabulary:
        id = ids[one.kind, one.code]
        if id not in known:
            # Parents of structures are regions that hold them, not what they are a kind of.
            up = ids[one.kind, one.parent] if one.kind == "target" and one.parent else ""
            scheme, code, text = one.concept or (OWN, id, one.label)
            text = one.label[:1].upper() + one.label[1:]
            known[id] = Meaning(id, text, scheme, code, is_a=(up,) if up and up != id else ())
        for name in (one.code, one.label, *one.chinese):
            for words in forms(words_of(name)):
                called.setdefault(words, id)
    return known, called


def _id_of(term: Term, called: dict[tuple[str, ...], str]) -> str:
    """Our identifier of a term of the catalogue: ours where we have it, else its code."""
    for name in (term.label, term.code):
        for words in forms(words_of(name)):
            if words in called:
                return called[words]
    return term.code


def meanings() -> dict[str, Meaning]:
    """All concepts, by identifier."""
    return _with_catalogue()[0]


def names() -> dict[tuple[str, ...], str]:
    """The words of every name to the identifier of its concept."""
    return _with_catalogue()[1]


def words_of(text: str) -> tuple[str, ...]:
    """``text`` as lower-case words: camel case and punctuation split, accents dropped.

    Examples
    --------
    >>> words_of("Kidney (L)"), words_of("RKid"), words_of("lung_upper-lobe.left")
    (('kidney', 'l'), ('r', 'kid'), ('lung', 'upper', 'lobe', 'left'))
    """
    for sign, side in _CHINESE_SIDES.items():
        text = text.replace(sign, side)
    plain = unicodedata.normalize("NFKD", text).replace("'", "").replace("\u2019", "")
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    split = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    return tuple(re.findall(r"[^\W_]+", split.lower()))


def forms(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words as given, and without articles and prepositions."""
    yield words
    bare = tuple(word for word in words if word not in _FILLERS)
    if bare and bare != words:
        yield bare
