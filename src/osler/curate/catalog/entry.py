"""One dataset in one file: reading an entry of ``added/``, and which fields it may have."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from osler.core import BadFileError

from .fields import COMPUTED, REQUIRED, RULES, near, wrong_values
from .load import dataset_from
from .record import Dataset

LARGEST = 64_000
"""Bytes of an entry."""
ENDINGS = (".json", ".toml")


def read_entry(path: Path) -> dict[str, Any]:
    """The table of an entry, with its ``id`` (the file's name without ending).

    Raises
    ------
    BadFileError
        The file is neither JSON nor TOML by its ending, is too large, or cannot be parsed.
    """
    if path.suffix not in ENDINGS:
        raise BadFileError(path, "an entry is a .json or a .toml file")
    if not path.is_file():
        raise BadFileError(path, "there is no such file")
    content = path.read_bytes()
    if len(content) > LARGEST:
        raise BadFileError(path, f"an entry has at most {LARGEST} bytes", "keep to the facts")
    try:
        text = content.decode("utf-8")
        row = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFileError(path, f"cannot be read as {path.suffix[1:].upper()} ({error})") from None
    if not isinstance(row, dict):
        raise BadFileError(path, "an entry is one table of fields")
    return {"id": path.stem, **row}


def wrong_entry(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, sentence) of everything that is wrong in an entry by itself."""
    for field in row:
        if field in COMPUTED:
            yield field, "is computed; leave it out"
        elif field not in RULES:
            yield field, f"there is no such field; {near(field, RULES)}"
    for field in REQUIRED:
        if row.get(field) in (None, "", []):
            yield field, "is required"
    yield from ((f, s) for f, s in wrong_values(row, empty_ok=False) if row[f] not in (None, ""))
    if (row.get("count") is None) != (row.get("count_unit") is None):
        yield "count", "count and count_unit (image, volume, sample) go together"
    if (row.get("licences") or row.get("annotation_licences")) and not row.get("licence_source"):
        yield "licence_source", "is required with a licence: where does the licence stand?"
    if row.get("labelled") is True and not row.get("tasks"):
        yield "tasks", "is required for labelled data: what are the labels for?"


def record_of(row: Mapping[str, Any]) -> Dataset:
    """The record of an entry that is right; its host is read from the first link."""
    urls = row.get("urls") or [""]
    host = (urlsplit(str(urls[0])).hostname or "").removeprefix("www.")
    return dataset_from({"host": host or None, **row})
