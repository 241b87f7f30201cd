"""Stage audit: before routing to a promise, people label a random sample of what would be kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from osler.core import InputError

from ...risk import audit_sample
from ..context import Round, write_lines
from ..labelling import Decided, decide, task_for, task_id, truth_of_tasks
from ..stage import Done, Stage, Waiting
from .route import Opinions

LEAST = 118
"""Audited labels below which no promise of 5 % at 95 % confidence can be made."""


def _run(round_: Round, folder: Path) -> Done | Waiting:
    said = Opinions(round_)
    kept = np.flatnonzero(said.agree & said.trusted)
    if not kept.size:
        raise InputError(
            "no label of the oracle could be taken unseen (it agrees with the student nowhere that "
            "it is trusted), so there is nothing to audit; use review = budget"
        )
    share = min(1.0, max(round_.plan.audit, LEAST / kept.size))
    rows = audit_sample(kept, share, round_.plan.seed)
    tasks = [task_for(round_, said.items[i], tier=2, priority=0.5) for i in rows]
    found = decide(round_, folder, tasks, truth_of_tasks(round_, said.items, {}))
    if not isinstance(found, Decided):
        return found
    audited = []
    for i in rows:
        item = said.items[i]
        one = found.settled[task_id(round_, item.id)]
        # What nobody could decide cannot be said to be right.
        wrong = one.status != "settled" or one.answer != said.oracle[i]
        audited.append({"id": item.id, "wrong": bool(wrong), "status": one.status,
                        "answer": one.answer, "seconds": one.seconds})  # fmt: skip
    write_lines(folder / "audited.jsonl", audited)
    bad = sum(row["wrong"] for row in audited)
    return Done(
        f"{len(audited)} labels that would be taken unseen were audited, {bad} are wrong",
        ("audited.jsonl",),
        {"audited": len(audited), "wrong": bad},
    )


AUDIT = Stage(
    "audit",
    1,
    ("ask",),
    ("audit", "annotator", "truth", "raters", "overlap", "oracle_accuracy", "trust", "replay",
     "seed"),
    _run,
    wanted=lambda round_: round_.plan.review != "budget",
)  # fmt: skip
