"""Replies shared by all runs: a table of valid replies by call key, in one SQLite file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from osler.core import InputError, Reply

from .journal import reply_columns, reply_from

_GET = (
    "SELECT text, finish, tokens_in, tokens_out, cost_usd, option_probs, logprobs, seconds "
    "FROM replies WHERE key = ?"
)


class ReplyCache:
    """An open cache.

    The key of a call covers request bytes, model identity, sampling, repeat and benchmark
    version, so an entry answers exactly the call that made it. Only valid replies enter.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=30)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, text TEXT NOT NULL, "
                "finish TEXT NOT NULL, tokens_in INTEGER, tokens_out INTEGER, cost_usd REAL, "
                "option_probs TEXT, logprobs TEXT, seconds REAL NOT NULL) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"cannot open the reply cache {self.path} ({error}); remove it or run without it"
            ) from error

    def get(self, key: str) -> Reply | None:
        """The reply stored under ``key``, or None."""
        try:
            row = self._db.execute(_GET, (key,)).fetchone()
            return reply_from(row) if row else None
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise InputError(
                f"cannot read the reply cache {self.path} ({error}); remove it or run without it"
            ) from error

    def put(self, key: str, reply: Reply) -> None:
        """Store a valid reply; the first one under a key stays."""
        try:
            self._db.execute(
                "INSERT OR IGNORE INTO replies VALUES (?,?,?,?,?,?,?,?,?)",
                (key, *reply_columns(reply)),
            )
        except sqlite3.Error as error:
            raise InputError(
                f"cannot write the reply cache {self.path} ({error}); free some space or run "
                "without it"
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
