"""Decisions that people made in another tool, kept as if they had made them here."""

from __future__ import annotations

import json
import time

from osler.core import InputError

from .queue import Queue
from .rows import made_rows, task_row
from .task import Decision, Role, check_decision, check_rater


def record(
    queue: Queue,
    task_id: str,
    rater: str,
    decision: Decision,
    *,
    seconds: float,
    now: float | None = None,
) -> bool:
    """Keep a decision on a task that was not claimed here; False if it is in the queue already.

    On a disputed task it is the ruling of an adjudicator; on one that needs nobody any more, one
    opinion more. ``seconds`` as for :meth:`Queue.submit`.

    Raises
    ------
    InputError
        There is no such task, the decision does not fit it, the rater has decided it otherwise, or
        may not rule on disputes.
    """
    at = time.time() if now is None else now
    rater = queue.register(check_rater(rater), at)
    named = json.loads(queue.setting("adjudicators") or "[]")
    with queue._store.writing() as db:
        row = db.execute("SELECT state FROM standing WHERE task = ?", (task_id,)).fetchone()
        if row is None:
            raise InputError(f"there is no task {task_id!r} in this queue")
        fitting = check_decision(task_row(db, task_id), decision)
        mine = made_rows(db, "WHERE task = ? AND rater = ? AND NOT undone", (task_id, rater))
        if mine:
            if mine[0].decision == fitting:
                return False
            raise InputError(f"{rater} has decided task {task_id!r} otherwise in this queue")
        role: Role = "adjudicator" if row[0] == "disputed" else "rater"
        if role == "adjudicator" and named and rater not in named:
            raise InputError(f"task {task_id!r} is disputed, and {rater} may not rule on it")
        db.execute(
            "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?, ?)",
            (task_id, rater, role, at, at, at + queue.lease_s),
        )
    queue.submit(task_id, rater, fitting, seconds=seconds, now=at)
    return True
