"""Accuracy on the questions, by type, beside degenerate players and published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from osler.evaluate.report.charts import strip
from osler.evaluate.report.markup import Safe, foreign, join, paragraphs
from osler.evaluate.report.numbers import count, percent, with_interval
from osler.evaluate.report.tables import Cell, Column, details, key, table

from ..published import HUMANS, SOURCE, published

KIND = {
    "yes_no": "yes/no: is this degradation visible?",
    "what": "what: which degradation is it?",
    "how": "how: how strong is it?",
}
FORMS_KEY = (("robust", "robust"), ("baseline", "best degenerate player"))


def task_of(summary: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The table of one task."""
    return next((t for t in summary.get("tasks") or [] if t["task"] == name), None)


def shown(estimate: Mapping[str, Any] | None) -> Cell:
    """An accuracy with its interval, sorted by its value."""
    return Cell(with_interval(estimate), estimate["value"] if estimate else None)


def perception_section(summary: Mapping[str, Any]) -> Safe:
    """By type of question, micro and macro, and what others reached on the official items."""
    task = task_of(summary, "perception")
    if task is None:
        return Safe("")
    rows: list[Sequence[object]] = []
    for row in summary.get("kinds") or []:
        best = row["baseline"]
        rows.append(
            [
                KIND.get(row["kind"], row["kind"]),
                count(row["n"]),
                shown(row["robust"]),
                shown(row["compat"]),
                strip(row["kind"], row["robust"], "robust", best["robust"]["value"]),
                Cell(
                    join([percent(best["robust"]["value"]), " ", foreign(best["name"])]),
                    best["robust"]["value"],
                ),
            ]
        )
    for name, forms in (("all, micro", task), ("all, macro over types", task["macro"])):
        mark = strip(name, forms["robust"])
        rows.append(
            [name, count(task["n"]), shown(forms["robust"]), shown(forms["compat"]), mark, ""]
        )
    return join(
        [
            key(*FORMS_KEY),
            table(
                "Accuracy by type of question, with 95 % intervals. Each type stands beside the "
                "degenerate player that does best on it.",
                [
                    Column("Question", False),
                    "n",
                    "robust",
                    "compat",
                    Column("0 to 100 %", False),
                    Column("Best degenerate player"),
                ],
                rows,
            ),
            _context(),
        ]
    )


def _context() -> Safe:
    body = [
        [foreign(row.model), *[percent(v) for v in row.parts], percent(row.overall)]
        for row in published("perception")
    ]
    return details(
        "Published figures on the official test items (context only)",
        paragraphs(
            f"{SOURCE}. Comparable only with the compat form on those same items. People reached "
            f"{percent(HUMANS)}."
        ),
        table(
            "Published accuracy by type of question.",
            [Column("Model", False), "yes/no", "what", "how", "all"],
            body,
        ),
    )


__all__ = ["perception_section", "shown", "task_of"]
