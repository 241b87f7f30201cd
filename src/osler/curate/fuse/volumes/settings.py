"""Settings that sources of volumes share: a goal's ``sources[].options``, checked by type."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, get_args

from osler.core import InputError
from osler.images import Unit

from ..case import Source
from ..pictures.options import choice_of
from ..pictures.template import patient_from

COMMON = {
    "unit": 'unit of the values where the files state none: "HU", "SUV", "Bq/mL", "a.u."',
    "suv": '"bw": PET becomes SUV by body weight',
    "label_table": 'table of labels to map names with, or "none" for the dictionary of the set',
    "laterality": '"off": left and right are not held against the anatomy (situs inversus)',
}
"""Options of every layout of volumes."""

FORM = 'which to believe where the two of a NIfTI header disagree: "sform" or "qform"'
PATIENT = "where the patient stands in the key of a case, such as {patient}_{*}"


def form_of(source: Source) -> str:
    """The option ``form``: "sform", "qform" or "" (a disagreement is a fault)."""
    return choice_of(source, "form", ("", "sform", "qform"))


def unit_of(source: Source) -> str:
    """The option ``unit``, or ""."""
    return choice_of(source, "unit", ("", *get_args(Unit)))


def list_of(source: Source, name: str, default: list[str]) -> list[str]:
    """An option that is a list of texts.

    Raises
    ------
    InputError
        If it is something else.
    """
    value: Any = source.options.get(name, default)
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise InputError(
            f"source {source.dataset}: option {name!r} is {str(value)[:60]!r}; give a list of texts"
        )
    return list(value)


def patient_in(source: Source, key: str) -> str:
    """The patient that the option ``patient_pattern`` finds in the key of a case, or "".

    Raises
    ------
    LayoutError
        ``patient-unknown`` if the key does not fit the pattern.
    """
    return patient_from(source, PurePath(f"{key}.nii"), case=key)
