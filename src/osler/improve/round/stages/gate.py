"""Stage gate: old and new student on items that neither chose nor trained anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from osler.core import InputError, Model, write_json

from ...gate import judge_change
from ...vectors import Floats
from ..asking import ask, wrong_trials
from ..context import Round, tidy
from ..stage import Done, Stage
from .train import read_trained


def gate_right(round_: Round, what: str, model: Model, out: Path, *, report: bool) -> Floats:
    """Which gate items a model gets right, once at temperature 0: 1, 0, NaN unscored, (n,)."""
    asked = ask(round_, what, round_.gate, model, out, trials=1, temperature=0.0, report=report)
    return 1.0 - wrong_trials(round_.gate, asked)[:, 0]


def _run(round_: Round, folder: Path) -> Done:
    plan = round_.plan
    trained = read_trained(round_.folder("train"))
    new = round_.load(trained.model, trained.options)
    before = gate_right(round_, "old student on gate", round_.model(), folder / "before",
                        report=True)  # fmt: skip
    after = gate_right(round_, "new student on gate", new, folder / "after", report=True)
    cases = list(round_.gate.cases())
    both = ~np.isnan(before) & ~np.isnan(after)
    if not both.any():
        raise InputError(
            "no gate item was scored for both students; see gate/before and gate/after"
        )
    items = [case.item for case, known in zip(cases, both, strict=True) if known]
    decision = judge_change(
        before[both] > 0.5,
        after[both] > 0.5,
        round_.strata(items),
        [item.group or item.id for item in items],
        margin=plan.margin,
        policy=plan.policy,
        seed=plan.seed,
    )
    body: dict[str, Any] = tidy(decision)
    write_json(
        folder / "decision.json",
        {**body, "policy": plan.policy, "margin": plan.margin, "unscored": int((~both).sum()),
         "before": "before", "after": "after"},
    )  # fmt: skip
    return Done(
        '; '.join(decision.reasons),
        ("decision.json", "before/summary.json", "after/summary.json"),
        {"accepted": decision.accepted, "before": decision.overall.before,
         "after": decision.overall.after},
    )  # fmt: skip


GATE = Stage(
    "gate",
    1,
    ("train",),
    ("benchmark", "benchmark_options", "dev", "gate", "model", "options", "strata", "margin",
     "policy", "seed"),
    _run,
)  # fmt: skip
