"""A run folder as the report reads it: run.json, summary.json, scores.parquet, blobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osler.core import BadFileError, ImageRef, InputError, sha256_hex

Row = Mapping[str, Any]
"""One item: item, group, status, compat, robust, gold, tags, parts. Items that the summary names
in ``examples`` have also question, options, images (SHA-256) and answers (trial, status, value,
compat_value, text, probs): texts of all items would take most of the time and the memory."""

COLUMNS = 'item, "group", status, compat, robust, gold, tags, parts'

AGAIN = "run the evaluation again; the replies in its journal are used"

if TYPE_CHECKING:
    import duckdb

ReadImage = Callable[[ImageRef], "bytes | None"]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """What a run left behind. ``rows`` holds one mapping an item (scores.parquet)."""

    path: Path
    run: Mapping[str, Any]
    summary: Mapping[str, Any]
    rows: Sequence[Row]

    @property
    def benchmark(self) -> str:
        """Name of the benchmark, such as ``medq-deg``."""
        bench = self.summary.get("benchmark") or self.run.get("benchmark") or {}
        return str(bench.get("name", "") if isinstance(bench, Mapping) else bench)


def open_run(path: str | Path) -> RunFolder:
    """Read a run folder.

    Raises
    ------
    InputError
        If ``path`` is no folder, or the run has not got as far as a summary.
    BadFileError
        If one of its files is not what its name says.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"{folder} is no run folder; give the folder that holds run.json")
    run = _read_json(folder / "run.json", "give the folder that holds run.json")
    summary = _read_json(
        folder / "summary.json", "the run is not finished; run its command again to resume it"
    )
    shown = example_ids(summary.get("examples"))
    return RunFolder(folder, run, summary, _read_rows(folder / "scores.parquet", shown))


def _read_json(path: Path, todo: str) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; {todo}") from error
    except (OSError, ValueError) as error:
        raise BadFileError(path, f"cannot be read as JSON ({error})", todo) from error
    if not isinstance(value, dict):
        raise BadFileError(path, "holds no JSON object", todo)
    return value


def _read_rows(path: Path, shown: Sequence[str]) -> list[Row]:
    """Rows of scores.parquet by item id, ``parts`` decoded; none when there is no such file."""
    if not path.is_file():
        return []
    import duckdb

    try:
        with duckdb.connect() as connection:
            rows = _select(connection, path, "true", COLUMNS, [])
            whole = _select(connection, path, "list_contains(?, item)", "*", [list(shown)])
        full = {row["item"]: row for row in whole}
        rows = [full.get(row["item"], row) for row in rows]
        for row in rows:
            row["parts"] = json.loads(row["parts"] or "{}")
    except (duckdb.Error, ValueError) as error:
        raise BadFileError(path, "cannot be read as a table of scores", AGAIN) from error
    return list(rows)


def _select(
    connection: duckdb.DuckDBPyConnection, path: Path, where: str, columns: str, values: list[Any]
) -> list[dict[str, Any]]:
    # Only our own constants become part of the statement; names and values are parameters.
    query = f"SELECT {columns} FROM read_parquet(?) WHERE {where} ORDER BY item"  # noqa: S608
    found = connection.execute(query, [str(path), *values])
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def example_ids(entry: object) -> list[str]:
    """Every ``id`` in the examples of a summary, however they are nested."""
    if isinstance(entry, Mapping):
        own = [str(entry["id"])] if "id" in entry else []
        return own + [i for value in entry.values() for i in example_ids(value)]
    if isinstance(entry, list):
        return [i for value in entry for i in example_ids(value)]
    return []


def data_folders(run: RunFolder) -> list[Path]:
    """Where the run's data may lie: as named, relative to the run, inside the run."""
    data = run.run.get("data")
    named = data.get("folder") if isinstance(data, Mapping) else data
    roots = [run.path / "data", run.path]
    if isinstance(named, str) and named:
        roots = [Path(named), run.path / named, *roots]
    return [root for root in roots if root.is_dir()]


def blob_reader(run: RunFolder) -> ReadImage:
    """How to get the bytes of an image from the run's data folder.

    The reader returns None for an image that is gone (the data were moved or deleted) or whose
    bytes are not those of its name: the report then says so in place of the image.
    """
    roots = [place for root in data_folders(run) for place in (root / "images", root / "blobs")]
    folders = [place for place in roots if place.is_dir()]

    def read(ref: ImageRef) -> bytes | None:
        digest = ref.sha256
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            return None
        for folder in folders:
            for place in sorted((folder / digest[:2]).glob(f"{digest}*")):
                data = place.read_bytes()
                if sha256_hex(data) == digest:
                    return data
        return None

    return read
