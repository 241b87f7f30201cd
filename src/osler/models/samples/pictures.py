"""A picture with its facts, and the few cuts that keep geometry and facts together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from osler.images import Image, Modality

from .sources import Source

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Fact:
    """The true answer of a family (its key) and how we know it."""

    answer: str
    evidence: str


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One 8-bit plane with what is known about it.

    ``facts`` maps the key of a family to its fact; ``roi`` are (x, y) corners of something a
    question points at.
    """

    key: str
    source: Source
    image: Image
    facts: Mapping[str, Fact]
    roi: tuple[Point, ...] | None = None


_FORMATION: dict[Modality, str] = {
    "ct": "slice",
    "mri": "slice",
    "ultrasound": "slice",
    "nuclear": "projection",
    "xray": "projection",
    "fundus": "photograph",
    "pathology": "section",
}


def picture(key: str, source: Source, image: Image, **facts: Fact | None) -> Picture:
    """A picture with the facts that follow from its source and its pixels, and those given.

    ``image`` is an 8-bit plane. A fact given as None is left out.
    """
    known: dict[str, Fact | None] = {
        "modality": Fact(source.modality, f"{source.package} {source.file}: {source.about}"),
        "formation": Fact(_FORMATION[source.modality], f"how {source.modality} works"),
        "colour": Fact(colour_of(image.pixels), "counted in the pixels"),
        "text": Fact("no", "no lettering seen by eye"),
        **facts,
    }
    kept = {name: fact for name, fact in known.items() if fact is not None}
    return Picture(key, source, image, kept)


def colour_of(pixels: NDArray[np.uint8]) -> str:
    """``grey``, ``overlay`` or ``full``: by the share of pixels whose channels differ visibly."""
    if pixels.ndim == 2:
        return "grey"
    spread = pixels.max(axis=2).astype(int) - pixels.min(axis=2)
    share = float((spread > 24).mean())
    return "grey" if share == 0 else "overlay" if share < 0.3 else "full"


def display(image: Image, low: float | None = None, high: float | None = None) -> Image:
    """The plane as 8 bits: ``low`` to black, ``high`` to white (1st, 99.5th percentile if None)."""
    if image.pixels.dtype == np.uint8 and low is None and high is None and image.has_colour:
        return image.with_pixels(image.pixels, unit="8-bit", window=None)
    values = image.pixels.astype(np.float32)
    first, last = np.percentile(values, (1.0, 99.5))
    low, high = float(first) if low is None else low, float(last) if high is None else high
    scaled = np.clip((values - low) / max(high - low, 1e-6), 0.0, 1.0) * 255.0
    return image.with_pixels(np.rint(scaled).astype(np.uint8), unit="8-bit", window=None)


def crop(image: Image, top: int, bottom: int, left: int, right: int) -> Image:
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` (ends left out)."""
    affine = image.affine
    if affine is not None:
        affine = affine.copy()
        affine[:, 3] += affine[:, 0] * left + affine[:, 1] * top
    return image.with_pixels(
        np.ascontiguousarray(image.pixels[top:bottom, left:right]), affine=affine
    )


def flip(image: Image, way: Literal["sideways", "upside-down"]) -> Image:
    """The plane mirrored, its affine with it."""
    axis, column = (1, 0) if way == "sideways" else (0, 1)
    affine = image.affine
    if affine is not None:
        affine = affine.copy()
        affine[:, 3] += affine[:, column] * (image.shape[axis] - 1)
        affine[:, column] *= -1
    return image.with_pixels(np.ascontiguousarray(np.flip(image.pixels, axis)), affine=affine)


def transpose(image: Image) -> Image:
    """Rows become columns: the left edge becomes the top edge."""
    affine, spacing = image.affine, image.spacing
    if affine is not None:
        affine = affine[:, [1, 0, 2, 3]]
    return image.with_pixels(
        np.ascontiguousarray(image.pixels.swapaxes(0, 1)),
        affine=affine,
        spacing=None if spacing is None else (spacing[1], spacing[0]),
    )


def shrink(image: Image, factor: int) -> Image:
    """The plane reduced by a whole factor, area-averaged; geometry is dropped."""
    import cv2

    size = (image.shape[1] // factor, image.shape[0] // factor)
    pixels = np.asarray(cv2.resize(image.pixels, size, interpolation=cv2.INTER_AREA))
    return image.with_pixels(pixels, affine=None, spacing=None)


def edge_towards(image: Image, direction: str) -> str:
    """The edge of the plane (top, bottom, left, right) that points most to R, L, A, P, S or I."""
    assert image.affine is not None, f"{image.source} has no affine"
    axis = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}[direction]
    sign = 1.0 if direction in "RAS" else -1.0
    x, y = (
        sign * float(column[axis]) / float(np.linalg.norm(column[:3]))
        for column in (image.affine[:, 0], image.affine[:, 1])
    )
    if abs(x) > abs(y):
        return "right" if x > 0 else "left"
    return "bottom" if y > 0 else "top"


def plane_of(image: Image) -> str:
    """axial, coronal or sagittal: the body axis nearest to the normal of the plane."""
    assert image.affine is not None, f"{image.source} has no affine"
    normal = np.cross(image.affine[:3, 0], image.affine[:3, 1])
    return ("sagittal", "coronal", "axial")[int(np.abs(normal).argmax())]


def side_of(image: Image) -> str:
    """left or right: the patient's side on which the centre of the plane lies (x = 0 between)."""
    assert image.affine is not None, f"{image.source} has no affine"
    height, width = image.shape[:2]
    x = float((image.affine @ [(width - 1) / 2, (height - 1) / 2, 0.0, 1.0])[0])
    return "right" if x > 0 else "left"


def placed(image: Image, *, anterior: bool = True) -> dict[str, Fact]:
    """The facts that follow from the affine: the plane, and where the front is."""
    facts = {"plane": Fact(plane_of(image), "normal of the plane by the affine")}
    if anterior and facts["plane"].answer != "coronal":
        facts["anterior"] = Fact(edge_towards(image, "A"), "direction of +A by the affine")
    return facts
