"""Several runs on the same data: which may be compared, and by how much they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import InputError, plain

from .folder import RunFolder, open_run
from .headline import coverage, named
from .numbers import Estimate, is_number, known
from .provenance import data_hash


@dataclass(frozen=True, slots=True)
class Entry:
    """One run on the leaderboard; ``label`` is unique on the page."""

    label: str
    run: RunFolder

    def form(self, name: str) -> Estimate | None:
        """The headline in one form."""
        found: Estimate | None = (self.run.summary.get("headline") or {}).get(name)
        return found


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


def paired_differences(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Every pair of runs on the items that both have scored, clean ones too.

    ``difference`` is the estimate of better minus worse (robust score; cluster bootstrap by
    patient), ``p`` of a sign-flip test in which the items of a patient are flipped together.
    """
    from osler.evaluate.scoring import paired_difference, sign_flip

    tables = [_scores(e.run) for e in entries]
    found = []
    for i in range(len(entries)):
        for j in range(i + 1, len(entries)):
            shared = sorted(tables[i].keys() & tables[j].keys())
            if not shared:
                continue
            one, two = ([tables[k][item][0] for item in shared] for k in (i, j))
            first, second = (i, j) if sum(one) >= sum(two) else (j, i)
            better, worse = (one, two) if first == i else (two, one)
            groups = [tables[i][item][1] for item in shared]
            found.append(
                {
                    "better": entries[first].label,
                    "worse": entries[second].label,
                    "n": len(shared),
                    "difference": plain(paired_difference(better, worse, groups)),
                    "p": sign_flip([a - b for a, b in zip(one, two, strict=True)], groups),
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
