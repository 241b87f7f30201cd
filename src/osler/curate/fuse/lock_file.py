"""The file of a lock: written so that changes can be seen, read only if nobody changed it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from osler.core import BadFileError, canonical_json, sha256_hex

from .case import Source
from .journal import Journal

SCHEMA = 1
MAX_BYTES = 2 << 30
_LISTS = ("cases", "dropped", "label_maps", "overlaps", "refused", "shared_patients", "sources")


def journal_of(lock: Path) -> Path:
    """Where the journal of a lock lies."""
    return lock.with_suffix(".journal.sqlite")


def sources_of(lock: Mapping[str, Any], base: Path) -> list[Source]:
    """The sources of a lock, to be read again from ``base``."""
    return [
        Source(
            one["dataset"], base / one["path"], one["layout"], one["version"], one["modality"],
            one["licence"], one["annotation_licence"], one["options"],
        )
        for one in lock["sources"]
    ]  # fmt: skip


_ROWS = ("cases", "dropped", "overlaps", "label_maps", "sources")


def lock_text(lock: Mapping[str, Any]) -> str:
    """The file: canonical JSON, its long lists with one row a line, so that changes can be seen."""
    parts = []
    for key in sorted(lock):
        if key in _ROWS and lock[key]:
            rows = ",\n".join(canonical_json(row) for row in lock[key])
            parts.append(f"{canonical_json(key)}:[\n{rows}\n]")
        else:
            parts.append(f"{canonical_json(key)}:{canonical_json(lock[key])}")
    return "{" + ",\n".join(parts) + "}\n"


def content_digest(lock: Mapping[str, Any]) -> str:
    """SHA-256 of all that a lock says; the lock holds it as ``digest``."""
    rest = {key: value for key, value in lock.items() if key != "digest"}
    return sha256_hex(lock_text(rest).encode())


def lock_digest(lock: Mapping[str, Any]) -> str:
    """SHA-256 of the file of a lock."""
    return sha256_hex(lock_text(lock).encode())


def read_lock(path: str | Path) -> dict[str, Any]:
    """A lock from its file.

    Raises
    ------
    BadFileError
        It is no lock of this version, or was changed by hand.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadFileError(path, "is too large for a lock")
        content = path.read_text(encoding="utf-8")
        lock: dict[str, Any] = json.loads(content)
        schema = lock["schema"]
        if not all(isinstance(lock[name], list) for name in _LISTS):
            raise TypeError("a part of a lock is no list")
    except OSError as error:
        raise BadFileError(
            path, f"cannot be read ({error.strerror})", "make one: osler fuse lock GOAL"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadFileError(path, "is no lock", "make one: osler fuse lock GOAL") from error
    if schema != SCHEMA:
        raise BadFileError(path, f"is a lock of version {schema}, not {SCHEMA}", "lock again")
    try:
        same = lock_text(lock) == content and lock.get("digest") == content_digest(lock)
    except (KeyError, TypeError, ValueError):
        same = False
    if not same:
        raise BadFileError(path, "was changed after it was written", "lock again")
    return lock


def base_of(lock: Path, stated: str | Path | None = None) -> Path:
    """The folder that paths of sources are relative to: as stated, or as its journal knows it."""
    if stated is not None:
        return Path(stated)
    place = journal_of(lock)
    if place.is_file():
        journal = Journal(place)
        try:
            noted = journal.noted("base")
        finally:
            journal.close()
        if noted:
            return Path(os.path.normpath(lock.resolve().parent / noted))
    return lock.resolve().parent
