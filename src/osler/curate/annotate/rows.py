"""Rows of the file as records, and what a rater may see of a task."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from osler.core import BadFileError, derive_seed

from .outcome import Recorded, Settled, settle, standing
from .task import Decision, Role, Task, decision_from, task_from


@dataclass(frozen=True, slots=True)
class Held:
    """A task as the rater who holds it may see it: no gold, no draft where it must be hidden.

    ``key`` names it in addresses (its id could tell what it is), ``since`` when it was claimed
    (Unix seconds), ``draft`` what was saved while typing, ``votes`` the decisions that an
    adjudicator compares, without names, in an order of no meaning.
    """

    task: Task
    key: str
    role: Role
    since: float
    draft: Mapping[str, Any] = field(default_factory=dict)
    votes: tuple[Decision, ...] = ()


def task_row(db: sqlite3.Connection, task_id: str) -> Task:
    """A task as it was added."""
    row = db.execute("SELECT body FROM tasks WHERE id = ?", (task_id,)).fetchone()
    return _task(row[0])


def _task(body: str) -> Task:
    try:
        return task_from(json.loads(body))
    except (ValueError, KeyError, TypeError) as error:
        raise BadFileError(
            "the review queue", "holds a damaged task", "restore it from a copy, or make it anew"
        ) from error


def made_rows(
    db: sqlite3.Connection, where: str = "", values: tuple[Any, ...] = ()
) -> list[Recorded]:
    """Decisions in the order made, undone ones included and marked."""
    query = "SELECT seq, task, rater, role, body, seconds, at, undone FROM made"
    return [
        Recorded(seq, task, rater, role, decision_from(json.loads(body)), seconds, at, bool(undone))
        for seq, task, rater, role, body, seconds, at, undone in db.execute(
            f"{query} {where} ORDER BY seq", values
        )
    ]


def restand(db: sqlite3.Connection, task: Task) -> None:
    """Derive anew what of ``task`` is still to be done."""
    state, votes = standing(task, made_rows(db, "WHERE task = ?", (task.id,)))
    db.execute("UPDATE standing SET state = ?, votes = ? WHERE task = ?", (state, votes, task.id))


def all_labels(db: sqlite3.Connection) -> list[Settled]:
    """What holds for each task, in the order of adding."""
    known = [row[0] for row in db.execute("SELECT name FROM raters")]
    tasks = [_task(body) for (body,) in db.execute("SELECT body FROM tasks ORDER BY seq")]
    made: dict[str, list[Recorded]] = {task.id: [] for task in tasks}
    for one in made_rows(db):
        made[one.task_id].append(one)
    return [settle(task, made[task.id], known) for task in tasks]


def held_row(db: sqlite3.Connection, task_id: str, rater: str) -> Held | None:
    """What ``rater`` holds of a task, or None."""
    mine = (task_id, rater)
    lease = db.execute(
        "SELECT role, since FROM leases WHERE task = ? AND rater = ?", mine
    ).fetchone()
    if lease is None:
        return None
    key, body = db.execute("SELECT key, body FROM tasks WHERE id = ?", (task_id,)).fetchone()
    draft = db.execute("SELECT body FROM drafts WHERE task = ? AND rater = ?", mine).fetchone()
    votes = []
    if lease[0] == "adjudicator":
        made = made_rows(db, "WHERE task = ? AND NOT undone AND role = 'rater'", (task_id,))
        # By a hash of task and rater, so that neither the order of time nor of names shows.
        made.sort(key=lambda one: derive_seed("order of votes", key, one.rater))
        votes = [one.decision for one in made if one.decision.action != "skip"]
    task = _shown(_task(body))
    return Held(task, key, lease[0], lease[1], json.loads(draft[0]) if draft else {}, tuple(votes))


def _shown(task: Task) -> Task:
    """``task`` without what must not be seen before deciding."""
    return replace(task, gold="", draft=task.draft if task.tier == 1 else {})


def why_not_held(db: sqlite3.Connection, task_id: str, rater: str) -> str:
    """The sentence for a decision on a task that ``rater`` does not hold."""
    if not db.execute("SELECT 1 FROM tasks WHERE id = ?", (task_id,)).fetchone():
        return f"there is no task {task_id!r} in this queue"
    decided = "SELECT 1 FROM made WHERE task = ? AND rater = ? AND NOT undone"
    if db.execute(decided, (task_id, rater)).fetchone():
        return f"{rater} has decided this task already; undo that to decide it again"
    return f"{rater} does not hold this task; claim it first"
