"""Tables of calibrated levels: what a level means for a key and a modality, as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from osler.core import BadFileError
from osler.images import MODALITIES

from .apply import full_params
from .registry import Value, degradation_named

FORMAT = "osler-levels/1"

LevelTable = Mapping[str, Mapping[str, Mapping[int, Mapping[str, Value]]]]
"""Key -> modality (``*``: any) -> level -> parameters that replace the published ones."""


def load_levels(path: str | Path) -> LevelTable:
    """The table in a JSON file written by ``osler degrade calibrate`` (or by hand).

    Raises
    ------
    BadFileError
        If the file is missing, no JSON, of another format, or names an unknown modality.
    UnknownNameError
        If it names an unknown degradation or parameter.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadFileError(path, f"cannot be read as a table of levels ({error})") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BadFileError(path, f"is no table of levels (format {FORMAT})", "see calibrate")
    table: dict[str, dict[str, dict[int, dict[str, Value]]]] = {}
    try:
        for key, by_modality in data["levels"].items():
            entry = degradation_named(key)
            rows = table.setdefault(entry.key, {})
            for modality, levels in by_modality.items():
                if modality != "*" and modality not in MODALITIES:
                    raise BadFileError(path, f"names the unknown modality {modality!r}")
                rows[modality] = {int(level): dict(row) for level, row in levels.items()}
                for level, row in rows[modality].items():
                    full_params(entry, level, None if modality == "*" else modality, row)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadFileError(path, f"is not built as a table of levels ({error})") from error
    return table


def levels_document(table: LevelTable, fits: list[dict[str, Any]]) -> dict[str, Any]:
    """The JSON document of a table, with how it was fitted."""
    levels = {
        key: {
            modality: {str(level): dict(row) for level, row in sorted(rows.items())}
            for modality, rows in sorted(by_modality.items())
        }
        for key, by_modality in sorted(table.items())
    }
    return {"format": FORMAT, "levels": levels, "fits": fits}
