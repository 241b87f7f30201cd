"""Runs, rounds and fused sets in the folders that are served, and their reports."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

KINDS = (
    ("round", ("round.json",), "Round"),
    ("run", ("run.json",), "Evaluation"),
    ("fused", ("report.json", "samples.parquet"), "Fused set"),
)
"""What a folder holds, the files that it has then (the first is read), and its name."""

REPORTS = ("report.html", "comparison.html")
DEPTH = 5
FOLDERS_MOST = 20_000
FOUND_MOST = 1000
RECORD_MOST = 4 << 20
REPORT_MOST = 64 << 20
FRESH_S = 2.0
PASSED = frozenset({"images", "masks", "blobs", "node_modules"})


@dataclass(frozen=True, slots=True)
class Found:
    """One run, round or fused set."""

    key: str
    kind: str
    label: str
    place: str
    title: str
    says: str
    state: str
    when: str
    path: Path
    reports: tuple[str, ...] = ()


@dataclass(slots=True)
class RunFolders:
    """Folders in which runs are looked for; anything else of the disk is out of reach.

    A report is reached by the key of a listed folder: no part of an address becomes a path, links
    to other places are not followed.
    """

    roots: Sequence[Path]
    _lock: Lock = field(default_factory=Lock, repr=False)
    _listed: tuple[float, dict[str, Found]] | None = field(default=None, repr=False)

    def all(self) -> list[Found]:
        """What is there now, the latest first."""
        return sorted(self._table().values(), key=lambda one: (one.when, one.place), reverse=True)

    def report(self, key: str, name: str) -> bytes | None:
        """The bytes of a report that is listed; None if it is not, or no longer there."""
        found = self._table().get(key)
        if found is None or name not in found.reports:
            return None
        return _plain_file(found.path / name, REPORT_MOST)

    def _table(self) -> dict[str, Found]:
        with self._lock:
            now = time.monotonic()
            if self._listed is None or now - self._listed[0] > FRESH_S:
                found = (one for root in self.roots for one in look_for_runs(root))
                self._listed = (now, {one.key: one for one in found})
            return self._listed[1]


def look_for_runs(root: Path) -> Iterator[Found]:
    """Runs under a folder, at most ``DEPTH`` levels down, without following links."""
    found = 0
    top = root.absolute()
    for seen, (place, folders, files) in enumerate(os.walk(top)):
        path = Path(place)
        below = len(path.relative_to(top).parts)
        folders[:] = sorted(
            name
            for name in folders
            if below < DEPTH and not name.startswith(".") and name not in PASSED
        )
        if seen > FOLDERS_MOST or found >= FOUND_MOST:
            return
        for kind, needed, label in KINDS:
            if set(needed) <= set(files):
                one = _found(top, path, kind, needed[0], label, files)
                if one is not None:
                    found += 1
                    yield one
                break


def holds_runs(root: Path) -> bool:
    """Whether anything under a folder would be listed."""
    return next(look_for_runs(root), None) is not None


def _found(
    top: Path, path: Path, kind: str, record: str, label: str, files: Sequence[str]
) -> Found | None:
    body = _plain_file(path / record, RECORD_MOST)
    told = _object(body)
    if told is None:
        return None
    if kind == "run":
        told = {**told, **(_object(_plain_file(path / "summary.json", RECORD_MOST)) or {})}
    title, says, state = _READ[kind](told)
    place = path.relative_to(top.parent).as_posix()
    return Found(
        key=hashlib.sha256(str(path).encode("utf-8", "replace")).hexdigest()[:16],
        kind=kind,
        label=label,
        place=place,
        title=title[:200] or path.name,
        says=says[:400],
        state=state[:40],
        when=_changed(path / record),
        path=path,
        reports=tuple(name for name in REPORTS if name in files),
    )


def _plain_file(path: Path, most: int) -> bytes | None:
    """The bytes of a regular file of at most ``most`` bytes that is no link."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > most:
            return None
        return file.read(most)


def _object(body: bytes | None) -> dict[str, Any] | None:
    try:
        value = json.loads(body or b"")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _changed(path: Path) -> str:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M")
    except (OSError, ValueError, OverflowError):
        return ""


def _named(thing: object) -> str:
    if isinstance(thing, Mapping):
        return str(thing.get("title") or thing.get("name") or "")
    return str(thing or "")


def _of_run(told: Mapping[str, Any]) -> tuple[str, str, str]:
    title = f"{_named(told.get('model')) or 'a model'} on {_named(told.get('benchmark'))}"
    scored, items = told.get("n_scored"), told.get("n_items")
    says = f"{scored} of {items} items scored" if isinstance(scored, int) else ""
    head = told.get("headline")
    value = head.get("robust") if isinstance(head, Mapping) else None
    if isinstance(value, Mapping) and isinstance(value.get("value"), float):
        bounds = [value.get(name) for name in ("low", "high")]
        says += f"; headline {value['value']:.3f}"
        if all(isinstance(one, float) for one in bounds):
            says += f" ({bounds[0]:.3f} to {bounds[1]:.3f})"
    sessions = told.get("sessions")
    last = sessions[-1] if isinstance(sessions, list) and sessions else {}
    return title, says, str(last.get("state", "")) if isinstance(last, Mapping) else ""


def _of_round(told: Mapping[str, Any]) -> tuple[str, str, str]:
    student = told.get("student")
    model = student.get("model") if isinstance(student, Mapping) else ""
    plan = told.get("plan")
    benchmark = plan.get("benchmark") if isinstance(plan, Mapping) else ""
    title = f"{_named(model) or 'a student'} on {_named(benchmark)}"
    return title, str(told.get("says", "")), str(told.get("outcome", ""))


def _of_fused(told: Mapping[str, Any]) -> tuple[str, str, str]:
    stored, verdict, sources = (told.get(key) for key in ("stored", "verdict", "sources"))
    n = stored.get("samples") if isinstance(stored, Mapping) else None
    says = f"{n:,} samples" if isinstance(n, int) else ""
    if says and isinstance(sources, list):
        says += f" of {len(sources)} sources"
    form = str(verdict.get("form") or "") if isinstance(verdict, Mapping) else ""
    return str(told.get("name") or ""), says, form


_READ = {"run": _of_run, "round": _of_round, "fused": _of_fused}
