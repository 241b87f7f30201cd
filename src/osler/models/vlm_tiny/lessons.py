"""What the starting weights are trained on: questions about the training pictures, by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from osler.core import ImageRef, Prompt, ReadBlob, derive_rng

from ..probe.features import varied
from ..samples import FAMILIES, Family, Picture
from .eyes import Eyes

VARIANTS = 5
"""Mild variants of each picture; number 0 is the picture itself."""

_CHUNK = 32

_ASK = (
    "Look at the image and answer the question by choosing one option.\n\nQuestion: {question}\n\n"
    "Options:\n{options}\n\nReply with the letter of one option only, and nothing else."
)
"""The form in which MedQ-Deg asks, so that the student knows it."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One prompt with the reply to learn."""

    prompt: Prompt
    reply: str


class Album:
    """Places of pictures and their variants, computed beforehand; stands in for ``Eyes``."""

    def __init__(self, places: Mapping[str, NDArray[np.float32]]) -> None:
        self._places = places

    def see(self, ref: ImageRef, read: ReadBlob) -> NDArray[np.float32]:
        """The places of the picture called ``ref.sha256``."""
        return self._places[ref.sha256]


def album(
    eyes: Eyes, pictures: Sequence[Picture], tell: Callable[[str], None] = lambda line: None
) -> Album:
    """Places of every picture, its variants, and one more variant kept for measuring."""
    rows = [(p, number) for p in pictures for number in range(VARIANTS + 2)]
    found: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        planes = [
            varied(p.image.pixels, p.key, number) if number else p.image.pixels
            for p, number in chunk
        ]
        for (p, number), places in zip(chunk, eyes.places(planes), strict=True):
            found[_name(p, number)] = places
        if start // _CHUNK % 10 == 0 or start + len(chunk) == len(rows):
            tell(f"picture {start + len(chunk)} of {len(rows)}")
    return Album(found)


def _name(picture: Picture, number: int) -> str:
    return f"{picture.key}#{number}"


class Lessons:
    """Draws lessons: every kind of question as often, within it every answer as often."""

    def __init__(self, pictures: Sequence[Picture], seed: int) -> None:
        self._seed = seed
        self._shown: dict[str, dict[str, list[Picture]]] = {}
        for family in FAMILIES:
            classes: dict[str, list[Picture]] = {}
            for one in pictures:
                if family.key in one.facts:
                    classes.setdefault(one.facts[family.key].answer, []).append(one)
            if len(classes) > 1:
                self._shown[family.key] = classes
        self._families = [family for family in FAMILIES if family.key in self._shown]

    def batch(self, step: int, size: int, *, choose: bool, held: bool = False) -> list[Lesson]:
        """``size`` lessons of one step; ``held`` shows the variant that no step trains on.

        With ``choose`` the reply is a letter among options, else the answer in words.
        """
        return [self._one((step, i, choose, held)) for i in range(size)]

    def _one(self, key: tuple[int, int, bool, bool]) -> Lesson:
        rng = derive_rng("osler/vlm-tiny", "lesson", self._seed, *map(int, key))
        family = self._families[int(rng.integers(len(self._families)))]
        classes = self._shown[family.key]
        answer = sorted(classes)[int(rng.integers(len(classes)))]
        picture = classes[answer][int(rng.integers(len(classes[answer])))]
        _, _, choose, held = key
        number = VARIANTS + 1 if held else int(rng.integers(VARIANTS + 1))
        image = ImageRef(_name(picture, number))
        if not choose:
            return Lesson(Prompt((image, family.question)), family.answers[answer])
        options = self._options(family, answer, rng)
        letter = next(k for k, text in options.items() if text == family.answers[answer])
        lines = "\n".join(f"{k}. {text}" for k, text in options.items())
        asked = _ASK.format(question=family.question, options=lines)
        return Lesson(Prompt((image, asked)), letter)

    def _options(self, family: Family, answer: str, rng: np.random.Generator) -> dict[str, str]:
        """Lettered options; those that no picture shows come in only where others run out.

        An option that is always wrong in training would be learnt as always wrong.
        """
        others = [key for key in rng.permutation(list(family.answers)) if key != answer]
        others.sort(key=lambda key: key not in self._shown[family.key])
        keys = rng.permutation([answer, *others[: family.shown - 1]])
        return {"ABCDE"[i]: family.answers[str(key)] for i, key in enumerate(keys)}
