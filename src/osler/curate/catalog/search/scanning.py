"""From the text of a question to mentions: names, slips of the pen, terms, cues."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .lexicon import Lexicon, Sense, lexicon
from .names import NameMatch, Names, exact_windows, mistyped
from .slips import nearest, ordinary, split
from .text import Token, is_chinese, stem

SURE = 0.84
"""Likeness from which a misspelt word is a name although two terms stand in it."""


KIN = 0.85
"""Likeness of names that contain the name that was given."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A stretch of tokens with a meaning; ``name`` if it names datasets."""

    start: int
    end: int
    words: str
    senses: tuple[Sense, ...] = ()
    name: NameMatch | None = None

    def is_cue(self, cue: str) -> bool:
        """Whether this is a cue such as "not" or "or"."""
        return any(one.codes[0] == ("cue", cue) for one in self.senses)

    @property
    def ignored(self) -> bool:
        """Whether the words say nothing about a dataset ("images", "of")."""
        return bool(self.senses) and all(one.kind in ("ignore", "cue") for one in self.senses)


def corrected(
    words: Sequence[Token],
    names: Names,
    taken: set[int],
    weight: Callable[[str], int],
) -> tuple[list[Token], list[tuple[str, str]], list[NameMatch]]:
    """Words with slips mended, what was mended, and names that the odd words resemble.

    ``weight`` says how often a word stands in the records, to choose between two corrections.
    Tokens in ``taken`` are part of an exact name and left alone.
    """
    made: list[Token] = []
    mended: list[tuple[str, str]] = []
    found: list[NameMatch] = []
    shift: dict[int, int] = {}
    for at, one in enumerate(words):
        shift[at] = len(made)
        if at in taken or ordinary(one) or weight(one.stem) or len(one.word) < 4:
            made.append(one)
            continue
        near = max(
            filter(None, (nearest(word, weight) for word in {one.word, one.stem})),
            key=lambda pair: (pair[1], pair[0]),
            default=None,
        )
        name = _likely_name(words, at, names, taken)
        pieces = split(one.word) if len(one.word) >= 6 else None
        if (
            name is not None
            and name.best >= (near[1] if near else 0)
            and not (pieces and name.best < SURE)
        ):
            found.append(name)
            made.append(one)
        elif pieces:
            mended.append((one.word, " ".join(pieces)))
            made += [replace(one, word=piece, stem=stem(piece)) for piece in pieces]
        elif near:
            mended.append((one.word, near[0]))
            made.append(replace(one, word=near[0], stem=stem(near[0])))
        else:
            made.append(one)
    shift[len(words)] = len(made)
    moved = [replace(one, start=shift[one.start], end=shift[one.end]) for one in found]
    return made, mended, moved


def _likely_name(
    words: Sequence[Token], at: int, names: Names, taken: set[int]
) -> NameMatch | None:
    """The best dataset name among stretches of up to four words around an odd one."""
    best: NameMatch | None = None
    for start in range(max(0, at - 2), at + 1):
        for end in range(at + 1, min(len(words), at + 4) + 1):
            if any(place in taken for place in range(start, end)):
                continue
            match = mistyped(words, start, end, names)
            if match is not None and (best is None or match.best > best.best):
                best = match
    return best


def name_mentions(words: Sequence[Token], names: Names, text: str) -> list[NameMatch]:
    """Stretches that are names as they stand, or the first word of a family of names.

    Words that mean something by themselves ("brain mri" is a dataset too) are a name only when
    written as one, in capitals.
    """
    found: list[NameMatch] = []
    taken: set[int] = set()
    for match in exact_windows(words, names):
        span = set(range(match.start, match.end))
        if span & taken:
            continue
        everyday = all(ordinary(words[at]) for at in span)
        if everyday and not (_in_capitals(match, words, text) or _numbered(match, words)):
            continue
        taken |= span
        found.append(_with_family(match, names))
    for size in (3, 2, 1):
        for start in range(len(words) - size + 1):
            places = range(start, start + size)
            family = _family(words[start : start + size], names, text)
            if family is not None and not taken & set(places):
                taken |= set(places)
                said, rows = family
                found.append(NameMatch(start, start + size, said, dict.fromkeys(rows, 0.93)))
    return found


def _with_family(match: NameMatch, names: Names) -> NameMatch:
    """A name that is also a word of longer names brings these after it."""
    family = names.families.get(match.words.replace(" ", ""), ())
    more = {row: KIN for row in family if row not in match.likeness}
    return replace(match, likeness={**match.likeness, **more}) if more else match


def _family(words: Sequence[Token], names: Names, text: str) -> tuple[str, tuple[int, ...]] | None:
    """The first word of names, however it is spaced; an everyday word only in capitals."""
    said = "".join(one.word for one in words)
    rows = names.families.get(said, ())
    if not rows or len(said) < 3:
        return None
    if not all(ordinary(one) for one in words):
        return said, rows
    shouted = len(words) == 1 and said.upper() in text and text.upper() != text
    return (said, rows) if shouted and not _means_fact(said) else None


def _numbered(match: NameMatch, words: Sequence[Token]) -> bool:
    """Whether everyday words with a number are a name: "promise 12", but not "chest ct 2019"."""
    only = [words[at].word for at in range(match.start, match.end)]
    return any(one.isdigit() for one in only) and not any(_means_fact(one) for one in only)


def _in_capitals(match: NameMatch, words: Sequence[Token], text: str) -> bool:
    """Whether an everyday word is written like a name: DRIVE in a question that does not shout."""
    if text.upper() == text:
        return False
    only = [words[at].word for at in range(match.start, match.end)]
    return any(
        re.search(rf"\b{re.escape(one.upper())}\b", text) and len(one) >= 3 for one in only
    ) and all(not _means_fact(one) for one in only)


def _means_fact(word: str) -> bool:
    senses = lexicon().senses.get((stem(word),), ())
    return any(one.kind in ("modality", "structure", "task", "target") for one in senses)


def mentions(
    words: Sequence[Token], named: Sequence[NameMatch], known: Lexicon, text: str
) -> list[Mention]:
    """Names and terms from left to right, the longest at each place; gaps are unknown words."""
    starts = {one.start: one for one in named}
    inside = {at for one in named for at in range(one.start, one.end)}
    stems = [
        one.stem if at not in inside else "\0" for at, one in enumerate(words)
    ]  # a term never runs into a name
    found: list[Mention] = []
    at = 0
    while at < len(words):
        if at in starts:
            name = starts[at]
            found.append(Mention(name.start, name.end, name.words, (), name))
            at = name.end
            continue
        size, senses = known.meaning(stems, at)
        raw = words[at].word.upper()
        if raw in known.cased and re.search(rf"\b{raw}\b", text) and text.upper() != text:
            size, senses = 1, (known.cased[raw],)
        if size:
            said = _join(words[at : at + size])
            found.append(Mention(at, at + size, said, senses))
        at += max(size, 1)
    return found


def _join(words: Sequence[Token]) -> str:
    made = ""
    for one in words:
        made += one.word if is_chinese(one.word) or not made else f" {one.word}"
    return made
