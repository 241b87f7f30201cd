"""Stage evaluate: the student answers the dev items several times."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..asking import ask, wrong_trials
from ..context import Round
from ..stage import Done, Stage


def _run(round_: Round, folder: Path) -> Done:
    asked = ask(
        round_,
        "student on dev",
        round_.dev,
        round_.model(),
        folder / "run",
        trials=round_.plan.trials,
        temperature=round_.plan.temperature,
    )
    right = 1 - float(np.nanmean(wrong_trials(round_.dev, asked)))
    return Done(
        f"{len(asked.cases)} dev items asked {round_.plan.trials} times, {right:.1%} right",
        ("run/summary.json", "run/scores.parquet"),
        {"items": len(asked.cases), "trials": round_.plan.trials, "accuracy": right},
    )


EVALUATE = Stage(
    "evaluate",
    1,
    (),
    ("benchmark", "benchmark_options", "dev", "gate", "model", "options", "trials", "temperature",
     "seed"),
    _run,
)  # fmt: skip
