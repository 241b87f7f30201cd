"""Records as files: one beside an image, or ``records.jsonl`` of a folder, one line an output."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from osler.core import BadFileError, InputError, canonical_json

from .apply import Record

RECORDS = "records.jsonl"


def read_record(path: str | Path, output: str | None = None) -> Record:
    """The record in a JSON file, or that of ``output`` in a ``records.jsonl``.

    Raises
    ------
    BadFileError
        If the file is missing, broken, or does not hold (one) such record.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
        lines = (
            [json.loads(text)] if file.suffix == ".json" else list(lines_by_output(file).values())
        )
    except OSError as error:
        raise BadFileError(
            file, f"cannot be read ({error.strerror})", "name the record beside the image"
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadFileError(
            file, f"is no degradation record ({error})", "name the record beside the image"
        ) from error
    if output is not None:
        lines = [line for line in lines if line.get("output") == output]
    if len(lines) != 1 or not isinstance(lines[0], dict):
        raise BadFileError(file, _which(lines, output), "name one by --output")
    fields = lines[0].get("record", lines[0])
    if not isinstance(fields, dict):
        raise BadFileError(file, "is no degradation record", "name the record beside the image")
    try:
        return Record.from_plain(fields)
    except InputError as error:
        raise BadFileError(
            file, f"is {error}", "name the record that osler degrade wrote"
        ) from error


def _which(lines: Sequence[Any], output: str | None) -> str:
    if output is not None:
        return f"holds no record of the output {output!r}"
    return f"holds {len(lines)} records" if len(lines) != 1 else "is no degradation record"


class RecordsFile:
    """Lines appended as outputs appear, so that a killed run knows them; no line, no file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> RecordsFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # the whole file is written again at the end
                self._file.close()

    def add(self, lines: Sequence[Mapping[str, Any]]) -> None:
        if not lines:
            return
        try:
            if self._file is None:
                self._file = self._path.open("a", encoding="utf-8")
            self._file.write("".join(canonical_json(line) + "\n" for line in lines))
            self._file.flush()
        except OSError as error:
            raise InputError(
                f"cannot write {self._path}: {error.strerror or error}; free some space and run "
                "the same command again"
            ) from error


def lines_by_output(path: Path) -> dict[str, Any]:
    """Lines of an earlier run by output; a last line cut off by a crash is passed over."""
    found: dict[str, Any] = {}
    if not path.is_file():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict) and isinstance(value.get("output"), str):
            found[value["output"]] = value
    return found
