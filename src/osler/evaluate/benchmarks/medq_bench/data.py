"""The dataset folder: ``dataset.json``, ``items.jsonl``, ``records.jsonl``, ``images/``.

Images lie once under their hash, as in MedQ-Deg. ``dataset.json`` is written last, so a folder
without it is an unfinished build.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from osler.core import BadFileError, Case, Gold, ImageRef, InputError, Item

from ..folder import Dataset, image_path

FORMAT = "medq-bench/1"
Task = Literal["perception", "description", "paired"]
TASKS: tuple[Task, ...] = ("perception", "description", "paired")
WRITTEN: tuple[Task, ...] = ("description", "paired")
"""Tasks answered in free text."""


@dataclass(frozen=True, slots=True)
class Row:
    """One item: one line of ``items.jsonl``.

    ``images`` are (SHA-256, media type), two of them for a pair. ``answer`` is the letter of a
    question, ``reference`` the reference description of the other tasks. ``truth`` holds what is
    known of the image (``found``: concept -> strength; ``verdict``; ``better``), empty where only
    the reference is known.
    """

    id: str
    task: Task
    images: Sequence[Sequence[str]]
    question: str
    group: str
    tags: Mapping[str, str]
    options: Mapping[str, str] = field(default_factory=dict)
    answer: str = ""
    reference: str = ""
    truth: Mapping[str, Any] = field(default_factory=dict)

    def case(self) -> Case:
        """The row as the engine and the scores want it."""
        item = Item(
            id=self.id,
            question=self.question,
            images=tuple(ImageRef(sha, kind) for sha, kind in self.images),
            options=dict(self.options),
            group=self.group,
            tags={**self.tags, "task": self.task},
        )
        evidence = {"reference": self.reference} if self.reference else {}
        if self.truth:
            evidence["truth"] = json.dumps(self.truth, sort_keys=True)
        return Case(item, Gold(self.answer or self.reference, evidence=evidence))


def open_dataset(folder: str | Path) -> Dataset:
    """Open a dataset folder and check every line, every id and that every image is there.

    Raises
    ------
    InputError
        Not a dataset folder of this benchmark, or an unfinished build.
    BadFileError
        A broken line, a duplicate id, a missing image.
    """
    folder = Path(folder)
    info = read_info(folder)
    path = folder / "items.jsonl"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(path, "cannot be read", "build the dataset again") from error
    cases: dict[str, Case] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = Row(**json.loads(line))
            check_row(row)
            case = row.case()
        except (ValueError, TypeError) as error:
            raise BadFileError(where, f"is no item ({error})", "build it again") from error
        if row.id in cases:
            raise BadFileError(where, f"id {row.id!r} stands there twice", "build it again")
        for ref in case.item.images:
            if not image_path(folder, ref).is_file():
                raise BadFileError(where, f"its image {ref.sha256} is missing", "build it again")
        cases[row.id] = case
    if not cases or len(cases) != info["counts"]["items"]:
        raise BadFileError(
            path, f"holds {len(cases)} items, dataset.json states {info['counts']['items']}",
            "build the dataset again",
        )  # fmt: skip
    return Dataset(folder, info, tuple(cases.values()))


def check_row(row: Row) -> None:
    """Refuse a row that cannot be asked or scored.

    Raises
    ------
    ValueError
        What is wrong with it.
    """
    images = 2 if row.task == "paired" else 1
    if row.task not in TASKS:
        raise ValueError(f"task {row.task!r} is none of {', '.join(TASKS)}")
    if len(row.images) != images or any(len(sha) != 64 for sha, _ in row.images):
        raise ValueError(f"a {row.task} item has {images} image(s), each named by its SHA-256")
    if row.task == "perception" and (len(row.options) < 2 or row.answer not in row.options):
        raise ValueError(f"answer {row.answer!r} is not among its options")
    if row.task != "perception" and not row.reference.strip():
        raise ValueError("it has no reference description")


def read_info(folder: Path) -> Mapping[str, Any]:
    """``dataset.json`` of a dataset folder.

    Raises
    ------
    InputError
        There is none, or it is of another benchmark.
    """
    path = folder / "dataset.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} holds no dataset.json; give a folder made by `osler build medq-bench`"
        ) from error
    except (OSError, ValueError) as error:
        raise BadFileError(path, f"is no JSON ({error})", "build the dataset again") from error
    if not isinstance(info, dict) or info.get("format") != FORMAT or "counts" not in info:
        raise BadFileError(path, "is no MedQ-Bench dataset", "build it with osler build medq-bench")
    return info
