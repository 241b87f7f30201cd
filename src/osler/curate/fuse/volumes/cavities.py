"""The cavities of the heart: is the one that the myocardium encloses called the left ventricle?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .dictionary import Dictionary

_SWAPPED = 0.2
"""By how much more of its border the right cavity touches the myocardium when names are swapped."""


def cavity_check(
    mask: NDArray[np.unsignedinteger], dictionary: Dictionary, spacing: tuple[float, ...]
) -> str:
    """What contradicts the anatomy of the ventricles, as words; empty if nothing does.

    The myocardium that datasets outline is that of the left ventricle, which it encloses; the
    right one touches it at the septum only. Both shares are taken within the slices.
    """
    found = {role: number for number, name in dictionary.labels.items() if (role := _role(name))}
    if len(found) < 3:
        return ""
    through = int(np.argmax(spacing))
    shares = {
        role: _share(mask, found[role], found["myocardium"], through) for role in ("left", "right")
    }
    left, right = shares["left"], shares["right"]
    if left is None or right is None or right <= left + _SWAPPED:
        return ""
    return (
        f"the myocardium encloses what is called {dictionary.labels[found['right']]!r} "
        f"({right:.0%} of its border, {left:.0%} of that of {dictionary.labels[found['left']]!r})"
    )


def _role(name: str) -> str:
    words = name.lower().replace("-", " ").replace("_", " ")
    if "myo" in words:
        return "myocardium"
    if "ventric" in words or words in ("lv", "rv", "lvc", "rvc"):
        return "left" if words.startswith("l") else "right" if words.startswith("r") else ""
    return ""


def _share(mask: NDArray[np.unsignedinteger], label: int, other: int, through: int) -> float | None:
    """Share of the border of ``label`` within slices at which ``other`` begins."""
    touching = border = 0
    for axis in range(3):
        if axis == through:
            continue
        near = np.moveaxis(mask, axis, 0)
        for one, next_to in ((near[:-1], near[1:]), (near[1:], near[:-1])):
            edge = next_to[(one == label) & (next_to != label)]
            border += edge.size
            touching += int((edge == other).sum())
    return touching / border if border else None
