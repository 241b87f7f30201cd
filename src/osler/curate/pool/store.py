"""A pool: a folder with a manifest and shards.

    pool.json     version, encoder (name and identity), dim, shards with rows and checksums
    shards/NNNNN/ see :mod:`osler.curate.pool.shards`
    errors.jsonl  files that were skipped, and why

Rows are numbered through the shards in the order of the manifest; a row keeps its number for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, InputError, UnknownNameError, write_json
from osler.images.quality import FEATURES

from .shards import (
    COLUMNS,
    Shard,
    broken_parts,
    map_vectors,
    quoted,
    read_shard,
    write_shard,
)
from .vectors import to_half

VERSION = 1


@dataclass(frozen=True, slots=True)
class Pool:
    """An open pool: what its manifest says. Open it again after adding."""

    path: Path
    encoder: str
    identity: str
    dim: int
    shards: tuple[Shard, ...] = ()

    def __len__(self) -> int:
        return sum(shard.rows for shard in self.shards)

    def folder(self, shard: Shard) -> Path:
        """Where a shard lies."""
        return self.path / "shards" / shard.name

    def parts(self) -> Iterator[tuple[int, NDArray[np.float16]]]:
        """(first row, vectors) of each shard; the vectors are memory maps."""
        start = 0
        for shard in self.shards:
            yield start, map_vectors(self.folder(shard), shard)
            start += shard.rows

    def vectors(self, rows: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """The unit vectors of ``rows``, in that order: (n, dim) float32.

        Raises
        ------
        InputError
            If the pool has no such row.
        """
        wanted = self._checked(rows)
        found = np.empty((len(wanted), self.dim), np.float32)
        for start, part in self.parts():
            here = _within(wanted, start, len(part))
            if here.size:
                found[here] = part[wanted[here] - start]
        return found

    def _checked(self, rows: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        wanted = np.asarray(rows, np.int64).reshape(-1)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise InputError(f"{self.path} has the rows 0 to {len(self) - 1}, not {wanted.max()}")
        return wanted

    def columns(
        self, *names: str, rows: Sequence[int] | NDArray[np.integer[Any]] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Columns of all records, or of ``rows`` in that order, as arrays (text as objects).

        Raises
        ------
        UnknownNameError
            A column is not one of :data:`osler.curate.pool.COLUMNS`.
        BadFileError
            The records of a shard cannot be read.
        """
        for name in names:
            if name not in COLUMNS:
                raise UnknownNameError("column", name, COLUMNS)
        wanted = None if rows is None else self._checked(rows)
        chunks: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
        order, start = [], 0
        with _parquet() as database:
            for shard in self.shards:
                here = slice(None) if wanted is None else _within(wanted, start, shard.rows)
                if isinstance(here, slice) or here.size:
                    read = self._read(database, shard, names)
                    for name in names:
                        taken = here if wanted is None else wanted[here] - start
                        chunks[name].append(read[name][taken])
                    if not isinstance(here, slice):
                        order.append(here)
                start += shard.rows
        joined = {n: np.concatenate(c) if c else _none(n) for n, c in chunks.items()}
        if not order:
            return joined
        place = np.argsort(np.concatenate(order), kind="stable")
        return {name: values[place] for name, values in joined.items()}

    def _read(self, database: Any, shard: Shard, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        import duckdb

        path = self.folder(shard) / "records.parquet"
        try:
            found = database.execute(
                f"SELECT {', '.join(names)} FROM read_parquet({quoted(path)})"  # noqa: S608 - checked
            ).fetchnumpy()
        except duckdb.Error as error:
            raise BadFileError(
                path,
                "is missing or broken",
                f"remove {path.parent} and add its images again",
            ) from error
        read = {name: _dense(found[name], name) for name in names}
        if names and len(read[names[0]]) != shard.rows:
            raise BadFileError(
                path, f"has {len(read[names[0]])} rows, the manifest says {shard.rows}"
            )
        return read

    def records(
        self, rows: Sequence[int] | NDArray[np.integer[Any]] | None = None
    ) -> list[dict[str, Any]]:
        """Records as dictionaries with every column; all of them when ``rows`` is None."""
        found = self.columns(*COLUMNS, rows=rows)
        size = len(next(iter(found.values())))
        return [
            {
                name: found[name][n].item() if hasattr(found[name][n], "item") else found[name][n]
                for name in COLUMNS
            }
            for n in range(size)
        ]

    def features(self) -> NDArray[np.float32]:
        """The quality features of all rows: (n, len(FEATURES)); NaN where there are none."""
        found = self.columns(*FEATURES)
        return np.stack([found[name] for name in FEATURES], axis=1).astype(np.float32)


def _parquet() -> Any:
    """A connection that reads Parquet in order, on one thread."""
    import duckdb

    return duckdb.connect(config={"threads": 1, "preserve_insertion_order": True})


def _within(wanted: NDArray[np.int64], start: int, rows: int) -> NDArray[np.int64]:
    """Places in ``wanted`` of the rows of a shard."""
    return np.flatnonzero((wanted >= start) & (wanted < start + rows))


def _dense(values: Any, name: str) -> NDArray[Any]:
    kind = COLUMNS[name]
    if isinstance(values, np.ma.MaskedArray):
        values = values.filled("" if kind == "VARCHAR" else np.nan if kind == "FLOAT" else 0)
    return np.asarray(values, object if kind == "VARCHAR" else None)


def _none(name: str) -> NDArray[Any]:
    kinds = {"VARCHAR": object, "UBIGINT": np.uint64, "INTEGER": np.int32, "FLOAT": np.float32}
    return np.zeros(0, kinds[COLUMNS[name]])


def create_pool(path: str | Path, *, encoder: str, identity: str, dim: int) -> Pool:
    """An empty pool at ``path``, or the one that is there if its encoder is the same.

    Raises
    ------
    InputError
        If ``path`` is a pool of another encoder, or a folder with other things in it.
    """
    path = Path(path)
    if (path / "pool.json").exists():
        pool = open_pool(path)
        check_encoder(pool, identity, dim)
        return pool
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} is there and is no pool; choose a new folder")
    pool = Pool(path, encoder, identity, dim)
    save(pool)
    return pool


