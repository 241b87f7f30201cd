"""The index of a catalogue: one SQLite file, built on first use and kept in the cache folder.

It holds the text of each record (FTS5), its facets as rows, and the tables of degrees and vectors
as blobs. The file's name carries the catalogue's digest, the version of this format and a digest
of the tables it was made from, so a changed catalogue, lexicon or vocabulary has a file of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from osler.core import alone

from ..load import Catalog, load_catalog
from ..vocabulary import KINDS as VOCABULARIES
from . import concepts
from .filling import build
from .folder import cache_folder
from .names import Names

VERSION = 1
"""Of the file's format; raise it when the tables or what they hold change."""

FACETS = (
    *("modality", "structure", "task", "dimension", "year", "licence", "access"),
    *("labelled", "publisher", "unit"),
)


@dataclass(slots=True)
class Index:
    """A catalogue ready to be searched.

    Parameters
    ----------
    connection
        The SQLite database; its tables are ``record``, ``facet``, ``word`` and ``doc``.
    degrees
        For each kind: column of a code, and (records, codes) degrees in hundredths.
    place
        The file, or None where the index lives in memory; ``note`` then says why.
    """

    catalog: Catalog
    connection: sqlite3.Connection
    degrees: dict[str, tuple[dict[str, int], npt.NDArray[np.uint8]]]
    vectors: npt.NDArray[np.float32]
    names: Names
    words: dict[str, int]
    years: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]
    place: Path | None = None
    note: str = ""
    facets: dict[str, tuple[list[str], npt.NDArray[np.int32], npt.NDArray[np.int32]]] = field(
        default_factory=dict
    )
    turn: Lock = field(default_factory=Lock)
    untold: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def size(self) -> int:
        """How many records there are."""
        return len(self.catalog.datasets)

    def degree(self, kind: str, code: str) -> npt.NDArray[np.float32]:
        """(records,) how far each record has a code, 0 to 1."""
        columns, table = self.degrees[kind]
        at = columns.get(code)
        if at is None:
            return np.zeros(self.size, np.float32)
        column: npt.NDArray[np.float32] = table[:, at] * np.float32(0.01)
        return column

    def weight(self, stem: str) -> int:
        """How many records have a word in their name or targets."""
        return self.words.get(stem, 0)

    def rows_with(self, stem: str) -> list[int]:
        """Rows of the records that have a word in their name or targets."""
        with self.turn:
            found = self.connection.execute("SELECT row FROM word WHERE stem = ?", (stem,))
            return [row for (row,) in found.fetchall()]

    def matches(self, expression: str) -> list[tuple[int, float]]:
        """Rows whose text matches an FTS5 expression, with bm25 (larger is better)."""
        with self.turn:
            return self.connection.execute(
                "SELECT rowid, -bm25(doc, 3.0, 2.0, 1.0) FROM doc WHERE doc MATCH ?", (expression,)
            ).fetchall()

    def close(self) -> None:
        """Close the database."""
        self.connection.close()


@cache
def _tables_digest() -> str:
    """Digest of everything but the catalogue that the index is made from."""
    held = hashlib.sha256(f"{VERSION} {np.__version__} {sqlite3.sqlite_version}".encode())
    here = files("osler.curate.catalog.search")
    for name in ("lexicon.tsv", "targets.tsv", "near.tsv", "names.tsv", "words.json"):
        held.update(here.joinpath("data", name).read_bytes())
    above = files("osler.curate.catalog").joinpath("terms")
    for kind in VOCABULARIES:
        held.update(above.joinpath(f"{kind}.tsv").read_bytes())
    for module in ("concepts.py", "filling.py", "index.py", "lexicon.py", "names.py", "text.py"):
        with suppress(OSError):
            held.update(here.joinpath(module).read_bytes())
    return held.hexdigest()


def index_file(catalog: Catalog, folder: Path) -> Path:
    """Where the index of a catalogue is kept."""
    return folder / f"catalog-{catalog.digest[:16]}-{_tables_digest()[:12]}.sqlite"


def _get(
    connection: sqlite3.Connection, name: str, rows: int
) -> tuple[dict[str, int], npt.NDArray[Any]]:
    listed, kind, width, data = connection.execute(
        "SELECT columns, type, width, data FROM blob WHERE name = ?", (name,)
    ).fetchone()
    if kind not in ("uint8", "float32"):
        raise sqlite3.DatabaseError(f"blob {name} is of type {kind}")
    table = np.frombuffer(data, np.dtype(kind)).reshape(rows, width)
    return {code: at for at, code in enumerate(listed.split("\n") if listed else [])}, table


