"""Which task is next for a rater."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

_FREE = """
    NOT EXISTS (SELECT 1 FROM made d WHERE d.task = t.id AND d.rater = :rater AND NOT d.undone)
    AND CASE s.state
    WHEN 'open' THEN s.votes + (
        SELECT count(*) FROM leases l WHERE l.task = t.id AND l.rater != :rater
        AND l.until > :now AND l.role = 'rater') < t.need
    WHEN 'disputed' THEN :rules AND NOT EXISTS (
        SELECT 1 FROM leases l WHERE l.task = t.id AND l.rater != :rater
        AND l.until > :now AND l.role = 'adjudicator')
    ELSE t.gold AND :asked AND NOT EXISTS (
        SELECT 1 FROM leases l WHERE l.task = t.id AND l.rater != :rater AND l.until > :now)
    END
"""
_TASK = "SELECT t.id, t.key, t.body, s.state FROM tasks t JOIN standing s ON s.task = t.id"
_ORDER = "ORDER BY t.priority DESC, t.tier DESC, t.place, t.seq LIMIT 1"
"""Of high tiers first, for they need more people."""


def next_task(db: sqlite3.Connection, rater: str, now: float) -> tuple[Any, ...] | None:
    """The row (id, key, body, state) for ``rater`` at ``now``: what they hold, else what is free.

    A gold item that has its votes is asked of further raters too, but only while ordinary work is
    left for them, so that nobody is asked for nothing else.
    """
    asking = {"rater": rater, "now": now, "rules": _may_rule(db, rater), "asked": True}
    mine = (
        f"{_TASK} JOIN leases m ON m.task = t.id AND m.rater = :rater "
        f"WHERE {_FREE} ORDER BY m.touched DESC, m.rowid DESC LIMIT 1"
    )
    free = f"{_TASK} WHERE {_FREE} {_ORDER}"
    row: tuple[Any, ...] | None = db.execute(mine, asking).fetchone()
    if row is None:
        row = db.execute(free, asking).fetchone()
        if row and row[3] == "done" and not db.execute(free, {**asking, "asked": 0}).fetchone():
            return None
    return row


def _may_rule(db: sqlite3.Connection, rater: str) -> bool:
    row = db.execute("SELECT value FROM settings WHERE name = 'adjudicators'").fetchone()
    named = json.loads(row[0]) if row else []
    return not named or rater in named
