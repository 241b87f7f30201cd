"""Rows of a pool as a table, and if asked their files, for the next room or another tool."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from osler.core import BadFileError, InputError, atomic, sha256_hex, write_text

from .reading import read_content
from .shards import COLUMNS
from .store import Pool


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written; ``skipped`` are files that are gone or not what their hash says."""

    rows: int
    skipped: tuple[str, ...]


def export(
    pool: Pool,
    out: str | Path,
    *,
    rows: Iterable[int] | None = None,
    without: Iterable[int] = (),
    files: bool = False,
) -> Exported:
    """Write rows of a pool to the folder ``out``: ``images.tsv``, and ``vectors.npy`` beside it.

    Parameters
    ----------
    rows
        Which; all by default.
    without
        Rows to leave out, such as near-duplicates or overlaps.
    files
        Also copy the files to ``images/<2 hex>/<sha256><suffix>``; the table then names the
        copies, relative to itself. A file that is not what its hash says is left out.

    Raises
    ------
    InputError
        If ``out`` is there and not empty, nothing is left to write, or the disk refuses.
    """
    out, left = Path(out), set(without)
    wanted = range(len(pool)) if rows is None else rows
    kept = [row for row in wanted if row not in left]
    if not kept:
        raise InputError(f"no row of {pool.path} is left to export")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there and not empty; choose a new folder")
    records = pool.records(kept)
    skipped: list[str] = []
    if files:
        copied = []
        for number, record in enumerate(records):
            try:
                record["path"] = _copied(record["path"], record["sha256"], out)
                copied.append(number)
            except BadFileError as error:
                skipped.append(str(error))
        records = [records[number] for number in copied]
        kept = [kept[number] for number in copied]
        if not kept:
            raise InputError(f"not one file of {pool.path} is as it was added: {skipped[0]}")
    text = io.StringIO()
    table = csv.DictWriter(text, ["row", *COLUMNS], delimiter="\t", lineterminator="\n")
    table.writeheader()
    table.writerows({"row": row, **record} for row, record in zip(kept, records, strict=True))
    write_text(out / "images.tsv", text.getvalue())
    with atomic(out / "vectors.npy") as handle:
        np.save(handle, pool.vectors(kept).astype(np.float16))
    return Exported(len(kept), tuple(skipped))


def _copied(path: str, digest: str, out: Path) -> str:
    """Copy a file whose content is still ``digest``; its new path, relative to ``out``."""
    if sha256_hex(read_content(path)) != digest:
        raise BadFileError(path, "has changed since it was added to the pool", "restore it")
    suffix = "".join(Path(path).suffixes[-2:]) if path.endswith(".gz") else Path(path).suffix
    place = Path("images", digest[:2], digest + suffix.lower())
    with open(path, "rb") as source, atomic(out / place) as target:
        shutil.copyfileobj(source, target)
    return str(place)
