"""All items of one image: clean and degraded, for every question about it. Runs in a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from osler.core import ImageRef, InputError, content_hash, derive_seed, plain
from osler.degrade import degradation_named, degrade, frame_of, transform_points
from osler.degrade.apply import Record
from osler.images import Image, to_display

from ..folder import store_image
from .marks import corners_of, draw_outline
from .plan import asks_for_side
from .questions import SourceQuestion
from .rows import QuestionRow

Question = SourceQuestion | QuestionRow


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Questions about one image: each with its degradations (keys), at ``levels``."""

    key: str
    pixels_sha256: str
    questions: tuple[tuple[Question, tuple[str, ...]], ...]
    levels: tuple[int, ...]
    seed: int
    folder: Path


def build_family(family: Family) -> list[dict[str, Any]]:
    """Write the images of a family and return its items: {"row": ..., "record": ...}.

    The raw image is degraded, then shown through the window of the clean one, then marked. Equal
    questions about equal pixels give equal bytes, in any order and process.

    Raises
    ------
    InputError
        If an image cannot be degraded; the sentence names question and degradation.
    """
    first = family.questions[0][0]
    image = first.image if isinstance(first, SourceQuestion) else first.image()
    image = image.with_pixels(image.pixels, modality=first.modality)
    window = _window(image)
    shown: dict[tuple[str, int], tuple[Image, Record | None]] = {
        ("clean", 0): (_display(image, window), None)
    }
    found = []
    for question, keys in family.questions:
        wanted = [("clean", 0)] + [(key, level) for key in keys for level in family.levels]
        for key, level in wanted:
            if (key, level) not in shown:
                shown[key, level] = _degraded(image, key, level, family, question, window)
            picture, record = shown[key, level]
            found.append(_entry(family, question, key, level, picture, record))
    return found


def _degraded(
    image: Image,
    key: str,
    level: int,
    family: Family,
    question: Question,
    window: tuple[float, float] | None,
) -> tuple[Image, Record]:
    # The seed has no level in it: level 2 is the same noise, mask or angle as level 1, stronger.
    seed = derive_seed(family.seed, family.pixels_sha256, key) % 2**63
    try:
        done = degrade(image, key, level, seed=seed)
    except InputError as error:
        raise InputError(
            f"question {question.index}: {key} at level {level} failed: {error}"
        ) from error
    return _display(done.image, window), done.record


def _window(image: Image) -> tuple[float, float] | None:
    """(center, width) of the clean image's display, so that degraded ones are shown alike."""
    if image.pixels.dtype == np.uint8 or image.has_colour:
        return None
    frame = frame_of(image)
    return (frame.lo + frame.hi) / 2, frame.span


def _display(image: Image, window: tuple[float, float] | None) -> Image:
    """8 bits through ``window``; three equal channels become one, so grey stays grey."""
    shown = to_display(image, window)
    pixels = shown.pixels
    if shown.has_colour and bool((pixels == pixels[..., :1]).all()):
        return shown.with_pixels(np.ascontiguousarray(pixels[..., 0]), axes="yx")
    return shown


def _entry(
    family: Family,
    question: Question,
    key: str,
    level: int,
    picture: Image,
    record: Record | None,
) -> dict[str, Any]:
    mark = None
    if question.roi is not None:
        mark = corners_of(question.roi)
        if record is not None:
            mark = transform_points(record, mark, picture.shape[:2])
        picture = picture.with_pixels(draw_outline(picture.pixels, mark), axes="yxc")
    ref = store_image(family.folder, _png(picture))
    row = _row(family, question, key, level, ref, record)
    done = {"id": row["id"], "record": plain(record) if record else None}
    if mark is not None:
        done["roi"] = [[round(float(v), 3) for v in point] for point in mark]
    return {"row": row, "record": done}


def _png(image: Image) -> bytes:
    from osler.images.raster import encode_raster

    return encode_raster(image, ".png")


def _row(
    family: Family,
    question: Question,
    key: str,
    level: int,
    ref: ImageRef,
    record: Record | None,
) -> dict[str, Any]:
    entry = degradation_named(key) if level else None
    digest = content_hash(plain(record)) if record else ""
    tags = {
        **_extra(question),
        "level": str(level),
        "degradation": key,
        "category": entry.category if entry else "clean",
        "modality": question.modality,
        "capability": question.capability,
        "dataset": question.dataset,
        "parent": question.index,
        "record": digest,
        "geometric": "1" if entry and entry.geometric else "0",
        "laterality": "1" if asks_for_side(question.question, question.options) else "0",
        "licence": question.licence,
    }
    content = {
        "parent": question.index,
        "question": question.question,
        "options": question.options,
        "answer": question.answer,
        "pixels": family.pixels_sha256,
        "roi": question.roi,
        "degradation": key,
        "level": level,
        "record": digest,
    }
    return {
        "id": content_hash(content),
        "image": ref.sha256,
        "question": question.question,
        "options": dict(question.options),
        "answer": question.answer,
        "group": _group(family, question),
        "tags": tags,
    }


def _group(family: Family, question: Question) -> str:
    """As :func:`group_of`, but a question without a patient joins that of the same image.

    One image in two groups would count as two independent patients.
    """
    stated = sorted(group_of(q, "") for q, _ in family.questions if q.patient)
    return (
        stated[0] if stated and not question.patient else group_of(question, family.pixels_sha256)
    )


def group_of(question: Question, pixels_sha256: str) -> str:
    """The independent unit: the patient within its dataset, or the image where none is stated."""
    if question.patient:
        return f"{question.dataset}/{question.patient}"
    return f"image/{pixels_sha256[:16]}"


def _extra(question: Question) -> Mapping[str, str]:
    return question.extra if isinstance(question, SourceQuestion) else {}