def _names(connection: sqlite3.Connection) -> Names:
    (text,) = connection.execute("SELECT value FROM meta WHERE key = 'names'").fetchone()
    spellings, rows, families, plain = json.loads(text)
    return Names(
        tuple(spellings),
        tuple(tuple(one) for one in rows),
        {one: place for place, one in enumerate(spellings)},
        {word: tuple(found) for word, found in families.items()},
        frozenset(plain),
    )


def _loaded(catalog: Catalog, connection: sqlite3.Connection, place: Path | None) -> Index:
    """An index from a database; raises what sqlite3 and NumPy raise when it is not whole."""
    records = catalog.datasets
    (complete,) = connection.execute("SELECT value FROM meta WHERE key = 'complete'").fetchone()
    if complete != str(len(records)):
        raise sqlite3.DatabaseError("the index is of another catalogue")
    degrees = {kind: _get(connection, kind, len(records)) for kind in concepts.KINDS}
    _, vectors = _get(connection, "vectors", len(records))
    counted = "SELECT stem, count(*) FROM word GROUP BY stem"
    found = Index(
        catalog=catalog,
        connection=connection,
        degrees=degrees,
        vectors=vectors,
        names=_names(connection),
        words=dict(connection.execute(counted).fetchall()),
        years=np.array([one.year or 0 for one in records], np.int32),
        counts=np.array([-1 if one.count is None else one.count for one in records], np.int64),
        place=place,
        untold=np.zeros(len(records), np.float32),
    )
    told = (degrees["target"][1] >= 100 * concepts.FULL).any(axis=1)
    found.untold[~told] = 1
    for facet in FACETS:
        pairs = connection.execute(
            "SELECT row, value FROM facet WHERE facet = ? ORDER BY value, row", (facet,)
        ).fetchall()
        values = sorted({value for _, value in pairs})
        at = {value: place for place, value in enumerate(values)}
        rows = np.array([row for row, _ in pairs], np.int32)
        which = np.array([at[value] for _, value in pairs], np.int32)
        found.facets[facet] = (values, rows, which)
    return found


def _opened(catalog: Catalog, place: Path) -> Index | None:
    """The index in a file, or None when there is none or it is damaged."""
    if not place.is_file():
        return None
    connection = sqlite3.connect(
        f"file:{_quoted(place)}?mode=ro", uri=True, check_same_thread=False
    )
    try:
        return _loaded(catalog, connection, place)
    except (sqlite3.DatabaseError, ValueError, TypeError):
        connection.close()
        return None


def _quoted(place: Path) -> str:
    from urllib.parse import quote

    return quote(str(place.resolve()))


def _in_memory(catalog: Catalog, why: str) -> Index:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    build(catalog, connection)
    found = _loaded(catalog, connection, None)
    found.note = why
    return found


def _written(catalog: Catalog, place: Path) -> None:
    """Build the file beside its place and move it there whole."""
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    os.close(handle)
    try:
        with closing(sqlite3.connect(name)) as connection:
            # A file that is thrown away on any failure needs no journal and no waiting for disk.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            build(catalog, connection)
        os.chmod(name, 0o644)
        os.replace(name, place)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def open_index(catalog: Catalog | None = None, *, folder: Path | None = None) -> Index:
    """The index of a catalogue (default: Osler's own), built where there is none.

    Parameters
    ----------
    folder
        Where the file is kept; default: ``catalog`` in Osler's cache folder. Where it cannot be
        written the index is built in memory and its ``note`` says so.
    """
    catalog = catalog or load_catalog()
    if folder is None:
        folder = cache_folder() / "catalog"
    place = index_file(catalog, folder)
    found = _opened(catalog, place)
    if found is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            found = _opened(catalog, place)  # another process may have built it meanwhile
            if found is None:
                _written(catalog, place)
                found = _opened(catalog, place)
    except (OSError, sqlite3.OperationalError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        why = f"the index was built in memory, for {folder} cannot be written ({reason})"
        return _in_memory(catalog, why)
    if found is None:
        return _in_memory(
            catalog, f"the index was built in memory, for {place} cannot be read back"
        )
    return found


def cached_index() -> Index:
    """The index of Osler's own catalogue, opened once a process; see :func:`open_index`."""
    return _cached()


@cache
def _cached() -> Index:
    found = open_index()
    if found.note:
        sys.stderr.write(f"osler: {found.note}\n")
    return found
