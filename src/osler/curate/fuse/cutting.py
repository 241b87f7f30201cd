"""An axial slice of a volume as a picture, and back.

Rows run from the front to the back of the patient and columns from right to left, the way axial
pictures are shown and stored (DICOM PS3.3 C.7.6.2.1.1): the patient's right is at the left edge.
Values are those of the volume. The affine of a slice maps (column, row, 0, 1) to RAS+ mm, so that
nothing about its place is lost.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import InputError
from osler.images import Image


def slice_of(volume: Image, number: int) -> Image:
    """Plane ``number``, from the feet, of a volume in RAS+ axes.

    ``spacing`` is of rows and columns.

    Raises
    ------
    InputError
        The image is no volume ``xyz`` or ``xyzc``, or has no such plane.
    """
    if volume.axes not in ("xyz", "xyzc"):
        raise InputError(f"an image with the axes {volume.axes} has no axial slices")
    if not 0 <= number < volume.shape[2]:
        raise InputError(f"a volume of {volume.shape[2]} planes has no plane {number}")
    spacing, affine = volume.spacing, volume.affine
    return replace(
        volume,
        pixels=plane_of(volume.pixels, number),
        axes="yxc" if volume.has_colour else "yx",
        spacing=None if spacing is None else (spacing[1], spacing[0]),
        affine=None if affine is None else slice_affine(affine, volume.shape, number),
        meta={},
    )


def plane_of(volume: NDArray[Any], number: int) -> NDArray[Any]:
    """The values of one plane, row by row from the front, each from the patient's right."""
    return np.ascontiguousarray(volume[::-1, ::-1, number].swapaxes(0, 1))


def slice_affine(
    affine: NDArray[np.float64], shape: tuple[int, ...], number: int
) -> NDArray[np.float64]:
    """(column, row, 0, 1) to RAS+ mm, for a plane of a volume of ``shape`` with ``affine``."""
    turn = np.array(
        [[-1, 0, 0, shape[0] - 1], [0, -1, 0, shape[1] - 1], [0, 0, 1, number], [0, 0, 0, 1]],
        np.float64,
    )
    return np.asarray(affine, np.float64) @ turn


def as_volume(
    plane: NDArray[Any], affine: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """A slice as a volume of one plane in RAS+ axes, with its affine: :func:`slice_of` undone."""
    rows, columns = plane.shape[:2]
    turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    turn[0, 3], turn[1, 3] = columns - 1, rows - 1
    return plane.swapaxes(0, 1)[::-1, ::-1, np.newaxis], np.asarray(affine, np.float64) @ turn
