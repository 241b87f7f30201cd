"""Drawn pictures: shapes of known class, place and outline on a soft background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import derive_rng, write_bytes
from osler.images import Image, write

from ..pictures.shapes import filled, mask_box

SHAPES = ("disc", "square", "triangle")
"""Classes of drawn objects."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A picture (uint8, rows x columns x RGB) and its objects: class, corners (x, y), mask."""

    pixels: NDArray[np.uint8]
    names: tuple[str, ...]
    polygons: tuple[tuple[tuple[float, float], ...], ...]
    masks: tuple[NDArray[np.bool_], ...]

    @property
    def boxes(self) -> list[list[float]]:
        """The smallest box x, y, width, height around the pixels of each object."""
        return [mask_box(mask) for mask in self.masks]

    def index_mask(self, order: Sequence[str] = SHAPES) -> NDArray[np.uint8]:
        """The class number of each pixel: 1 for the first of ``order``, 0 for none."""
        found = np.zeros(self.pixels.shape[:2], np.uint8)
        for name, mask in zip(self.names, self.masks, strict=True):
            found[mask] = order.index(name) + 1
        return found


def drawn(
    *keys: object,
    size: tuple[int, int] = (64, 80),
    count: int = 2,
    names: Sequence[str] = SHAPES,
    picture: NDArray[Any] | None = None,
) -> Drawn:
    """A picture of ``size`` (rows, columns) with ``count`` objects that do not touch.

    Equal ``keys`` give equal pictures. ``picture`` (8-bit, grey or RGB) becomes the background in
    place of the soft one, so that real images carry the shapes.
    """
    rng = derive_rng("fuse drawn", *keys)
    height, width = size
    if picture is None:
        y, x = np.mgrid[:height, :width]
        waves = np.sin(x / rng.uniform(9, 17)) + np.cos(y / rng.uniform(9, 17))
        base = 90 + 14 * waves[..., None] + rng.normal(0, 3, (height, width, 3))
        pixels = base.clip(0, 255).astype(np.uint8)
    else:
        pixels = _fitted(picture, size)
    chosen, polygons, masks = [], [], []
    step = width / count
    for n in range(count):
        name = names[int(rng.integers(len(names)))]
        radius = rng.uniform(0.24, 0.38) * min(step, height)
        cx = (n + 0.5) * step + rng.uniform(-1, 1) * (step / 2 - radius - 1)
        cy = rng.uniform(radius + 1, height - radius - 1)
        points = _outline(name, cx, cy, radius)
        mask = filled([points], size)
        colour = {"disc": (220, 70, 60), "square": (60, 200, 90), "triangle": (70, 90, 225)}
        pixels[mask] = (0.35 * pixels[mask] + 0.65 * np.array(colour.get(name, (230,) * 3))).astype(
            np.uint8
        )
        chosen.append(name)
        polygons.append(tuple((round(px, 2), round(py, 2)) for px, py in points))
        masks.append(filled([polygons[-1]], size))
    return Drawn(pixels, tuple(chosen), tuple(polygons), tuple(masks))


def _outline(name: str, cx: float, cy: float, radius: float) -> list[tuple[float, float]]:
    corners, turn = {"disc": (24, 0.0), "square": (4, np.pi / 4), "triangle": (3, -np.pi / 2)}.get(
        name, (6, 0.0)
    )
    angles = turn + 2 * np.pi * np.arange(corners) / corners
    return [
        (round(float(cx + radius * np.cos(a)), 2), round(float(cy + radius * np.sin(a)), 2))
        for a in angles
    ]


def _fitted(picture: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    import cv2

    plane = np.asarray(picture, np.uint8)
    colour = plane if plane.ndim == 3 else np.repeat(plane[..., None], 3, axis=2)
    found = cv2.resize(colour, size[::-1], interpolation=cv2.INTER_AREA)
    return np.array(found, np.uint8)


def save(pixels: NDArray[Any], path: Path) -> Path:
    """Write a plane (8- or 16-bit, grey or RGB) in the format that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(Image(pixels, "yxc" if pixels.ndim == 3 else "yx"), path)


def save_indexed(
    mask: NDArray[np.uint8], palette: Sequence[tuple[int, int, int]], path: Path
) -> Path:
    """Write class numbers as a PNG with a palette."""
    import io

    from PIL import Image as Pillow

    picture = Pillow.fromarray(mask)
    picture.putpalette([value for colour in palette for value in colour])
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, buffer.getvalue())
    return path


def split_for(number: int, subjects: int) -> str:
    """The split of a subject: the last sixth tests, the one before validates, the rest trains."""
    part = max(1, subjects // 6)
    if number >= subjects - part:
        return "test"
    return "val" if number >= subjects - 2 * part else "train"


def picture_for(pictures: Sequence[NDArray[Any]], number: int) -> NDArray[Any] | None:
    """The real picture of a number, round and round; None if there are none."""
    return pictures[number % len(pictures)] if len(pictures) else None
