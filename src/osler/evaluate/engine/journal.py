"""The journal of a run: SQLite (WAL), one commit a reply, so that a killed run loses nothing.

Tables: ``meta`` (facts of the run), ``requests`` (what was sent, images by hash, once for each
distinct request), ``replies`` (valid replies only), ``attempts`` (failures, with their cost),
``migrations``. A kill at any moment loses at most the calls in flight; a power cut may lose the
last replies too, for they are not forced to the platter one by one.
"""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from osler.core import BadFileError, Failure, InputError, Reply, Request, canonical_json

from .cost import Account
from .plan import Call

MIGRATIONS = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE requests (hash TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE replies (
        role TEXT NOT NULL, item TEXT NOT NULL, repeat INTEGER NOT NULL, part INTEGER NOT NULL,
        key TEXT NOT NULL, request TEXT NOT NULL, model TEXT NOT NULL, text TEXT NOT NULL,
        finish TEXT NOT NULL, tokens_in INTEGER, tokens_out INTEGER, cost_usd REAL,
        option_probs TEXT, logprobs TEXT, seconds REAL NOT NULL, reused INTEGER NOT NULL,
        at TEXT NOT NULL, PRIMARY KEY (role, item, repeat, part)
    );
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY, role TEXT NOT NULL, item TEXT NOT NULL, repeat INTEGER NOT NULL,
        part INTEGER NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL, kind TEXT NOT NULL,
        message TEXT NOT NULL, tokens_in INTEGER, tokens_out INTEGER, cost_usd REAL,
        seconds REAL NOT NULL, at TEXT NOT NULL
    );
    CREATE INDEX attempts_call ON attempts (role, item, repeat, part);
    """,
)
"""Schema versions in order: number n is reached by running entry n - 1. Entries are only added."""

_REPLIES = (
    "SELECT repeat + part, text, finish, tokens_in, tokens_out, cost_usd, option_probs, logprobs, "
    "seconds FROM replies WHERE role = ? AND item = ?"
)

_SUMS = (
    "SELECT role, model, count(*), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0), "
    "coalesce(sum(cost_usd), 0.0), sum(cost_usd IS NULL) FROM ({}) GROUP BY role, model "
    "ORDER BY role, model"
)

_WORTH = "SELECT role, model, tokens_in, tokens_out, cost_usd FROM replies"

_SPENT = (
    _WORTH + " WHERE NOT reused UNION ALL SELECT role, model, tokens_in, tokens_out, cost_usd "
    "FROM attempts WHERE tokens_in IS NOT NULL OR cost_usd IS NOT NULL"
)


class Journal:
    """An open journal; use it as a context manager.

    Raises
    ------
    BadFileError
        The file is no journal, or one of a newer Osler.
    InputError
        The folder cannot be written, or another process is writing this journal.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self.path.with_suffix(".lock"))
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror or error}") from error
        try:
            with self._guarded():
                self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._migrate()
        except BaseException:
            self._unlock()
            raise

    def _migrate(self) -> None:
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, at TEXT NOT NULL)"
        )
        found = self._db.execute("SELECT max(version) FROM migrations").fetchone()[0] or 0
        if found > len(MIGRATIONS):
            raise BadFileError(
                self.path, f"has schema {found}, this Osler knows {len(MIGRATIONS)}", "update Osler"
            )
        for version in range(found + 1, len(MIGRATIONS) + 1):
            script = MIGRATIONS[version - 1]
            note = f"INSERT INTO migrations VALUES ({version}, '{_now()}');"  # noqa: S608
            self._db.executescript(f"BEGIN; {script} {note} COMMIT;")

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave one plain file that can be read from anywhere, where the disk allows it."""
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.execute("PRAGMA journal_mode=DELETE")
        self._db.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def meta(self, name: str) -> str | None:
        """A fact of the run, or None."""
        rows = self._rows("SELECT value FROM meta WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def set_meta(self, name: str, value: str) -> None:
        """Store a fact of the run."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def has(self, call: Call) -> bool:
        """Whether a valid reply to this very call (same key) is here."""
        rows = self._rows(
            "SELECT key FROM replies WHERE role = ? AND item = ? AND repeat = ? AND part = ?",
            (call.role, call.item_id, call.repeat, call.part),
        )
        return bool(rows) and rows[0][0] == call.key

    def record(self, call: Call, reply: Reply, model: str, reused: bool = False) -> None:
        """Commit a valid reply."""
        place = (call.role, call.item_id, call.repeat, call.part, call.key, call.request_hash)
        values = (*place, model, *reply_columns(reply)[:7])
        with self._writing():
            self._db.execute("BEGIN")
            self._db.execute(
                "INSERT OR IGNORE INTO requests VALUES (?, ?)",
                (call.request_hash, request_body(call.request)),
            )
            self._db.execute(
                "INSERT OR REPLACE INTO replies VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (*values, reply.seconds, int(reused), _now()),
            )
            self._db.execute("COMMIT")

    def fail(
        self, call: Call, failure: Failure, model: str, seconds: float, spent: Reply | None = None
    ) -> None:
        """Commit a failed attempt; ``spent`` is a reply that was paid for but is not valid."""
        paid = (spent.tokens_in, spent.tokens_out, spent.cost_usd) if spent else (None,) * 3
        place = (call.role, call.item_id, call.repeat, call.part, call.key)
        with self._writing():
            self._db.execute(
                "INSERT INTO attempts (role, item, repeat, part, key, model, kind, message, "
                "tokens_in, tokens_out, cost_usd, seconds, at) VALUES "
                "(?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    *place,
                    model,
                    failure.kind,
                    _clean(failure.message[:500]),
                    *paid,
                    seconds,
                    _now(),
                ),
            )

    def replies(self, role: str, item_id: str, count: int) -> list[Reply]:
        """The ``count`` replies of an item in order of repeat and part; a missing one is a reply
        with the last failure as its error.
        """
        with self._guarded():
            rows = self._db.execute(_REPLIES, (role, item_id)).fetchall()
            found = {row[0]: reply_from(row[1:]) for row in rows}
        return [
            found[at] if at in found else Reply(error=self.last_failure(role, item_id, at))
            for at in range(count)
        ]

    def last_failure(self, role: str, item_id: str, at: int) -> Failure:
        """Why a call has no reply."""
        rows = self._rows(
            "SELECT kind, message FROM attempts WHERE role = ? AND item = ? AND repeat + part = ? "
            "ORDER BY id DESC LIMIT 1",
            (role, item_id, at),
        )
        return Failure(*rows[0]) if rows else Failure("not_asked", "the run ended before this call")

    def forget_if_worthless(self) -> bool:
        """Forget failed attempts if nothing was answered or paid; True when nothing is left."""
        worth = self._rows(
            "SELECT 1 FROM replies UNION ALL SELECT 1 FROM attempts "
            "WHERE tokens_in IS NOT NULL OR cost_usd IS NOT NULL LIMIT 1"
        )
        if worth:
            return False
        with self._writing():
            self._db.execute("DELETE FROM attempts")
        return True

    def accounts(self, spent_only: bool = False) -> Iterator[Account]:
        """Sums by role and model; ``spent_only`` counts what this run paid, retries included and
        replies from the cache left out, instead of what the replies are worth.
        """
        return (Account(*row) for row in self._rows(_SUMS.format(_SPENT if spent_only else _WORTH)))

    def failures(self) -> Mapping[str, int]:
        """Failed attempts by kind."""
        return dict(self._rows("SELECT kind, count(*) FROM attempts GROUP BY kind ORDER BY kind"))

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._guarded():
            return self._db.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Tell a disk that refuses from a file whose bytes are no journal (any more)."""
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError) as error:  # the last two: no text, no JSON
            raise self._told(error) from error

    def _told(self, error: Exception) -> InputError:
        if isinstance(error, sqlite3.OperationalError) and not _names_damage(error):
            return disk_error(self.path, error)
        what = f"is no journal or is damaged ({error})"
        return BadFileError(self.path, what, "give another --out folder")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:  # whatever it is, no transaction stays open
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._told(error) from error
            raise


def _names_damage(error: sqlite3.Error) -> bool:
    """Whether an error of operation, which a full disk is too, tells of wrong bytes."""
    return any(word in str(error) for word in ("decode", "already exists", "no such"))


def disk_error(path: Path, error: sqlite3.Error) -> InputError:
    """A refused write as one sentence; what was committed before stays."""
    return InputError(
        f"cannot write {path}: {error}; the replies so far are kept, "
        "free some space and run the same command again"
    )


def request_body(request: Request) -> str:
    """What was sent, as JSON: texts in order, images by hash."""
    return canonical_json(
        {
            "system": request.prompt.system,
            "parts": request.prompt.parts,
            "options": dict(request.options),
        }
    )


def reply_columns(reply: Reply) -> tuple[Any, ...]:
    """A reply as the columns ``text`` to ``seconds``."""
    return (
        _clean(reply.text),
        _clean(reply.finish),
        reply.tokens_in,
        reply.tokens_out,
        reply.cost_usd,
        _finite_json(dict(reply.option_probs), reply.option_probs.values())
        if reply.option_probs
        else None,
        _finite_json(list(reply.logprobs), reply.logprobs) if reply.logprobs else None,
        reply.seconds,
    )


def reply_from(row: tuple[Any, ...]) -> Reply:
    """The inverse of :func:`reply_columns`."""
    text, finish, tokens_in, tokens_out, cost, probs, logprobs, seconds = row
    return Reply(
        text=text,
        finish=finish,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost_usd=cost,
        seconds=seconds,
        option_probs=json.loads(probs) if probs else None,
        logprobs=tuple(json.loads(logprobs)) if logprobs else None,
    )


def _finite_json(value: Any, numbers: Iterable[float]) -> str | None:
    """As JSON, or None where a number is no number: a broken backend gives no probabilities."""
    return json.dumps(value) if all(map(math.isfinite, numbers)) else None


def _clean(text: str) -> str:
    """Text without the lone surrogates that JSON allows and UTF-8 does not."""
    return text.encode("utf-8", "replace").decode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _lock(path: Path) -> Any:
    """An exclusive lock that the system drops with the process; None where there is no flock."""
    try:
        import fcntl
    except ImportError:  # not on Windows; two runs in one folder are then the user's care
        return None
    handle = path.open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.close()
        raise InputError(
            f"another osler is writing to {path.parent}; wait for it or give another --out"
        ) from error
    return handle
