"""How far each record has each thing that can be asked for: tables of degrees from 0 to 1.

A column is a code (``structure:lung``), a row a record. 1: the record has the code. Less: it has
one near it, by ``data/near.tsv`` ("chest" answers a question for the lung to 0.8) or by the
hierarchy of the vocabulary. Targets are read from a record's own words with the lexicon that also
reads queries, so that "GBM" and "glioblastoma multiforme" are one thing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import cast

import numpy as np
import numpy.typing as npt

from ..record import Dataset
from ..vocabulary import Kind, broader, codes
from .lexicon import Lexicon, lexicon
from .names import other_names
from .text import fold, spaced, tokens

Degrees = npt.NDArray[np.float32]
KINDS = ("modality", "structure", "task", "target", "dim", "detail")
FULL = 0.7
"""From this degree on a record has what is asked for."""

_REGIONS = frozenset({"chest", "abdomen", "head_neck", "pelvis", "whole_body", "skeleton", "head"})
_DIMS = ("2D", "3D", "4D", "video")


@cache
def _near() -> dict[tuple[str, str], tuple[tuple[str, float], ...]]:
    """(kind, found code) -> the codes it answers for, with how well."""
    text = files("osler.curate.catalog.search").joinpath("data", "near.tsv").read_text("utf-8")
    held: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for line in text.splitlines()[1:]:
        kind, asked, found, degree = line.split("\t")
        held[kind, found].append((asked, float(degree)))
    return {key: tuple(value) for key, value in held.items()}


def _above(kind: Kind, code: str) -> tuple[str, ...]:
    return broader(kind, code) if code in codes(kind) else ()


@cache
def answers(kind: str, found: str) -> dict[str, float]:
    """The codes that a record with this code answers for, with degrees."""
    given = {found: 1.0}
    if kind in ("modality", "structure", "task"):
        kind = cast(Kind, kind)
        for steps, parent in enumerate(_above(kind, found)):
            region = kind == "structure" and parent in _REGIONS
            given[parent] = 0.5 if region or kind == "modality" else 0.8 - 0.1 * min(steps, 4)
            if kind == "structure" and steps >= 2:
                given[parent] = min(given[parent], 0.5)
        for child in codes(kind):
            if found in _above(kind, child)[:1]:
                given.setdefault(child, 0.4)
    given.update(dict(_near().get((kind, found), ())))
    return given


def _words_of(record: Dataset) -> list[tuple[list[str], float]]:
    """Stems of a record's targets and names, with how sure a thing found in them is."""
    texts = [(one, 1.0) for one in record.targets]
    names = dict.fromkeys((record.name, spaced(record.name), *other_names(record)))
    texts += [(one, 0.95) for one in names]
    return [([t.stem for t in tokens(fold(text))], sure) for text, sure in texts]


def _said(record: Dataset, known: Lexicon) -> dict[tuple[str, str], float]:
    """What a record's words say, by the lexicon, with how sure."""
    said: dict[tuple[str, str], float] = {}
    for stems, sure in _words_of(record):
        at = 0
        while at < len(stems):
            size, senses = known.meaning(stems, at, records=True)
            for sense in senses:
                for kind, code in sense.codes:
                    if kind in ("target", "structure") and (kind == "target" or not sense.weak):
                        said[kind, code] = max(said.get((kind, code), 0), sure)
            at += max(size, 1)
    return said


def of_record(record: Dataset, known: Lexicon | None = None) -> dict[tuple[str, str], float]:
    """Everything a record answers for, with degrees."""
    known = known or lexicon()
    held: dict[tuple[str, str], float] = {}

    def has(kind: str, code: str, degree: float) -> None:
        if degree > held.get((kind, code), 0):
            held[kind, code] = degree

    fields = (
        ("modality", record.modalities),
        ("structure", record.structures),
        ("task", record.tasks),
        ("dim", record.dims),
        ("detail", record.modality_detail),
    )
    for kind, listed in fields:
        for code in listed:
            for asked, degree in answers(kind, code).items():
                has(kind, asked, degree)
    if "XR" in record.modalities and "breast" in record.structures:
        has("modality", "MG", 0.9)
    said = _said(record, known)
    for (kind, code), sure in said.items():
        if kind == "structure":
            fits = not record.structures or held.get((kind, code), 0) >= 0.4
            for asked, degree in answers(kind, code).items():
                has(kind, asked, degree * (0.8 if fits or sure < 1 else 0.6))
        else:
            for asked, steps in known.above(code).items():
                has("target", asked, sure * 0.99**steps)
            for child, parents in known.broader.items():
                if code in parents:
                    has("target", child, 0.4 * sure)
    return held


def tables(records: Sequence[Dataset]) -> dict[str, tuple[list[str], npt.NDArray[np.uint8]]]:
    """For each kind: its codes in order, and (records, codes) degrees in hundredths."""
    known = lexicon()
    every = [of_record(one, known) for one in records]
    columns: dict[str, set[str]] = {kind: set() for kind in KINDS}
    columns["dim"] |= set(_DIMS)
    for held in every:
        for kind, code in held:
            columns[kind].add(code)
    listed = {kind: sorted(columns[kind]) for kind in KINDS}
    place = {(kind, code): at for kind in KINDS for at, code in enumerate(listed[kind])}
    made = {kind: np.zeros((len(records), len(listed[kind])), np.uint8) for kind in KINDS}
    for row, held in enumerate(every):
        for pair, degree in held.items():
            made[pair[0]][row, place[pair]] = round(100 * degree)
    return {kind: (listed[kind], made[kind]) for kind in KINDS}
