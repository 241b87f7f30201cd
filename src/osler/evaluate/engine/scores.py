"""``scores.parquet``: one row an item, written by DuckDB."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import Answer, Case, InputError, Score, canonical_json

COLUMNS = {
    "item": "VARCHAR",
    "group": "VARCHAR",
    "status": "VARCHAR",
    "compat": "DOUBLE",
    "robust": "DOUBLE",
    "question": "VARCHAR",
    "options": "MAP(VARCHAR, VARCHAR)",
    "gold": "VARCHAR",
    "images": "VARCHAR[]",
    "tags": "MAP(VARCHAR, VARCHAR)",
    "parts": "VARCHAR",
    "answers": (
        "STRUCT(trial INTEGER, status VARCHAR, value VARCHAR, compat_value VARCHAR, text VARCHAR, "
        "probs MAP(VARCHAR, DOUBLE))[]"
    ),
}
"""Column -> DuckDB type. ``images`` are SHA-256; ``parts`` is JSON text."""


def score_row(case: Case, answers: Sequence[Answer], score: Score) -> dict[str, Any]:
    """The row of one item."""
    item = case.item
    return {
        "item": item.id,
        "group": item.group,
        "status": score.status,
        "compat": score.compat,
        "robust": score.robust,
        "question": item.question,
        "options": dict(item.options),
        "gold": case.gold.answer,
        "images": [ref.sha256 for ref in item.images],
        "tags": dict(item.tags),
        "parts": canonical_json(dict(score.parts)),
        "answers": [
            {
                "trial": answer.trial,
                "status": answer.status,
                "value": answer.value,
                "compat_value": answer.compat_value,
                "text": answer.text,
                "probs": dict(answer.probs) if answer.probs else None,
            }
            for answer in answers
        ],
    }


def write_scores(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``rows`` to the Parquet file ``path``, whole or not at all; equal rows, equal bytes.

    Raises
    ------
    InputError
        When the disk refuses.
    """
    import duckdb

    path = Path(path)
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".scores-") as folder:
            table, lines = Path(folder) / "scores.parquet", Path(folder) / "rows.jsonl"
            longest = 1 << 20
            with lines.open("w", encoding="utf-8") as handle:
                for row in rows:
                    line = json.dumps(row, ensure_ascii=False) + "\n"
                    longest = max(longest, 4 * len(line))  # in bytes, at most
                    handle.write(line)
            with duckdb.connect(config={"threads": 1, "preserve_insertion_order": True}) as db:
                source = (
                    f"read_json('{_quoted(lines)}', format='newline_delimited', "
                    f"maximum_object_size={longest}, columns={{{columns}}})"
                )
                db.execute(f"COPY (FROM {source}) TO '{_quoted(table)}' (FORMAT parquet)")
            table.replace(path)
    except (OSError, duckdb.Error) as error:
        raise InputError(
            f"cannot write {path}: {error}; the replies are kept, free some space and run the "
            "same command again"
        ) from error


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
