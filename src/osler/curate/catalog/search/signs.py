"""Diseases told by their signs: "water under the macula", "patches in the white matter".

Each row of ``data/signs.tsv`` names a target (or ``modality:`` one) and classes of words; where a
question has a word of every class, close together, the target is asked for. The last class is where
it is seen: its words keep their own meaning. The others ("nerve", "water", "blood") lose theirs,
for they are incidental.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files

from .lexicon import Sense
from .scanning import Mention
from .text import Token, stem

WINDOW = 9
"""Words within which all classes of a sign stand."""
INCIDENTAL = {"blood", "cell", "vessel", "blood_cells", "nerve"}
"""Codes of words that a sign takes with it wherever they stand ("blocks the flow of blood")."""
ANATOMY = {"ventricle", "myocardium", "whole_heart", "vessel", "optic_disc", "brain_tissue"}
"""Targets that are places, not diseases."""

Code = tuple[str, str]
Rule = tuple[tuple[Code, ...], tuple[frozenset[str], ...]]


def _code(text: str) -> Code:
    kind, _, code = text.rpartition(":")
    return kind or "target", code


@cache
def _rules() -> tuple[Rule, ...]:
    """(target codes, classes of stems), the rows with most classes first."""
    text = files("osler.curate.catalog.search").joinpath("data", "signs.tsv").read_text("utf-8")
    made: list[Rule] = []
    for line in text.splitlines()[1:]:
        codes, listed = line.split("\t")
        classes = tuple(
            frozenset(stem(word) for word in one.split(" | ")) for one in listed.split(" & ")
        )
        made.append((tuple(map(_code, codes.split("/"))), classes))
    return tuple(sorted(made, key=lambda rule: -len(rule[1])))


def signs(
    wanted: Sequence[Mention], words: Sequence[Token], taken: set[int]
) -> tuple[list[Mention], set[int]]:
    """Mentions with those that signs add, and the places of the words that were read as signs.

    ``taken``: places of words that are ruled out or part of a name. A disease named in several
    words keeps them.
    """
    busy = set(taken)
    for one in wanted:
        phrase = one.end - one.start > 1 and any(
            s.kind == "target" and s.codes[0][1] not in ANATOMY for s in one.senses
        )
        if one.name is not None or (phrase and not all(s.weak for s in one.senses)):
            busy |= set(range(one.start, one.end))
    made = list(wanted)
    read: set[int] = set()
    for codes, classes in _rules():
        places = _places(classes, words, busy)
        if not places or _said(codes, wanted):
            continue
        said = " ".join(words[at].word for at in places)
        made = [_without(one, set(places[:-1]), places[-1]) for one in made]
        sense = Sense(codes)
        made.append(Mention(places[0], places[0] + 1, said, (sense,)))
        busy |= set(places[:-1])
        read |= set(places)
    return made, read


def _said(codes: tuple[Code, ...], wanted: Sequence[Mention]) -> bool:
    """Whether the disease, or any modality, was named."""
    senses = [one for mention in wanted for one in mention.senses]
    if codes[0][0] == "modality" and any(one.kind == "modality" and not one.weak for one in senses):
        return True
    return any(code in one.codes for one in senses for code in codes)


def _places(
    classes: tuple[frozenset[str], ...], words: Sequence[Token], busy: set[int]
) -> list[int]:
    """A place for each class, different and close together; [] where one is missing."""
    found: list[int] = []
    for one in classes:
        at = next(
            (
                place
                for place, word in enumerate(words)
                if word.stem in one and place not in busy and place not in found
            ),
            None,
        )
        if at is None:
            return []
        found.append(at)
    return found if max(found) - min(found) < WINDOW else []


def _without(mention: Mention, places: set[int], seen: int) -> Mention:
    """A mention without the meanings that a sign takes from it."""
    if mention.name is not None:
        return mention
    inside = not places.isdisjoint(range(mention.start, mention.end))
    at_place = mention.start <= seen < mention.end
    kept = tuple(
        one
        for one in mention.senses
        if not (inside and one.kind in ("target", "structure"))
        and not (at_place and one.kind == "target")
        and one.codes[0][1] not in INCIDENTAL
    )
    return replace(mention, senses=kept) if len(kept) < len(mention.senses) else mention
