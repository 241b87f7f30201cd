"""Where voxels lie: orientation, planes by their anatomical names, the radiological convention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from osler.core import InputError

from .image import Image

View = Literal["axial", "coronal", "sagittal"]
Affine = NDArray[np.float64]

_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))
_NORMAL: dict[str, int] = {"sagittal": 0, "coronal": 1, "axial": 2}


def spacing_of(affine: Affine) -> tuple[float, float, float]:
    """Millimetres along each voxel axis: the lengths of the columns of ``affine``."""
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0)
    return float(x), float(y), float(z)


def corner_distance(one: Affine, other: Affine, shape: Sequence[int]) -> float:
    """Largest distance in mm between where two affines put the eight corner voxels."""
    ends = [(0, n - 1) for n in shape[:3]]
    corners = np.array([(x, y, z, 1) for x in ends[0] for y in ends[1] for z in ends[2]])
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())


def _directions(affine: Affine) -> tuple[list[int], list[int]]:
    """For each voxel axis the body axis it is nearest to, and its sign; each body axis once."""
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    body, sign = [0, 0, 0], [1, 1, 1]
    left = np.abs(cosines)
    for _ in range(3):
        row, column = divmod(int(left.argmax()), 3)
        body[column], sign[column] = row, 1 if cosines[row, column] >= 0 else -1
        left[row, :] = -1
        left[:, column] = -1
    return body, sign


def orientation(affine: Affine) -> str:
    """Three letters that say where each voxel axis points, such as ``RAS`` or ``LPS``."""
    body, sign = _directions(affine)
    return "".join(_LETTERS[b][s > 0] for b, s in zip(body, sign, strict=True))


def to_ras(image: Image) -> Image:
    """The volume with its axes permuted and flipped so that they point nearest to R, A, S.

    No value is interpolated; the affine moves along, so every voxel keeps its place in the body.

    Raises
    ------
    InputError
        If the image is no volume or has no affine.
    """
    affine = _need_affine(image)
    body, sign = _directions(affine)
    order = [body.index(axis) for axis in range(3)]
    pixels = image.pixels.transpose(*order, *range(3, image.pixels.ndim))
    moved = affine[:, [*order, 3]].copy()
    for axis in range(3):
        if sign[order[axis]] < 0:
            pixels = np.flip(pixels, axis)
            moved[:3, 3] += moved[:3, axis] * (pixels.shape[axis] - 1)
            moved[:3, axis] *= -1
    spacing = image.spacing and tuple(image.spacing[axis] for axis in order)
    return image.with_pixels(pixels, affine=moved, spacing=spacing)


def _need_affine(image: Image) -> Affine:
    if not image.is_volume:
        raise InputError(f"{image.source or 'image'} is no volume (axes {image.axes!r})")
    if image.affine is None:
        raise InputError(
            f"{image.source or 'image'} states no orientation, so its planes have no anatomical "
            "names; use osler.images.planes for planes along a voxel axis"
        )
    return image.affine


def plane(image: Image, view: View = "axial", index: int | None = None, frame: int = 0) -> Image:
    """One plane of a volume as a reader sees it, in the radiological convention.

    Axial: seen from the feet, patient's right at the viewer's left, anterior on top. Coronal:
    seen from the front, patient's right at the left, superior on top. Sagittal: anterior at the
    left, superior on top. Planes of an oblique volume are those nearest to these.

    Parameters
    ----------
    index
        Counted along R (sagittal), A (coronal) or S (axial); the middle one if None.
    frame
        Time point of a volume ``xyzt``.

    Returns
    -------
    Image
        Axes ``yx`` or ``yxc``, with spacing (row, column) and affine; ``meta`` states view and
        index.

    Raises
    ------
    InputError
        If the image is no volume, has no affine, or has no such plane.
    """
    if view not in _NORMAL:
        raise InputError(f"unknown view {view!r}; use axial, coronal or sagittal")
    volume = to_ras(_at(image, frame))
    normal = _NORMAL[view]
    count = volume.pixels.shape[normal]
    index = count // 2 if index is None else index
    if not 0 <= index < count:
        raise InputError(f"there is no {view} plane {index}; use 0 to {count - 1}")
    across, down = [axis for axis in range(3) if axis != normal]
    affine = volume.affine
    assert affine is not None  # to_ras needs it
    pixels = np.flip(volume.pixels.take(index, axis=normal).swapaxes(0, 1), (0, 1))
    start = np.zeros(4)
    start[[normal, across, down, 3]] = (
        index,
        volume.shape[across] - 1,
        volume.shape[down] - 1,
        1,
    )
    flat = np.stack([-affine[:, across], -affine[:, down], affine[:, normal], affine @ start], 1)
    x, y, _ = spacing_of(flat)
    return volume.with_pixels(
        np.ascontiguousarray(pixels),
        axes="yxc" if image.has_colour else "yx",
        affine=flat,
        spacing=(y, x),
        meta={**image.meta, "view": view, "plane": str(index)},
    )


def _at(image: Image, frame: int) -> Image:
    if image.axes != "xyzt":
        return image
    count = image.shape[3]
    if not 0 <= frame < count:
        raise InputError(f"{image.source or 'image'} has {count} volumes, no {frame}")
    return image.with_pixels(image.pixels[..., frame], axes="xyz")


def planes(image: Image, axis: Literal["x", "y", "z"] = "z", frame: int = 0) -> Iterator[Image]:
    """All planes of a volume along a voxel axis, or all frames of a cine, in stored order.

    Rows and columns are the two other voxel axes, the later one down the rows (for ``z``: rows
    y, columns x), without any flip. A plane yields itself.
    """
    if image.axes in ("yx", "yxc"):
        yield image
        return
    if not image.is_volume:
        for index, pixels in enumerate(image.pixels):
            yield _flat(image, pixels, image.spacing, None, "frame", index)
        return
    volume = _at(image, frame)
    if axis not in ("x", "y", "z"):
        raise InputError(f"unknown axis {axis!r}; use x, y or z")
    normal = "xyz".index(axis)
    across, down = [n for n in range(3) if n != normal]
    spacing = volume.spacing and (volume.spacing[down], volume.spacing[across])
    for index in range(volume.shape[normal]):
        affine = None
        if volume.affine is not None:
            affine = volume.affine[:, [across, down, normal, 3]].copy()
            affine[:, 3] += volume.affine[:, normal] * index
        pixels = volume.pixels.take(index, axis=normal).swapaxes(0, 1)
        yield _flat(volume, np.ascontiguousarray(pixels), spacing, affine, "plane", index)


def _flat(
    image: Image,
    pixels: NDArray[Any],
    spacing: tuple[float, ...] | None,
    affine: Affine | None,
    word: str,
    index: int,
) -> Image:
    return image.with_pixels(
        pixels,
        axes="yxc" if image.has_colour else "yx",
        spacing=spacing,
        affine=affine,
        meta={**image.meta, word: str(index)},
    )
