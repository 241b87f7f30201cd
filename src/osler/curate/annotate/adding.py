"""Putting tasks into the queue: what is new, who is asked twice, where gold items go."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace

from osler.core import InputError, canonical_json, content_hash, derive_rng, derive_seed

from .task import Task, needed

Place = tuple[float, int, float]
"""What orders tasks: priority (the largest first), tier (the highest first), place."""


def new_tasks(db: sqlite3.Connection, tasks: Sequence[Task]) -> list[Task]:
    """Those that are not in the queue; InputError for an id of other content."""
    given: dict[str, str] = {}
    new = []
    for task in tasks:
        found = content_hash(task, 64)
        row = db.execute("SELECT given FROM tasks WHERE id = ?", (task.id,)).fetchone()
        kept = row[0] if row else given.get(task.id)
        if kept is None:
            given[task.id] = found
            new.append(task)
        elif kept != found:
            raise InputError(
                f"task {task.id!r} is in the queue with other content; "
                "give it another id, or make a new queue"
            )
    return new


def overlapping(tasks: Sequence[Task], share: float, seed: int) -> set[str]:
    """Ids of the share of tasks of tiers 1 and 2 for one person that a second one decides too.

    Which ones depends on their ids and the seed, not on their order.
    """
    single = [t.id for t in tasks if t.tier < 3 and t.raters == 1 and not t.gold]
    count = max(1, round(share * len(single))) if share > 0 else 0
    return set(sorted(single, key=lambda name: derive_seed("overlap", seed, name))[:count])


def places(tasks: Sequence[Task], start: int, seed: int) -> Iterator[tuple[Task, Place]]:
    """Each task with its place; a gold item stands beside an ordinary one drawn at random."""
    ordinary = [(t.priority, t.tier, float(start + i)) for i, t in enumerate(tasks) if not t.gold]
    for offset, task in enumerate(tasks):
        place = (task.priority, task.tier, float(start + offset))
        if task.gold and ordinary:
            drawn = derive_rng("place of gold", seed, task.id).integers(len(ordinary))
            place = (*ordinary[drawn][:2], ordinary[drawn][2] + 0.5)
        yield task, place


def insert(db: sqlite3.Connection, seq: int, task: Task, place: Place, twice: bool) -> None:
    """Write one task, its images, and that it is open."""
    kept = replace(task, raters=2) if twice else task
    body, given = canonical_json(kept), content_hash(task, 64)
    db.execute(
        "INSERT INTO tasks VALUES (?, ?, ?, ?, ?)",
        (seq, task.id, secrets.token_hex(8), body, given),
    )
    db.execute(
        "INSERT INTO standing VALUES (?, 'open', 0, ?, ?, ?, ?, ?)",
        (task.id, needed(kept), int(bool(task.gold)), *place),
    )
    for ref in task.images:
        db.execute("INSERT OR IGNORE INTO images VALUES (?, ?)", (ref.sha256, ref.media_type))
