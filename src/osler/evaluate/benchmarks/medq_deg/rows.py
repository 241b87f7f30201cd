"""One row of an image-question table as a record: names unified, letters and answer settled."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from osler.core import BadFileError, InputError
from osler.images import Image, Modality, find_modality

from .questions import LETTERS, Point, SourceQuestion, check_question

# Our name -> the names other exports use, best first.
_NAMES: dict[str, tuple[str, ...]] = {
    "index": ("index", "id", "question_id", "qid"),
    "question": ("question", "query"),
    "answer": ("answer", "label", "gt_answer", "gold"),
    "image": ("image",),
    "image_path": ("image_path", "images", "img_path", "image_file"),
    "options": ("options", "choices"),
    "modality": ("modality", "modality_type", "image_type"),
    "capability": (
        "capability",
        "skill",
        "clinical vqa task",
        "medical_task",
        "l2-category",
        "question_type",
        "category",
    ),
    "dataset": ("dataset", "source", "origin"),
    "patient": ("patient", "patient_id", "case_id", "subject"),
    "licence": ("licence", "license"),
    "roi": ("roi",),
    "degradation": ("degradation_type", "degradation"),
    "level": ("degradation_severity", "severity", "level"),
}
_CLEAN = {"", "0", "l0", "none", "clean", "good", "original", "nan"}


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question whose image still lies in its file; ``where`` is "file, line n".

    ``pixels_sha256`` identifies the decoded pixels. ``degradation`` and ``level`` are set only in
    tables that come degraded.
    """

    where: str
    index: str
    image_path: Path
    question: str
    options: Mapping[str, str]
    answer: str
    modality: Modality
    capability: str = ""
    dataset: str = ""
    patient: str = ""
    licence: str = "unknown"
    roi: tuple[Point, ...] | None = None
    degradation: str = ""
    level: int = 0
    pixels_sha256: str = ""

    def image(self) -> Image:
        """The image, as one plane.

        Raises
        ------
        BadFileError
            If it cannot be read, or is a volume or cine.
        """
        from osler.images import read

        try:
            image = read(self.image_path, modality=self.modality)
        except BadFileError as error:
            raise BadFileError(self.where, f"its image cannot be read ({error})") from error
        if image.axes not in ("yx", "yxc"):
            raise BadFileError(
                self.where, f"its image {self.image_path.name} is no single plane ({image.axes})"
            )
        return image

    def checked(self) -> QuestionRow:
        """The row with the hash of its pixels; reads the image to see that it can be."""
        from osler.degrade.apply import pixel_hash

        return replace(self, pixels_sha256=pixel_hash(self.image().pixels))

    def load(self) -> SourceQuestion:
        """The row with its image."""
        return SourceQuestion(
            index=self.index,
            image=self.image(),
            question=self.question,
            options=self.options,
            answer=self.answer,
            modality=self.modality,
            capability=self.capability,
            dataset=self.dataset,
            patient=self.patient,
            licence=self.licence,
            roi=self.roi,
        )


def names_of(
    record: Mapping[str, Any], where: str = "", *, columns: bool = False
) -> dict[str, Any]:
    """The record under our names; ``option_A`` and ``A`` become ``A``.

    With ``columns`` it only checks that the names needed are there.

    Raises
    ------
    BadFileError
        If a needed column is missing, with the columns found.
    """
    folded = {str(name).strip().lower(): value for name, value in record.items() if name}
    found: dict[str, Any] = {}
    for ours, theirs in _NAMES.items():
        for name in theirs:
            if name in folded and (columns or folded[name] not in (None, "")):
                found[ours] = folded[name]
                break
    if isinstance(found.get("image"), list):
        found["image_path"] = found.pop("image")
    for letter in LETTERS:
        for name in (letter.lower(), f"option_{letter.lower()}"):
            if name in folded:
                found[letter] = folded[name]
    if columns:
        _need_columns(found, record, where)
    return found


def _need_columns(found: Mapping[str, Any], record: Mapping[str, Any], where: str) -> None:
    lacking = [name for name in ("index", "question", "answer") if name not in found]
    if "image" not in found and "image_path" not in found:
        lacking.append("image or image_path")
    if "options" not in found and not {"A", "B"} <= set(found):
        lacking.append("A, B, ... or options")
    if lacking:
        columns = ", ".join(str(name) for name in record)[:200] or "none"
        raise BadFileError(
            where,
            f"columns {columns} are no image-question table: {', '.join(lacking)} not found",
            "rename them as in the README of medq_deg",
        )


