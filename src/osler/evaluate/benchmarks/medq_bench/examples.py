"""Items that the report shows whole: per task the worst and the best, of different pictures."""

from __future__ import annotations

from typing import Any

from osler.core import Case, Score

from .data import TASKS

EACH = 4
"""Examples a task."""


def example_rows(scored: list[tuple[Case, Score]]) -> list[dict[str, Any]]:
    """Ids with the task and why they were chosen."""
    rows = []
    for task in TASKS:
        mine = [pair for pair in scored if pair[0].item.tags["task"] == task]
        ranked = sorted(mine, key=lambda pair: (pair[1].robust or 0.0, pair[0].item.id))
        ends = {"lowest score": ranked, "highest score": ranked[::-1]}
        used: set[str] = set()
        for why, order in ends.items():
            taken = 0
            for case, _ in order:
                picture = case.item.tags.get("picture") or case.item.id
                if taken < EACH // 2 and picture not in used:
                    used.add(picture)
                    taken += 1
                    rows.append({"task": task, "why": why, "id": case.item.id})
    return rows
