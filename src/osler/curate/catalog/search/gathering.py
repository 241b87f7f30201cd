"""Mentions of one kind become one constraint."""

from __future__ import annotations

from collections.abc import Sequence

from ..vocabulary import broader, codes
from .lexicon import Lexicon, Sense, lexicon
from .reading import GENERIC, PLACED, SEPARATE, SOFT, Constraint, Strength
from .scanning import Mention
from .text import is_chinese, tokens

FACETS = {"dim": "dimension"}
"""Kinds of the lexicon whose facet has another name."""
FACTS = ("modality", "structure", "target", "task")
_MERGED = ("modality", "structure", "task", "dim", "detail")
_SMALL, _LARGE = 300, 1000
"""Images below which a dataset is small (times 3), and from which it is large; see judging."""


def alternatives(wanted: Sequence[Mention]) -> list[Mention]:
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


def gathered(wanted: Sequence[Mention]) -> list[Constraint]:
    """Mentions of one kind become one constraint that any of them answers."""
    held: dict[str, list[tuple[Sense, str]]] = {}
    wanted = _without_wider(wanted)
    for one in wanted:
        for sense in (*one.senses, *_inside(one)):
            held.setdefault(sense.kind, []).append((sense, one.words))
    held["structure"] = _innermost(_said_apart(wanted)) or held.get("structure", [])
    every = ("combine", "both") in {sense.codes[0] for sense, _ in held.get("combine", ())}
    made: list[Constraint] = []
    for kind in _MERGED:
        made += _merged(kind, held.get(kind, []), every and kind == "modality")
    made += _targets(held.get("target", []), any(one.facet == "structure" for one in made))
    made += _words_about(held)
    return made


def _without_wider(wanted: Sequence[Mention]) -> list[Mention]:
    """ "chest x-ray mammogram": a modality that a narrower one makes exact says nothing more."""
    said = [one for mention in wanted for one in mention.senses if not one.weak]
    wider = {
        code
        for one in said
        if one.kind == "modality" and len(one.codes) == 1 and one.codes[0][1] in codes("modality")
        for code in broader("modality", one.codes[0][1])
    }
    return [
        one
        for one in wanted
        if one.name is not None
        or not any(
            sense.kind == "modality" and not sense.weak and {c for _, c in sense.codes} <= wider
            for sense in one.senses
        )
    ]


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


def _innermost(found: list[tuple[Sense, str]]) -> list[tuple[Sense, str]]:
    """Without what lies around something else that was said: the eye, beside the macula."""
    around = {
        code
        for sense, _ in found
        for _, inner in sense.codes[:1]
        if inner in codes("structure")
        for code in broader("structure", inner)
    }
    return [one for one in found if one[0].codes[0][1] not in around]


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
    return kept or found  # each may make the other exact: the knee, and its cartilage


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
        return Constraint("size", sense, words, "weak", high=_SMALL, unit="word")
    return Constraint("size", sense, words, "weak", low=_LARGE, unit="word")
