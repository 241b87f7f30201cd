"""MedMNIST: its 18 sets, from the table in the package's ``info.py``.

Importing medmnist needs torchvision, so its file is parsed and the literal is read; nothing runs.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from osler.core import BadFileError
from osler.curate.licences import licence_named

from ..merging import changed
from ..record import Dataset
from .package import folder, with_facts

PACKAGE = "medmnist"
_WHOLE = "medmnist"


def sets(place: Path | None = None) -> dict[str, dict[str, Any]]:
    """Facts of every set, by its name: task, channels, samples, classes, licence, files with MD5.

    Raises
    ------
    BadFileError
        The file has no table ``INFO`` of literals.
    """
    path = (place or folder("medmnist", PACKAGE)) / "info.py"
    for node in ast.parse(path.read_text("utf-8")).body:
        if not isinstance(node, ast.Assign) or getattr(node.targets[0], "id", "") != "INFO":
            continue
        if isinstance(node.value, ast.Dict):
            return {name: _facts(row) for name, row in _literals(node.value).items()}
    raise BadFileError(path, "there is no table INFO", "is this medmnist 3?")


def _literals(table: ast.Dict) -> dict[str, dict[str, Any]]:
    """The rows of a dictionary of dictionaries, without values that are not literals."""
    rows: dict[str, dict[str, Any]] = {}
    for key, row in zip(table.keys, table.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(row, ast.Dict):
            rows[str(key.value)] = dict(_pairs(row))
    return rows


def _pairs(row: ast.Dict) -> list[tuple[str, Any]]:
    found = []
    for key, value in zip(row.keys, row.values, strict=True):
        try:
            found.append((str(ast.literal_eval(key)) if key else "", ast.literal_eval(value)))
        except ValueError:
            continue
    return found


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    licences = [part for part in str(row.get("license", "")).split(",") if part.strip()]
    return {
        "task": row.get("task"),
        "channels": row.get("n_channels"),
        "samples": row.get("n_samples"),
        "classes": list(row.get("label", {}).values()),
        "licences": [licence_named(one.strip()).id for one in licences],
        "files": [
            {"url": row[f"url{size}"], "md5": row[f"MD5{size}"]}
            for size in ("", "_64", "_128", "_224")
            if f"url{size}" in row and f"MD5{size}" in row
        ],
    }


def enriched(records: Sequence[Dataset], key: str) -> tuple[Dataset, ...]:
    """Records of MedMNIST with the package's facts: the collection, and sets with a record."""
    found = sets()
    return tuple(_enriched(one, key, found) for one in records)


def _enriched(record: Dataset, key: str, found: dict[str, dict[str, Any]]) -> Dataset:
    if record.id == _WHOLE:
        short = {
            name: {field: row[field] for field in ("task", "channels", "samples", "licences")}
            for name, row in found.items()
        }
        return with_facts(record, key, {"sets": short})
    if record.id not in found:
        return record
    told = with_facts(record, key, found[record.id])
    if record.licences:
        return told
    licences = tuple(found[record.id]["licences"])
    return replace(changed(told, "licences", licences), licence_source=key)
