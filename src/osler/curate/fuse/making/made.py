"""A made dataset: a folder in some layout, and the truth about every case in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..case import Source


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What a maker wrote.

    ``source`` names the folder, the layout and the options with which it loads. ``cases`` maps the
    key of each case to what is true of it: ``patient``, ``voxels`` (native label -> count) and, for
    volumes, ``affine`` (4 x 4, rows), ``unit`` and ``landmarks`` (name -> RAS+ mm); for pictures,
    boxes, classes, answers and the like, as the maker says.
    """

    source: Source
    cases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
