"""Made anatomy: ellipsoids where organs lie, in RAS+ mm, drawn on any grid.

Nothing here is a picture of a person. Right organs lie at the patient's right (larger x in RAS+),
values are as CT or MR would have them, and every structure is an ellipsoid, so that its volume has
a closed form: 4/3 pi a b c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Affine = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Organ:
    """Centre and half axes in RAS+ mm, and a typical value (HU for the trunk)."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    value: float


TRUNK: dict[str, Organ] = {
    "liver": Organ((62, 8, 18), (48, 44, 34), 60),
    "spleen": Organ((-78, -22, 20), (20, 26, 24), 50),
    "right kidney": Organ((48, -52, -32), (18, 18, 27), 36),
    "left kidney": Organ((-50, -52, -26), (18, 18, 27), 34),
    "stomach": Organ((-42, 34, 20), (28, 22, 24), 25),
    "gallbladder": Organ((34, 42, -22), (11, 12, 14), 8),
    "pancreas": Organ((-2, 12, -14), (28, 9, 9), 42),
    "aorta": Organ((-9, -34, 0), (10, 10, 58), 160),
    "inferior vena cava": Organ((14, -32, -4), (10, 10, 50), 120),
    "duodenum": Organ((32, 10, -36), (13, 13, 13), 30),
    "esophagus": Organ((-3, -12, 48), (9, 9, 16), 28),
    "right adrenal gland": Organ((36, -38, 6), (8, 8, 8), 38),
    "left adrenal gland": Organ((-34, -38, 8), (8, 8, 8), 39),
    "bladder": Organ((0, 20, -58), (22, 16, 14), 5),
}
"""Organs of the trunk, none of which touches another."""

BODY = Organ((0, 0, 0), (115, 85, 95), 10)


def grid(
    shape: Sequence[int],
    spacing: Sequence[float],
    *,
    orientation: str = "RAS",
    centre: Sequence[float] = (0.0, 0.0, 0.0),
    tilt_degrees: float = 0.0,
) -> Affine:
    """The affine of a grid with its middle at ``centre`` (RAS+ mm).

    Parameters
    ----------
    shape, spacing
        Along the voxel axes, in mm.
    orientation
        Where each voxel axis points, such as ``LPS``.
    tilt_degrees
        Turn about the axis from left to right.
    """
    linear = np.zeros((3, 3))
    for column, (letter, step) in enumerate(zip(orientation, spacing, strict=True)):
        row = next(n for n, pair in enumerate(("RL", "AP", "SI")) if letter in pair)
        linear[row, column] = step if letter in "RAS" else -step
    c, s = np.cos(np.radians(tilt_degrees)), np.sin(np.radians(tilt_degrees))
    linear = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ linear
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = np.asarray(centre) - linear @ ((np.asarray(shape) - 1) / 2)
    # Headers keep single precision; so does the truth.
    return affine.astype(np.float32).astype(np.float64)


def random_grid(
    rng: Generator, extent: Sequence[float], step: float
) -> tuple[tuple[int, int, int], Affine]:
    """Shape and affine of a grid that covers ``extent`` (RAS mm) at about ``step`` mm, turned
    and cut in a random way."""
    axes = rng.permutation(3)
    letters = "".join(("RL", "AP", "SI")[axis][int(rng.integers(2))] for axis in axes)
    spacing = rng.uniform(0.9 * step, 1.15 * step, 3).round(3)
    shape = tuple(int(np.ceil(extent[axis] / spacing[n])) for n, axis in enumerate(axes))
    centre = rng.uniform(-2, 2, 3).round(2)
    affine = grid(shape, spacing.tolist(), orientation=letters, centre=centre.tolist())
    return (shape[0], shape[1], shape[2]), affine


def _inside(shape: Sequence[int], affine: Affine, organ: Organ) -> NDArray[np.bool_]:
    """Voxels whose centre lies in the ellipsoid."""
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij", sparse=True)
    linear, shift = affine[:3, :3], affine[:3, 3] - np.asarray(organ.centre)
    total = np.zeros(tuple(shape))
    for row, radius in enumerate(organ.radii):
        total += ((sum(linear[row, n] * axes[n] for n in range(3)) + shift[row]) / radius) ** 2
    return np.asarray(total <= 1)


def draw(
    shape: Sequence[int],
    affine: Affine,
    organs: Mapping[str, Organ],
    ids: Mapping[str, int],
    rng: Generator,
    *,
    body: Organ = BODY,
    outside: float = -1000.0,
    noise: float = 8.0,
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Image (int16) and label map of ``organs``; those without an id are drawn, not labelled.

    A later organ lies inside or beside the earlier ones: it takes their voxels.
    """
    image = np.full(tuple(shape), outside)
    image[_inside(shape, affine, body)] = body.value
    labels = np.zeros(tuple(shape), np.uint8)
    for name, organ in organs.items():
        here = _inside(shape, affine, organ)
        image[here] = organ.value
        labels[here] = ids.get(name, 0)
    image += rng.normal(0, noise, image.shape)
    return np.rint(image).astype(np.int16), labels


def varied(organs: Mapping[str, Organ], rng: Generator, *, share: float = 0.04) -> dict[str, Organ]:
    """Another subject: all centres and sizes scaled alike, by up to ``share`` along each axis."""
    scale = 1 + rng.uniform(-share, share, 3)
    out: dict[str, Organ] = {}
    for name, organ in organs.items():
        place = np.asarray(organ.centre) * scale
        size = np.asarray(organ.radii) * scale
        out[name] = Organ(tuple(place.tolist()), tuple(size.tolist()), organ.value)
    return out


def voxels(labels: NDArray[Any], ids: Mapping[str, int]) -> dict[str, int]:
    """Number of voxels of each named label."""
    found = np.bincount(labels.ravel(), minlength=max(ids.values(), default=0) + 1)
    return {name: int(found[number]) for name, number in ids.items()}


def centres(
    labels: NDArray[Any], ids: Mapping[str, int], affine: Affine
) -> dict[str, tuple[float, float, float]]:
    """Mean place of the voxels of each named label, RAS+ mm; those without voxels are left out."""
    out: dict[str, tuple[float, float, float]] = {}
    for name, number in ids.items():
        spots = np.argwhere(labels == number)
        if len(spots):
            x, y, z = affine[:3, :3] @ spots.mean(0) + affine[:3, 3]
            out[name] = (float(x), float(y), float(z))
    return out
