"""Tables beside volumes: JSON objects, ages and sexes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..faults import LayoutError
from ..pictures.documents import json_of


def object_of(path: Path, case: str = "") -> dict[str, Any]:
    """The object in a JSON file.

    Raises
    ------
    LayoutError
        ``file-missing``, ``file-dangling``, or ``file-unreadable`` if it is broken, too deep,
        states a name twice, or holds no object.
    """
    try:
        value = json_of(path)
    except LayoutError as error:
        error.case = error.case or case
        raise
    if not isinstance(value, dict):
        raise LayoutError("file-unreadable", path, "holds no JSON object", case=case)
    return value


def demographics(age: object, sex: object) -> dict[str, str]:
    """``age_band`` (decades) and ``sex`` from what a table says; what it does not say is left out.

    From 90 years on there is one band, "90+", as 45 CFR 164.514(b) asks.

    Ages may be years ("63", "63.5", "063Y"), months or days ("006M", "012D"). "M"/"F" and
    "male"/"female" are known for the sex, anything else that is stated is "O".

    Examples
    --------
    >>> demographics("063Y", "male")
    {'age_band': '60-69', 'sex': 'M'}
    """
    found: dict[str, str] = {}
    text = str(age if age is not None else "").strip().upper()
    per_year = {"M": 12.0, "W": 52.18, "D": 365.25}
    try:
        years = float(text.rstrip("YMWD")) / per_year.get(text[-1:], 1.0)
    except ValueError:
        years = -1.0
    if 0 <= years < 130:
        decade = int(years // 10) * 10
        found["age_band"] = f"{decade}-{decade + 9}" if decade < 90 else "90+"
    kind = str(sex if sex is not None else "").strip().lower()
    if kind and kind not in ("n/a", "nan", "none", "unknown"):
        found["sex"] = {"m": "M", "male": "M", "f": "F", "female": "F"}.get(kind, "O")
    return found
