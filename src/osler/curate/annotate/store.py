"""The file of a review queue: SQLite (WAL), safe for several threads and processes.

Tables: ``tasks`` (as given), ``decisions`` (only ever added to; an undo is a row that names the row
it takes back), ``leases`` and ``drafts`` (what somebody is working on), ``images`` (what the web
application may serve), ``settings``, ``raters`` and ``standing`` (what of each task is still to be
done; derived from the decisions in the same transaction, so that claims need no counting).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from osler.core import BadFileError, InputError

APPLICATION = 0x4F534C51  # "OSLQ", in the header of the file
SCHEMA = 1
BUSY_S = 30.0
_MAGIC = b"SQLite format 3\0"

TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE raters (name TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL, given TEXT NOT NULL
);
CREATE TABLE images (sha256 TEXT PRIMARY KEY, media_type TEXT NOT NULL);
CREATE TABLE standing (
    task TEXT PRIMARY KEY, state TEXT NOT NULL, votes INTEGER NOT NULL, need INTEGER NOT NULL,
    gold INTEGER NOT NULL, priority REAL NOT NULL, tier INTEGER NOT NULL, place REAL NOT NULL
);
CREATE INDEX wanted ON standing (priority DESC, tier DESC, place)
    WHERE state IN ('open', 'disputed');
CREATE INDEX answered_gold ON standing (priority DESC, tier DESC, place)
    WHERE state = 'done' AND gold;
CREATE TABLE leases (
    task TEXT NOT NULL, rater TEXT NOT NULL, role TEXT NOT NULL, since REAL NOT NULL,
    touched REAL NOT NULL, until REAL NOT NULL, PRIMARY KEY (task, rater)
);
CREATE TABLE drafts (
    task TEXT NOT NULL, rater TEXT NOT NULL, body TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (task, rater)
);
CREATE TABLE decisions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, rater TEXT NOT NULL,
    role TEXT NOT NULL, body TEXT NOT NULL, seconds REAL NOT NULL, at REAL NOT NULL,
    undoes INTEGER UNIQUE
);
CREATE INDEX decisions_task ON decisions (task, rater);
CREATE INDEX decisions_rater ON decisions (rater, seq);
CREATE TRIGGER decisions_stay BEFORE UPDATE ON decisions
    BEGIN SELECT RAISE(ABORT, 'decisions are only added'); END;
CREATE TRIGGER decisions_remain BEFORE DELETE ON decisions
    BEGIN SELECT RAISE(ABORT, 'decisions are only added'); END;
CREATE VIEW made AS SELECT d.seq, d.task, d.rater, d.role, d.body, d.seconds, d.at,
    EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.seq) AS undone
    FROM decisions d WHERE d.undoes IS NULL;
"""


class Store:
    """One connection to the file of a queue, shared by the threads of a process.

    Raises
    ------
    BadFileError
        The file is no queue, or one of another schema.
    InputError
        The file cannot be made, read or written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror}") from error
        self._make_private()
        with self._guarded():
            db = sqlite3.connect(
                self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(db)
            except BaseException:
                db.close()
                raise
        return db

    def _make_private(self) -> None:
        """A new file is for its owner alone: it holds the secret of sessions and gold answers."""
        with contextlib.suppress(OSError):  # it is there; SQLite says what else is wrong
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with contextlib.suppress(OSError), self.path.open("rb") as held:
            start = held.read(len(_MAGIC))
            if start and start != _MAGIC:  # SQLite would write over a short file
                raise BadFileError(
                    self.path, "is no review queue or is damaged", "restore a copy, or move it away"
                )

    def _prepare(self, db: sqlite3.Connection) -> None:
        if self._is_new(db):
            db.execute("BEGIN IMMEDIATE")
            if self._is_new(db):  # still, now that nobody else can make it
                for statement in _statements(TABLES):
                    db.execute(statement)
                db.execute("INSERT INTO settings VALUES ('secret', ?)", (secrets.token_hex(32),))
                db.execute(f"PRAGMA application_id = {APPLICATION}")
                db.execute(f"PRAGMA user_version = {SCHEMA}")
            db.execute("COMMIT")
        schema = db.execute("PRAGMA user_version").fetchone()[0]
        if schema != SCHEMA:
            raise BadFileError(
                self.path,
                f"is a review queue of schema {schema}, this Osler knows {SCHEMA}",
                "use the Osler that made it, or make a new queue",
            )
        if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # an hour of a person's work is worth the sync

    def _is_new(self, db: sqlite3.Connection) -> bool:
        if db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION:
            return False
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise BadFileError(self.path, "is a database but no review queue", "name another")
        return True

    def _connection(self) -> sqlite3.Connection:
        if os.getpid() != self._pid:  # after a fork, the connection is the parent's
            self._pid, self._db = os.getpid(), self._open()
        return self._db

    def rows(self, query: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> list[Any]:
        """All rows of a question."""
        with self._lock, self._guarded():
            return self._connection().execute(query, values).fetchall()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the file for several questions."""
        with self._transaction("BEGIN") as db:
            yield db

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Alone among all writers of all processes; all of the block is kept, or none."""
        with self._transaction("BEGIN IMMEDIATE") as db:
            yield db

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._guarded():
            db = self._connection()
            db.execute(begin)
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def unsynced(self) -> Iterator[None]:
        """Do not force each commit to the platter: a killed process still loses nothing."""
        self.rows("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            self.rows("PRAGMA synchronous = FULL")

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            if os.getpid() == self._pid:
                self._db.close()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                told = f"another process has been writing for {BUSY_S:.0f} s; try again"
            else:
                told = f"{error}; what was decided before is kept"
            raise InputError(f"cannot use {self.path}: {told}") from error
        except sqlite3.DatabaseError as error:
            raise BadFileError(
                self.path,
                f"is no review queue or is damaged ({error})",
                "restore a copy, or move it away",
            ) from error


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: executescript would commit before it begins."""
    part = ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            yield part
            part = ""
