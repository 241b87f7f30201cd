"""Descriptions and comparisons: points on four axes, both forms, beside degenerate players."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from osler.evaluate.report.charts import strip
from osler.evaluate.report.markup import Safe, foreign, join, paragraphs, tag
from osler.evaluate.report.numbers import count, decimal
from osler.evaluate.report.tables import Cell, Column, details, key, table

from ..published import SOURCE, published
from .perception import task_of

AXIS = {
    "completeness": "completeness: what the reference says is there",
    "preciseness": "preciseness: nothing contradicts the reference",
    "consistency": "consistency: the findings support the verdict",
    "quality": "quality accuracy: the verdict is the right one",
}
SCORER = {
    "rules": "Scored by rules, without a judge: words for degradations, strengths and verdicts, "
    "with negation, against the known truth. Not comparable with points given by a judge.",
    "judge": "Graded by a judge that saw the texts and no image. Degenerate players are scored by "
    "rules: the judge was not asked about them.",
}


def points(estimate: Mapping[str, Any] | None) -> Cell:
    """Points with their interval, two decimals."""
    if not estimate:
        return Cell("", None)
    low, high = decimal(estimate["low"], 2), decimal(estimate["high"], 2)
    value = tag("span", decimal(estimate["value"], 2), class_="val")
    return Cell(
        join([value, tag("span", f"({low} to {high})", class_="ci")], " "), estimate["value"]
    )


def written_section(summary: Mapping[str, Any], name: str) -> Safe:
    """The axes and their sum, the players, and published figures."""
    task = task_of(summary, name)
    if task is None:
        return Safe("")
    rows: list[Sequence[object]] = [
        [
            AXIS[row["axis"]],
            points(row["robust"]),
            points(row["compat"]),
            strip(row["axis"], _share(row["robust"], 2)),
        ]
        for row in task["axes"]
    ]
    total = task["points"]
    best = max(task["baselines"], key=lambda b: b["points"]["robust"]["value"])
    by_rules = task["scorer"] == "rules"  # the players are; no mark beside points of a judge
    bar = best["robust"]["value"] if by_rules else None
    mark = strip("sum", task["robust"], "robust", bar)
    legend = [("robust", "robust"), ("baseline", "best degenerate player")]
    rows.append(["sum (0 to 8)", points(total["robust"]), points(total["compat"]), mark])
    return join(
        [
            paragraphs(SCORER[task["scorer"]], class_="lede"),
            key(*legend[: 1 + by_rules]),
            table(
                f"Points by axis, 0 to 2 each, over {count(task['n'])} items, with 95 % intervals.",
                [Column("Axis", False), "robust", "compat", Column("share of the most", False)],
                rows,
            ),
            _players(task),
            _context(name),
        ]
    )


def _share(estimate: Mapping[str, Any], most: float) -> dict[str, Any]:
    return {k: v / most if k in ("value", "low", "high") else v for k, v in estimate.items()}


def _players(task: Mapping[str, Any]) -> Safe:
    ranked = sorted(task["baselines"], key=lambda b: -b["points"]["robust"]["value"])
    return table(
        "Players that do not look, on the same items, scored by rules (sum, 0 to 8).",
        [Column("Player", False), "robust", "compat", Column("What it does", False)],
        [
            [
                foreign(b["name"]),
                points(b["points"]["robust"]),
                points(b["points"]["compat"]),
                foreign(b["about"]),
            ]
            for b in ranked
        ],
        sortable=True,
    )


def _context(name: str) -> Safe:
    body = [
        [foreign(row.model), *[decimal(v, 3) for v in row.parts], decimal(row.overall, 3)]
        for row in published(name)
    ]
    return details(
        "Published figures on the official test items (context only)",
        paragraphs(f"{SOURCE}. Given by the authors' judge; not comparable with points by rules."),
        table(
            "Published points.",
            [
                Column("Model", False),
                "completeness",
                "preciseness",
                "consistency",
                "quality",
                "sum",
            ],
            body,
        ),
    )


def judging_section(summary: Mapping[str, Any]) -> Safe:
    """How many replies counted, how steady they were, how far from the rules."""
    judging = summary.get("judging")
    if not judging:
        return Safe("")
    named = summary.get("judge") or {}
    name = named.get("name", "the judge") if isinstance(named, Mapping) else named
    lost = judging["asked"] - judging["scored"]
    text = (
        f"{count(judging['scored'])} of {count(judging['asked'])} texts have all their grades"
        + (f"; {count(lost)} are unscored" if lost else "")
        + f". Rounds: {judging['rounds']}."
    )
    if judging["rounds"] > 1:
        text += (
            f" Between rounds the grades of a text differ by {decimal(judging['spread'], 2)} "
            f"points on average; {count(judging['unsteady'])} texts got different grades."
        )
    else:
        text += " One round says nothing about how steady the judge is; set rounds to 3 for that."
    rows = [
        [
            AXIS[r["axis"]],
            decimal(r["judge"], 2),
            decimal(r["rules"], 2),
            decimal(r["difference"], 2),
        ]
        for r in judging["axes"]
    ]
    return join(
        [
            tag("p", "Judge: ", foreign(name), ". ", text),
            table(
                "Mean points (compat) by the judge and by the rules on the same texts, and the "
                "mean absolute difference of a text.",
                [Column("Axis", False), "judge", "rules", "difference"],
                rows,
            ),
        ]
    )