def check_encoder(pool: Pool, identity: str, dim: int) -> None:
    """Raise InputError unless vectors of this encoder may be compared with those of ``pool``."""
    if (pool.identity, pool.dim) != (identity, dim):
        raise InputError(
            f"{pool.path} holds vectors of {pool.identity} (dim {pool.dim}), not of {identity} "
            f"(dim {dim}); use --encoder {pool.encoder}, or make another pool"
        )


def open_pool(path: str | Path) -> Pool:
    """The pool at ``path``, with shards that were finished just before a kill taken in.

    Raises
    ------
    BadFileError
        If there is no pool, its manifest is broken, or a shard of it is gone.
    """
    path = Path(path)
    try:
        found = json.loads((path / "pool.json").read_text(encoding="utf-8"))
        if found["version"] != VERSION:
            raise BadFileError(
                path, f"is a pool of version {found['version']}, not {VERSION}", "use its Osler"
            )
        shards = tuple(Shard(**shard) for shard in found["shards"])
        pool = Pool(
            path, found["encoder"]["name"], found["encoder"]["identity"], found["dim"], shards
        )
    except FileNotFoundError as error:
        raise BadFileError(path, "is no pool (no pool.json)", "make one: osler pool add") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFileError(
            path / "pool.json", "is broken", "restore it, or add the images to a new pool"
        ) from error
    for shard in pool.shards:
        if not pool.folder(shard).is_dir():
            raise BadFileError(
                pool.folder(shard), "is gone, and the manifest lists it", "restore the folder"
            )
    return with_finished(pool)


def with_finished(pool: Pool) -> Pool:
    """``pool`` with the finished shards that lie in its folder and not in its manifest."""
    known = {shard.name for shard in pool.shards}
    found = []
    for folder in sorted((pool.path / "shards").glob("[0-9]*")):
        shard = None if folder.name in known else read_shard(folder)
        if shard is not None and shard.dim == pool.dim and not broken_parts(folder, shard):
            found.append(shard)
    return replace(pool, shards=(*pool.shards, *found)) if found else pool


def save(pool: Pool) -> None:
    """Write the manifest."""
    write_json(
        pool.path / "pool.json",
        {
            "version": VERSION,
            "encoder": {"name": pool.encoder, "identity": pool.identity},
            "dim": pool.dim,
            "rows": len(pool),
            "columns": COLUMNS,
            "shards": [asdict(shard) for shard in pool.shards],
        },
    )


def append(pool: Pool, records: Sequence[Mapping[str, Any]], vectors: NDArray[Any]) -> Pool:
    """``pool`` with one more shard: rows that were embedded elsewhere, by the same encoder.

    ``vectors`` are (rows, dim) of any float type and length; see
    :func:`osler.curate.pool.vectors.to_half`.
    """
    if vectors.ndim != 2 or vectors.shape[1] != pool.dim:
        raise InputError(f"{pool.path} holds vectors of dim {pool.dim}, not {vectors.shape}")
    folder = pool.path / "shards" / next(free_names(pool))
    grown = replace(pool, shards=(*pool.shards, write_shard(folder, records, to_half(vectors))))
    save(grown)
    return grown


def free_names(pool: Pool) -> Iterator[str]:
    """Names for new shards, each once."""
    taken = [int(p.name) for p in (pool.path / "shards").glob("[0-9]*") if p.name.isdigit()]
    number = max(taken, default=-1)
    while True:
        number += 1
        yield f"{number:05d}"


def broken_shards(pool: Pool) -> list[str]:
    """``NNNNN/file`` of every file whose checksum is not the manifest's (reads all of them)."""
    return [
        f"{shard.name}/{name}"
        for shard in pool.shards
        for name in broken_parts(pool.folder(shard), shard)
    ]
