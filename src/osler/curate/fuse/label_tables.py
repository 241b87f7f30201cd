"""Label numbers of known datasets, from tables that ship with Osler, each with its source.

A table is one file of ``label_maps/``, and adding a dataset is adding a file. Its head says
``# datasets:`` (catalogue ids and other names), ``# by: id`` or ``name`` (whether numbers are fixed
or only names), ``# source:``; its rows are native id, native name, key of a concept (or
``background``, ``ignore``), status and note, parted by tabs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from osler.core import UnknownNameError

from .case import Source
from .concept_table import words_of
from .concepts import Status, concept_for, is_kind_of

BACKGROUND, IGNORE = "background", "ignore"
"""Decisions that are no concept: known to be nothing, and not to be learnt from."""


@dataclass(frozen=True, slots=True)
class Row:
    """One label of a dataset: its number (or name), what it is called, and what that means."""

    native: str
    text: str
    key: str
    status: Status
    note: str = ""


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The labels of a dataset. ``by`` tells whether they are fixed by number or by name only."""

    name: str
    datasets: tuple[str, ...]
    by: str
    source: str
    rows: tuple[Row, ...]

    def row_of(self, native: str, text: str) -> Row | None:
        """The row of a label on disk, or None where the table does not have it."""
        if self.by == "id":
            return next((row for row in self.rows if row.native == native), None)
        words = words_of(text or native)
        return next((row for row in self.rows if words_of(row.text) == words), None)

    def row_called(self, key: str) -> Row | None:
        """The row of a concept, or the only one that is a kind of it; None if there is none."""
        exact = [row for row in self.rows if row.key == key]
        kinds = exact or [row for row in self.rows if is_kind_of(row.key, key)]
        return kinds[0] if len(kinds) == 1 else None


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())


@cache
def label_tables() -> dict[str, LabelTable]:
    """All tables that ship, by name."""
    folder = files("osler.curate.fuse").joinpath("label_maps")
    paths = sorted((one for one in folder.iterdir() if one.name.endswith(".tsv")),
                   key=lambda one: one.name)  # fmt: skip
    return {one.name[:-4]: _parsed(one.name[:-4], one.read_text("utf-8")) for one in paths}


def _parsed(name: str, text: str) -> LabelTable:
    facts: dict[str, str] = {}
    rows: list[Row] = []
    for line in text.splitlines():
        if line.startswith("#"):
            key, _, value = line[1:].partition(":")
            facts[key.strip()] = f"{facts.get(key.strip(), '')} {value.strip()}".strip()
        elif line.strip() and not line.startswith("native\t"):
            native, label, key, status, *note = line.split("\t")
            found: Status = "narrower" if status == "narrower" else "exact"
            found = "broader" if status == "broader" else found
            rows.append(Row(native, label, key, found, note[0] if note else ""))
    datasets = dict.fromkeys(_plain(one) for one in facts["datasets"].split(",") if one.strip())
    return LabelTable(name, tuple(datasets), facts.get("by", "id"), facts["source"], tuple(rows))


def table_for(source: Source, labels: Mapping[str, str] | None = None) -> LabelTable | None:
    """The table of a source's dataset, or None where none ships.

    Found by the dataset (with or without the version), else by the name of the folder, else by the
    dictionary itself where its numbers and names are those of one table, all of them. The layout
    option ``label_table`` names another one, or ``none``.

    Raises
    ------
    UnknownNameError
        If ``label_table`` names no table.
    """
    stated = str(source.options.get("label_table", ""))
    if stated == "none":
        return None
    if stated:
        if stated not in label_tables():
            raise UnknownNameError("label table", stated, [*label_tables(), "none"])
        return label_tables()[stated]
    names = (source.dataset + source.version, source.dataset, source.folder.name)
    for name in map(_plain, names):
        for table in label_tables().values():
            if name in table.datasets:
                return table
    return _signed(labels or {})


def _signed(labels: Mapping[str, str]) -> LabelTable | None:
    """The only table that numbers and names its labels as this dictionary does.

    At least one name must mean by itself what the table says: ``{1: anterior, 2: posterior}`` may
    be of anything.
    """
    said = {native: words_of(text) for native, text in labels.items() if native != "0"}
    if len(said) < 2:
        return None
    found = [
        table
        for table in label_tables().values()
        if table.by == "id"
        and said == {row.native: words_of(row.text) for row in table.rows}
        and any(concept_for(row.text).key == row.key for row in table.rows)
    ]
    return found[0] if len(found) == 1 else None
