"""Parquet: pictures and annotations inside the table, one row a sample.

``image`` and ``masks`` are structs of bytes and path, the form in which Hugging Face ``datasets``
keeps pictures. Written by DuckDB in one thread, in the order of sample ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from osler.core import BadFileError, canonical_json, write_json

from ..sample import Sample
from .contents import Work, read_file, suffix_of

NAME = "parquet"
TITLE = "Parquet: rows with the pictures inside"

_COLUMNS = {
    "sample_id": "VARCHAR",
    "split": "VARCHAR",
    "dataset": "VARCHAR",
    "case": "VARCHAR",
    "patient_group": "VARCHAR",
    "modality": "VARCHAR",
    "licence": "VARCHAR",
    "media_type": "VARCHAR",
    "axes": "VARCHAR",
    "intensity_unit": "VARCHAR",
    "label": "VARCHAR",
    "image": "STRUCT(bytes BLOB, path VARCHAR)",
    "masks": "STRUCT(bytes BLOB, path VARCHAR)[]",
    "sample": "VARCHAR",
}


def write(work: Work) -> None:
    """Write all samples into ``data/<split>-NNNNN.parquet``."""
    counts: dict[str, int] = {}
    splits: dict[str, list[Sample]] = {}
    for sample in sorted(work.samples, key=lambda one: one.sample_id):
        splits.setdefault(sample.split or "all", []).append(sample)
    for split, members in sorted(splits.items()):
        for number, part in enumerate(_parts(work, members)):
            name = f"{split}-{number:05d}.parquet"
            _write_part(work, part, work.folder / "data" / name)
            counts[name] = len(part)
            for sample in part:
                work.wrote(sample)
    write_json(work.folder / "parts.json", counts)


def _parts(work: Work, samples: Iterable[Sample]) -> Iterable[list[Sample]]:
    limit, size = work.options.shard_mb * 1_000_000, 0
    part: list[Sample] = []
    for sample in samples:
        files = [sample.image.uri, *(one.uri for one in sample.marks if one.uri)]
        more = sum((work.fused.folder / uri).stat().st_size for uri in files)
        if part and size + more > limit:
            yield part
            part, size = [], 0
        part.append(sample)
        size += more
    if part:
        yield part


def _write_part(work: Work, samples: list[Sample], path: Path) -> None:
    import duckdb

    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as table:
        table.execute("SET threads = 1")
        table.execute("SET preserve_insertion_order = true")
        columns = ", ".join(f'"{name}" {kind}' for name, kind in _COLUMNS.items())
        table.execute(f"CREATE TABLE samples ({columns})")
        marks = ", ".join("?" * len(_COLUMNS))
        for sample in samples:
            table.execute(f"INSERT INTO samples VALUES ({marks})", _row(work, sample))  # noqa: S608
        target = str(path).replace("'", "''")
        try:
            table.execute(f"COPY samples TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        except duckdb.IOException as error:
            todo = "free some space or choose another place"
            raise BadFileError(path.name, "cannot be written", todo) from error


def _row(work: Work, sample: Sample) -> list[Any]:
    folder, image = work.fused.folder, sample.image
    masks = [one for one in sample.marks if one.uri]
    return [
        sample.sample_id,
        sample.split or "all",
        sample.dataset,
        sample.case,
        sample.patient_group,
        sample.modality,
        sample.licence,
        image.media_type,
        image.axes,
        image.intensity_unit,
        _label(sample),
        _file(folder, image.uri, image.sha256, sample.sample_id),
        [_file(folder, one.uri, one.sha256, sample.sample_id) for one in masks],
        canonical_json(sample),
    ]


def _file(folder: Path, uri: str, sha256: str, name: str) -> dict[str, Any]:
    return {"bytes": read_file(folder, uri, sha256), "path": f"{name}{suffix_of(uri)}"}


def _label(sample: Sample) -> str | None:
    """The class of a sample, or several as JSON; None where there is none."""
    for mark in sample.marks:
        if mark.kind == "class" and isinstance(mark.value, str):
            return mark.value
        if mark.kind == "multilabel":
            return json.dumps(mark.value, sort_keys=True, ensure_ascii=False)
    return None
