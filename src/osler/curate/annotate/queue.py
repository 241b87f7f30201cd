"""The review queue: who decides what next, and what they decided."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from osler.core import ImageRef, InputError, canonical_json

from .adding import insert, new_tasks, overlapping, places
from .claiming import next_task
from .outcome import Recorded, Settled, settle
from .progress import Progress, measure
from .rows import Held, all_labels, held_row, made_rows, restand, task_row, why_not_held
from .store import Store
from .task import Decision, Role, Task, check_decision, check_rater, check_task

LEASE_S = 1800.0
LONGEST_S = 1800.0
"""Seconds after which a lease goes to somebody else; seconds of one decision that count at most."""

_FORGET_LEASE = "DELETE FROM leases WHERE task = ? AND rater = ?"
_FORGET_DRAFT = "DELETE FROM drafts WHERE task = ? AND rater = ?"


@dataclass(frozen=True, slots=True)
class Brief:
    """Tasks done and in all; decisions of one rater, undone ones included, and their minutes."""

    done: int
    tasks: int
    mine: int
    minutes: float


class Queue:
    """An open review queue; use it as a context manager, or close it.

    Safe for threads, and for any number of processes on the same file. ``now`` is Unix seconds
    and is given only by tests.
    """

    def __init__(self, path: str | Path, *, lease_s: float = LEASE_S) -> None:
        if not (math.isfinite(lease_s) and lease_s > 0):
            raise InputError(f"a lease of {lease_s} seconds is none; give a positive number")
        self.path = Path(path)
        self.lease_s = lease_s
        self._store = Store(path)

    def __enter__(self) -> Queue:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was decided is kept."""
        self._store.close()

    def unsynced(self) -> AbstractContextManager[None]:
        """A block whose decisions a power cut may lose (a kill cannot): for simulations."""
        return self._store.unsynced()

    def setting(self, name: str) -> str | None:
        """A setting of the queue: ``secret``, ``cost_per_minute``, ``adjudicators``."""
        rows = self._store.rows("SELECT value FROM settings WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def set_cost(self, usd_per_minute: float) -> None:
        """What a minute of a rater costs, in USD; kept with the queue."""
        if not (math.isfinite(usd_per_minute) and usd_per_minute >= 0):
            raise InputError(f"{usd_per_minute} USD a minute is no cost; give 0 or more")
        self._set("cost_per_minute", repr(float(usd_per_minute)))

    def set_adjudicators(self, names: Sequence[str]) -> None:
        """Who alone may rule on disputes; empty for anybody who has not voted on the task."""
        self._set("adjudicators", json.dumps([check_rater(name) for name in names]))

    def _set(self, name: str, value: str) -> None:
        with self._store.writing() as db:
            db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def add(self, tasks: Iterable[Task], *, overlap: float = 0.0, seed: int = 0) -> int:
        """Put tasks in, all or none; those that are in already are passed over. How many are new.

        ``overlap`` is the share of the new tasks of tiers 1 and 2 that a second person decides too,
        so that agreement can be measured (at least one). Gold items are put beside tasks drawn
        among the others, so that their place does not tell them.

        Raises
        ------
        InputError
            A task that cannot be decided, or one whose id is in the queue with other content.
        """
        if not 0 <= overlap <= 1:
            raise InputError(f"an overlap of {overlap} is no share; give 0 to 1")
        given = list(tasks)
        for task in given:
            check_task(task)
        with self._store.writing() as db:
            new = new_tasks(db, given)
            twice = overlapping(new, overlap, seed)
            start = db.execute("SELECT coalesce(max(seq), 0) + 1 FROM tasks").fetchone()[0]
            for offset, (task, order) in enumerate(places(new, start, seed)):
                insert(db, start + offset, task, order, task.id in twice)
        return len(new)

    def register(self, rater: str, now: float | None = None) -> str:
        """Note a rater, and return the tidy name."""
        rater = check_rater(rater)
        with self._store.writing() as db:
            db.execute("INSERT OR IGNORE INTO raters VALUES (?, ?)", (rater, _now(now)))
        return rater

    def claim(self, rater: str, *, now: float | None = None) -> Task | None:
        """The next task for ``rater``, leased to them; None when there is none for them.

        A task they hold comes first, the last touched before others. Then by priority, then tier
        (3 before 1, for it needs more people), then in the order of adding. The gold answer is
        taken out, and the draft in tiers 2 and 3.
        """
        held = self.next(rater, now=now)
        return held.task if held else None

    def next(self, rater: str, *, now: float | None = None) -> Held | None:
        """As :meth:`claim`, with all that a page shows."""
        rater, at = check_rater(rater), _now(now)
        with self._store.writing() as db:
            db.execute("INSERT OR IGNORE INTO raters VALUES (?, ?)", (rater, at))
            found = next_task(db, rater, at)
            if found is None:
                return None
            role: Role = "adjudicator" if found[1] == "disputed" else "rater"
            db.execute(
                "INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (task, rater) DO UPDATE "
                "SET role = excluded.role, until = excluded.until",
                (found[0], rater, role, at, at, at + self.lease_s),
            )
            return held_row(db, found[0], rater)

    def held(self, task_id: str, rater: str) -> Held | None:
        """What ``rater`` holds (also when the lease has run out), or None."""
        rater = check_rater(rater)
        with self._store.reading() as db:
            return held_row(db, task_id, rater)

    def task_id(self, key: str) -> str | None:
        """The id of the task that addresses call ``key``."""
        rows = self._store.rows("SELECT id FROM tasks WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def image(self, sha256: str) -> ImageRef | None:
        """The image of that hash, if a task shows it."""
        rows = self._store.rows("SELECT * FROM images WHERE sha256 = ?", (sha256,))
        return ImageRef(*rows[0]) if rows else None

    def autosave(
        self, task_id: str, rater: str, draft: Mapping[str, Any], now: float | None = None
    ) -> bool:
        """Keep what is typed so far, and the lease alive; False if ``rater`` does not hold it.

        A draft with a smaller ``order`` than the one kept of the same ``page`` came late and is
        passed over.
        """
        at, body = _now(now), canonical_json(draft)
        with self._store.writing() as db:
            mine = (task_id, check_rater(rater))
            lease = db.execute(
                "SELECT until FROM leases WHERE task = ? AND rater = ?", mine
            ).fetchone()
            if lease is None:
                return False
            kept = db.execute("SELECT body FROM drafts WHERE task = ? AND rater = ?", mine)
            old = json.loads((kept.fetchone() or ("{}",))[0])
            late = old.get("page") == draft.get("page") and old.get("order", 0) > draft.get(
                "order", 0
            )
            if not late:
                db.execute("INSERT OR REPLACE INTO drafts VALUES (?, ?, ?, ?)", (*mine, body, at))
            if lease[0] > at:  # one that ran out may be somebody else's by now
                db.execute(
                    "UPDATE leases SET touched = ?, until = ? WHERE task = ? AND rater = ?",
                    (at, at + self.lease_s, *mine),
                )
        return True

    def draft(self, task_id: str, rater: str) -> dict[str, Any]:
        """What ``rater`` had typed for a task, also after the lease ran out; empty if nothing."""
        query = "SELECT body FROM drafts WHERE task = ? AND rater = ?"
        rows = self._store.rows(query, (task_id, check_rater(rater)))
        return json.loads(rows[0][0]) if rows else {}

    def submit(
        self,
        task_id: str,
        rater: str,
        decision: Decision,
        *,
        seconds: float,
        now: float | None = None,
    ) -> None:
        """Keep a decision for good. ``seconds`` is the time spent, of which half an hour counts.

        A decision that comes after its lease ran out is kept as well: one opinion more.

        Raises
        ------
        InputError
            The rater does not hold the task or has decided it, or the decision does not fit it.
        """
        rater, at = check_rater(rater), _now(now)
        if not (math.isfinite(seconds) and seconds >= 0):
            raise InputError(f"{seconds} seconds is no time; give 0 or more")
        with self._store.writing() as db:
            lease = db.execute(
                "SELECT role FROM leases WHERE task = ? AND rater = ?", (task_id, rater)
            ).fetchone()
            if lease is None:
                raise InputError(why_not_held(db, task_id, rater))
            task = task_row(db, task_id)
            body = canonical_json(check_decision(task, decision))
            db.execute(
                "INSERT INTO decisions (task, rater, role, body, seconds, at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (task_id, rater, lease[0], body, min(float(seconds), LONGEST_S), at),
            )
            for forget in (_FORGET_LEASE, _FORGET_DRAFT):
                db.execute(forget, (task_id, rater))
            restand(db, task)

    def undo(self, rater: str, *, now: float | None = None) -> Held | None:
        """Take back the last decision of ``rater``, who holds the task again; None if none is left.

        The decision stays in the record, marked as undone, and comes back as the draft.

        Raises
        ------
        InputError
            Somebody has ruled on the dispute since.
        """
        rater, at = check_rater(rater), _now(now)
        with self._store.writing() as db:
            last = db.execute(
                "SELECT seq, task, role, body FROM made WHERE rater = ? AND NOT undone "
                "ORDER BY seq DESC LIMIT 1",
                (rater,),
            ).fetchone()
            if last is None:
                return None
            number, task_id, role, body = last
            task = task_row(db, task_id)
            made = made_rows(db, "WHERE task = ?", (task_id,))
            if role == "rater" and settle(task, made).adjudicated:
                raise InputError("this decision went to an adjudicator, who has ruled; it stays")
            db.execute(
                "INSERT INTO decisions (task, rater, role, body, seconds, at, undoes) "
                "VALUES (?, ?, ?, '{}', 0, ?, ?)",
                (task_id, rater, role, at, number),
            )
            db.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?, ?)",
                (task_id, rater, role, at, at, at + self.lease_s),
            )
            db.execute(
                "INSERT OR REPLACE INTO drafts VALUES (?, ?, ?, ?)", (task_id, rater, body, at)
            )
            restand(db, task)
            return held_row(db, task_id, rater)

    def changes(self) -> int:
        """A number that grows with every decision, undo and task: to know what is out of date."""
        query = "SELECT (SELECT count(*) FROM decisions) + (SELECT count(*) FROM tasks)"
        found: int = self._store.rows(query)[0][0]
        return found

    def brief(self, rater: str) -> Brief:
        """How far the queue and ``rater`` are, without reading every decision."""
        states = dict(self._store.rows("SELECT state, count(*) FROM standing GROUP BY state"))
        mine = self._store.rows(
            "SELECT count(*), coalesce(sum(seconds), 0) FROM decisions "
            "WHERE rater = ? AND undoes IS NULL",
            (check_rater(rater),),
        )[0]
        return Brief(states.get("done", 0), sum(states.values()), mine[0], mine[1] / 60)

    def labels(self) -> list[Settled]:
        """What holds for each task, in the order of adding; gold items included."""
        with self._store.reading() as db:
            return all_labels(db)

    def decisions(self, *, undone: bool = False) -> list[Recorded]:
        """Every single decision in the order made; undone ones only if asked for."""
        with self._store.reading() as db:
            return [one for one in made_rows(db) if undone or not one.undone]

    def progress(self, *, draws: int = 200) -> Progress:
        """Counts, time, cost, agreement and gold results; ``draws`` of the bootstrap of alpha."""
        cost = self.setting("cost_per_minute")
        labels, made = self.labels(), self.decisions(undone=True)
        return measure(labels, made, float(cost) if cost else 0.0, draws=draws)


def open_queue(
    path: str | Path,
    *,
    lease_s: float = LEASE_S,
    cost_per_minute: float | None = None,
    adjudicators: Sequence[str] | None = None,
) -> Queue:
    """Open the review queue at ``path``, made if it is absent.

    ``cost_per_minute`` (USD) and ``adjudicators`` are kept in the file when given.

    Raises
    ------
    BadFileError
        The file is no review queue, or one of another schema.
    InputError
        It cannot be made or written.
    """
    queue = Queue(path, lease_s=lease_s)
    try:
        if cost_per_minute is not None:
            queue.set_cost(cost_per_minute)
        if adjudicators is not None:
            queue.set_adjudicators(adjudicators)
    except BaseException:
        queue.close()
        raise
    return queue


def _now(now: float | None) -> float:
    return time.time() if now is None else now
