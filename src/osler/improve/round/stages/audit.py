"""Stage audit: before routing to a promise, people label a random sample of what would be kept."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from osler.core import InputError

from ...risk import audit_sample, least_audit
from ..context import Round, write_lines
from ..labelling import Decided, decide, decision_of, task_for, task_id, truth_of_tasks
from ..stage import Done, Stage, Waiting
from .route import Opinions


def audit_size(how: str, target: float, share: float, kept: int) -> int:
    """How many of ``kept`` labels are audited before anything is promised.

    Raises
    ------
    InputError
        Even if all were audited, nothing could be promised: said before people are asked.
    """
    if not 0 < target < 1:
        raise InputError(
            f"silent_error is {target:g}; a promise (review = {how}) needs one between 0 and 1"
        )
    least = least_audit(target) if how == "bounded" else math.ceil(1 / target) - 1
    if kept < least:
        raise InputError(
            f"to promise at most {target:.1%} wrong labels (review = {how}), {least} must be "
            f"audited, but only {kept} could be taken unseen; raise silent_error or --budget, or "
            "use review = budget"
        )
    return min(kept, max(math.ceil(share * kept), least_audit(target)))


def _run(round_: Round, folder: Path) -> Done | Waiting:
    said = Opinions(round_)
    kept = np.flatnonzero(said.agree & said.trusted)
    if not kept.size:
        raise InputError(
            "no label of the oracle could be taken unseen (it agrees with the student nowhere that "
            "it is trusted), so there is nothing to audit; use review = budget"
        )
    plan = round_.plan
    size = audit_size(plan.review, plan.silent_error, plan.audit, kept.size)
    rows = audit_sample(kept, size / kept.size, plan.seed)
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
        audited.append({"id": item.id, "wrong": bool(wrong), **decision_of(one)})
    write_lines(folder / "audited.jsonl", audited)
    bad = sum(row["wrong"] for row in audited)
    return Done(
        f"{len(audited)} labels that would be taken unseen were audited, {bad} are wrong",
        ("audited.jsonl",),
        {"audited": len(audited), "wrong": bad},
    )


AUDIT = Stage(
    "audit",
    2,
    ("ask",),
    ("audit", "review", "silent_error", "annotator", "truth", "raters", "overlap",
     "oracle_accuracy", "trust", "replay", "seed"),
    _run,
    wanted=lambda round_: round_.plan.review != "budget",
)  # fmt: skip
