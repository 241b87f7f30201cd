"""Named degradations x severity: see README.md. Nothing heavy is imported until it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .registry import (
    Category,
    Degradation,
    Draw,
    Frame,
    degradation,
    degradation_named,
    degradations,
)

if TYPE_CHECKING:
    from .apply import Degraded, Record, degrade, parameter_names, replay, transform_points
    from .calibrate import Target, calibrate_levels
    from .files import FilesReport, degrade_files
    from .planes import frame_of

_LAZY = {
    "Degraded": "apply",
    "FilesReport": "files",
    "Record": "apply",
    "Target": "calibrate",
    "calibrate_levels": "calibrate",
    "degrade": "apply",
    "degrade_files": "files",
    "frame_of": "planes",
    "parameter_names": "apply",
    "replay": "apply",
    "transform_points": "apply",
}

__all__ = [
    "Category",
    "Degradation",
    "Degraded",
    "Draw",
    "FilesReport",
    "Frame",
    "Record",
    "Target",
    "calibrate_levels",
    "degradation",
    "degradation_named",
    "degradations",
    "degrade",
    "degrade_files",
    "frame_of",
    "parameter_names",
    "replay",
    "transform_points",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