def parse_row(
    where: str, names: Mapping[str, Any], image: Path, modality: str | None, dataset: str
) -> QuestionRow:
    """A row from its unified names.

    Raises
    ------
    BadFileError
        With ``where``, for anything that makes the question unusable.
    """
    options = _options(where, names)
    question = _without_choices(_text(names.get("question")))
    try:
        answer = _answer(_text(names.get("answer")), options)
        check_question(_text(names.get("index")), question, options, answer)
    except InputError as error:
        raise BadFileError(where, str(error)) from error
    stated = _text(names.get("modality")) or (modality or "")
    kind = find_modality(stated)
    if kind is None:
        raise BadFileError(
            where,
            f"modality {stated or 'not stated'!r} is not known",
            "state one (column modality, or --modality)",
        )
    return QuestionRow(
        where=where,
        index=_text(names.get("index")),
        image_path=image,
        question=question,
        options=options,
        answer=answer,
        modality=kind,
        capability=_text(names.get("capability")),
        dataset=_text(names.get("dataset")) or dataset,
        patient=_text(names.get("patient")),
        licence=_text(names.get("licence")) or "unknown",
        roi=_roi(where, names.get("roi")),
        degradation="" if _is_clean(names.get("degradation")) else _text(names["degradation"]),
        level=_level(where, names),
    )


def _text(value: object) -> str:
    text = "" if value is None else str(value).strip()
    return "" if text.lower() == "nan" else text


def _is_clean(value: object) -> bool:
    return _text(value).lower() in _CLEAN


def _options(where: str, names: Mapping[str, Any]) -> dict[str, str]:
    given = names.get("options")
    if isinstance(given, str):
        given = _parsed(where, given)
    if isinstance(given, Mapping):
        pairs = {str(k).strip().upper(): _text(v) for k, v in given.items()}
    elif isinstance(given, list):
        texts = [re.sub(r"^\s*\(?([A-J])[.):]\s*", "", str(v)) for v in given]
        pairs = dict(zip(LETTERS, map(_text, texts), strict=False))
    else:
        pairs = {letter: _text(names.get(letter)) for letter in LETTERS if letter in names}
    kept = {letter: pairs[letter] for letter in sorted(pairs)}
    while kept and not kept[max(kept)]:  # unused columns at the end
        del kept[max(kept)]
    return kept


def _parsed(where: str, text: str) -> object:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    raise BadFileError(where, f"its options {text[:60]!r} are no JSON")


def _answer(text: str, options: Mapping[str, str]) -> str:
    """The letter: given as such ("C", "C.", "(C)"), as the option's text, or counted from 0."""
    letter = re.fullmatch(r"\(?([A-Ja-j])\)?[.:]?", text)
    if letter and letter.group(1).upper() in options:
        return letter.group(1).upper()
    same = [k for k, v in options.items() if _fold(v) == _fold(text) and v]
    if len(same) == 1:
        return same[0]
    if text.isdigit() and int(text) < len(options):
        return list(options)[int(text)]
    return text


def _fold(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().casefold()


def _without_choices(question: str) -> str:
    """Without the list of choices that MedXpertQA repeats at the end of the question."""
    return re.split(r"\n\s*Answer Choices\s*:", question)[0].strip()


def _roi(where: str, value: object) -> tuple[Point, ...] | None:
    if value in (None, "") or _text(value) == "":
        return None
    points = _parsed(where, value) if isinstance(value, str) else value
    try:
        corners = tuple((float(x), float(y)) for x, y in points)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise BadFileError(where, "its roi is no list of [x, y] points") from error
    if len(corners) < 2:
        raise BadFileError(where, "its roi has fewer than two points")
    return corners


def _level(where: str, names: Mapping[str, Any]) -> int:
    text = _text(names.get("level")).lower()
    if _is_clean(names.get("degradation")) or text in _CLEAN:
        if not _is_clean(names.get("degradation")) and "degradation" in names:
            raise BadFileError(where, "is degraded but states no severity")
        return 0
    words = {"mild": 1, "slight": 1, "moderate": 2, "severe": 2}
    digit = re.fullmatch(r"(?:l|level)?\s*_?([1-3])", text)
    if digit:
        return int(digit.group(1))
    if text in words:
        return words[text]
    raise BadFileError(where, f"severity {text!r} is not known; use 1, 2 or 3")
