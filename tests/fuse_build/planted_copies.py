"""A planted set of copies and look-alikes: real pictures, volumes, and what people do to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from osler.core import derive_rng
from osler.curate.fuse.identity import identity_of
from osler.curate.fuse.looks import looks_of
from osler.curate.fuse.overlap import Shown
from osler.images import Image, read, to_ras

KINDS = ("jpeg", "resize", "crop", "flip", "flip-jpeg", "bright")
VOLUMES = (
    "images/chest_ct/cta_thorax_1p5mm.nii.gz",
    "images/liver_abdomen/ct_abdomen_3mm.nii.gz",
    "images/liver_abdomen/mr_abdomen_3mm.nii.gz",
    "mri/inia19_macaque_t1_brain_0p5mm.nii.gz",
    "mri/niivue_ct_head_pitch.nii.gz",
    "mri/pyradiomics_brain1.nii.gz",
    "mri/pyradiomics_brain2.nii.gz",
)
STEP_MM = 6.0
"""Slices of one volume that stand for different pictures lie at least so far apart."""


@dataclass(frozen=True)
class Planted:
    """Images with the number of the picture that each shows, and how it was changed.

    ``origin`` is the file that it was cut from: a slice does show a part of its volume, so pairs
    of a slice and its own volume count neither as right nor as wrong.
    """

    images: tuple[Image, ...]
    truth: tuple[int, ...]
    kind: tuple[str, ...]
    origin: tuple[str, ...]

    def undecided(self, one: int, two: int) -> bool:
        """Whether a pair is a slice and its volume."""
        flat = {self.images[one].is_volume, self.images[two].is_volume} == {True, False}
        return flat and self.origin[one] == self.origin[two]

    def pairs(self, kind: str = "") -> set[tuple[int, int]]:
        """Pairs of one picture: all, or originals with their copies of ``kind``."""
        members: dict[int, list[int]] = {}
        for number, base in enumerate(self.truth):
            members.setdefault(base, []).append(number)
        return {
            (one, two)
            for group in members.values()
            for place, one in enumerate(group)
            for two in group[place + 1 :]
            if not kind or (self.kind[one] == "base" and self.kind[two] == kind)
        }


def shown(image: Image) -> Shown:
    """What the lock compares of an image."""
    found = identity_of(image)
    planes = found.plane_keys or (int(found.orbit_sha256[:16], 16),)
    return Shown(found.pixels_sha256, found.orbit_sha256, found.plain, planes, looks_of(image))


def planted_set(shared: Path, pictures: int, copies: int, seed: int = 0) -> Planted:
    """At most ``pictures`` originals, each with ``copies`` changed copies, and volume pairs."""
    rng = derive_rng("planted copies", seed)
    bases = list(_planes(shared))
    order = rng.permutation(len(bases))[:pictures]
    images: list[Image] = []
    truth: list[int] = []
    kinds: list[str] = []
    origins: list[str] = []

    def add(image: Image, base: int, kind: str, origin: str) -> None:
        images.append(image)
        truth.append(base)
        kinds.append(kind)
        origins.append(origin)

    for place, number in enumerate(sorted(order.tolist())):
        origin, pixels = bases[number]
        add(_plane(pixels), number, "base", origin)
        for turn in range(copies):
            kind = KINDS[(place + turn) % len(KINDS)]
            add(_plane(changed(pixels, kind, rng)), number, kind, origin)
    for number, name in enumerate(VOLUMES, start=len(bases)):
        volume = _volume(shared / name)
        add(volume, number, "base", name)
        add(_renamed(volume), number, "volume", name)
        add(_turned_volume(volume), number, "volume-flip", name)
        add(_part(volume), number, "volume-part", name)
    return Planted(tuple(images), tuple(truth), tuple(kinds), tuple(origins))


def _plane(pixels: NDArray[Any]) -> Image:
    return Image(pixels, "yxc" if pixels.ndim == 3 else "yx", unit="8-bit")


def _planes(shared: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for path in sorted((shared / "images").glob("*/*.png")):
        if "_mask" not in path.name:
            yield path.name, read(path).pixels
    for name in VOLUMES:
        volume = _volume(shared / name)
        low, high = np.percentile(volume.pixels, [1, 99.7])
        grey = np.clip((volume.pixels - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
        step = max(1, int(np.ceil(STEP_MM / (volume.spacing or (1, 1, 1))[2])))
        count = grey.shape[2]
        for index in range(count // 6, count - count // 6, step):
            plane = np.ascontiguousarray(grey[:, ::-1, index].T)
            if plane.std() > 12:
                yield name, plane


def _volume(path: Path) -> Image:
    image = to_ras(read(path))
    if image.axes == "xyzt":
        image = image.with_pixels(image.pixels[..., 0], axes="xyz")
    return image


def _renamed(volume: Image) -> Image:
    """As LiTS holds 3D-IRCADb: the same voxels, another type, spacing overwritten."""
    wide = np.int32 if volume.pixels.dtype.kind in "iu" else np.float64
    return replace(
        volume, pixels=volume.pixels.astype(wide), affine=np.eye(4), spacing=(1.0, 1.0, 1.0)
    )


def _turned_volume(volume: Image) -> Image:
    return replace(volume, pixels=np.flip(volume.pixels.transpose(1, 0, 2), (0, 2)))


def _part(volume: Image) -> Image:
    depth = volume.pixels.shape[2]
    return replace(volume, pixels=volume.pixels[:, :, depth // 4 : depth // 4 + depth // 2])


def changed(pixels: NDArray[np.uint8], kind: str, rng: Generator) -> NDArray[np.uint8]:
    """A picture after one of :data:`KINDS`."""
    height, width = pixels.shape[:2]
    if kind == "jpeg":
        return _jpeg(pixels, int(rng.integers(30, 90)))
    if kind == "resize":
        return _resized(pixels, float(rng.uniform(0.4, 1.6)))
    if kind == "crop":
        share = rng.uniform(0.6, 0.95)
        rows, columns = int(height * share), int(width * share)
        top = int(rng.integers(0, height - rows + 1))
        left = int(rng.integers(0, width - columns + 1))
        part = pixels[top : top + rows, left : left + columns]
        return _jpeg(_resized(part, float(rng.uniform(0.6, 1.2))), 85)
    if kind in ("flip", "flip-jpeg"):
        way = int(rng.integers(1, 8))
        turned = np.rot90(pixels, way % 4)
        turned = np.ascontiguousarray(turned[:, ::-1] if way >= 4 else turned)
        return turned if kind == "flip" else _jpeg(turned, 60)
    curve = (pixels / 255.0) ** rng.uniform(0.7, 1.3) * 255 * rng.uniform(0.8, 1.1)
    return np.clip(curve + rng.uniform(-10, 10), 0, 255).astype(np.uint8)


def _resized(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    size = (max(8, int(pixels.shape[1] * scale)), max(8, int(pixels.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=how))


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    _, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(pixels), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED))
