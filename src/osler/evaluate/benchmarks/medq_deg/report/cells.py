"""The tables of a MedQ-Deg summary as the parts of the report look things up in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from osler.evaluate.report.markup import Safe
from osler.evaluate.report.numbers import Estimate, is_number, known, with_interval
from osler.evaluate.report.tables import Cell, key

Summary = Mapping[str, Any]
ByLevel = Mapping[str, Mapping[str, Any]]
Pairs = Mapping[tuple[str, str, str], Mapping[str, Any]]

FEW = 10
"""Cells with fewer items are marked: one answer moves them by ten points or more."""


def words(name: object) -> str:
    """A key as words: ``limited_angle`` -> ``limited angle``."""
    return str(name).replace("_", " ") or "not stated"


def level_name(level: object) -> str:
    """``2`` -> ``L2``; clean is L0."""
    return f"L{level}"


def beside(row: Mapping[str, Any] | None) -> float | None:
    """Accuracy of the best degenerate player on the very items of a row, or None."""
    value = (row or {}).get("baseline")
    return float(value) if is_number(value) else None


def form_key() -> Safe:
    """What the marks mean, in every part that uses them."""
    return key(("robust", "robust"), ("compat", "compat"), ("baseline", "best degenerate baseline"))


def shown(estimate: Estimate | None) -> Cell:
    value = estimate["value"] if known(estimate) and estimate else None
    return Cell(with_interval(estimate), value)


def cells_by(summary: Summary, by: str) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Cells of one grouping: key -> level (as text) -> cell."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for cell in summary.get("cells") or []:
        if cell.get("by") == by:
            found.setdefault(str(cell.get("key")), {})[str(cell.get("level"))] = cell
    return found


def paired_by(summary: Summary) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """Paired drops by (grouping, key, level)."""
    return {
        (str(p.get("by")), str(p.get("key")), str(p.get("level"))): p
        for p in summary.get("paired") or []
    }


def loss(
    name: str,
    own: ByLevel,
    drops: Pairs,
) -> float:
    """What the hardest level costs, for sorting."""
    level = max(own)
    pair = drops.get(("degradation", name, level))
    if pair and known(pair.get("drop")):
        return float(pair["drop"]["value"])
    ends = [(own.get(at, {}).get("robust") or {}).get("value") for at in ("0", level)]
    clean, hard = (float(v) if is_number(v) else 0.0 for v in ends)
    return clean - hard
