"""Pictures and masks as files of a fused set: named by their content, equal bytes every time.

Volumes are ``.nii.gz`` (RAS+ mm; channels or times as the fourth axis), planes of 8 or 16 bits
``.png``, all other planes and cines ``.tif``. A file is named after the SHA-256 of its bytes, so
that equal pictures are stored once and a second build copies nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, InputError
from osler.images import Image, Unit, Window, read, write

from .reading import hash_file
from .sample import Picture

MEDIA = {
    ".nii.gz": "application/gzip; format=nifti",
    ".png": "image/png",
    ".tif": "image/tiff",
}

_AXES = {
    "xyz": "RAS", "xyzt": "RAST", "xyzc": "RASC", "yx": "YX", "yxc": "YXC", "tyx": "TYX",
    "tyxc": "TYXC",
}  # fmt: skip


_UNITS: dict[str, Unit] = {
    "HU": "HU", "SUVbw": "SUV", "BqML": "Bq/mL", "a.u.": "a.u.", "8-bit": "8-bit", "RGB": "8-bit",
    "uint8-window": "8-bit",
}  # fmt: skip


def axes_of(axes: str) -> str:
    """The axes of :class:`osler.curate.fuse.sample.Picture` for those of an image."""
    return _AXES[axes]


def store(image: Image, folder: Path, part: str) -> tuple[str, str, str]:
    """Write ``image`` below ``folder/part``.

    Returns
    -------
    Its path from ``folder`` (with ``/``), the SHA-256 of the file, its media type.

    Raises
    ------
    InputError
        Its values fit no format.
    """
    image, suffix = _storable(image)
    scratch = folder / ".scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch) as place:
        written = write(image, Path(place) / f"picture{suffix}")
        digest, _ = hash_file(written)
        uri = f"{part}/{digest[:2]}/{digest}{suffix}"
        target = folder / uri
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(written, target)
    return uri, digest, MEDIA[suffix]


def _storable(image: Image) -> tuple[Image, str]:
    pixels = narrowed(image.pixels)
    image = replace(image, pixels=pixels, patient="", source="", meta=_kept(image.meta))
    if image.axes == "xyzc":  # NIfTI's own colour is 8-bit RGB only
        return replace(image, axes="xyzt"), ".nii.gz"
    if image.is_volume:
        return image, ".nii.gz"
    plane = image.axes in ("yx", "yxc") and (not image.has_colour or pixels.shape[-1] == 3)
    if plane and pixels.dtype in (np.uint8, np.uint16):
        return image, ".png"
    if image.has_colour and pixels.shape[-1] != 3:
        raise InputError(f"a picture has {pixels.shape[-1]} channels; only 1 and 3 can be stored")
    return image, ".tif"


def _kept(meta: Mapping[str, str]) -> dict[str, str]:
    return {"frame_seconds": meta["frame_seconds"]} if "frame_seconds" in meta else {}


def narrowed(pixels: NDArray[Any]) -> NDArray[Any]:
    """Types that every format has: 8 and 16 bits, 32-bit integers, single precision."""
    if pixels.dtype == bool:
        return pixels.astype(np.uint8)
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32, copy=False)
    if pixels.dtype.itemsize <= 2:
        return pixels
    low, high = int(pixels.min()), int(pixels.max())
    for kind in (np.uint8, np.uint16, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return pixels.astype(kind)
    return pixels.astype(np.float32)


def load(picture: Picture, folder: Path) -> Image:
    """The picture of a sample as it was stored.

    Raises
    ------
    BadFileError
        Its file is gone or has another shape.
    """
    if not picture.uri:
        raise BadFileError(folder, "holds no file of this sample, only how to get it (a recipe)")
    place = inside(folder, picture.uri)
    names: Any = {stated: axes for axes, stated in _AXES.items()}[picture.axes]
    image = read(place)
    pixels = image.pixels
    if pixels.size != int(np.prod(picture.shape)):
        raise BadFileError(place, f"has the shape {pixels.shape}, not {picture.shape}")
    # What the row states is exact; a file keeps affines in single precision and no unit of its own.
    affine = None if picture.affine is None else np.reshape(picture.affine, (4, 4))
    return replace(
        image,
        pixels=pixels.reshape(picture.shape),
        axes=names,
        affine=affine,
        spacing=picture.spacing_mm,
        unit=_UNITS.get(picture.intensity_unit or "", "unknown"),
        window=None if picture.window is None else Window(*picture.window),
    )


def load_mask(uri: str, shape: tuple[int, ...], folder: Path) -> NDArray[Any]:
    """A mask of target ids, of ``shape``."""
    place = inside(folder, uri)
    pixels = read(place).pixels
    if pixels.size != int(np.prod(shape)):
        raise BadFileError(place, f"has the shape {pixels.shape}, not {shape}")
    return pixels.reshape(shape)


def inside(folder: Path, uri: str) -> Path:
    """The file ``uri`` of a fused set; an address that leads out of its folder is refused."""
    place = folder / uri
    if uri.startswith("/") or ".." in Path(uri).parts or "\\" in uri:
        raise BadFileError(folder, f"names a file outside itself ({uri})", "do not trust it")
    return place


def mask_image(mask: NDArray[Any], like: Image) -> Image:
    """A mask as an image on the grid of another one."""
    axes: Any = like.axes.removesuffix("c")
    if mask.ndim == 3 and axes == "xyzt":
        axes = "xyz"
    kind = np.uint8 if int(mask.max(initial=0)) < 256 else np.uint16
    return Image(
        np.asarray(mask, kind), axes, unit="unknown", spacing=like.spacing, affine=like.affine
    )


def run_lengths(mask: NDArray[Any]) -> dict[str, list[int]]:
    """A binary mask as counts of zeros and ones in turn, column by column as COCO has it.

    Examples
    --------
    >>> run_lengths(np.array([[0, 1], [1, 1]]))
    {'size': [2, 2], 'counts': [1, 3]}
    """
    flat = np.asarray(mask, bool).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat.size and flat[0] else counts}


def from_run_lengths(value: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The mask that :func:`run_lengths` wrote.

    Raises
    ------
    InputError
        The counts do not fill the mask.
    """
    size, counts = tuple(value["size"]), np.asarray(value["counts"], np.int64)
    if counts.sum() != np.prod(size) or (counts < 0).any():
        raise InputError(f"run lengths fill {counts.sum()} of {np.prod(size)} pixels")
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape(size, order="F")
