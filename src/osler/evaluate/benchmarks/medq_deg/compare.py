"""Several models on the same data: who is weaker and yet surer? Or no comparison at all.

Paired differences of scores, item by item, are for every benchmark alike:
:func:`osler.evaluate.report.compare_runs`. Here is what only MedQ-Deg has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from osler.core import InputError, plain
from osler.evaluate.scoring import Standing, inter_model

Summary = Mapping[str, Any]


def compare(runs: Mapping[str, Summary]) -> dict[str, Any]:
    """Standing of several models, by name, and the inter-model Dunning-Kruger flags.

    Parameters
    ----------
    runs
        summary.json by model name, two or more.

    Returns
    -------
    ``trials``; ``models``: headline, levels and intra-model flag of each, best first;
    ``dunning_kruger``: by level the pairs of models, their number ``n``, and the ``share`` in which
    the weaker model has the larger calibration shift (published: .76 of 171 pairs at level 2).

    Raises
    ------
    InputError
        Fewer than two runs; other data, benchmark version or number of trials.
    """
    if len(runs) < 2:
        raise InputError("a comparison needs two runs or more")
    _same(runs, "benchmark version", lambda s: s["benchmark"]["version"])
    _same(runs, "data", lambda s: (s.get("dataset") or {}).get("hash"))
    _same(runs, "number of trials", lambda s: s["trials"])
    models = [
        {
            "name": name,
            "headline": summary["headline"],
            "coverage": summary["coverage"],
            "by_level": summary["by_level"],
            "intra": summary["dunning_kruger"]["intra"],
        }
        for name, summary in runs.items()
    ]
    models.sort(key=lambda m: -m["headline"]["robust"]["value"])
    return {
        "trials": next(iter(runs.values()))["trials"],
        "models": models,
        "dunning_kruger": dunning_kruger(runs),
    }


def dunning_kruger(runs: Mapping[str, Summary]) -> dict[str, Any]:
    """Inter-model flags by level, from the published (vote-entropy) shift."""
    found: dict[str, Any] = {}
    for level in sorted({r["level"] for s in runs.values() for r in s["calibration"]}, key=int):
        standings = {}
        for name, summary in runs.items():
            for row in summary["calibration"]:
                if row["level"] == level and row["confidence"] == "vote_entropy":
                    shift = row["shift"]["value"]
                    standings[name] = Standing(row["accuracy"], shift, summary["trials"])
        pairs = inter_model(standings)
        if pairs:
            flagged = sum(pair.flag for pair in pairs)
            found[level] = {
                "n": len(pairs),
                "share": flagged / len(pairs),
                "pairs": [plain(pair) for pair in pairs],
            }
    return found


def _same(runs: Mapping[str, Summary], what: str, read: Callable[[Summary], object]) -> None:
    found = {name: read(summary) for name, summary in runs.items()}
    if len({str(value) for value in found.values()}) > 1:
        listed = ", ".join(f"{name}: {value}" for name, value in found.items())
        raise InputError(f"runs of a different {what} cannot be compared ({listed})")
