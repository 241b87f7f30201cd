"""The names of modalities, and the many ways people write them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal, get_args

from osler.core import UnknownNameError

Modality = Literal[
    "ct",
    "mri",
    "pet",
    "ultrasound",
    "xray",
    "endoscopy",
    "pathology",
    "dermoscopy",
    "fundus",
    "oct",
    "nuclear",
    "angiography",
]

MODALITIES: tuple[Modality, ...] = get_args(Modality)

GREY: frozenset[Modality] = frozenset(
    {"ct", "mri", "pet", "ultrasound", "xray", "oct", "nuclear", "angiography"}
)
"""Modalities whose pixels are one physical quantity; colour there is an overlay."""

# DICOM defined terms (PS3.3 C.7.3.1.1.1) and the spellings of the public question sets.
_ALIASES: dict[str, Modality] = {
    "computed tomography": "ct",
    "ct(computed tomography)": "ct",
    "cta": "ct",
    "mr": "mri",
    "magnetic resonance": "mri",
    "magnetic resonance imaging": "mri",
    "mr (mag-netic resonance imaging)": "mri",
    "pt": "pet",
    "positron emission tomography": "pet",
    "us": "ultrasound",
    "echo": "ultrasound",
    "ivus": "ultrasound",
    "sonography": "ultrasound",
    "cr": "xray",
    "dx": "xray",
    "mg": "xray",
    "rg": "xray",
    "x-ray": "xray",
    "x ray": "xray",
    "xr": "xray",
    "radiograph": "xray",
    "radiography": "xray",
    "es": "endoscopy",
    "colonoscopy": "endoscopy",
    "gastroscopy": "endoscopy",
    "sm": "pathology",
    "gm": "pathology",
    "histopathology": "pathology",
    "histology": "pathology",
    "microscopy": "pathology",
    "microscopy images": "pathology",
    "dermatoscopy": "dermoscopy",
    "derm": "dermoscopy",
    "xc": "dermoscopy",
    "op": "fundus",
    "fundus photography": "fundus",
    "retina": "fundus",
    "opt": "oct",
    "optical coherence tomography": "oct",
    "nm": "nuclear",
    "scintigraphy": "nuclear",
    "xa": "angiography",
    "rf": "angiography",
}


def find_modality(text: str | None) -> Modality | None:
    """The modality that ``text`` names, or None where it names none we know.

    Examples
    --------
    >>> find_modality("X-Ray"), find_modality("MR"), find_modality("harp")
    ('xray', 'mri', None)
    """
    key = (text or "").strip().lower().replace("_", " ")
    if key in MODALITIES:
        return key
    return _ALIASES.get(key)


def _near(text: str) -> tuple[str, ...]:
    """Names to choose among: ours, unless ``text`` is close to another spelling of one."""
    names = (*MODALITIES, *_ALIASES)
    return names if get_close_matches(text, names, cutoff=0.5) else MODALITIES


def modality_named(text: str) -> Modality:
    """As :func:`find_modality`, but an unknown name raises ``UnknownNameError``."""
    found = find_modality(text)
    if found is None:
        raise UnknownNameError("modality", text, _near(text))
    return found
