"""From a question to its constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from . import amounts
from .gathering import FACETS, alternatives, gathered
from .lexicon import Lexicon, Sense, lexicon
from .licensing import licences
from .names import NameMatch, Names
from .negation import denied, ruled_out
from .reading import Constraint, ReadQuery, Strength
from .scanning import Mention, corrected, mentions, name_mentions
from .signs import signs
from .text import LONGEST, Token, fold, is_chinese, tokens


def understood(text: str, names: Names, weight: Callable[[str], int]) -> ReadQuery:
    """Read a question.

    ``names`` are the spellings of the catalogue's names; ``weight`` says how many records have a
    word (its stem) in their names or targets.
    """
    folded = fold(text)
    known = lexicon()
    limits = [*licences(folded)]
    limits += amounts.years(_blank(folded, limits))
    limits += amounts.sizes(_blank(folded, limits))
    left = _blank(folded, limits)
    words = tokens(left)
    named = name_mentions(words, names, text)
    taken = {at for one in named for at in range(one.start, one.end)}
    words, mended, more = _mend(words, names, taken, weight, named)
    named = _apart([*more, *(_moved(named, more))])
    found = mentions(words, named, known, text)
    groups, used = ruled_out(found, words, left)
    used |= _needless(found)
    wanted = [one for at, one in enumerate(found) if at not in used]
    spoken_for = {at for place in used for at in range(found[place].start, found[place].end)}
    wanted, read = signs(wanted, words, spoken_for | denied(found, words, left))
    constraints = [_negative(group) for group in groups]
    constraints += gathered(alternatives(wanted))
    constraints += [_limit(one, folded) for one in limits]
    rest, unknown = _rest(words, found, read, weight)
    constraints += _year_left(words, found)
    whole = names.rows_of("".join(one.word for one in words)) if not limits else ()
    likeness: dict[int, float] = dict.fromkeys(whole, 1.0)
    for one in wanted:
        if one.name is not None:
            for row, value in one.name.likeness.items():
                likeness[row] = max(likeness.get(row, 0), value)
    return ReadQuery(
        text=text[:LONGEST],
        constraints=tuple(constraints),
        corrections=tuple(mended),
        names=likeness,
        named=tuple(one.words for one in wanted if one.name is not None),
        rest=tuple(rest),
        unknown=tuple(unknown),
        meaning=tuple(_meaning(words, found, used, known)),
    )


def _needless(found: Sequence[Mention]) -> set[int]:
    """Places of mentions that the words after them take back: "segmentation not needed"."""
    return {
        place
        for at, one in enumerate(found)
        if at and one.is_cue("needless") and found[at - 1].end == one.start
        for place in (at - 1, at)
    }


def _blank(folded: str, limits: Iterable[amounts.Amount]) -> str:
    """The text without what has been read; a comma stays where it was, for it parts clauses."""
    for one in limits:
        folded = folded[: one.start] + " " * (one.end - one.start) + folded[one.end :]
    return folded


def _mend(
    words: list[Token],
    names: Names,
    taken: set[int],
    weight: Callable[[str], int],
    named: list[NameMatch],
) -> tuple[list[Token], list[tuple[str, str]], list[NameMatch]]:
    made, mended, more = corrected(words, names, taken, weight)
    if len(made) != len(words):  # a word became two: names stand elsewhere now
        named[:] = name_mentions(made, names, "")
    return made, mended, more


def _moved(named: Sequence[NameMatch], more: Sequence[NameMatch]) -> list[NameMatch]:
    """Names that do not overlap those found in misspelt words."""
    busy = {at for one in more for at in range(one.start, one.end)}
    return [one for one in named if not busy & set(range(one.start, one.end))]


def _apart(named: Sequence[NameMatch]) -> list[NameMatch]:
    """Names that do not overlap, the likeliest kept."""
    kept: list[NameMatch] = []
    busy: set[int] = set()
    for one in sorted(named, key=lambda m: (-m.best, m.start - m.end)):
        span = set(range(one.start, one.end))
        if not span & busy:
            busy |= span
            kept.append(one)
    return sorted(kept, key=lambda m: m.start)


def _negative(group: Sequence[Mention]) -> Constraint:
    words = " ".join(one.words for one in group)
    senses: list[Sense] = []
    for one in group:
        if one.name is not None:
            senses.append(Sense(tuple(("name", str(row)) for row in one.name.likeness)))
        else:
            strong = [sense for sense in one.senses if not sense.weak]
            senses += [s for s in (strong or one.senses) if s.kind not in ("cue", "ignore")]
    facet = senses[0].kind if senses else "text"
    return Constraint(FACETS.get(facet, facet), tuple(senses), words, "hard", True, every=True)


def _limit(one: amounts.Amount, folded: str) -> Constraint:
    words = folded[one.start : one.end].strip()
    if one.facet == "licence":
        sense = Sense(tuple(("licence", name) for name in one.licences))
        return Constraint("licence", (sense,), words)
    strength: Strength = "weak" if one.about else "hard"
    return Constraint(
        one.facet,
        (),
        words,
        strength,
        one.negative,
        low=one.low,
        high=one.high,
        edge=one.edge,
        unit=one.unit,
    )


def _year_left(words: Sequence[Token], found: Sequence[Mention]) -> list[Constraint]:
    """A bare year that is part of no name."""
    inside = {at for one in found for at in range(one.start, one.end)}
    for at, one in enumerate(words):
        if at not in inside and len(one.word) == 4:
            for year in amounts.bare_years(one.word):
                return [Constraint("year", (), one.word, "hard", low=year.low, high=year.high)]
    return []


def _rest(
    words: Sequence[Token],
    found: Sequence[Mention],
    read: set[int],
    weight: Callable[[str], int],
) -> tuple[list[str], list[str]]:
    """Words that no mention covers: those some record has, and those none has."""
    inside = read | {at for one in found for at in range(one.start, one.end)}
    rest: dict[str, None] = {}
    unknown: dict[str, None] = {}
    run = ""
    for at, one in enumerate(words):
        if at in inside or one.word.isdigit():
            run = ""
            continue
        if is_chinese(one.word):
            run += one.word
            if len(run) >= 2:
                unknown[run[-2:]] = None
            continue
        run = ""
        if len(one.word) < 2:
            continue
        (rest if weight(one.stem) else unknown)[one.stem] = None
    return list(rest), list(unknown)


def _meaning(
    words: Sequence[Token], found: Sequence[Mention], used: set[int], known: Lexicon
) -> list[str]:
    """Words for the embedding: content words as they stand, and labels of Chinese terms."""
    left_out = {
        place
        for at, one in enumerate(found)
        if at in used or one.ignored
        for place in range(one.start, one.end)
    }
    made = [
        one.word
        for at, one in enumerate(words)
        if at not in left_out and not is_chinese(one.word) and not one.word.isdigit()
    ]
    for at, mention in enumerate(found):
        if at in used or not any(is_chinese(letter) for letter in mention.words):
            continue
        for sense in mention.senses:
            label = known.labels.get(sense.codes[0], "")
            made += [token.word for token in tokens(fold(label))]
    return made
