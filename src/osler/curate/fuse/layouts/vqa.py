"""Questions and answers about images: VQA-RAD, SLAKE, PathVQA, PMC-VQA and alike.

A case is an image with all that one split asks about it. Rows of one image in two languages stay
together; an image that two splits ask about is a leak.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from osler.core import InputError

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.index import PictureIndex
from ..pictures.leaks import OPTION, mark_leaks, same_pictures
from ..pictures.listing import files_below, split_named
from ..pictures.options import check_options, choice_of, text_of
from ..pictures.planes import described, plane_of
from ..pictures.questions import (
    EMBEDDED,
    SUFFIXES,
    Asked,
    asked_in,
    columns_of,
    is_questions,
    picture_bytes,
)
from ..pictures.template import patient_from
from ..volumes.files import fetched, loads_cases, reading

NAME = "vqa"
TITLE = "Questions and answers about images, in JSON, CSV or Parquet"

OPTIONS = {
    "language": "read only the questions of this language: en, zh",
    "empty": "a question without answer: refuse (its image is left out) or skip (the question is)",
    "patient_pattern": "where the patient stands in a file name (or path, if it has a /)",
    "split_leak": OPTION,
}


def detect(folder: Path) -> str:
    """A table with fields of an image, a question and an answer."""
    for path in files_below(folder, SUFFIXES, most=200):
        if (folder / path).stat().st_size and is_questions(columns_of(folder / path)):
            return f"{path.as_posix()} has questions and answers about images"
    return ""


def scan(source: Source) -> Iterator[Case]:
    """One case an image and split, with its questions.

    Raises
    ------
    LayoutError
        ``file-missing``: no table. ``table-columns``, ``table-row``: of a table.
    """
    check_options(source, OPTIONS)
    folder = source.folder
    tables = [p for p in files_below(folder, SUFFIXES) if is_questions(columns_of(folder / p))]
    if not tables:
        raise LayoutError("file-missing", folder, "has no table of questions", "fetch it")
    pictures = PictureIndex(folder)
    language = text_of(source, "language")
    found: dict[tuple[str, str], list[tuple[Path, Asked]]] = {}
    for table in tables:
        split = next((s for w in _words(table) if (s := split_named(w))), "")
        for one in asked_in(folder / table):
            if language and one.language != language:
                continue
            own = "test" if one.phrase.startswith("test") else split
            image = one.image or f"row {one.row}"
            found.setdefault((own, image), []).append((folder / table, one))
    cases = [_case(source, split, name, asked, pictures) for (split, name), asked in found.items()]
    names = [c.info["name"] for c in cases]
    same = same_pictures([c.files[0] for c in cases], [c.split for c in cases])
    same = ["" if name.startswith(EMBEDDED) else s for name, s in zip(names, same, strict=True)]
    groups = [
        [n for n in (c.patient, f"image {name}", twin) if n]
        for c, name, twin in zip(cases, names, same, strict=True)
    ]
    yield from mark_leaks(source, cases, groups)


def _words(table: Path) -> list[str]:
    text = table.with_suffix("").as_posix()
    return "".join(c if c.isalpha() else " " for c in text).split()


def _case(
    source: Source, split: str, name: str, asked: list[tuple[Path, Asked]], pictures: PictureIndex
) -> Case:
    path, first = asked[0]
    fault, patient = None, ""
    short = name.removeprefix(EMBEDDED)[:16] if name.startswith(EMBEDDED) else name
    key = f"{split}/{short}" if split else short
    image, questions = path, []
    try:
        if not first.image:
            raise LayoutError("answer-empty", path, f"{name} names no image", case=key)
        if not name.startswith(EMBEDDED):
            found, _ = pictures.find(name.removeprefix("./"), path, key)
            image = fetched(source.folder / found, key)
            patient = patient_from(source, found, case=key)
        questions = _questions(source, asked, key)
    except LayoutError as error:
        fault, error.case = error, key
    return Case(
        key=key,
        files=tuple(dict.fromkeys((image, *(table for table, _ in asked)))),
        patient=patient,
        split=split,
        info={"name": name, "row": first.row, "questions": questions},
        fault=fault,
    )


def _questions(source: Source, asked: list[tuple[Path, Asked]], key: str) -> list[dict[str, Any]]:
    skip = choice_of(source, "empty", ("refuse", "skip")) == "skip"
    found: list[dict[str, Any]] = []
    for path, one in asked:
        if not one.question or not one.answer:
            if skip:
                continue
            lacking = "answer" if one.question else "question"
            raise LayoutError(
                "answer-empty",
                path,
                f"row {one.row} has no {lacking}",
                "set the option empty to skip to leave out such questions alone",
                case=key,
            )
        answer = one.answer
        if one.options:
            answer = _chosen(one, path, key)
        found.append(
            {
                "question": one.question,
                "answer": answer,
                "language": one.language,
                "options": list(one.options),
            }
        )
    if not found:
        raise LayoutError("answer-empty", asked[0][0], "has no question with an answer", case=key)
    return found


def _chosen(one: Asked, path: Path, key: str) -> str:
    """The text of the chosen option: answers are a letter, or the text itself."""
    if len(one.answer) == 1 and one.answer.upper() in "ABCDE"[: len(one.options)]:
        return one.options["ABCDE".index(one.answer.upper())]
    plain = {option.casefold(): option for option in one.options}
    if one.answer.casefold() not in plain:
        raise LayoutError(
            "label-value",
            path,
            f"row {one.row} answers {one.answer[:40]!r}, which is none of its choices",
            case=key,
        )
    return plain[one.answer.casefold()]


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """The image with its questions and answers.

    Raises
    ------
    LayoutError
        ``file-unreadable``, ``file-missing``, ``answer-empty``.
    """
    name: str = case.info["name"]
    if name.startswith(EMBEDDED):
        from osler.images import read_bytes

        content = picture_bytes(case.files[0], case.info["row"], case.key)
        with reading(case.files[0], case.key):
            image = read_bytes(content, f"{case.files[0]} row {case.info['row']}")
        image = described(image, source, case)
    else:
        image = plane_of(source, case, case.files[0])
    questions: list[Mapping[str, Any]] = case.info["questions"]
    if not questions:
        raise InputError(f"{case.key}: the case was not scanned whole")
    return Loaded(image, source.modality, (Annotation("qa", list(questions)),))
