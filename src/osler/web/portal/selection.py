"""What a reader looks for: text, constraints, order and page, all of it in the address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from osler.core import InputError

TEXT_MOST = 400
VALUE_MOST = 80
VALUES_MOST = 40
PAGE_SIZE = 50
ORDERS = {
    "relevance": "Relevance",
    "size": "Largest first",
    "year": "Newest first",
    "name": "Name",
}
VIEWS = {"table": "Table", "cards": "Cards"}
LISTS = ("modality", "structure", "task", "dim", "licence", "access", "publisher")
NUMBERS = {"since": 2200, "until": 2200, "least": 10**12, "most": 10**12, "page": 10**6}
EXCLUDABLE = ("modality", "structure", "task", "dim", "licence", "access", "publisher")
_CHOICES = {"labelled": ("yes", "no"), "sort": tuple(ORDERS), "view": tuple(VIEWS)}


@dataclass(frozen=True, slots=True)
class Selection:
    """One question to the catalogue.

    The fields are the keys of the address in their order. Several values of one list mean any of
    them; different fields must all hold. ``without`` holds ``field:value`` pairs to keep out.
    ``since`` and ``until`` are years, ``least`` and ``most`` bound the stated count, all included.
    """

    q: str = ""
    modality: tuple[str, ...] = ()
    structure: tuple[str, ...] = ()
    task: tuple[str, ...] = ()
    dim: tuple[str, ...] = ()
    licence: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    publisher: tuple[str, ...] = ()
    labelled: str = ""
    since: int | None = None
    until: int | None = None
    least: int | None = None
    most: int | None = None
    without: tuple[str, ...] = ()
    sort: str = "relevance"
    view: str = "table"
    page: int = 1

    def but(self, **changes: Any) -> Selection:
        """The same with other values of these fields."""
        return replace(self, **changes)

    def query(self, **changes: Any) -> str:
        """The address's part after ``?``: only what differs from the default, in fixed order."""
        return urlencode((self.but(**changes) if changes else self).pairs())

    def pairs(self) -> list[tuple[str, str]]:
        """The fields of a form that holds this selection, decoded."""
        found: list[tuple[str, str]] = []
        for name in NAMES:
            value = getattr(self, name)
            if value != getattr(_DEFAULT, name):
                values = value if isinstance(value, tuple) else (value,)
                found.extend((name, str(part)) for part in values)
        return found

    def toggled(self, name: str, value: str) -> Selection:
        """With one value of a list more or less, at the first page."""
        held: tuple[str, ...] = getattr(self, name)
        values = tuple(v for v in held if v != value) if value in held else (*held, value)
        return self.but(**{name: _tidy(values), "page": 1})

    def constraints(self) -> list[tuple[str, str, Selection]]:
        """Each constraint as (field, value, the selection without it); the text is none."""
        found = [
            (name, value, self.toggled(name, value))
            for name in (*LISTS, "without")
            for value in getattr(self, name)
        ]
        if self.labelled:
            found.append(("labelled", self.labelled, self.but(labelled="", page=1)))
        for low, high in (("since", "until"), ("least", "most")):
            bounds = (getattr(self, low), getattr(self, high))
            if bounds != (None, None):
                words = _span(*bounds)
                found.append((low, words, self.but(**{low: None, high: None, "page": 1})))
        return found


_DEFAULT = Selection()
NAMES = tuple(one.name for one in fields(Selection))


def selection_from(query: str) -> Selection:
    """The selection that an address holds; empty values and foreign keys are passed over.

    Raises
    ------
    InputError
        A text, a number of values or a number is beyond its bounds, or a choice is unknown.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=False, max_num_fields=400)
    except ValueError as error:
        raise InputError("the address holds more than 400 fields; make it shorter") from error
    return selection_of(pairs)


def selection_of(pairs: Iterable[tuple[str, str]]) -> Selection:
    """As :func:`selection_from`, from decoded pairs."""
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in NAMES and value.strip():
            given.setdefault(name, []).append(value.strip())
    values: dict[str, Any] = {}
    for name, texts in given.items():
        values[name] = _read(name, texts)
    return Selection(**values)


def _read(name: str, texts: Sequence[str]) -> Any:
    if name == "q":
        text = " ".join(" ".join(texts).split())
        if len(text) > TEXT_MOST:
            raise InputError(f"the search has {len(text)} characters; use at most {TEXT_MOST}")
        return text
    if name in NUMBERS:
        return _number(name, texts[-1])
    if name in _CHOICES:
        if texts[-1] not in _CHOICES[name]:
            raise InputError(f"{name} is one of {', '.join(_CHOICES[name])}, not {texts[-1]!r:.60}")
        return texts[-1]
    if len(texts) > VALUES_MOST or max(map(len, texts)) > VALUE_MOST:
        raise InputError(
            f"{name} takes at most {VALUES_MOST} values of at most {VALUE_MOST} characters"
        )
    if name == "without" and any(text.partition(":")[0] not in EXCLUDABLE for text in texts):
        raise InputError(f"without is FIELD:VALUE, FIELD one of {', '.join(EXCLUDABLE)}")
    return _tidy(texts)


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:20]) > NUMBERS[name]:
        raise InputError(f"{name} is a whole number up to {NUMBERS[name]}, not {text!r:.60}")
    number = int(text)
    if name == "page" and not number:
        raise InputError("pages are counted from 1")
    return number


def _tidy(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _span(low: int | None, high: int | None) -> str:
    if low is not None and high is not None:
        return str(low) if low == high else f"{low} to {high}"
    return f"from {low}" if high is None else f"up to {high}"
