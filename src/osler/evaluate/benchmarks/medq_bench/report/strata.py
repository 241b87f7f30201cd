"""The same scores cut by strength, modality, scope, degradation and gap of a pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from osler.evaluate.report.charts import strip
from osler.evaluate.report.markup import Safe, foreign, join, paragraphs, tag
from osler.evaluate.report.numbers import count
from osler.evaluate.report.tables import Cell, Column, details, table

from .perception import shown

TASK = {
    "perception": "questions (accuracy)",
    "description": "descriptions (share of 8 points)",
    "paired": "comparisons (share of 8 points)",
}
BY = {
    "level": "Strength of the degradation",
    "modality": "Modality",
    "scope": "General or specific to a modality",
    "gap": "Gap between the two images",
    "concept": "Degradation",
}
_ORDER = {"none": 0, "mild": 1, "moderate": 2, "severe": 3}
FEW = 10


def strata_section(summary: Mapping[str, Any]) -> Safe:
    """One table a grouping; degradations are folded away, for they are many and small."""
    cells = summary.get("cells") or []
    parts = []
    for by, title in BY.items():
        mine = [cell for cell in cells if cell["by"] == by]
        if not mine:
            continue
        mine.sort(key=lambda c: (list(TASK).index(c["task"]), _ORDER.get(c["key"], 9), c["key"]))
        made = _table(title, mine)
        parts.append(
            details(f"{title}: {count(len(mine))} rows", made) if by == "concept" else made
        )
    if not parts:
        return Safe("")
    return join(
        [paragraphs(f"Rows of fewer than {FEW} items are grey: one answer moves them far."), *parts]
    )


def _table(title: str, cells: list[Mapping[str, Any]]) -> Safe:
    rows = [
        [
            Cell(foreign(cell["key"].replace("_", " ")), class_="quiet" if cell["n"] < FEW else ""),
            TASK[cell["task"]],
            count(cell["n"]),
            shown(cell["robust"]),
            shown(cell["compat"]),
            strip(cell["key"], cell["robust"]),
        ]
        for cell in cells
    ]
    return table(
        tag("strong", title),
        [
            Column(title, False),
            Column("Task", False),
            "n",
            "robust",
            "compat",
            Column("0 to 100 %", False),
        ],
        rows,
        sortable=True,
    )
