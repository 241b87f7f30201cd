"""What reviewers decided: keep or delete a degradation of a question (both levels together).

A CSV, TSV, JSON or JSONL file with the columns ``index``, ``degradation``, ``keep`` (yes/no) and,
if wished, ``reason``. ``degradation`` may be ``*``: the whole question (a poor original).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import BadFileError, InputError, UnknownNameError
from osler.degrade import degradation_named

_YES = {"1", "true", "yes", "y", "keep", "kept"}
_NO = {"0", "false", "no", "n", "delete", "deleted", "drop"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision; ``degradation`` is a key or ``*``."""

    index: str
    degradation: str
    keep: bool
    reason: str = ""


def read_review(path: str | Path) -> list[Verdict]:
    """All decisions of a review file.

    Raises
    ------
    BadFileError
        A line without index or degradation, an unknown degradation, a ``keep`` that is neither yes
        nor no, or two different decisions on one column.
    """
    path = Path(path)
    verdicts: dict[tuple[str, str], Verdict] = {}
    for where, record in _records(path):
        fields = {
            str(k).strip().lower(): "" if v is None else str(v).strip()
            for k, v in record.items()
            if k
        }
        index, key = fields.get("index", ""), fields.get("degradation", "")
        word = fields.get("keep", "").lower()
        if not index or not key:
            raise BadFileError(where, "needs index, degradation and keep")
        if word not in _YES | _NO:
            raise BadFileError(where, f"keep is {word!r}; write yes or no")
        if key not in ("*", "all"):
            try:
                key = degradation_named(key).key
            except UnknownNameError as error:
                raise BadFileError(where, str(error)) from error
        verdict = Verdict(
            index, "*" if key == "all" else key, word in _YES, fields.get("reason", "")
        )
        other = verdicts.setdefault((index, verdict.degradation), verdict)
        if other.keep != verdict.keep:
            raise BadFileError(where, f"contradicts an earlier decision on {index}, {key}")
    return list(verdicts.values())


def apply_review(
    chosen: Mapping[str, tuple[str, ...]], verdicts: Sequence[Verdict]
) -> dict[str, tuple[str, ...]]:
    """``chosen`` (index -> keys) without what was deleted.

    Raises
    ------
    InputError
        If a decision is about a question or a degradation that is not there: the review then
        belongs to another build.
    """
    kept = dict(chosen)
    for verdict in verdicts:
        if verdict.index not in chosen:
            raise InputError(
                f"the review names question {verdict.index!r}, which this data do not hold; give "
                "the review made for them"
            )
        if verdict.degradation != "*" and verdict.degradation not in chosen[verdict.index]:
            raise InputError(
                f"the review names {verdict.degradation} of question {verdict.index!r}, which has "
                f"{', '.join(chosen[verdict.index]) or 'none'}; build with the seed and options "
                "that were reviewed"
            )
        if not verdict.keep:
            kept[verdict.index] = tuple(
                key for key in kept[verdict.index] if verdict.degradation not in ("*", key)
            )
    return kept


def _records(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise BadFileError(path, "does not exist", "check --review") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(path, f"cannot be read as text ({error})") from error
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        reader = csv.DictReader(text.splitlines(), delimiter="\t" if suffix == ".tsv" else ",")
        return [(f"{path}, line {reader.line_num}", record) for record in reader]
    if suffix not in (".json", ".jsonl"):
        raise BadFileError(path, "is no review; .csv, .tsv, .json and .jsonl can be read")
    try:
        if suffix == ".jsonl":
            entries = [json.loads(line) for line in text.split("\n") if line.strip()]
        else:
            entries = json.loads(text)
    except ValueError as error:
        raise BadFileError(path, f"is no JSON ({error})") from error
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise BadFileError(path, "holds no list of decisions")
    return [(f"{path}, entry {n}", entry) for n, entry in enumerate(entries, 1)]
