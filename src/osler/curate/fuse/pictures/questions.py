"""Questions and answers about images, as the well-known sets name their fields.

VQA-RAD (Lau et al. 2018), SLAKE (Liu et al. 2021: English and Chinese rows of one image), PathVQA,
PMC-VQA (choices A to D), from JSON, JSON lines, CSV or Parquet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..faults import LayoutError
from ..volumes.files import fetched
from .documents import header_row, json_of, rows_of

SUFFIXES = frozenset({".json", ".jsonl", ".csv", ".tsv", ".parquet"})
"""Suffixes of tables of questions."""

_IMAGE = ("image_name", "img_name", "image", "Figure_path", "image_path", "img_id")
_QUESTION = ("question", "Question")
_ANSWER = ("answer", "Answer")
_CHOICES = ("Choice A", "Choice B", "Choice C", "Choice D", "Choice E")
_MAX_ROWS = 20_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about one image; ``row`` counts from 0 in its table."""

    row: int
    image: str
    question: str
    answer: str
    language: str
    options: tuple[str, ...]
    phrase: str = ""


def columns_of(path: Path) -> list[str]:
    """The fields of a table of questions, as its header or its first row has them."""
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return header_row(path)
    if suffix == ".parquet":
        return _parquet_columns(path)
    with path.open("rb") as handle:
        head = handle.read(1 << 16).decode("utf-8", "ignore")
    names = [n for group in (_IMAGE, _QUESTION, _ANSWER) for n in group]
    return [name for name in names if f'"{name}"' in head]


def is_questions(columns: Sequence[str]) -> bool:
    """Whether a table has fields of an image, a question and an answer."""
    return all(any(n in columns for n in group) for group in (_IMAGE, _QUESTION, _ANSWER))


def asked_in(path: Path) -> Iterator[Asked]:
    """The questions of a table, in its order.

    Raises
    ------
    LayoutError
        ``table-columns``: it lacks a field. ``table-row``: a row that is no object of texts.
    """
    for number, row in enumerate(_rows(path)):
        if not isinstance(row, Mapping):
            raise LayoutError("table-row", path, f"row {number} is no object with fields")
        fields = [next((n for n in g if n in row), None) for g in (_IMAGE, _QUESTION, _ANSWER)]
        if None in fields:
            raise LayoutError(
                "table-columns", path, f"row {number} lacks the image, the question or the answer"
            )
        image, question, answer = (_text(row[n or ""], path, number) for n in fields)
        options = tuple(_choice(str(row[n])) for n in _CHOICES if row.get(n))
        yield Asked(
            number,
            image,
            question,
            answer,
            str(row.get("q_lang") or row.get("language") or "") or _script(question),
            options,
            str(row.get("phrase_type") or ""),
        )


def _script(text: str) -> str:
    """``zh`` for a text in Chinese characters, else ``und`` (not stated)."""
    return "zh" if any("一" <= c <= "鿿" for c in text) else "und"


def _choice(text: str) -> str:
    """A choice without its letter: PMC-VQA writes `` A: the liver ``."""
    plain = text.strip()
    return plain[2:].strip() if plain[1:2] == ":" and plain[0] in "ABCDE" else plain


def _text(value: Any, path: Path, number: int) -> str:
    if isinstance(value, bool | list | dict):
        raise LayoutError("table-row", path, f"row {number} has {str(value)[:40]!r} for a text")
    return "" if value is None else str(value).strip()


def _rows(path: Path) -> Any:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return rows_of(path)
    if suffix == ".parquet":
        return _parquet_rows(path)
    content = json_of(path)
    if isinstance(content, Mapping):
        content = next((v for v in content.values() if isinstance(v, list)), None)
    if not isinstance(content, list):
        raise LayoutError("table-columns", path, "holds no list of questions")
    return content


def _parquet_columns(path: Path) -> list[str]:
    import duckdb

    try:
        with duckdb.connect() as base:
            return [
                str(r[0])
                for r in base.execute("DESCRIBE FROM read_parquet(?)", [str(path)]).fetchall()
            ]
    except duckdb.Error:
        return []


def _parquet_rows(path: Path) -> list[dict[str, Any]]:
    """Rows without the bytes of images, which :func:`picture_bytes` fetches one by one."""
    import duckdb

    fetched(path)
    columns = _parquet_columns(path)
    if not is_questions(columns):
        raise LayoutError("table-columns", path, f"has the columns {', '.join(columns[:12])}")
    wanted = [c for c in columns if c in {*_QUESTION, *_ANSWER, *_CHOICES, "q_lang", "language"}]
    image = next(n for n in _IMAGE if n in columns)
    try:
        with duckdb.connect() as base:
            kind = base.execute(
                f"SELECT typeof({_quoted(image)}) FROM read_parquet(?) LIMIT 1",  # noqa: S608
                [str(path)],
            ).fetchone()
            inside = bool(kind and "STRUCT" in kind[0] and "bytes" in kind[0])
            name = f"sha256({_quoted(image)}.bytes)" if inside else _quoted(image)
            listed = ", ".join(_quoted(c) for c in wanted)
            rows = base.execute(
                f"SELECT {name}, {listed} FROM read_parquet(?) LIMIT {_MAX_ROWS}",  # noqa: S608
                [str(path)],
            ).fetchall()
    except duckdb.Error as error:
        raise LayoutError(
            "file-unreadable", path, f"is no Parquet that can be read ({error})", "fetch it again"
        ) from error
    prefix = EMBEDDED if inside else ""
    return [
        {image: f"{prefix}{row[0]}" if row[0] else "", **dict(zip(wanted, row[1:], strict=True))}
        for row in rows
    ]


EMBEDDED = "sha256:"
"""How an image inside a Parquet file is named: by the SHA-256 of its bytes."""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def picture_bytes(path: Path, row: int, case: str) -> bytes:
    """The bytes of the image in one row of a Parquet file.

    Raises
    ------
    LayoutError
        ``answer-empty``: the row holds no image. ``file-unreadable``.
    """
    import duckdb

    columns = _parquet_columns(fetched(path, case))
    image = _quoted(next((n for n in _IMAGE if n in columns), "image"))
    try:
        with duckdb.connect() as base:
            found = base.execute(
                f"SELECT {image}.bytes FROM read_parquet(?, file_row_number=true) "  # noqa: S608
                "WHERE file_row_number = ?",
                [str(path), row],
            ).fetchone()
    except duckdb.Error as error:
        raise LayoutError(
            "file-unreadable", path, f"cannot be read ({error})", case=case
        ) from error
    if not found or not found[0]:
        raise LayoutError("answer-empty", path, f"row {row} holds no image", case=case)
    return bytes(found[0])
