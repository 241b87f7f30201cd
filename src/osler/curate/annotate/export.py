"""Labels and single decisions as JSON lines or a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import InputError, canonical_json, write_text

from .outcome import Recorded, Settled
from .queue import Queue


def label_record(one: Settled) -> dict[str, Any]:
    """What holds for a task as one flat record; empty where nothing is decided."""
    task = one.task
    return {
        "id": task.id,
        "status": one.status,
        "answer": one.answer,
        "answer_text": task.options.get(one.answer, one.answer),
        "verdict": one.verdict,
        "description": one.description,
        "by": list(one.by),
        "adjudicated": one.adjudicated,
        "seconds": round(one.seconds, 3),
        "tier": task.tier,
        "stratum": task.stratum,
        "prototype": task.prototype,
        "gold": bool(task.gold),
        "question": task.question,
        "options": dict(task.options),
        "images": [{"sha256": ref.sha256, "media_type": ref.media_type} for ref in task.images],
        "axes": dict(one.axes),
        "notes": list(one.notes),
    }


def decision_record(one: Recorded) -> dict[str, Any]:
    """One decision of one person as a flat record."""
    made = one.decision
    return {
        "number": one.number,
        "id": one.task_id,
        "rater": one.rater,
        "role": one.role,
        "action": made.action,
        "answer": made.answer,
        "verdict": made.verdict,
        "description": made.description,
        "axes": dict(made.axes),
        "note": made.note,
        "seconds": round(one.seconds, 3),
        "at": round(one.at, 3),
        "undone": one.undone,
    }


def export_labels(queue: Queue, path: str | Path) -> int:
    """Write what holds for each task to a .jsonl or .tsv file. How many were written."""
    return _write(path, [label_record(one) for one in queue.labels()])


def export_decisions(queue: Queue, path: str | Path) -> int:
    """Write every decision, undone ones marked, to a .jsonl or .tsv file. How many."""
    return _write(path, [decision_record(one) for one in queue.decisions(undone=True)])


def _write(path: str | Path, records: Sequence[Mapping[str, Any]]) -> int:
    path = Path(path)
    writers: dict[str, Callable[[Sequence[Mapping[str, Any]]], str]] = {
        ".jsonl": _lines,
        ".tsv": _table,
    }
    if path.suffix not in writers:
        raise InputError(f"{path}: labels are written as .jsonl or .tsv; give one of these")
    write_text(path, writers[path.suffix](records))
    return len(records)


def _lines(records: Sequence[Mapping[str, Any]]) -> str:
    return "".join(canonical_json(record) + "\n" for record in records)


def _table(records: Sequence[Mapping[str, Any]]) -> str:
    """Tab-separated with a head; lists and objects as JSON; quoted where a cell needs it."""
    text = io.StringIO()
    names = list(records[0]) if records else ["id", "status"]
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(names)
    for record in records:
        cells = [record[name] for name in names]
        writer.writerow([canonical_json(c) if isinstance(c, list | dict) else c for c in cells])
    return text.getvalue()
