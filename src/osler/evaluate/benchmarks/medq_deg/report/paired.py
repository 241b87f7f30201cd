"""Losses on the same question, clean and degraded, with McNemar's test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from osler.evaluate.report.charts import strip
from osler.evaluate.report.markup import Safe, foreign, join, paragraphs
from osler.evaluate.report.numbers import count, known, p_value, points, with_interval
from osler.evaluate.report.tables import Cell, Column, details, table

from .cells import Summary, level_name, words


def paired_section(summary: Summary) -> Safe:
    """Losses on the same question, the largest first."""
    pairs = [p for p in summary.get("paired") or [] if known(p.get("drop"))]
    if not pairs:
        return Safe("")
    pairs.sort(key=lambda p: -p["drop"]["value"])
    reach = max(abs(p["drop"][k]) for p in pairs for k in ("low", "high", "value"))
    span = min(1.0, max(0.1, reach))
    alone = [p for p in pairs if p["by"] == "degradation"]
    others = [p for p in pairs if p["by"] not in ("degradation", "all")]
    return join(
        [
            paragraphs(
                "Each pair is one question, once clean and once degraded. A pair counts as right "
                "when more than half of its trials are: b went from right to wrong, c from wrong "
                "to right. McNemar's test asks whether b and c could be equal; Holm's p allows "
                "for the number of rows of one table. Both take pairs as independent; where a "
                "patient or image gives several, p by patient, a sign-flip test that keeps "
                "them together, is the one to trust, as are the intervals."
            ),
            _table("All pairs by level.", [p for p in pairs if p["by"] == "all"], span),
            _table("Loss by degradation and level, largest first.", alone, span),
            details(
                "The same by category, modality and capability",
                _table("Loss by other groupings, largest first.", others, span),
            )
            if others
            else None,
        ]
    )


def _table(caption: str, pairs: Sequence[Mapping[str, Any]], span: float) -> Safe:
    rows = [
        [
            foreign(words(p["key"])),
            level_name(p["level"]),
            Cell(count(p["n_pairs"]), p["n_pairs"]),
            Cell(with_interval(p["drop"], as_points=True), p["drop"]["value"]),
            strip(
                f"Loss under {words(p['key'])}, {level_name(p['level'])}",
                p["drop"],
                span=(-span, span),
            ),
            Cell(points(p["drop_compat"]["value"]), p["drop_compat"]["value"]),
            count(p["b"]),
            count(p["c"]),
            Cell(p_value(p["p_mcnemar"]), p["p_mcnemar"]),
            Cell(p_value(p["p_holm"]), p["p_holm"]),
            Cell(p_value(p["p_group"]), p["p_group"]),
        ]
        for p in pairs
    ]
    heads = [
        Column("What", False),
        Column("Level", False),
        Column("pairs"),
        Column("loss, robust (points)"),
        Column("right of the line: worse", False),
        Column("loss, compat"),
        Column("b", about="right clean, wrong degraded"),
        Column("c", about="wrong clean, right degraded"),
        Column("p McNemar", about="McNemar's exact test"),
        Column("p Holm", about="McNemar's, adjusted for the number of rows of this grouping"),
        Column("p by patient", about="sign-flip test, the pairs of a patient flipped together"),
    ]
    return table(caption, heads, rows, sortable=True)
