"""Several runs on the same data beside each other: who leads, and is it more than chance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import InputError, write_text

from .charts import strip
from .folder import RunFolder, open_run
from .headline import MOST_UNSCORED, best_baseline, coverage, is_smoke, named, spent
from .markup import Safe, foreign, join, paragraphs, tag
from .numbers import Estimate, count, is_number, known, p_value, percent, points, with_interval
from .page import page
from .provenance import data_hash
from .section import Section
from .tables import Cell, Column, key, table


@dataclass(frozen=True, slots=True)
class Entry:
    """One run on the leaderboard; ``label`` is unique on the page."""

    label: str
    run: RunFolder

    def form(self, name: str) -> Estimate | None:
        """The headline in one form."""
        found: Estimate | None = (self.run.summary.get("headline") or {}).get(name)
        return found


def write_comparison(run_dirs: Sequence[str | Path], out: str | Path) -> Path:
    """Write a page that compares runs; see :func:`compare_runs` for what is refused."""
    entries = comparable(run_dirs)
    write_text(out, _render(entries))
    return Path(out)


def compare_runs(run_dirs: Sequence[str | Path]) -> dict[str, Any]:
    """The comparison as JSON-able data: the leaderboard and the paired differences.

    Raises
    ------
    InputError
        If the runs are of different benchmarks, versions, data or trials: such scores do not
        compare.
    """
    entries = comparable(run_dirs)
    first = entries[0].run
    return {
        "benchmark": dict(first.summary.get("benchmark") or {"name": first.benchmark}),
        "trials": first.summary.get("trials"),
        "data_hash": data_hash(first.run),
        "runs": [
            {
                "label": e.label,
                "folder": str(e.run.path),
                "model": named(e.run.summary.get("model") or e.run.run.get("model")),
                "n_items": e.run.summary.get("n_items"),
                "n_scored": e.run.summary.get("n_scored"),
                "coverage": coverage(e.run.summary),
                "headline": e.run.summary.get("headline"),
            }
            for e in entries
        ],
        "paired": paired_differences(entries),
    }


def comparable(run_dirs: Sequence[str | Path]) -> list[Entry]:
    """The runs, best robust accuracy first, if they may be compared at all."""
    runs = [open_run(path) for path in run_dirs]
    if len(runs) < 2:
        raise InputError("a comparison needs two runs or more; give their folders")
    checks = (
        ("benchmark", lambda r: r.benchmark, "compare runs of one benchmark"),
        (
            "benchmark version",
            lambda r: (r.summary.get("benchmark") or {}).get("version"),
            "run the older one again",
        ),
        ("trials", lambda r: r.summary.get("trials"), "run both with the same --trials"),
        ("data hash", lambda r: data_hash(r.run), "run both on the same --data"),
    )
    for what, take, todo in checks:
        for run in runs[1:]:
            a, b = take(runs[0]), take(run)
            if a != b:
                raise InputError(
                    f"{runs[0].path} and {run.path} do not compare: {what} {a} against {b}; {todo}"
                )
    if data_hash(runs[0].run) is None:
        raise InputError(
            f"{runs[0].path} records no data hash, so nothing shows that the runs saw the same "
            "data; run them again"
        )
    names = [named(r.summary.get("model") or r.run.get("model")) for r in runs]
    labels = [
        n if names.count(n) == 1 else f"{n} ({r.path.name})"
        for n, r in zip(names, runs, strict=True)
    ]
    entries = [Entry(label, run) for label, run in zip(labels, runs, strict=True)]
    return sorted(entries, key=lambda e: (-_value(e.form("robust")), e.label))


def _value(estimate: Estimate | None) -> float:
    return float(estimate["value"]) if known(estimate) and estimate else -1.0


def _render(entries: Sequence[Entry]) -> str:
    summary = entries[0].run.summary
    bench = summary.get("benchmark") or {}
    title = str(bench.get("title") or named(bench))
    partial = [e for e in entries if 1 - coverage(e.run.summary) > MOST_UNSCORED]
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
        Section("levels", "By level", _by_level(entries)),
        Section("pairs", "Pair by pair", _pairs(entries)),
        Section("sure", "Is the weaker model surer of itself?", _inter_model(entries)),
        Section("repeat", "How to repeat this", _commands(entries)),
    ]
    footer = tag("p", "Written by Osler. This page asks nothing of any other host.")
    return page(f"{title}: comparison of {len(entries)} runs", header, sections, footer)


def _board(entries: Sequence[Entry]) -> Safe:
    best = best_baseline(entries[0].run.summary)
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
                *[_cell(_macro(summary, form)) for form in ("robust",)],
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
                "–",
            ]
        )
    heads: list[Column | str] = [
        Column("Model", False),
        "rank",
        "robust",
        Column("0 to 100 %", False),
        "compat",
        "macro, robust",
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


def _macro(summary: Mapping[str, Any], form: str) -> Estimate | None:
    macro = summary.get("macro") or {}
    if form in macro:
        found: Estimate | None = macro[form]
        return found
    first = next((v for v in macro.values() if isinstance(v, Mapping)), {})
    return first.get(form)


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


def paired_differences(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Every pair of runs on the items that both have scored: difference, interval, p.

    The difference is of the robust score; its interval is a bootstrap of groups (patients) and
    its p a sign-flip test in which the items of a group are flipped together.
    """
    from osler.evaluate.scoring import sign_flip

    tables = [_scores(e.run) for e in entries]
    found = []
    for i, one in enumerate(entries):
        for j in range(i + 1, len(entries)):
            shared = sorted(tables[i].keys() & tables[j].keys())
            if not shared:
                continue
            differences = [tables[i][k][0] - tables[j][k][0] for k in shared]
            groups = [tables[i][k][1] for k in shared]
            found.append(
                {
                    "better": one.label,
                    "worse": entries[j].label,
                    "n": len(shared),
                    "difference": sum(differences) / len(differences),
                    "p": sign_flip(differences, groups),
                }
            )
    return found


def _scores(run: RunFolder) -> dict[str, tuple[float, str]]:
    """Item id -> (robust score, group) of the scored items."""
    return {
        str(row["item"]): (float(row["robust"]), str(row.get("group") or row["item"]))
        for row in run.rows
        if row.get("status") == "scored" and is_number(row.get("robust"))
    }


def _pairs(entries: Sequence[Entry]) -> Safe:
    rows = [
        [
            foreign(pair["better"]),
            foreign(pair["worse"]),
            count(pair["n"]),
            Cell(points(pair["difference"]), pair["difference"]),
            Cell(p_value(pair["p"]), pair["p"]),
        ]
        for pair in paired_differences(entries)
    ]
    return table(
        "Differences of robust accuracy on the items that both runs have scored. p: sign-flip "
        "test with the items of a patient kept together, not corrected for the number of pairs.",
        [
            Column("Model", False),
            Column("against", False),
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
    return join(
        [
            tag("h3", foreign(entry.label))
            + tag(
                "pre",
                tag("code", foreign(entry.run.run.get("command") or "not recorded", 4000)),
                class_="wrapped",
            )
            for entry in entries
        ]
    )
