"""Label maps: what every label of a source means, and who decided it.

Decisions, in this order: the goal (``sources[].labels``), the table of the dataset that ships with
Osler, the name that the source itself gives. A label that none of them explains is *unmapped*; it
is never taken for background.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from osler.core import content_hash

from .case import Kind, Source
from .concept_table import words_of
from .concepts import Status, concept_for, concept_of, is_kind_of, key_named
from .faults import LayoutError
from .label_tables import BACKGROUND, IGNORE, LabelTable, Row, table_for
from .sample import Concept

Decider = Literal["goal", "table", "name"]

_NOTHING = frozenset({"background", "bg", "unlabelled", "unlabeled", "clear label"})
_IGNORED = frozenset({"ignore", "void", "ignored"})
PIXEL: frozenset[str] = frozenset({"mask", "instances", "boxes", "keypoints"})
"""Kinds whose labels lie somewhere in the image; the others are of the image as a whole."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One native label: its name, the key of its concept, how they compare, who decided.

    ``key`` is a key of :mod:`concepts`, ``background``, ``ignore``, or empty when unmapped.
    """

    native: str
    text: str
    key: str
    concept: Concept | None
    status: Status
    decided_by: Decider
    note: str = ""


@dataclass(frozen=True, slots=True)
class LabelMap:
    """All labels of one dictionary of a source. ``id`` is stable: same entries, same id."""

    id: str
    dataset: str
    kind: Kind
    entries: tuple[Entry, ...]
    table: str = ""

    def entry(self, native: object) -> Entry | None:
        """The entry of a native label, by id, else by name; None where there is none."""
        text = str(native)
        by_id = (one for one in self.entries if one.native == text)
        return next(by_id, None) or next((one for one in self.entries if one.text == text), None)

    @property
    def unmapped(self) -> tuple[str, ...]:
        """Names of the labels that nothing explains."""
        return tuple(one.text for one in self.entries if one.status == "unmapped")

    def as_json(self) -> dict[str, Any]:
        """Plain values, as written to ``label_maps.json``."""
        return {
            "id": self.id,
            "dataset": self.dataset,
            "kind": self.kind,
            "table": self.table,
            "labels": [_plain(one) for one in self.entries],
        }


def _plain(entry: Entry) -> dict[str, Any]:
    concept = entry.concept
    coded = concept and {
        "scheme": concept.scheme, "code": concept.code, "text": concept.text, "side": concept.side,
    }  # fmt: skip
    return {
        "native": entry.native,
        "text": entry.text,
        "key": entry.key,
        "concept": coded,
        "status": entry.status,
        "decided_by": entry.decided_by,
        "note": entry.note,
    }


def label_map_for(
    source: Source,
    annotation_labels: Mapping[str, str],
    overrides: Mapping[str, str] | None = None,
    kind: Kind = "mask",
) -> LabelMap:
    """The label map of one dictionary of a source.

    Parameters
    ----------
    annotation_labels
        Native id to native name, as the layout found them (``Annotation.labels``). Empty, or names
        that are only numbers: the table of the dataset names them.
    overrides
        The goal's decisions: native name or id to a concept, ``ignore``, ``background`` or
        ``own:NAME``.
    kind
        Kind of the annotations that use the dictionary.

    Raises
    ------
    LayoutError
        ``label-dictionary``: the dictionary on disk contradicts the table of its dataset, or
        gives one name to two labels.
    UnknownNameError
        If an override names no concept.
    """
    table = table_for(source, annotation_labels)
    labels = dict(annotation_labels)
    if not labels and table is not None and table.by == "id":
        labels = {row.native: row.text for row in table.rows}
    _check_names(source, labels)
    chosen = {words_of(name): value for name, value in (overrides or {}).items()}
    # One label of a file of its own (a region, one organ) is not numbered as the dataset is.
    numbered = table is not None and table.by == "id" and len(table.rows) > 1
    alone = numbered and list(labels) == ["1"]
    entries = tuple(
        _entry(source, table, native, text, chosen, alone)
        for native, text in sorted(labels.items(), key=lambda item: _order(item[0]))
    )
    used = table.name if table and any(one.decided_by == "table" for one in entries) else ""
    plain = [source.dataset, kind, used, [_plain(one) for one in entries]]
    return LabelMap(
        f"{source.dataset}/{kind}/{content_hash(plain)[:8]}", source.dataset, kind, entries, used
    )


def _order(native: str) -> tuple[int, int, str]:
    return (0, int(native), "") if re.fullmatch(r"-?\d{1,9}", native) else (1, 0, native)


def _check_names(source: Source, labels: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for native, text in labels.items():
        if text and seen.setdefault(text, native) != native:
            raise LayoutError(
                "label-dictionary",
                source.folder,
                f"the labels {seen[text]} and {native} are both called {text!r}",
                "give each its own name",
            )


def _entry(
    source: Source,
    table: LabelTable | None,
    native: str,
    text: str,
    chosen: Mapping[tuple[str, ...], str],
    alone: bool,
) -> Entry:
    decision = chosen.get(words_of(text)) if words_of(text) else None
    decision = decision or chosen.get(words_of(native))
    if decision is not None:
        return _decided(native, text, decision)
    named = _named(text)
    row = table and (table.row_called(named) if alone and named else table.row_of(native, text))
    if table is not None and table.by == "id" and named and not alone:
        _check_agrees(source, table, row or None, native, text, named)
    if row:
        concept = None if row.key in (BACKGROUND, IGNORE) else concept_of(row.key)
        return Entry(native, text or row.text, row.key, concept, row.status, "table", row.note)
    if named in (BACKGROUND, IGNORE):
        return Entry(native, text, named, None, "exact", "name")
    match = concept_for(text)
    return Entry(native, text, match.key, match.concept, match.status, "name", match.how)


def _named(text: str) -> str:
    """What a name says: a key, ``background``, ``ignore``, or nothing."""
    plain = " ".join(words_of(text))
    if plain in _NOTHING:
        return BACKGROUND
    return IGNORE if plain in _IGNORED else concept_for(text).key


def _decided(native: str, text: str, decision: str) -> Entry:
    if decision in (BACKGROUND, IGNORE):
        return Entry(native, text, decision, None, "exact", "goal")
    key = key_named(decision)
    return Entry(native, text, key, concept_of(key), "exact", "goal")


def _check_agrees(
    source: Source, table: LabelTable, row: Row | None, native: str, text: str, key: str
) -> None:
    """Refuse a dictionary that calls a number otherwise than the dataset's table does.

    One may be a kind of the other (``edema`` and that around a tumour); it may not be something
    else, another side, or a part of what the name says.
    """
    if row is None:
        row = next((one for one in table.rows if one.key == key), None)
    elif words_of(row.text) == words_of(text) or _kinds(row.key, key):
        return
    if row is not None:
        raise LayoutError(
            "label-dictionary",
            source.folder,
            f"its dictionary calls label {native} {text!r}, but in {source.dataset} label "
            f"{row.native} is {row.text!r} ({table.source})",
            "name the dataset and version it really is, or decide the label in the goal "
            "(sources[].labels, or options.label_table = 'none' to trust the dictionary)",
        )


def _kinds(one: str, other: str) -> bool:
    return is_kind_of(one, other) or is_kind_of(other, one)


def unused_overrides(maps: Iterable[LabelMap], overrides: Mapping[str, str]) -> tuple[str, ...]:
    """The names of a goal's ``labels`` that no label of its source has: misspelt, or of another."""
    called = {
        words_of(name)
        for one in maps
        for entry in one.entries
        for name in (entry.native, entry.text)
    }
    return tuple(name for name in overrides if words_of(name) not in called)
