"""What is known of pool images: for simulated annotators and oracles, and for nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from osler.core import BadFileError, InputError, derive_rng

Known = Callable[[str, Mapping[str, str], Mapping[str, Any]], str | None]


class Truths:
    """Known truths by the SHA-256 of a pool image.

    A line of the file is an object with ``sha256`` and either ``answers`` (question -> text of
    the right option) or whatever ``known_answer(question, options, record)`` of the benchmark's
    module ``known`` understands.
    """

    def __init__(self, path: str | Path, benchmark: str) -> None:
        self._path = Path(path)
        self._rows = _read(self._path)
        self._known = _known_of(benchmark)

    def need(self, images: Iterable[str]) -> None:
        """Refuse a file that knows nothing of one of these images, by SHA-256.

        Raises
        ------
        InputError
            With the first such image, and how many there are.
        """
        unknown = [sha for sha in images if sha not in self._rows]
        if unknown:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            raise InputError(
                f"{self._path} knows nothing of the pool image {unknown[0][:12]}{more}; a "
                "simulated annotator needs the truth of every image"
            )

    def need_questions(self, asked: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        """Refuse a file whose answers fit none of these questions with their options.

        Raises
        ------
        InputError
            With the first of them.
        """
        if not all("answers" in row for row in self._rows.values()):
            return
        known: dict[str, set[str]] = {}
        for row in self._rows.values():
            for question, text in row["answers"].items():
                known.setdefault(question, set()).add(str(text))
        asked = list(asked)
        fits = (known.get(question, set()) & set(options.values()) for question, options in asked)
        if asked and not any(fits):
            raise InputError(
                f"{self._path} answers none of the questions that are asked, such as "
                f"{asked[0][0]!r}; write each question and the text of its right option exactly as "
                "the items do"
            )

    def answer(self, sha256: str, question: str, options: Mapping[str, str]) -> str | None:
        """The right letter, or None when no option fits.

        Raises
        ------
        InputError
            Nothing is known of this image.
        """
        self.need([sha256])
        row = self._rows[sha256]
        if "answers" in row:
            text = row["answers"].get(question)
            return next((k for k, v in options.items() if v == text), None)
        if self._known is None:
            raise InputError(
                f"{self._path} states no answers, and the benchmark cannot derive them from records"
            )
        return self._known(question, options, row)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadFileError(
            path, f"cannot be read ({why})", "name a file of truths (--truth)"
        ) from error
    rows = [_row(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise InputError(f"{path} states no truth; a simulated annotator needs them")
    return {str(row["sha256"]): row for row in rows}


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row: Any = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or "sha256" not in row:
        raise BadFileError(
            f"{path}, line {number}", "is no object with sha256", "write one JSON object a line"
        )
    if not isinstance(row.get("answers", {}), dict):
        raise BadFileError(
            f"{path}, line {number}", "answers are no object", 'write {"question": "right option"}'
        )
    return row


def _known_of(benchmark: str) -> Known | None:
    name = f"osler.evaluate.benchmarks.{benchmark.replace('-', '_')}.known"
    try:
        known: Known = import_module(name).known_answer
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            return None
        raise
    return known


def mistaken(
    right: str | None, options: Mapping[str, str], error: float, *keys: object
) -> str | None:
    """``right``, or with probability ``error`` another option, equally likely; by ``keys``."""
    rng = derive_rng("mistake", *keys)
    others = [letter for letter in options if letter != right]
    if others and rng.random() < error:
        return others[int(rng.integers(len(others)))]
    return right
