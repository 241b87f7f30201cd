"""osler-mini: a smoke benchmark of real images that come with installed packages.

It shows that a model, a prompt, the engine, the scores and the report work together on real
pictures, and it is no measure of medical skill: seven subjects, one reader's facts, questions
that mostly ask what kind of picture this is. Every fact has its evidence (:func:`mini_facts`).
"""

from __future__ import annotations

from collections.abc import Mapping

from osler.core import derive_rng
from osler.models.samples import FAMILIES, Picture, test_pictures
from osler.models.samples.families import family_named

from .questions import LETTERS, SourceQuestion

NAME = "osler-mini"
ABOUT = "smoke benchmark: shows that everything works, measures no medical skill"
VERSION = "1"

_AT_LEAST = 4
"""Questions a picture gets."""

_ALWAYS = ("modality", "region")
_FILL = ("formation", "text", "colour")
"""Families that are asked only while a picture has fewer than four questions."""


def mini_questions(seed: int = 0) -> list[SourceQuestion]:
    """The questions, at least four to each picture, in a fixed order.

    Parameters
    ----------
    seed
        Decides the wrong options and the order of all options; the pictures stay the same.

    Raises
    ------
    MissingError
        A package that holds one of the images is not installed.
    """
    return [
        _question(picture, family, seed)
        for picture in test_pictures()
        for family in families_asked(picture)
    ]


def families_asked(picture: Picture) -> list[str]:
    """Keys of the families that are asked about a picture."""
    special = [f.key for f in FAMILIES if f.key in picture.facts]
    asked = [key for key in special if key not in _FILL]
    start = int(derive_rng(NAME, "fill", picture.key).integers(len(_FILL)))
    for key in (*_FILL[start:], *_FILL[:start]):
        if len(asked) >= _AT_LEAST:
            break
        if key in picture.facts:
            asked.append(key)
    return sorted(asked, key=lambda key: (key not in _ALWAYS, asked.index(key)))


def mini_facts() -> list[Mapping[str, str]]:
    """One row a question: picture, subject, family, answer, evidence, file, licence."""
    return [
        {
            "picture": picture.key,
            "patient": picture.source.patient,
            "question": family_named(family).question,
            "answer": family_named(family).answers[picture.facts[family].answer],
            "evidence": picture.facts[family].evidence,
            "file": f"{picture.source.package}: {picture.source.file}",
            "licence": picture.source.licence,
        }
        for picture in test_pictures()
        for family in families_asked(picture)
    ]


def _question(picture: Picture, key: str, seed: int) -> SourceQuestion:
    family, fact = family_named(key), picture.facts[key]
    index = f"{picture.key}/{key}"
    rng = derive_rng(NAME, index, seed)
    wrong = [answer for answer in family.answers if answer != fact.answer]
    chosen = [wrong[i] for i in rng.permutation(len(wrong))[: family.shown - 1]]
    shown = [fact.answer, *chosen]
    order = [shown[i] for i in rng.permutation(len(shown))]
    return SourceQuestion(
        index=index,
        image=picture.image,
        question=family.question,
        options={LETTERS[i]: family.answers[answer] for i, answer in enumerate(order)},
        answer=LETTERS[order.index(fact.answer)],
        modality=picture.source.modality,
        capability=family.capability,
        dataset=NAME,
        patient=picture.source.patient,
        licence=picture.source.licence,
        roi=picture.roi if key == "outline" else None,
        extra={"family": key, "picture": picture.key, "evidence": fact.evidence},
    )
