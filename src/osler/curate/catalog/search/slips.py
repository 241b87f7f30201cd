"""Which words are no slip of the pen, and what a slip was meant for."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from .lexicon import lexicon
from .text import Token, fold, is_chinese, stem, tokens
from .vectors import word_table

_JOINING = frozenset(
    ("or", "and", "no", "of", "in", "on", "at", "to", "by", "is", "it", "an", "as")
)
"""Short words that stand by accident at the end of a misspelt one: "segmentor"."""


@cache
def _single_words() -> tuple[str, ...]:
    """Words of the lexicon that a slip may have been meant for."""
    known = lexicon()
    words = {
        word
        for stems, senses in known.senses.items()
        if any(one.kind != "foreign" for one in senses)
        for word in stems
        if len(word) >= 4 and word.isalpha() and not is_chinese(word)
    }
    return tuple(sorted(words))


@cache
def known_stems() -> frozenset[str]:
    known = lexicon()
    return frozenset(word for stems in known.senses for word in stems)


def ordinary(token: Token) -> bool:
    """Whether a word is a term, a number, Chinese or plain English: no slip and no odd name."""
    return (
        token.stem in known_stems()
        or token.word in known_stems()
        or token.word.isdigit()
        or is_chinese(token.word)
        or word_table().is_english(token.word)
        or word_table().is_english(token.stem)
    )


def plain(name: str) -> bool:
    """Whether a name is made of ordinary words only: "Brain MRI", but not "CheXpert"."""
    words = tokens(fold(name))
    return bool(words) and all(ordinary(one) for one in words)


def _allowed(length: int) -> int:
    """Slips allowed in a word of this length."""
    return 1 if length <= 5 else 2 if length <= 8 else 3


@cache
def _skeleton(word: str) -> str:
    """How a word sounds, roughly: its consonants, those that sound alike made one."""
    for written, heard in (("ph", "f"), ("ck", "k"), ("c", "k"), ("q", "k"), ("z", "s"), ("y", "")):
        word = word.replace(written, heard)
    return re.sub(r"(.)\1+", r"\1", word[0] + re.sub(r"[aeiouh]", "", word[1:]))


def nearest(word: str, weight: Callable[[str], int]) -> tuple[str, float] | None:
    """The word of the lexicon that a slip was meant for, with how like it is."""
    allowed = _allowed(len(word))
    near = process.extract(
        word, _single_words(), scorer=OSA.distance, score_cutoff=allowed + 1, limit=None
    )
    found = []
    for meant, distance, _ in near:
        likeness = 1 - distance / max(len(word), len(meant))
        sounds = len(word) >= 5 and _skeleton(word) == _skeleton(meant)
        if distance > allowed + sounds or likeness < (0.6 if sounds else 0.7):
            continue
        if word[0] != meant[0] and (distance > 1 or len(word) < 5):
            continue
        found.append((distance, -weight(meant), abs(len(meant) - len(word)), meant, likeness))
    if not found:
        return None
    best = min(found)
    return best[3], best[4]


def split(word: str) -> tuple[str, str] | None:
    """Two terms written as one word: "brainmri"."""
    known = known_stems()
    for at in range(2, len(word) - 1):
        left, right = word[:at], word[at:]
        if stem(left) in known and stem(right) in known and not {left, right} & _JOINING:
            return left, right
    return None
