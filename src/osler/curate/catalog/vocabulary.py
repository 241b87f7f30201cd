"""The words of the catalogue: modalities, structures, tasks and targets, with codes and synonyms.

One row a term in ``terms/<kind>.tsv``. A concept is a triple (scheme, code, meaning) of the code
tables that pydicom ships (DICOM PS3.16: DCM, and the SNOMED CT codes that DICOM uses, SCT); a test
compares every row with pydicom. A term without one is unmapped and listed by :func:`unmapped`;
no code is taken from memory.

A parent is the next broader code. Parents follow the way radiology splits the body: the brain is
under the head, but eye and breast stand on their own, and neither "whole body" nor "head and neck"
has the brain or the lungs under it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from osler.core import UnknownNameError

Kind = Literal["modality", "structure", "task", "target"]
KINDS: tuple[Kind, ...] = ("modality", "structure", "task", "target")
_COLUMNS = (
    *("code", "label", "synonyms", "chinese", "parent"),
    *("scheme", "concept", "meaning", "dicom", "osler"),
)


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a vocabulary.

    Parameters
    ----------
    code
        What records carry: ``MR``, ``lung``, ``segmentation``, ``lung_cancer``.
    synonyms, chinese
        Other names, lay words included; English and Chinese.
    parent
        The next broader code of the same kind; None: there is none.
    concept
        (scheme, code, meaning) as pydicom ships it; None: unmapped.
    dicom, osler
        For a modality: the value of DICOM Modality (0008,0060), and the name that
        :mod:`osler.images` uses. Empty: none fits.
    """

    code: str
    label: str
    kind: Kind
    synonyms: tuple[str, ...] = ()
    chinese: tuple[str, ...] = ()
    parent: str | None = None
    concept: tuple[str, str, str] | None = None
    dicom: str = ""
    osler: str = ""


def _term(kind: Kind, line: str) -> Term:
    row = dict(zip(_COLUMNS, line.split("\t"), strict=True))
    concept = (row["scheme"], row["concept"], row["meaning"]) if row["scheme"] else None
    return Term(
        row["code"],
        row["label"],
        kind,
        tuple(one for one in row["synonyms"].split(" | ") if one),
        tuple(one for one in row["chinese"].split(" | ") if one),
        row["parent"] or None,
        concept,
        row["dicom"],
        row["osler"],
    )


@cache
def _table(kind: Kind) -> dict[str, Term]:
    if kind not in KINDS:
        raise UnknownNameError("vocabulary", kind, KINDS)
    text = files("osler.curate.catalog").joinpath("terms", f"{kind}.tsv").read_text("utf-8")
    rows = [_term(kind, line) for line in text.splitlines()[1:]]
    return {one.code: one for one in rows}


def terms(kind: Kind) -> tuple[Term, ...]:
    """All terms of a kind, in the order of their file.

    Raises
    ------
    UnknownNameError
        The kind is none of :data:`KINDS`.
    """
    return tuple(_table(kind).values())


def codes(kind: Kind) -> frozenset[str]:
    """All codes of a kind."""
    return frozenset(_table(kind))


def term(kind: Kind, code: str) -> Term:
    """The term of a code.

    Examples
    --------
    >>> term("modality", "MR").label
    'magnetic resonance imaging'
    >>> term("structure", "retina").concept
    ('SCT', '5665001', 'Retina')

    Raises
    ------
    UnknownNameError
        No term has this code; the message names near ones.
    """
    try:
        return _table(kind)[code]
    except KeyError:
        raise UnknownNameError(kind, code, _table(kind)) from None


@cache
def narrower(kind: Kind, code: str) -> frozenset[str]:
    """A code and all codes below it.

    Examples
    --------
    >>> sorted(narrower("structure", "bowel"))[:4]
    ['bowel', 'colon', 'colon_rectum', 'large_bowel']
    """
    below = {term(kind, code).code}
    while True:
        more = {one.code for one in terms(kind) if one.parent in below} - below
        if not more:
            return frozenset(below)
        below |= more


def broader(kind: Kind, code: str) -> tuple[str, ...]:
    """The codes above a code, nearest first.

    Examples
    --------
    >>> broader("structure", "colon")
    ('large_bowel', 'bowel', 'gi_tract', 'abdomen')
    """
    above: list[str] = []
    parent = term(kind, code).parent
    while parent is not None:
        above.append(parent)
        parent = term(kind, parent).parent
    return tuple(above)


def unmapped(kind: Kind) -> tuple[str, ...]:
    """The codes that no concept of pydicom's tables stands for."""
    return tuple(one.code for one in terms(kind) if one.concept is None)


def plain_words(text: str) -> str:
    """Words for comparing: lower case, without accents and punctuation, one space between.

    Examples
    --------
    >>> plain_words("Barrett's  Oesophagus (Grade-2)")
    'barrett s oesophagus grade 2'
    """
    flat = unicodedata.normalize("NFKD", text.casefold())
    flat = "".join(one for one in flat if not unicodedata.combining(one))
    return re.sub(r"[\W_]+", " ", flat).strip()


@cache
def _by_name(kind: Kind) -> dict[str, str]:
    """Plain words of every code, label and synonym -> code; codes and labels win."""
    named: dict[str, str] = {}
    for one in terms(kind):
        named.setdefault(plain_words(one.code), one.code)
        named.setdefault(plain_words(one.label), one.code)
    for one in terms(kind):
        for name in (*one.synonyms, *one.chinese):
            named.setdefault(plain_words(name), one.code)
    return named


def code_named(kind: Kind, text: str) -> str | None:
    """The code that a whole text names by code, label or synonym; None: no term does.

    Examples
    --------
    >>> code_named("modality", "Magnetic Resonance"), code_named("structure", "肺")
    ('MR', 'lung')
    """
    return _by_name(kind).get(plain_words(text))


def targets_of(words: Iterable[str]) -> tuple[str, ...]:
    """Canonical target codes of target words, in their order; words of no term are left out."""
    found = (code_named("target", word) for word in words)
    return tuple(dict.fromkeys(code for code in found if code is not None))
