"""Stage evaluate: the student answers the dev items several times."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from osler.core import InputError

from ..asking import ask, wrong_trials
from ..context import Round
from ..learnt import refuse_known_gate
from ..plan import simulated_rate
from ..stage import Done, Stage


def _run(round_: Round, folder: Path) -> Done:
    _refuse_simulated_texts(round_)
    suspicious = refuse_known_gate(round_)
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
    said = f"{len(asked.cases)} dev items asked {round_.plan.trials} times, {right:.1%} right"
    return Done(
        "; ".join([said, *suspicious]),
        ("run/summary.json", "run/scores.parquet"),
        {"items": len(asked.cases), "trials": round_.plan.trials, "accuracy": right,
         "suspicious": suspicious},
    )  # fmt: skip


def _refuse_simulated_texts(round_: Round) -> None:
    """Nobody simulated can write: better said now than when labels are due.

    Raises
    ------
    InputError
        Dev holds such an item, and the annotator or oracle is simulated.
    """
    plan = round_.plan
    if plan.simulated_error is None and simulated_rate(plan.oracle) is None:
        return
    written = sum(not case.item.options for case in round_.dev.cases())
    if written:
        raise InputError(
            f"{written} dev items ask for a text, and a simulated annotator or oracle can only "
            "choose among options; ask questions alone (benchmark_options tasks = perception), or "
            "have people and a model label"
        )


EVALUATE = Stage(
    "evaluate",
    2,
    (),
    ("benchmark", "benchmark_options", "dev", "gate", "model", "options", "trials", "temperature",
     "replay", "earlier", "annotator", "oracle", "seed"),
    _run,
)  # fmt: skip
