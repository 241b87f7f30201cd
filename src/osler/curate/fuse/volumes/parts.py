"""A binary mask for each structure, put together to one label map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..case import Annotation, Source
from ..faults import LayoutError
from ..pictures.options import flag_of
from .files import stem
from .grid import Grid
from .masks import check_sides, read_map
from .sides import Centre, place_of


def from_parts(
    paths: list[Path],
    grid: Grid,
    source: Source,
    key: str,
    looked_for: tuple[str, ...] | None = None,
) -> tuple[Annotation, ...]:
    """Binary masks as one label map in their order, or each for itself (``exclusive`` false).

    Their names are those of the files.

    Raises
    ------
    LayoutError
        ``mask-overlap``, ``grid-mismatch``, ``label-value``, ``mask-is-image``, ``laterality``.
    """
    exclusive = flag_of(source, "exclusive", True)
    labels = {str(number): stem(path) for number, path in enumerate(paths, 1)}
    kind: type[Any] = np.uint8 if len(paths) < 256 else np.uint16
    merged: NDArray[Any] = np.zeros(grid.shape, kind, order="F")
    flat = merged.reshape(-1, order="F")
    apart: list[Annotation] = []
    places: dict[str, Centre] = {}
    for number, path in enumerate(paths, 1):
        mask = read_map(path, grid, source, key)
        spots = _spots(mask, path, key)
        if spots.size:
            voxel = np.array([axis.mean() for axis in np.unravel_index(spots, grid.shape, "F")])
            places[stem(path)] = place_of(voxel, grid.affine)
        if not exclusive:
            binary = (mask > 0).view(np.uint8)
            apart.append(
                Annotation("mask", binary, {"1": stem(path)}, source_dataset=source.dataset)
            )
            continue
        taken = flat[spots]
        if taken.any():
            other = labels[str(int(taken.max()))]
            raise LayoutError(
                "mask-overlap",
                path,
                f"claims {int((taken > 0).sum()):,} voxels that {other!r} claims too",
                'set the option "exclusive" to false if structures may overlap',
                case=key,
            )
        flat[spots] = number
    check_sides(places, source, paths[0].parent, key)
    if not exclusive:
        return tuple(apart)
    return (Annotation("mask", merged, labels, looked_for, source_dataset=source.dataset),)


def _spots(mask: NDArray[Any], path: Path, key: str) -> NDArray[np.intp]:
    """Flat indices (first axis fastest) of a mask that holds 0 and one other value, 1 or 255."""
    flat = mask.reshape(-1, order="F")
    spots = np.flatnonzero(flat)
    values = np.unique(flat[spots])
    if values.size > 1 or not set(values.tolist()) <= {1, 255}:
        listing = ", ".join(map(str, values[:8].tolist()))
        raise LayoutError(
            "label-value", path, f"is a binary mask but holds the values {listing}", case=key
        )
    return spots
