"""Datasets by name: exact, by another spelling, mistyped, or by the name of their family."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from rapidfuzz import process
from rapidfuzz.distance import OSA

from ..record import Dataset
from .slips import plain
from .text import Token, fold, spaced, squashed

LONGEST_WINDOW = 7
"""Words of a query that are taken together as one name, at most."""
_ROMAN = {"ii": "2", "iii": "3", "iv": "4"}
_NOISE = re.compile(r"\b(?:data ?set|data|challenge|database|images?)\b")


@dataclass(frozen=True, slots=True)
class NameMatch:
    """Rows whose name a stretch of the query resembles; 1: it is the name."""

    start: int
    end: int
    words: str
    likeness: dict[int, float]

    @property
    def best(self) -> float:
        """Highest likeness."""
        return max(self.likeness.values())


@dataclass(frozen=True, slots=True)
class Names:
    """Squashed spellings of all datasets, with the rows each stands for."""

    spellings: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    at: dict[str, int]
    families: dict[str, tuple[int, ...]]
    """First word of names -> the rows whose name it begins: brats of BraTS 2020 and 2021."""
    plain: frozenset[str] = frozenset()
    """Spellings of names that are made of ordinary words: a slip is never one of these."""

    def odd_families(self) -> list[str]:
        """First words that are no ordinary word: what a slip may have been meant for."""
        return [one for one in self.families if one not in self.plain]

    def rows_of(self, squash: str) -> tuple[int, ...]:
        """Rows that have exactly this spelling."""
        place = self.at.get(squash)
        return self.rows[place] if place is not None else ()


@cache
def _more_names() -> dict[str, tuple[str, ...]]:
    text = files("osler.curate.catalog.search").joinpath("data", "names.tsv").read_text("utf-8")
    pairs = (line.split("\t") for line in text.splitlines()[1:] if line)
    return {name: tuple(listed.split(" | ")) for name, listed in pairs}


def other_names(record: Dataset) -> tuple[str, ...]:
    """Names of a dataset beside its own: its aliases and ours."""
    return (*record.aliases, *_more_names().get(record.name, ()))


def _variants(name: str) -> Iterable[str]:
    """Spellings of one name that people use for the other."""
    yield name
    outside = re.sub(r"\([^)]*\)", " ", name)
    yield outside
    yield from re.findall(r"\(([A-Za-z][^)]{2,})\)", name)
    lowered = fold(spaced(name))
    yield _NOISE.sub(" ", lowered)
    year = re.search(r"(?<!\d)(?:20)?([0-2]\d)(?!\d)", fold(name))
    if year and (len(year[0]) == 4 or re.search(r"[a-z '-]\d\d$", fold(name).strip())):
        short, long = year[1], f"20{year[1]}"
        for one in (short, long):
            yield fold(name)[: year.start()] + one + fold(name)[year.end() :]
    for roman, digit in _ROMAN.items():
        if re.search(rf"\b{roman}$", fold(name)):
            yield re.sub(rf"\b{roman}$", digit, fold(name))
    if "&" in name:
        yield name.replace("&", " and ")
        yield name.replace("&", "n")


def all_names(records: Sequence[Dataset]) -> Names:
    """The spellings of a catalogue's names."""
    found: dict[str, dict[int, None]] = {}
    everyday: set[str] = set()
    families: dict[str, dict[int, None]] = {}
    for row, record in enumerate(records):
        for name in (record.name, *record.aliases):
            head = re.match(r"[a-z0-9]*[a-z]", fold(name))
            if head and len(head[0]) >= 3:
                families.setdefault(head[0], {})[row] = None
                if plain(head[0]):
                    everyday.add(head[0])
            for inner in re.findall(r"[a-z0-9]*[a-z]", fold(re.sub(r"[-_/]", " ", name)))[1:]:
                if len(inner) >= 4 and not plain(inner):
                    families.setdefault(inner, {})[row] = None  # LIDC of DICOM-LIDC-IDRI
        for name in (record.name, record.id, *other_names(record)):
            for variant in _variants(name):
                squash = squashed(variant)
                if len(squash) >= 2:
                    found.setdefault(squash, {})[row] = None
                    if plain(variant):
                        everyday.add(squash)
    spellings = tuple(sorted(found))
    rows = tuple(tuple(found[one]) for one in spellings)
    return Names(
        spellings,
        rows,
        {one: place for place, one in enumerate(spellings)},
        {word: tuple(found) for word, found in families.items()},
        frozenset(everyday),
    )


def _least(length: int) -> float:
    """Likeness from which a mistyped name is taken for one: one slip in five letters."""
    if length <= 4:
        return 0.95
    return 0.79 if length <= 9 else 0.8


def exact_windows(words: Sequence[Token], names: Names) -> list[NameMatch]:
    """Stretches of a query that are a name, spaced in any way; the longest first."""
    found = []
    for size in range(min(LONGEST_WINDOW, len(words)), 0, -1):
        for start in range(len(words) - size + 1):
            squash = "".join(one.word for one in words[start : start + size])
            rows = names.rows_of(squash)
            if rows:
                text = " ".join(one.word for one in words[start : start + size])
                found.append(NameMatch(start, start + size, text, dict.fromkeys(rows, 1.0)))
    return found


def _odd(words: Sequence[Token]) -> bool:
    """Whether nothing but one misspelt word and figures was written."""
    letters = [one for one in words if not one.word.isdigit()]
    return len(letters) == 1 and len(letters[0].word) >= 4


def mistyped(words: Sequence[Token], start: int, end: int, names: Names) -> NameMatch | None:
    """The names that a stretch of the query resembles, or None."""
    squash = "".join(one.word for one in words[start:end])
    if len(squash) < 4:
        return None
    least = _least(len(squash))
    near = process.extract(
        squash,
        names.spellings,
        scorer=OSA.normalized_similarity,
        score_cutoff=least,
        limit=12,
    )
    likeness: dict[int, float] = {}
    digits = re.sub(r"\D", "", squash)
    for spelling, score, place in near:
        same = digits == re.sub(r"\D", "", spelling)
        if spelling in names.plain and not (
            same and _odd(words[start:end]) and (len(digits) >= 2 or len(squash) >= 8)
        ):
            continue  # everyday words are a name with its number or as one: "lunna16"
        if squash[0] != spelling[0] and score < 0.88:
            continue
        value = 0.98 * score if same else 0.9 * score
        for row in names.rows[place]:
            likeness[row] = max(likeness.get(row, 0), value)
    if end - start <= 2:
        families = process.extract(
            squash, names.odd_families(), scorer=OSA.normalized_similarity, score_cutoff=least
        )
        for family, score, _ in families:
            for row in names.families[family]:
                likeness[row] = max(likeness.get(row, 0), 0.93 * score)
    if not likeness:
        return None
    return NameMatch(start, end, " ".join(one.word for one in words[start:end]), likeness)
