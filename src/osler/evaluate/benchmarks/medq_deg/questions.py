"""A source question: one clean image, one multiple-choice question, before any degradation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from osler.core import InputError
from osler.images import Image, Modality

Point = tuple[float, float]

LETTERS = "ABCDEFGHIJ"
"""Letters that options may have; the published set uses A to E."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceQuestion:
    """One image-question pair of a parent dataset, still clean.

    Parameters
    ----------
    index
        Identity of the pair in its source; unique in a set.
    image
        A plane: ``axes`` is ``"yx"`` or ``"yxc"``. Raw, without the outline of ``roi``.
    question
        The question as shown to the model, without its options.
    options
        Letter to text in the order shown, 2 to 10 of them, letters A, B, C ... without gaps.
    answer
        The right letter.
    modality
        One of :data:`osler.images.MODALITIES`; decides which degradations make sense.
    capability
        Skill or task of the question (spec: 6 mid tasks, 30 skills); may be empty.
    dataset
        Name of the parent dataset.
    patient
        Key of the patient or case: the unit of the bootstrap. Empty: the image is the unit.
    licence
        Licence of image and question.
    roi
        Outline the question points at, as (x, y) pixel corners in the raw image (pixel centres
        at whole numbers); drawn after the degradation, so that the mark itself stays sharp.
    extra
        Further facts worth keeping in the dataset's records (skill, view, laterality).
    """

    index: str
    image: Image
    question: str
    options: Mapping[str, str]
    answer: str
    modality: Modality
    capability: str = ""
    dataset: str = ""
    patient: str = ""
    licence: str = "unknown"
    roi: tuple[Point, ...] | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_question(self.index, self.question, self.options, self.answer)
        if self.image.axes not in ("yx", "yxc"):
            raise InputError(
                f"question {self.index}: its image has axes {self.image.axes!r}; "
                "take one plane of it first"
            )


def check_question(index: str, question: str, options: Mapping[str, str], answer: str) -> None:
    """Refuse a question that cannot be scored.

    Raises
    ------
    InputError
        Empty index or question, fewer than 2 options, letters that are not A, B, C ... in order,
        two options with the same text, or an answer that is no option.
    """
    if not index.strip():
        raise InputError("a question has an empty index; give every question its own")
    if not question.strip():
        raise InputError(f"question {index}: the question text is empty")
    letters = "".join(options)
    if len(options) < 2 or letters != LETTERS[: len(options)]:
        raise InputError(
            f"question {index}: options {letters or 'none'!r}; "
            "2 to 10 options lettered A, B, C ... without gaps are needed"
        )
    texts = [text.strip().casefold() for text in options.values()]
    if any(not text for text in texts):
        raise InputError(f"question {index}: an option has no text")
    if len(set(texts)) < len(texts):
        raise InputError(f"question {index}: two options have the same text")
    if answer not in options:
        raise InputError(
            f"question {index}: answer {answer!r} is not among the options {', '.join(options)}"
        )
