"""What was read is not read again: results by what a file system says of their files.

One SQLite file beside the lock. A result is kept under a key made of path, size, time of last
change (nanoseconds) and inode of every file it was made from, and of the code that made it; so a
run that was killed goes on where it stopped, and a changed file is read anew.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from osler.core import BadFileError, content_hash

_TABLES = """
CREATE TABLE IF NOT EXISTS reading (key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS note (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS file (key TEXT PRIMARY KEY, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL)
"""


class Journal:
    """An open journal. Every result is on disk when :meth:`keep` returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._database = sqlite3.connect(path, isolation_level=None)
        try:
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            for statement in _TABLES.split(";"):
                self._database.execute(statement)
        except sqlite3.OperationalError as error:
            self._database.close()
            raise _unwritten(path, error) from error
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise BadFileError(
                path, f"is no journal ({error})", "remove it; everything is then read again"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def get(self, key: str) -> Any | None:
        """The result under ``key``, or None."""
        row = self._database.execute("SELECT value FROM reading WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(zlib.decompress(row[0]))

    def keep(self, key: str, value: Mapping[str, Any]) -> None:
        """Store a result (plain JSON)."""
        data = zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 1)
        self._database.execute("INSERT OR REPLACE INTO reading VALUES (?, ?)", (key, data))

    def note(self, key: str, value: str) -> None:
        """Store a fact about the run."""
        self._database.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (key, value))

    def noted(self, key: str) -> str:
        """A fact about the run; empty if it was never noted."""
        row = self._database.execute("SELECT value FROM note WHERE key = ?", (key,)).fetchone()
        return "" if row is None else str(row[0])

    def hashes(self, keys: Iterable[str]) -> dict[str, tuple[str, int]]:
        """SHA-256 and size of the files whose stamps are known."""
        found = {}
        for key in keys:
            row = self._database.execute(
                "SELECT sha256, bytes FROM file WHERE key = ?", (key,)
            ).fetchone()
            if row is not None:
                found[key] = (row[0], row[1])
        return found

    def keep_hashes(self, hashes: Mapping[str, tuple[str, int]]) -> None:
        """Store SHA-256 and size of files by their stamps."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR REPLACE INTO file VALUES (?, ?, ?)",
            [(key, digest, size) for key, (digest, size) in hashes.items()],
        )
        self._database.execute("COMMIT")


@contextmanager
def open_journal(path: str | Path) -> Iterator[Journal]:
    """The journal at ``path``, made if it is not there.

    Raises
    ------
    BadFileError
        The file is no journal, or cannot be written (the disk is full).
    """
    journal = Journal(Path(path))
    try:
        yield journal
    except sqlite3.Error as error:
        raise _unwritten(journal.path, error) from error
    finally:
        journal.close()


def _unwritten(path: Path, error: sqlite3.Error) -> BadFileError:
    return BadFileError(
        path,
        f"cannot be read or written ({error})",
        "free some space, end other runs that use it, and run the same command again",
    )


def stamp(path: Path) -> str:
    """Key of a file as it is now: path, size, time of last change, inode.

    Raises
    ------
    BadFileError
        There is no such file.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise BadFileError(path, f"cannot be looked at ({error.strerror})") from error
    return content_hash([str(path), found.st_size, found.st_mtime_ns, found.st_ino], 32)
