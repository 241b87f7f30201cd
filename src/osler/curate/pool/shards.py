"""A shard: some thousand records and their vectors, in one folder that appears whole or not at all.

shards/00000/records.parquet   one row an image (written and read by DuckDB)
             vectors.npy       (rows, dim) float16, unit vectors, memory-mapped when read
             shard.json        rows, dim, SHA-256 of both files
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, InputError, write_json
from osler.images.quality import FEATURES

COLUMNS: dict[str, str] = {
    "sha256": "VARCHAR",
    "path": "VARCHAR",
    "place": "VARCHAR",
    "phash": "UBIGINT",
    "dhash": "UBIGINT",
    "width": "INTEGER",
    "height": "INTEGER",
    "patient": "VARCHAR",
    "modality": "VARCHAR",
    "licence": "VARCHAR",
    "source": "VARCHAR",
    **dict.fromkeys(FEATURES, "FLOAT"),
}
"""Column -> DuckDB type. ``place`` says which plane or frame of the file was taken, if any."""

_DEFAULTS: dict[str, Any] = {"VARCHAR": "", "UBIGINT": 0, "INTEGER": 0, "FLOAT": None}


@dataclass(frozen=True, slots=True)
class Shard:
    """What the manifest says of a shard; ``records`` and ``vectors`` are SHA-256."""

    name: str
    rows: int
    dim: int
    records: str
    vectors: str


def write_shard(
    folder: Path, records: Sequence[Mapping[str, Any]], vectors: NDArray[np.float16]
) -> Shard:
    """Write a shard folder, whole or not at all.

    Parameters
    ----------
    folder
        Where it goes; its name is the shard's. It must not be there yet.
    records
        Rows with keys of :data:`COLUMNS`; missing text is empty, missing numbers are 0 (features:
        null).
    vectors
        (rows, dim) of :func:`osler.curate.pool.vectors.to_half`.

    Raises
    ------
    InputError
        If the numbers of rows differ, a column is unknown, or the disk refuses.
    """
    if len(records) != len(vectors) or not records:
        raise InputError(f"a shard of {len(records)} records cannot have {len(vectors)} vectors")
    unknown = sorted(set().union(*records) - set(COLUMNS))
    if unknown:
        raise InputError(f"a pool has no column {unknown[0]!r}; it has {', '.join(COLUMNS)}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
        building.mkdir()
    except OSError as error:
        raise _refused(folder, error) from error
    try:
        _write_records(building / "records.parquet", records)
        np.save(building / "vectors.npy", np.ascontiguousarray(vectors, np.float16))
        shard = Shard(
            folder.name,
            len(records),
            int(vectors.shape[1]),
            _sha256(building / "records.parquet"),
            _sha256(building / "vectors.npy"),
        )
        write_json(building / "shard.json", asdict(shard))
        os.rename(building, folder)
    except OSError as error:
        raise _refused(folder, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return shard


def _refused(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot write {folder}: {error.strerror or error}; finished shards are kept, free some "
        "space and run the same command again"
    )


def _write_records(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    import duckdb

    lines = path.with_suffix(".jsonl")
    with lines.open("w", encoding="utf-8") as handle:
        for row in records:
            full = {name: row.get(name, _DEFAULTS[kind]) for name, kind in COLUMNS.items()}
            handle.write(json.dumps(full, ensure_ascii=True) + "\n")
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    try:
        with duckdb.connect(config={"threads": 1, "preserve_insertion_order": True}) as db:
            db.execute(
                f"COPY (FROM read_json({quoted(lines)}, format='newline_delimited', "
                f"columns={{{columns}}})) TO {quoted(path)} (FORMAT parquet)"
            )
    except duckdb.Error as error:
        raise OSError(None, str(error).partition("\n")[0]) from error
    lines.unlink()


def read_shard(folder: Path) -> Shard | None:
    """What ``shard.json`` in ``folder`` says, or None where there is no finished shard."""
    try:
        return Shard(**json.loads((folder / "shard.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def map_vectors(folder: Path, shard: Shard) -> NDArray[np.float16]:
    """The vectors of a shard as a read-only memory map.

    Raises
    ------
    BadFileError
        If the file is missing, cut off or of another shape than the manifest states.
    """
    path = folder / "vectors.npy"
    todo = f"remove {folder} and add its images again"
    try:
        found: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadFileError(path, "is missing, cut off or broken", todo) from error
    if found.shape != (shard.rows, shard.dim) or found.dtype != np.float16:
        raise BadFileError(
            path, f"holds {found.dtype} of {found.shape}, the manifest says otherwise", todo
        )
    return found


def broken_parts(folder: Path, shard: Shard) -> list[str]:
    """Names of the files of a shard whose SHA-256 is not the manifest's; empty when all is well."""
    wrong = []
    for name, stated in (("records.parquet", shard.records), ("vectors.npy", shard.vectors)):
        path = folder / name
        if not path.is_file() or _sha256(path) != stated:
            wrong.append(name)
    return wrong


def quoted(path: Path) -> str:
    """A path as a string literal of SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def _sha256(path: Path) -> str:
    import hashlib

    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
