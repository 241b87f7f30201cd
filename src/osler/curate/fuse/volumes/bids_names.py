"""Names of files in BIDS: entities, suffix, and the sidecars that apply to a file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..faults import LayoutError
from .files import stem
from .tables import object_of

_ENTITY = re.compile(r"([a-zA-Z0-9]+)-([a-zA-Z0-9.+]+)")


@dataclass(frozen=True, slots=True)
class Name:
    """``sub-01_ses-02_acq-fast_T1w``: entities in their order, and the suffix ``T1w``."""

    entities: dict[str, str] = field(default_factory=dict)
    suffix: str = ""

    def without(self, *names: str) -> dict[str, str]:
        """The entities but these."""
        return {key: value for key, value in self.entities.items() if key not in names}


def name_of(path: Path) -> Name | None:
    """The parts of a BIDS name; None if it is none.

    Examples
    --------
    >>> name_of(Path("sub-01_label-lesion_mask.nii.gz"))
    Name(entities={'sub': '01', 'label': 'lesion'}, suffix='mask')
    """
    *parts, suffix = stem(path).split("_")
    entities: dict[str, str] = {}
    for part in parts:
        match = _ENTITY.fullmatch(part)
        if match is None or match[1] in entities:
            return None
        entities[match[1]] = match[2]
    if not re.fullmatch(r"[a-zA-Z0-9]+", suffix):
        return None
    return Name(entities, suffix)


def sidecars(path: Path, root: Path, ending: str = ".json") -> list[Path]:
    """Sidecars that apply to a file by the inheritance principle, the farthest first.

    One applies if it lies in the same folder or above, has the same suffix, and no entity that the
    file has not.

    Raises
    ------
    LayoutError
        ``table-row`` if two in one folder apply equally well.
    """
    name = name_of(path)
    if name is None:
        return []
    found: list[Path] = []
    folders = [path.parent, *path.parent.parents]
    for folder in reversed(folders[: folders.index(root) + 1]):
        here: list[tuple[int, Path]] = []
        for candidate in sorted(folder.glob(f"*{name.suffix}{ending}")):
            other = name_of(candidate)
            if other is not None and other.suffix == name.suffix:
                shared = other.entities.items() <= name.entities.items()
                here += [(len(other.entities), candidate)] if shared else []
        here.sort(key=lambda pair: pair[0])
        for one, other_one in pairwise(here):
            if one[0] == other_one[0]:
                raise LayoutError(
                    "table-row",
                    one[1],
                    f"and {other_one[1].name} both apply to {path.name}, and neither is nearer",
                )
        found += [candidate for _, candidate in here]
    return found


def metadata(path: Path, root: Path, case: str) -> dict[str, Any]:
    """What the sidecars of a file say together; the nearest wins.

    Raises
    ------
    LayoutError
        As :func:`sidecars`; ``file-unreadable``, ``file-dangling`` for a broken sidecar.
    """
    merged: dict[str, Any] = {}
    for sidecar in sidecars(path, root):
        merged |= object_of(sidecar, case)
    return merged
