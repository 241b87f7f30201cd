"""Which task is next for a rater."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

_UNDECIDED = """
    NOT EXISTS (SELECT 1 FROM made d WHERE d.task = s.task AND d.rater = :rater AND NOT d.undone)
"""
_OTHERS = """
    SELECT count(*) FROM leases l
    WHERE l.task = s.task AND l.rater != :rater AND l.until > :now
"""
_FREE = f"""
    {_UNDECIDED} AND CASE s.state
    WHEN 'open' THEN s.votes + ({_OTHERS} AND l.role = 'rater') < s.need
    WHEN 'disputed' THEN :rules AND 0 = ({_OTHERS} AND l.role = 'adjudicator')
    ELSE s.gold AND 0 = ({_OTHERS}) END
"""
_ROW = "SELECT s.task, s.state, s.priority, s.tier, s.place FROM standing s"
_ORDER = "ORDER BY s.priority DESC, s.tier DESC, s.place LIMIT 1"
_HELD = (
    f"{_ROW} JOIN leases m ON m.task = s.task WHERE m.rater = :rater AND {_FREE} "
    "ORDER BY m.touched DESC, m.rowid DESC LIMIT 1"
)
_WANTED = f"{_ROW} WHERE s.state IN ('open', 'disputed') AND {_FREE} {_ORDER}"
_GOLD = f"{_ROW} WHERE s.state = 'done' AND s.gold AND {_FREE} {_ORDER}"


def next_task(db: sqlite3.Connection, rater: str, now: float) -> tuple[str, str] | None:
    """(id, state) of the next task for ``rater``: what they hold, else the first that is free.

    A gold item that has its votes is asked of further raters too, in its place, but only while
    ordinary work is left for them.
    """
    asking = {"rater": rater, "now": now, "rules": may_rule(db, rater)}
    held = db.execute(_HELD, asking).fetchone()
    if held:
        return held[0], held[1]
    wanted = db.execute(_WANTED, asking).fetchone()
    if wanted is None:
        return None
    gold = db.execute(_GOLD, asking).fetchone()
    row = gold if gold and _order(gold) < _order(wanted) else wanted
    return row[0], row[1]


def _order(row: tuple[Any, ...]) -> tuple[float, int, float]:
    """By priority, then tier (3 first, for it needs more people), then place."""
    return -row[2], -row[3], row[4]


def may_rule(db: sqlite3.Connection, rater: str) -> bool:
    """Whether ``rater`` may rule on disputes: anybody, unless adjudicators are named."""
    row = db.execute("SELECT value FROM settings WHERE name = 'adjudicators'").fetchone()
    named = json.loads(row[0]) if row else []
    return not named or rater in named
