"""The page that shows several runs beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import write_text
from osler.evaluate.engine import COVERAGE_FLOOR

from .charts import strip
from .comparison import Entry, comparable, paired_differences
from .headline import best_baseline, coverage, is_smoke, named, spent
from .markup import Safe, foreign, join, paragraphs, tag
from .numbers import Estimate, count, is_number, known, p_value, percent, points, with_interval
from .page import page
from .section import Section
from .tables import Cell, Column, key, table


def write_comparison(run_dirs: Sequence[str | Path], out: str | Path) -> Path:
    """Write a page that compares runs; see :func:`compare_runs` for what is refused."""
    entries = comparable(run_dirs)
    write_text(out, _render(entries))
    return Path(out)


def _render(entries: Sequence[Entry]) -> str:
    summary = entries[0].run.summary
    bench = summary.get("benchmark") or {}
    title = str(bench.get("title") or named(bench))
    partial = [e for e in entries if coverage(e.run.summary) < COVERAGE_FLOOR]
    alarm = None
    if partial:
        listed = ", ".join(f"{e.label} {percent(coverage(e.run.summary))}" for e in partial)
        alarm = tag(
            "p",
            "Incomplete runs stand here: scored only ",
            foreign(listed),
            ". Their ranks are not settled.",
            class_="coverage alarm",
            role="alert",
        )
    smoke = is_smoke(entries[0].run.run, summary)
    header = join(
        [
            alarm,
            tag("p", "Osler comparison", class_="eyebrow"),
            tag("h1", foreign(title), f": {len(entries)} runs"),
            tag(
                "p",
                tag("span", "smoke benchmark", class_="tag") if smoke else None,
                f"Same items, same data, T = {count(summary.get('trials'))}. ",
                tag("span", "For research use only.", class_="quiet"),
            ),
        ]
    )
    sections = [
        Section("board", "Leaderboard", _board(entries)),
        Section("levels", "By level and average", join([_by_level(entries), _averages(entries)])),
        Section("pairs", "Pair by pair", _pairs(entries)),
        Section("sure", "Is the weaker model surer of itself?", _inter_model(entries)),
        Section("repeat", "How to repeat this", _commands(entries)),
    ]
    footer = tag("p", "Written by Osler. This page asks nothing of any other host.")
    return page(f"{title}: comparison of {len(entries)} runs", header, sections, footer)


def _board(entries: Sequence[Entry]) -> Safe:
    fullest = max(entries, key=lambda e: coverage(e.run.summary))
    best = best_baseline(fullest.run.summary)
    base = best["robust"]["value"] if best else None
    rows: list[list[object]] = []
    for place, entry in enumerate(entries, 1):
        summary = entry.run.summary
        rows.append(
            [
                foreign(entry.label),
                place,
                _cell(entry.form("robust")),
                strip(entry.label, entry.form("robust"), "robust", base),
                _cell(entry.form("compat")),
                Cell(
                    f"{count(summary.get('n_scored'))} / {count(summary.get('n_items'))}",
                    summary.get("n_scored"),
                ),
                spent(summary.get("cost") or []),
            ]
        )
    if best is not None:
        rows.append(
            [
                join(["baseline: ", foreign(best.get("name", ""))]),
                "–",
                _cell(best["robust"]),
                strip("best baseline", best["robust"], "baseline", base),
                _cell(best.get("compat")),
                "–",
                "–",
            ]
        )
    heads: list[Column | str] = [
        Column("Model", False),
        "rank",
        "robust",
        Column("0 to 100 %", False),
        "compat",
        "scored",
        "cost",
    ]
    return join(
        [
            key(("robust", "robust accuracy"), ("baseline", "best degenerate baseline")),
            table(
                "Ranked by robust accuracy (micro average). Ranks whose intervals overlap are "
                "not settled; see the pairs below.",
                heads,
                rows,
                sortable=True,
            ),
        ]
    )


def _cell(estimate: Estimate | None) -> Cell:
    value = estimate["value"] if known(estimate) and estimate else None
    return Cell(with_interval(estimate), value)


def _averages(entries: Sequence[Entry]) -> Safe | None:
    """Robust micro and macro averages: they can rank models differently."""
    groupings = list(entries[0].run.summary.get("macro") or {})
    rows = [
        [
            foreign(e.label),
            _cell((e.run.summary.get("micro") or {}).get("robust")),
            *[
                _cell(((e.run.summary.get("macro") or {}).get(g) or {}).get("robust"))
                for g in groupings
            ],
        ]
        for e in entries
    ]
    if not groupings:
        return None
    return table(
        "Robust accuracy averaged both ways: micro counts every item once, macro every stratum "
        "once. Where the two disagree on the order, neither order is the whole truth.",
        [Column("Model", False), "micro", *[f"macro over {g}" for g in groupings]],
        rows,
        sortable=True,
    )


def _by_level(entries: Sequence[Entry]) -> Safe:
    levels = sorted(
        {str(e["level"]) for entry in entries for e in entry.run.summary.get("by_level") or []}
    )
    if not levels:
        return paragraphs("These runs hold no levels.")
    rows = []
    for entry in entries:
        found = {str(e["level"]): e for e in entry.run.summary.get("by_level") or []}
        rows.append(
            [
                foreign(entry.label),
                *[
                    _cell((found.get(level) or {}).get(form))
                    for form in ("robust", "compat")
                    for level in levels
                ],
            ]
        )
    heads = [f"L{level} {form}" for form in ("robust", "compat") for level in levels]
    return table(
        "Accuracy by level with 95 % intervals.",
        [Column("Model", False), *heads],
        rows,
        sortable=True,
    )


def _pairs(entries: Sequence[Entry]) -> Safe:
    rows = [
        [
            foreign(pair["better"]),
            foreign(pair["worse"]),
            count(pair["n"]),
            Cell(with_interval(pair["difference"], as_points=True), pair["difference"]["value"]),
            Cell(p_value(pair["p"]), pair["p"]),
        ]
        for pair in paired_differences(entries)
    ]
    return table(
        "Differences of robust accuracy on the items that both runs have scored, clean ones too. "
        "p: sign-flip test with the items of a patient kept together, not corrected for the "
        "number of pairs.",
        [
            Column("Better", False),
            Column("Worse", False),
            "items",
            "difference, points",
            "p",
        ],
        rows,
        sortable=True,
    )


def _inter_model(entries: Sequence[Entry]) -> Safe:
    from osler.evaluate.scoring import Standing, inter_model

    rows = []
    flagged = total = 0
    levels = sorted({str(c["level"]) for e in entries for c in _votes(e)})
    for level in levels:
        standings = {}
        for entry in entries:
            at = next((c for c in _votes(entry) if str(c["level"]) == level), None)
            if at is not None and known(at.get("shift")) and is_number(at.get("accuracy")):
                standings[entry.label] = Standing(
                    at["accuracy"], at["shift"]["value"], entry.run.summary.get("trials") or 0
                )
        for pair in inter_model(standings):
            total += 1
            flagged += pair.flag
            rows.append(
                [
                    foreign(pair.weaker),
                    foreign(pair.stronger),
                    f"L{level}",
                    points(-pair.accuracy_gap),
                    points(pair.shift_gap),
                    tag("span", "yes", class_="bad") if pair.flag else "no",
                ]
            )
    if not rows:
        return paragraphs("These runs hold no calibration tables of vote confidence.")
    return join(
        [
            paragraphs(
                f"Yes in {flagged} of {total} pairs: the model of lower accuracy has the larger "
                "Calibration Shift (inter-model Dunning-Kruger effect; compat form)."
            ),
            table(
                "Pairs of models by level.",
                [
                    Column("Weaker", False),
                    Column("Stronger", False),
                    Column("Level", False),
                    "accuracy, points",
                    "shift, points",
                    Column("weaker is surer", False),
                ],
                rows,
                sortable=True,
            ),
        ]
    )


def _votes(entry: Entry) -> list[Mapping[str, Any]]:
    return [
        c
        for c in entry.run.summary.get("calibration") or []
        if c.get("confidence") == "vote_entropy"
    ]


def _commands(entries: Sequence[Entry]) -> Safe:
    parts: list[Safe] = []
    for entry in entries:
        command = entry.run.run.get("command") or "not recorded"
        parts.append(tag("h3", foreign(entry.label)))
        parts.append(tag("pre", tag("code", foreign(command, 4000)), class_="wrapped"))
    return join(parts)
