"""Left and right: do the names of masks agree with where the masks lie?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIDE = re.compile(r"(?<![a-z])(left|right|lt|rt|l|r)(?![a-z])")
_WORDS = {"left": "left", "lt": "left", "l": "left", "right": "right", "rt": "right", "r": "right"}
_ORGANS = {"liver": "right", "gallbladder": "right", "spleen": "left", "stomach": "left"}

_PAIR_MM = 2.0
_ORGAN_MM = 15.0
"""Centres nearer than this to each other do not tell left from right."""

_KIDNEY_MM = 20.0
"""A single kidney lies at least so far to its side of an organ of the other side."""

Centre = tuple[float, float, float]


def side_of(name: str) -> tuple[str, str]:
    """What a native name calls a structure, without its side, and the side.

    Examples
    --------
    >>> side_of("kidney_left"), side_of("Lung-R"), side_of("liver")
    (('kidney', 'left'), ('lung', 'right'), ('liver', ''))
    """
    plain = re.sub(r"[^a-z0-9]+", " ", name.lower()).strip()
    sides = {_WORDS[word] for word in _SIDE.findall(plain)}
    if len(sides) != 1:
        return plain, ""
    return re.sub(r"\s+", " ", _SIDE.sub(" ", plain)).strip(), sides.pop()


def has_side(name: str) -> bool:
    """True for a structure whose place :func:`laterality_check` looks at."""
    what, side = side_of(name)
    return bool(side) or what in _ORGANS


def centres(
    mask: NDArray[Any], affine: NDArray[np.float64], labels: Mapping[int, str]
) -> dict[str, Centre]:
    """Centre in RAS+ mm of each label of a map that has a side; those without voxels are left out.

    ``labels`` maps values of ``mask`` (unsigned, x y z) to names.
    """
    wanted = {number: name for number, name in labels.items() if number and has_side(name)}
    if not wanted:
        return {}
    top = max(wanted)
    chosen = np.zeros(max(top, int(mask.max())) + 1, bool)
    chosen[list(wanted)] = True
    sums = np.zeros((4, top + 1))
    for z in range(mask.shape[2]):
        plane = mask[:, :, z].T  # rows of this view lie together in memory
        ys, xs = np.nonzero(chosen[plane])
        if xs.size:
            ids = plane[ys, xs]
            here = np.bincount(ids, minlength=top + 1)
            sums[0] += np.bincount(ids, xs, top + 1)
            sums[1] += np.bincount(ids, ys, top + 1)
            sums[2] += here * z
            sums[3] += here
    return {
        name: place_of(sums[:3, number] / sums[3, number], affine)
        for number, name in wanted.items()
        if sums[3, number]
    }


def centre(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> Centre | None:
    """Centre of a binary mask in RAS+ mm, None where it is empty."""
    spots = np.flatnonzero(mask.reshape(-1, order="F"))
    if not spots.size:
        return None
    return place_of(
        np.array([axis.mean() for axis in np.unravel_index(spots, mask.shape, "F")]), affine
    )


def place_of(voxel: NDArray[np.float64], affine: NDArray[np.float64]) -> Centre:
    """Where a voxel index lies, RAS+ mm."""
    x, y, z = affine[:3, :3] @ voxel + affine[:3, 3]
    return float(x), float(y), float(z)


def laterality_check(found: Mapping[str, Centre] | Iterable[tuple[str, Centre]]) -> str:
    """What contradicts the anatomy among named centres (RAS+ mm), as words; empty if nothing does.

    A structure called left must lie to the patient's left (smaller x in RAS+) of its namesake
    called right. The liver and gallbladder must lie to the right of spleen and stomach, and a
    single kidney on its side of those of the other side. Nothing is said of centres too near to
    tell.
    """
    places = dict(found)
    pairs: dict[str, dict[str, tuple[str, float]]] = {}
    for name, (x, _, _) in places.items():
        what, side = side_of(name)
        if side:
            pairs.setdefault(what, {})[side] = (name, x)
    for both in pairs.values():
        if len(both) == 2:
            (left, at), (right, beside) = both["left"], both["right"]
            if at > beside + _PAIR_MM:
                return f"{left!r} lies {at - beside:.0f} mm to the patient's right of {right!r}"
    anchors = [(name, _ORGANS[what], xyz[0]) for name, xyz in places.items()
               if (what := side_of(name)[0]) in _ORGANS and not side_of(name)[1]]  # fmt: skip
    single = [(name, side, x) for both in pairs.values() for side, (name, x) in both.items()
              if len(both) == 1 and "kidney" in name.lower()]  # fmt: skip
    for found_ones, least in ((anchors, -_ORGAN_MM), (single, _KIDNEY_MM)):
        for name, side, x in found_ones:
            for other, opposite, there in anchors:
                apart = there - x if side == "left" else x - there
                if side != opposite and apart < least:
                    far = f"{abs(apart):.0f} mm {'too near to' if apart > 0 else 'beyond'}"
                    return f"{name!r}, which is on the {side}, lies {far} {other!r}"
    return ""
