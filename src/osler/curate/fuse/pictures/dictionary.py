"""Which number or colour of a mask is which class: an option, or a file that sets carry."""

from __future__ import annotations

import re

from osler.core import InputError

from ..case import Source
from ..faults import LayoutError
from .documents import json_of, rows_of, text_file
from .options import names_of

_COLOUR = re.compile(r"#[0-9a-f]{6}")
_NUMBER = re.compile(r"\d{1,9}")


def classes_of(source: Source) -> dict[str, str]:
    """Name of each number (``"1"``) or colour (``"#ff0000"``), by option ``classes`` or by a file.

    Files: ``classes.json`` (an object), ``labelmap.txt`` (CVAT: ``name:r,g,b::``),
    ``class_dict.csv`` (columns name, r, g, b). Empty if there is none.

    Raises
    ------
    LayoutError
        ``label-dictionary``: keys are neither all numbers nor all colours, or a name stands twice.
    InputError
        The option has the wrong type.
    """
    folder = source.folder
    where: object = f"option classes of {source.dataset}"
    if "classes" in source.options:
        found = names_of(source, "classes")
    elif (path := folder / "classes.json").is_file():
        content = json_of(path)
        if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
            raise LayoutError("label-dictionary", path, "is no object of names")
        found, where = {str(k): v for k, v in content.items()}, path
    elif (path := folder / "labelmap.txt").is_file():
        found, where = _labelmap(text_file(path).splitlines()), path
    elif (path := folder / "class_dict.csv").is_file():
        rows = rows_of(path, ("name", "r", "g", "b"))
        found, where = {_hex([row["r"], row["g"], row["b"]]): row["name"] for row in rows}, path
    else:
        return {}
    found = {key.strip().lower(): name.strip() for key, name in found.items()}
    form = _COLOUR if any(key.startswith("#") for key in found) else _NUMBER
    if not found or not all(form.fullmatch(key) for key in found):
        raise LayoutError(
            "label-dictionary",
            where,
            f"has the keys {', '.join(map(repr, list(found)[:8]))}, which are not all numbers or "
            "all colours such as '#ff0000'",
            "write it as {number or colour: name}",
        )
    if len(set(found.values())) < len(found) or not all(found.values()):
        raise LayoutError("label-dictionary", where, "names a class twice, or not at all")
    return found


def _labelmap(lines: list[str]) -> dict[str, str]:
    parts = [line.split(":") for line in lines if line.strip() and not line.startswith("#")]
    return {_hex(part[1].split(",")): part[0] for part in parts if len(part) > 1}


def _hex(values: list[str]) -> str:
    try:
        numbers = [int(v) for v in values]
    except ValueError as error:
        raise InputError(f"a colour of a class is {values}, not three numbers") from error
    if len(numbers) != 3 or not all(0 <= n <= 255 for n in numbers):
        raise InputError(f"a colour of a class is {values}, not three numbers from 0 to 255")
    return "#{:02x}{:02x}{:02x}".format(*numbers)
