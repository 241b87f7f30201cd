"""What words mean: the vocabularies of the catalogue and this room's own tables, as one lexicon.

``data/lexicon.tsv`` holds a row a meaning: ``structure:lung``, alternatives by ``/``
(``modality:HISTO/MICRO``), several things at once by ``+`` (``modality:XR+structure:chest``). A
term that begins with ``~``, or a row whose meaning ends in it, is a hint: it orders hits and
refuses none; one that begins with ``?`` is a way to ask, but says nothing in a record's name
("operation"). ``data/targets.tsv`` holds diseases and objects with the broader ones above them; its
fourth column has words that mean the target in a record but are no way to ask for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from ..vocabulary import KINDS, terms
from .text import stems

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sense:
    """One thing a term asks for: any of ``codes`` (kind and code)."""

    codes: tuple[tuple[str, str], ...]
    weak: bool = False

    @property
    def kind(self) -> str:
        """Kind of the first code."""
        return self.codes[0][0]


@dataclass(slots=True)
class Lexicon:
    """Terms by their first stem, the longest first, and the hierarchy of targets."""

    senses: dict[Words, tuple[Sense, ...]] = field(default_factory=dict)
    of_records: dict[Words, tuple[Sense, ...]] = field(default_factory=dict)
    broader: dict[str, tuple[str, ...]] = field(default_factory=dict)
    labels: dict[tuple[str, str], str] = field(default_factory=dict)
    cased: dict[str, Sense] = field(default_factory=dict)
    asked_only: set[Words] = field(default_factory=set)
    blocked: set[Words] = field(default_factory=set)
    longest: dict[str, int] = field(default_factory=dict)

    def add(self, term: str, senses: tuple[Sense, ...], *, records_only: bool = False) -> None:
        """A term with its senses; a second meaning of one term is an alternative."""
        words = stems(term)
        if not words:
            return
        table = self.of_records if records_only else self.senses
        held = table.get(words)
        table[words] = senses if held is None else _either(held, senses)
        self.longest[words[0]] = max(self.longest.get(words[0], 0), len(words))

    def meaning(
        self, stems: list[str], at: int, *, records: bool = False
    ) -> tuple[int, tuple[Sense, ...]]:
        """The longest term that begins at a place: how many tokens, and what it means."""
        for size in range(min(self.longest.get(stems[at], 0), len(stems) - at), 0, -1):
            words = tuple(stems[at : at + size])
            senses = self.senses.get(words, ())
            if records:
                senses = () if words in self.asked_only else senses
                senses = (*senses, *self.of_records.get(words, ()))
            if senses:
                return size, senses
        return 0, ()

    def above(self, target: str) -> dict[str, int]:
        """A target and all broader ones, with how many steps up they are."""
        found, edge = {target: 0}, [target]
        while edge:
            here = edge.pop(0)
            for parent in self.broader.get(here, ()):
                if parent not in found:
                    found[parent] = found[here] + 1
                    edge.append(parent)
        return found


_FACTS = {"structure", "task", "target"}


def _either(held: tuple[Sense, ...], more: tuple[Sense, ...]) -> tuple[Sense, ...]:
    """One term, two rows: alternatives if both name what a dataset is about, else both hold."""
    if len(held) == len(more) == 1 and {held[0].kind, more[0].kind} <= _FACTS:
        codes = tuple(dict.fromkeys((*held[0].codes, *more[0].codes)))
        return (Sense(codes, held[0].weak and more[0].weak),)
    return (*held, *(one for one in more if one not in held))


def _parse(meaning: str) -> tuple[Sense, ...]:
    senses = []
    for part in meaning.rstrip("~").split("+"):
        kind, _, codes = part.partition(":")
        senses.append(Sense(tuple((kind, code) for code in codes.split("/"))))
    return tuple(senses)


def _weak(senses: tuple[Sense, ...]) -> tuple[Sense, ...]:
    return tuple(Sense(one.codes, True) for one in senses)


def _rows(name: str) -> Iterator[list[str]]:
    text = files("osler.curate.catalog.search").joinpath("data", name).read_text("utf-8")
    for line in text.splitlines()[1:]:
        if line and not line.startswith("#"):
            yield line.split("\t")


def _own(lexicon: Lexicon) -> None:
    later = []
    for meaning, listed in _rows("lexicon.tsv"):
        all_terms = listed.split(" | ")
        if meaning == "block":
            lexicon.blocked |= {stems(one) for one in all_terms}
            continue
        if meaning.startswith("cased:"):
            lexicon.cased |= {one: _parse(meaning.removeprefix("cased:"))[0] for one in all_terms}
            continue
        if meaning in ("ignore", "foreign"):
            later.append((meaning, all_terms))
            continue
        for one in all_terms:
            weak = one.startswith("~") or meaning.endswith("~")
            senses = _parse(meaning)
            lexicon.add(one.lstrip("~"), _weak(senses) if weak else senses)
    for meaning, all_terms in later:
        for one in all_terms:
            if stems(one) not in lexicon.senses:
                lexicon.add(one, (Sense(((meaning, one),)),))


def _targets(lexicon: Lexicon) -> None:
    for code, broader, listed, *rest in _rows("targets.tsv"):
        lexicon.broader[code] = tuple(one for one in broader.split(",") if one)
        all_terms = listed.split(" | ")
        lexicon.labels["target", code] = all_terms[0].lstrip("~?")
        for one in all_terms:
            if one.startswith("?"):
                lexicon.asked_only.add(stems(one[1:]))
            lexicon.add(one.lstrip("~?"), (Sense((("target", code),), one.startswith("~")),))
        for one in rest[0].split(" | ") if rest and rest[0] else ():
            lexicon.add(one, (Sense((("target", code),)),), records_only=True)


def _vocabulary(lexicon: Lexicon) -> None:
    """Terms of the catalogue's vocabularies that this room's tables do not settle."""
    for kind in KINDS:
        for term in terms(kind):
            lexicon.labels.setdefault((kind, term.code), term.label)
            code = term.code
            if kind == "target":
                code = _same_target(lexicon, (term.label, *term.synonyms)) or code
                lexicon.broader.setdefault(code, (term.parent,) if term.parent else ())
            for name in (term.label, *term.synonyms, *term.chinese):
                words = stems(name)
                if words in lexicon.blocked or words in lexicon.senses:
                    continue
                if kind == "target" and _made_of_known(lexicon, list(words)):
                    continue
                lexicon.add(name, (Sense(((kind, code),)),))


def _same_target(lexicon: Lexicon, named: tuple[str, ...]) -> str | None:
    """This room's own code for a target of the vocabulary, found by a name they share."""
    for name in named:
        held = lexicon.senses.get(stems(name), ())
        for sense in held:
            if sense.codes[0][0] == "target":
                return sense.codes[0][1]
    return None


def _made_of_known(lexicon: Lexicon, stems: list[str]) -> bool:
    """Whether a target is only known words in a row: "lung cancer" is a place and a disease.

    Those are read apart, so that a lung cancer under any name answers for it.
    """
    at, kinds = 0, set()
    while at < len(stems):
        size, senses = lexicon.meaning(stems, at)
        if not size or size == len(stems):
            return False
        kinds |= {one.kind for one in senses}
        at += size
    return bool(kinds & {"target", "structure"})


@cache
def lexicon() -> Lexicon:
    """The lexicon, read once."""
    made = Lexicon()
    _targets(made)
    _own(made)
    _vocabulary(made)
    return made
