"""The dataset folder: ``dataset.json``, ``items.jsonl``, ``records.jsonl``, ``images/``.

``dataset.json`` is written last, so a folder without it is an unfinished build. Images lie once,
under the SHA-256 of their bytes: ``images/<first 2 digits>/<sha256>.png`` (``.jpg`` where the
source bytes are kept as they are).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import BadFileError, Case, Gold, ImageRef, InputError, Item

from ..folder import Dataset, image_path

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One item of a dataset: one line of ``items.jsonl``."""

    id: str
    image: str
    question: str
    options: Mapping[str, str]
    answer: str
    group: str
    tags: Mapping[str, str]
    media_type: str = "image/png"

    def case(self) -> Case:
        """The row as the engine and the scores want it."""
        return Case(
            Item(
                id=self.id,
                question=self.question,
                images=(ImageRef(self.image, self.media_type),),
                options=dict(self.options),
                group=self.group,
                tags=dict(self.tags),
            ),
            Gold(self.answer, aliases=(self.options[self.answer],)),
        )


def open_dataset(folder: str | Path) -> Dataset:
    """Open a dataset folder and check it: every line, every id, every image is there.

    Raises
    ------
    InputError
        Not a dataset folder, an unfinished build, or a newer format.
    BadFileError
        A broken line, a duplicate id, an answer that is no option, a missing image.
    """
    folder = Path(folder)
    info = read_info(folder)
    path = folder / "items.jsonl"
    cases: list[Case] = []
    seen: dict[str, int] = {}
    for number, row in read_rows(path):
        where = f"{path}, line {number}"
        if row.id in seen:
            raise BadFileError(
                where, f"id {row.id!r} is also on line {seen[row.id]}", "build the dataset again"
            )
        seen[row.id] = number
        case = row.case()
        image = image_path(folder, case.item.images[0])
        if not image.is_file():
            raise BadFileError(where, f"its image {image.name} is missing", "build it again")
        cases.append(case)
    if not cases:
        raise BadFileError(path, "holds no items", "build the dataset again")
    counts = info.get("counts")
    stated = counts.get("items") if isinstance(counts, dict) else None
    if stated is not None and stated != len(cases):
        raise BadFileError(
            path,
            f"holds {len(cases)} items, dataset.json states {stated}",
            "build the dataset again",
        )
    return Dataset(folder, info, tuple(cases))


def read_info(folder: Path) -> Mapping[str, Any]:
    """``dataset.json`` of a dataset folder.

    Raises
    ------
    InputError
        There is none (the build did not finish), it is broken, or of a newer format.
    """
    path = folder / "dataset.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        todo = (
            "its build did not finish; run the same build again to resume it"
            if (folder / ".build").is_dir()
            else "give a folder made by `osler build medq-deg`"
        )
        raise InputError(f"{folder} holds no dataset.json: {todo}") from error
    except (OSError, ValueError) as error:
        raise BadFileError(path, f"is no JSON ({error})", "build the dataset again") from error
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise BadFileError(path, f"is no dataset of format {FORMAT}", "build it again")
    return info


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """(line number, row) of an ``items.jsonl``, each checked.

    Raises
    ------
    BadFileError
        A line that is no JSON, lacks a field, or whose answer is no option.
    """
    try:
        lines = path.open(encoding="utf-8")
    except OSError as error:
        raise BadFileError(path, "is missing", "build the dataset again") from error
    with lines:
        for number, line in enumerate(_decoded(lines, path), 1):
            try:
                row = Row(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise BadFileError(
                    f"{path}, line {number}", f"is no item ({error})", "build the dataset again"
                ) from error
            if row.answer not in row.options or len(row.image) != 64:
                raise BadFileError(
                    f"{path}, line {number}",
                    f"answer {row.answer!r} or image {row.image!r} is not valid",
                    "build the dataset again",
                )
            yield number, row


def _decoded(lines: Iterable[str], path: Path) -> Iterator[str]:
    try:
        yield from lines
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(path, "is no UTF-8 text", "build the dataset again") from error


def lines(values: Iterable[Any]) -> str:
    """JSON lines, keys in the given order."""
    return "".join(json.dumps(v, ensure_ascii=False, allow_nan=False) + "\n" for v in values)
