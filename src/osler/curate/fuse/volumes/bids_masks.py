"""Which images of a BIDS subject a mask belongs to: by sidecar, by names, by grid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..case import Source
from ..faults import LayoutError
from .bids_names import Name, metadata
from .files import fetched, stem
from .grid import Grid, check_same, grid_of
from .settings import form_of

_RAW = frozenset({"task", "acq", "ce", "trc", "stain", "rec", "dir", "run", "mod", "echo", "flip",
                  "inv", "mt", "part", "sample", "chunk"})  # fmt: skip
"""Entities that tell images of one session apart: a mask with one is of an image with it."""


def elsewhere(name: Name) -> bool:
    """True for a mask that is said to lie in a space that is not that of an image (a template)."""
    return name.entities.get("space", "orig") not in ("orig", "individual", "native")


def _belongs(mask: Name, image: Name) -> bool:
    """Whether names allow that a mask is of an image: same subject and session, nothing against."""
    own, other = mask.entities, image.entities
    return (
        all(own.get(key) == other.get(key) for key in ("sub", "ses"))
        and all(own[key] == value for key, value in other.items() if key in own)
        and not (_RAW & own.keys()) - other.keys()
    )


def owners(
    path: Path,
    name: Name,
    images: list[tuple[Path, Name]],
    grids: Mapping[Path, Grid],
    source: Source,
) -> tuple[list[str], LayoutError | None]:
    """Keys of the images that a mask belongs to, and what is wrong with the mask."""
    shared = [image for image, other in images if _belongs(name, other)]
    keys = [stem(image) for image in shared]
    try:
        said = metadata(path, source.folder, "")
        named = said.get("RawSources", said.get("Sources", []))
        named = named if isinstance(named, list) else [named]
        ends = {str(one).rsplit("/", 1)[-1] for one in named if isinstance(one, str)}
        stated = [image for image in shared if image.name in ends]
        fetched(path, "", "mask")
        grid = grid_of(path, "", form_of(source))
    except LayoutError as error:
        return keys, error
    on_grid = [image for image in shared if image in grids and _same(grids[image], grid, path)]
    if stated and not (elsewhere(name) and not on_grid):
        return [stem(image) for image in stated], None
    suffixes = {other.suffix for image, other in images if image in shared}
    if on_grid or (elsewhere(name) and name.entities["space"] not in suffixes):
        return [stem(image) for image in on_grid], None
    # Where none lies on its grid, the mask is a fault of all that it may belong to.
    return keys, None


def _same(image: Grid, mask: Grid, path: Path) -> bool:
    try:
        check_same(image, mask, path, "")
    except LayoutError:
        return False
    return True
