"""What each field of a record may hold: one rule a field, used for the table and for new entries.

A rule yields sentences, each of which says what is wrong and what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, get_args
from urllib.parse import urlsplit

from osler.core import printable
from osler.curate.licences import UNKNOWN, known_licences, licence_named

from .record import Access, CountUnit, Dataset, Dimension, Kind
from .vocabulary import Kind as Words
from .vocabulary import codes

Rule = Callable[[Any], Iterator[str]]
LONGEST = 200
"""Characters of a name, a word or a source; records hold facts, not sentences of others."""
YEARS = (1950, 2100)
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DOI = re.compile(r"10\.\d{4,9}/\S+")


def near(value: str, allowed: Any) -> str:
    """The end of a sentence about a value that is not allowed: near ones, or all if they are few.

    Examples
    --------
    >>> near("sgmentation", ["segmentation", "classification"])
    'did you mean segmentation?'
    """
    names = sorted(allowed)
    folded = {name.casefold(): name for name in names}
    close = get_close_matches(value.casefold(), list(folded), n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(folded[one] for one in close)}?"
    return f"allowed: {', '.join(names)}" if len(names) <= 30 else f"{len(names)} are allowed"


def _text(value: Any) -> Iterator[str]:
    if not isinstance(value, str) or not value.strip():
        yield "must be text that is not empty"
    elif len(value) > LONGEST:
        yield f"has {len(value)} characters; at most {LONGEST} (facts, no sentences of a page)"
    elif printable(value) != value or "\n" in value:
        yield "holds control characters"


def _slug(value: Any) -> Iterator[str]:
    yield from _text(value)
    if isinstance(value, str) and value and not _SLUG.fullmatch(value):
        yield f"{value!r} must be lower-case letters, digits and single hyphens, like lidc-idri"


def _whole(low: int, high: int) -> Rule:
    def rule(value: Any) -> Iterator[str]:
        if type(value) is not int or not low <= value <= high:
            yield f"{value!r} must be a whole number from {low} to {high}"

    return rule


def _bool(value: Any) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{value!r} must be true or false"


def _one_of(allowed: Any) -> Rule:
    def rule(value: Any) -> Iterator[str]:
        if value not in allowed:
            yield f"{value!r} is none of them; {near(str(value), allowed)}"

    return rule


def _code(kind: Words) -> Rule:
    def rule(value: Any) -> Iterator[str]:
        if not isinstance(value, str) or value not in codes(kind):
            yield f"{value!r} is no code of the vocabulary; {near(str(value), codes(kind))}"

    return rule


def _each(rule: Rule) -> Rule:
    def of_list(value: Any) -> Iterator[str]:
        if not isinstance(value, list | tuple):
            yield f"{value!r} must be a list"
            return
        if len({str(one) for one in value}) < len(value):
            yield "lists a value twice"
        for one in value:
            yield from rule(one)

    return of_list


def _word(value: Any) -> Iterator[str]:
    yield from _text(value)
    if isinstance(value, str) and value != value.casefold():
        yield f"{value!r} must be lower case"


def _url(value: Any) -> Iterator[str]:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        good = parts is not None and parts.scheme in {"http", "https"} and "." in parts.netloc
    except ValueError:
        good = False
    if not good or re.search(r"\s", str(value)):
        yield f"{value!r} must be a link that begins with https:// or http://"


def _doi(value: Any) -> Iterator[str]:
    if not isinstance(value, str) or not _DOI.fullmatch(value):
        yield f"{value!r} must be a bare DOI, like 10.7937/tcia.2019.tt7f4v7o"


def _licence(value: Any) -> Iterator[str]:
    named = licence_named(value) if isinstance(value, str) else UNKNOWN
    if named.id == UNKNOWN.id:
        wanted = near(str(value), known_licences())
        yield f"{value!r} is no licence that is known here; {wanted} Leave it out if unknown."
    elif named.id != value:
        yield f"{value!r} is written {named.id!r} here"


def _relation(value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield "each must be a table with kind, other and source"
        return
    unknown = set(value) - {"kind", "other", "source", "patients"}
    if unknown:
        yield f"has {', '.join(sorted(unknown))}; allowed: kind, other, source, patients"
    if value.get("kind") not in get_args(Kind):
        yield f"kind {value.get('kind')!r}: {near(str(value.get('kind')), get_args(Kind))}"
    for part in ("other", "source"):
        for wrong in _text(value.get(part)):
            yield f"{part} {wrong}"
    if value.get("patients") is not None:
        yield from _whole(1, 10**9)(value["patients"])


RULES: Mapping[str, Rule] = {
    "id": _slug,
    "name": _text,
    "year": _whole(*YEARS),
    "dims": _each(_one_of(get_args(Dimension))),
    "modalities": _each(_code("modality")),
    "modality_detail": _each(_one_of(("wsi", "patch"))),
    "structures": _each(_code("structure")),
    "tasks": _each(_code("task")),
    "targets": _each(_word),
    "count": _whole(1, 10**12),
    "count_unit": _one_of(get_args(CountUnit)),
    "count_exact": _bool,
    "labelled": _bool,
    "annotation_objects": _each(
        _one_of(("SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "RTIMAGE", "SR", "ANN"))
    ),
    "extra_data": _each(_word),
    "urls": _each(_url),
    "doi": _doi,
    "host": _text,
    "publisher": _text,
    "access": _one_of(get_args(Access)),
    "licences": _each(_licence),
    "annotation_licences": _each(_licence),
    "licence_source": _text,
    "idc_collection": _text,
    "aliases": _each(_text),
    "relations": _each(_relation),
    "source": _text,
}
"""Rule of each field that a person may write. ``rows``, ``flags`` and ``facts`` are computed."""

COMPUTED = frozenset({one.name for one in fields(Dataset)} - set(RULES))
REQUIRED = ("name", "dims", "modalities", "labelled", "urls", "source")
"""What a new entry must state."""


def wrong_values(row: Mapping[str, Any], *, empty_ok: bool) -> Iterator[tuple[str, str]]:
    """(field, sentence) of every value of a row that breaks the rule of its field.

    ``empty_ok``: None, empty text and empty lists stand for "not stated", as in the table.
    """
    for field, rule in RULES.items():
        if field not in row or (empty_ok and row[field] in (None, "", [], ())):
            continue
        for sentence in rule(row[field]):
            yield field, sentence
