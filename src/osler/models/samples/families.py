"""Families of questions: one wording, one set of possible answers each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of question.

    ``answers`` maps the key of an answer to its text as an option; ``shown`` is how many options
    a question offers; ``capability`` is the MedQ-Deg mid task it counts for.
    """

    key: str
    question: str
    answers: Mapping[str, str]
    shown: int
    capability: str


_YES_NO = {"yes": "Yes", "no": "No"}
_LEFT_RIGHT = {"left": "The left side", "right": "The right side"}

FAMILIES: tuple[Family, ...] = (
    Family(
        "modality",
        "Which technique produced this image?",
        {
            "ct": "Computed tomography (CT)",
            "mri": "Magnetic resonance imaging (MRI)",
            "ultrasound": "Ultrasound",
            "nuclear": "Bone scintigraphy (nuclear medicine)",
            "fundus": "Fundus photography",
            "pathology": "Light microscopy of stained tissue",
            "xray": "Radiography (X-ray)",
        },
        5,
        "perception",
    ),
    Family(
        "region",
        "Which part of the body does this image show?",
        {
            "head": "Head or brain",
            "chest": "Chest with thoracic spine",
            "abdomen": "Upper abdomen",
            "heart": "Heart",
            "eye": "Eye",
            "colon": "Colon",
            "skin": "Skin",
            "node": "Lymph node",
            "skeleton": "Skeleton, all or most of it",
            "neck": "Neck",
        },
        5,
        "perception",
    ),
    Family(
        "formation",
        "How was this image formed?",
        {
            "slice": "A slice through the body, computed from measurements",
            "projection": "A projection of the whole depth of the body onto one plane",
            "photograph": "A photograph of a surface by reflected light",
            "section": "A thin tissue section seen through a microscope",
        },
        4,
        "perception",
    ),
    Family(
        "colour",
        "Which colours does this image have?",
        {
            "grey": "Shades of grey only",
            "overlay": "Shades of grey with some coloured parts",
            "full": "Colour throughout",
        },
        3,
        "perception",
    ),
    Family("text", "Is there lettering burned into this image?", _YES_NO, 2, "perception"),
    Family(
        "plane",
        "In which anatomical plane does this slice lie?",
        {"axial": "Axial", "coronal": "Coronal", "sagittal": "Sagittal"},
        3,
        "anatomy",
    ),
    Family(
        "anterior",
        "Towards which edge of this image does the front of the patient point?",
        {"top": "Top", "bottom": "Bottom", "left": "Left", "right": "Right"},
        4,
        "anatomy",
    ),
    Family(
        "hemisphere",
        "The patient's left is towards the right edge of this crop. "
        "Which side of the brain does it show?",
        _LEFT_RIGHT,
        2,
        "anatomy",
    ),
    Family(
        "level",
        "At which level does this axial slice cut the brain?",
        {
            "cerebellum": "Through the cerebellum",
            "ventricles": "Through the lateral ventricles",
            "vertex": "Above the lateral ventricles",
        },
        3,
        "anatomy",
    ),
    Family(
        "patient_left",
        "Judging by the organs, on which side of this image is the patient's left?",
        _LEFT_RIGHT,
        2,
        "anatomy",
    ),
    Family(
        "extent",
        "Which part of the skeleton is in this picture?",
        {"whole": "The whole body", "trunk": "Head and trunk", "legs": "The legs"},
        3,
        "anatomy",
    ),
    Family(
        "outline",
        "What does the drawn outline mark?",
        {
            "lesion": "A focal lesion of the liver",
            "gallbladder": "The gallbladder",
            "kidney": "The right kidney",
            "aorta": "The aorta",
        },
        4,
        "finding",
    ),
    Family(
        "stain",
        "How is this tissue stained?",
        {
            "dab": "Immunohistochemistry: brown DAB with blue haematoxylin",
            "he": "Haematoxylin and eosin",
            "trichrome": "Masson trichrome",
            "silver": "Silver impregnation",
        },
        4,
        "finding",
    ),
    Family("disc", "Is the optic disc visible in this image?", _YES_NO, 2, "finding"),
    Family("eye", "Which eye is this?", {"left": "Left eye", "right": "Right eye"}, 2, "anatomy"),
)
"""Every family; their questions differ, so that the wording alone tells the family."""

_BY_QUESTION = {family.question: family for family in FAMILIES}
_BY_KEY = {family.key: family for family in FAMILIES}


def family_of(question: str) -> Family | None:
    """The family that asks ``question``, or None where none of ours does."""
    return _BY_QUESTION.get(question.strip())


def family_named(key: str) -> Family:
    """The family called ``key``."""
    return _BY_KEY[key]
