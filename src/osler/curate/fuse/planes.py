"""What each axial plane of a volume holds, found while the volume is read for a lock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.images import Image

AIR_HU = -500
"""Above it lies more than air: fat starts near -120 HU, lungs hold values above and below."""

SOME = 0.01
"""Share of a slice that must be more than air; a table alone is less."""

Runs = list[list[int]]
"""Numbers of planes as first and last of each run: ``[[3, 5], [9, 9]]``."""


def runs_of(numbers: Iterable[int]) -> Runs:
    """Rising numbers as runs.

    Examples
    --------
    >>> runs_of([3, 4, 5, 9])
    [[3, 5], [9, 9]]
    """
    found: Runs = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def numbers_of(runs: Iterable[Sequence[int]]) -> Iterator[int]:
    """The numbers that :func:`runs_of` told.

    Examples
    --------
    >>> list(numbers_of([[3, 5], [9, 9]]))
    [3, 4, 5, 9]
    """
    for first, last in runs:
        yield from range(first, last + 1)


def content_planes(image: Image, unit: str | None) -> Runs:
    """Planes along z of a volume that show something.

    One does not if all its values are equal or, where ``unit`` is ``HU``, if less than
    :data:`SOME` of them lie above :data:`AIR_HU`.
    """
    return runs_of(
        number
        for number in range(image.shape[2])
        if _shows(image.pixels[:, :, number], unit == "HU")
    )


def _shows(plane: NDArray[Any], hounsfield: bool) -> bool:
    if not plane.size or plane.max() == plane.min():
        return False
    return not hounsfield or float((plane > AIR_HU).mean()) >= SOME


def label_planes(mask: NDArray[Any], labels: Sequence[Any]) -> list[Runs]:
    """The planes along z in which each of ``labels`` occurs."""
    held: dict[Any, list[int]] = {label: [] for label in labels}
    for number in range(mask.shape[2]):
        for label in _values(mask[:, :, number]):
            held[label].append(number)
    return [runs_of(held[label]) for label in labels]


def _values(plane: NDArray[Any]) -> list[Any]:
    if plane.dtype.kind in "ui" and plane.size and plane.min() >= 0 and plane.max() < 65536:
        counted: list[Any] = np.flatnonzero(np.bincount(plane.ravel())).tolist()
        return counted
    found: list[Any] = np.unique(plane).tolist()
    return found
