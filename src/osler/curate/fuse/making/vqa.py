"""A made dataset of questions and answers: SLAKE-like JSON in two languages, or Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from osler.core import write_json

from ..case import Source
from .drawn import drawn, picture_for, save, split_for
from .made import Made

Style = Literal["slake", "parquet", "choices"]

_FILES = {"train": "train.json", "val": "validate.json", "test": "test.json"}
_SHAPES = {"disc": "圆", "square": "方形", "triangle": "三角形"}


def make(
    folder: Path,
    *,
    subjects: int = 6,
    seed: int = 0,
    style: Style = "slake",
    size: tuple[int, int] = (64, 80),
    pictures: Sequence[NDArray[Any]] = (),
) -> Made:
    """Write one picture a subject and what is asked about it.

    The truth of a case is ``questions`` (question, answer, language, options) and ``split``.
    """
    cases: dict[str, dict[str, Any]] = {}
    tables: dict[str, list[dict[str, Any]]] = {}
    for subject in range(subjects):
        split = split_for(subject, subjects)
        keys = ("vqa", seed, subject)
        drawing = drawn(*keys, size=size, count=1, picture=picture_for(pictures, subject))
        name = f"case{subject:03d}/source.png"
        path = save(drawing.pixels, folder / "imgs" / name)
        asked = _asked(drawing.names[0], style)
        rows = tables.setdefault(split, [])
        for number, one in enumerate(asked):
            rows.append({"img_name": name, "path": path, "qid": 10 * subject + number, **one})
        truth = {"questions": asked, "split": split}
        cases[f"{split}/{name}" if style != "parquet" else f"{split}/{_short(path)}"] = truth
    for split, rows in tables.items():
        if style == "parquet":
            _parquet(folder / f"{split}-00000-of-00001.parquet", rows)
        else:
            write_json(folder / _FILES[split], [_row(row, style) for row in rows])
    if style == "parquet":
        for path in sorted({row["path"] for rows in tables.values() for row in rows}):
            path.unlink()
            path.parent.rmdir()
        (folder / "imgs").rmdir()
    return Made(Source(f"made-vqa-{style}", folder, "vqa"), cases)


def _short(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _asked(name: str, style: Style) -> list[dict[str, Any]]:
    english = {"question": "What shape is shown?", "answer": name, "language": "en", "options": []}
    if style == "choices":
        options = ["disc", "square", "triangle"]
        return [{**english, "language": "und", "options": options}]
    chinese = {
        "question": "图中是什么形状？",
        "answer": _SHAPES[name],
        "language": "zh",
        "options": [],
    }
    yes = {"question": "Is there a shape?", "answer": "Yes", "language": "en", "options": []}
    return [english, chinese, yes]


def _row(row: dict[str, Any], style: Style) -> dict[str, Any]:
    if style == "slake":
        names = ("img_name", "qid", "question", "answer")
        return {**{n: row[n] for n in names}, "q_lang": row["language"]}
    letters = "ABC"
    found = {f"Choice {c}": f" {c}: {o} " for c, o in zip(letters, row["options"], strict=True)}
    answer = letters[row["options"].index(row["answer"])]
    return {"Figure_path": row["img_name"], "Question": row["question"], "Answer": answer, **found}


def _parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows with the bytes of their images inside, as Hugging Face's copies have them."""
    import duckdb

    with duckdb.connect() as base:
        base.execute(
            "CREATE TABLE asked (image STRUCT(bytes BLOB, path VARCHAR), question VARCHAR, "
            "answer VARCHAR, language VARCHAR)"
        )
        for row in rows:
            base.execute(
                "INSERT INTO asked VALUES ({'bytes': ?, 'path': ?}, ?, ?, ?)",
                [
                    row["path"].read_bytes(),
                    row["img_name"],
                    row["question"],
                    row["answer"],
                    row["language"],
                ],
            )
        target = str(path).replace("'", "''")
        base.execute(f"COPY asked TO '{target}' (FORMAT parquet)")
