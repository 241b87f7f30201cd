"""From a question to its constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from . import amounts
from .lexicon import Lexicon, Sense, lexicon
from .names import NameMatch, Names
from .negation import ruled_out
from .reading import GENERIC, PLACED, SEPARATE, SOFT, Constraint, ReadQuery, Strength
from .scanning import Mention, corrected, mentions, name_mentions
from .text import LONGEST, Token, fold, is_chinese, tokens

FACETS = {"dim": "dimension"}
"""Kinds of the lexicon whose facet has another name."""
FACTS = ("modality", "structure", "target", "task")
_MERGED = ("modality", "structure", "task", "dim", "detail")
_SMALL = {"image": 1000, "volume": 100, "": 300}
_LARGE = {"image": 10_000, "volume": 500, "": 1000}


def understood(text: str, names: Names, weight: Callable[[str], int]) -> ReadQuery:
    """Read a question.

    ``names`` are the spellings of the catalogue's names; ``weight`` says how many records have a
    word (its stem) in their names or targets.
    """
    folded = fold(text)
    known = lexicon()
    limits = [*amounts.licences(folded)]
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
    wanted = [one for at, one in enumerate(found) if at not in used]
    constraints = [_negative(group) for group in groups]
    constraints += _positive(_alternatives(wanted, words))
    constraints += [_limit(one, folded) for one in limits]
    rest, unknown = _rest(words, found, weight)
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


def _alternatives(wanted: Sequence[Mention], words: Sequence[Token]) -> list[Mention]:
    """ "bone age or hand": mentions of two kinds around an "or" are one with two ways to answer."""
    kept: list[Mention] = []
    joining = False
    for one in wanted:
        if one.is_cue("or"):
            joining = True
            continue
        if one.ignored or one.name is not None:
            if one.name is not None:
                joining = False
            kept.append(one)
            continue
        facts = [s for s in one.senses if s.kind in FACTS]
        before = next((at for at in range(len(kept) - 1, -1, -1) if not kept[at].ignored), None)
        if joining and facts and before is not None:
            last = kept[before]
            theirs = [s for s in last.senses if s.kind in FACTS]
            if theirs and last.name is None and theirs[0].kind != facts[0].kind:
                both = Sense((*theirs[0].codes, *facts[0].codes), theirs[0].weak and facts[0].weak)
                said = f"{last.words} or {one.words}"
                kept[before] = Mention(last.start, one.end, said, (both, *theirs[1:], *facts[1:]))
                joining = False
                continue
        joining = False
        kept.append(one)
    return kept


def _positive(wanted: Sequence[Mention]) -> list[Constraint]:
    """Mentions of one kind become one constraint that any of them answers."""
    held: dict[str, list[tuple[Sense, str]]] = {}
    for one in wanted:
        for sense in (*one.senses, *_inside(one)):
            held.setdefault(sense.kind, []).append((sense, one.words))
    held["structure"] = _said_apart(wanted) or held.get("structure", [])
    every = ("combine", "both") in {sense.codes[0] for sense, _ in held.get("combine", ())}
    made: list[Constraint] = []
    for kind in _MERGED:
        made += _merged(kind, held.get(kind, []), every and kind == "modality")
    made += _targets(held.get("target", []), any(one.facet == "structure" for one in made))
    made += _words_about(held)
    return made


def _said_apart(wanted: Sequence[Mention]) -> list[tuple[Sense, str]]:
    """Body parts named by themselves: they rule over those inside "chest film"."""
    return [
        (sense, one.words)
        for one in wanted
        for sense in one.senses
        if sense.kind == "structure"
        and not sense.weak
        and not any(other.kind == "modality" for other in one.senses)
    ]


def _inside(mention: Mention) -> list[Sense]:
    """The body part inside the name of a disease ("foot ulcer"): a hint."""
    if not any(one.kind == "target" and not one.weak for one in mention.senses):
        return []
    words = [one for one in tokens(mention.words) if not is_chinese(one.word)]
    known = lexicon()
    found = []
    for one in words if len(words) > 1 else ():
        inner = known.senses.get((one.stem,), ())
        found += [Sense(sense.codes, True) for sense in inner if sense.kind == "structure"]
    return found


def _merged(kind: str, found: list[tuple[Sense, str]], every: bool) -> list[Constraint]:
    strong = [one for one in found if not one[0].weak]
    kept = _narrow(strong or found)
    if not kept:
        return []
    senses = tuple(dict.fromkeys(sense for sense, _ in kept))
    strength: Strength = "weak" if not strong else "soft" if kind in ("task", "detail") else "hard"
    words = ", ".join(dict.fromkeys(words for _, words in kept))
    together = every and len(senses) > 1
    return [Constraint(FACETS.get(kind, kind), senses, words, strength, every=together)]


def _narrow(found: list[tuple[Sense, str]]) -> list[tuple[Sense, str]]:
    """Without senses that another makes more exact: XA or CT or MR beside CT; chest beside lung."""
    from .concepts import answers

    kept = []
    for sense, words in found:
        wide = set(sense.codes)
        others = [other for other, _ in found if other.codes != sense.codes]
        if any(set(other.codes) < wide for other in others):
            continue
        if sense.kind == "structure" and any(
            0 < answers("structure", code).get(sense.codes[0][1], 0) <= 0.6
            for other in others
            for _, code in other.codes[:1]
        ):
            continue
        kept.append((sense, words))
    return kept


def _targets(found: list[tuple[Sense, str]], placed: bool) -> list[Constraint]:
    """Targets in one constraint, but animals and healthy people: those must hold beside others."""
    known = lexicon()
    apart: dict[str, list[tuple[Sense, str]]] = {}
    for sense, words in found:
        above = known.above(sense.codes[0][1])
        group = next((one for one in SEPARATE if one in above), "")
        apart.setdefault(group, []).append((sense, words))
    made = []
    for group, listed in apart.items():
        strong = [one for one in listed if not one[0].weak]
        kept = _without_broader(strong or listed, known)
        exact = [one for one in kept if one[0].codes[0][1] not in GENERIC]
        if placed and all(one[0].codes[0][1] in PLACED for one in kept):
            strong = []
        made += _target(exact or kept, group, bool(strong))
        if exact and len(exact) < len(kept):
            made += _target([one for one in kept if one not in exact], group, False)
    return made


def _target(kept: list[tuple[Sense, str]], group: str, strong: bool) -> list[Constraint]:
    senses = tuple(dict.fromkeys(sense for sense, _ in kept))
    words = ", ".join(dict.fromkeys(words for _, words in kept))
    strength: Strength = SEPARATE.get(group, "hard") if strong else "weak"
    if strength == "hard" and all(one.codes[0][1] in SOFT for one in senses):
        strength = "soft"
    return [Constraint("target", senses, words, strength)]


def _without_broader(found: list[tuple[Sense, str]], known: Lexicon) -> list[tuple[Sense, str]]:
    """ "glioma tumour": the tumour adds nothing."""
    above = {
        code
        for sense, _ in found
        for _, narrow in sense.codes[:1]
        for code, steps in known.above(narrow).items()
        if steps
    }
    return [one for one in found if one[0].codes[0][1] not in above] or found


def _words_about(held: dict[str, list[tuple[Sense, str]]]) -> list[Constraint]:
    """Licence, access, labels, publisher, size and topic given in words."""
    made: list[Constraint] = []
    for kind in ("access", "licence", "labelled", "publisher", "size", "foreign"):
        found = held.get(kind, [])
        strong = [one for one in found if not one[0].weak] or found
        if not strong:
            continue
        senses = tuple(dict.fromkeys(sense for sense, _ in strong))
        words = ", ".join(dict.fromkeys(words for _, words in strong))
        weak = strong[0][0].weak
        if kind == "size":
            made.append(_size_word(senses[0].codes[0][1], words))
        elif kind == "labelled":
            yes = senses[0].codes[0][1] == "yes"
            weak = weak or (yes and "label" in words and len(words) < 7)
            made.append(Constraint(kind, senses[:1], words, "weak" if weak else "soft"))
        else:
            facet = "topic" if kind == "foreign" else kind
            made.append(Constraint(facet, senses, words, "weak" if weak else "hard"))
    return made


def _size_word(code: str, words: str) -> Constraint:
    sense = (Sense((("size", code),)),)
    if code == "small":
        return Constraint("size", sense, words, "weak", high=_SMALL[""], unit="word")
    return Constraint("size", sense, words, "weak", low=_LARGE[""], unit="word")


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
    words: Sequence[Token], found: Sequence[Mention], weight: Callable[[str], int]
) -> tuple[list[str], list[str]]:
    """Words that no mention covers: those some record has, and those none has."""
    inside = {at for one in found for at in range(one.start, one.end)}
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
