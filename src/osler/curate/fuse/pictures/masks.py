"""Masks in files of planes: class numbers, palettes, colours, 0 and 255; nothing is rounded.

A mask that went through JPEG or was drawn with soft edges holds colours that no class has. They
are refused, never assigned to the nearest class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..faults import LayoutError
from ..volumes.files import reading
from .planes import BROKEN, header_of, opened

BACKGROUND = frozenset({"background", "bg", "nothing", "none", "_background_"})
"""Names of 0 that mean no class."""

_PACK = np.array([65536, 256, 1])
_MANY = 32
_IMAGE_SHARE = 0.3
_FAR = 24
"""A value farther than this from every class, in some channel, did not come from smoothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A mask as its file holds it: numbers (``yx``) or colours (``yxc``), and its palette."""

    values: NDArray[Any]
    palette: NDArray[np.uint8] | None
    lossy: bool


def stored_mask(path: Path, case: str) -> Stored:
    """The values of a mask file, palette indices as they are.

    Raises
    ------
    LayoutError
        ``file-missing``, ``file-unreadable``; ``orientation-tag`` if the mask has an EXIF turn.
    """
    if (turn := header_of(path, case)[2]) != 1:
        raise LayoutError(
            "orientation-tag", path, f"is a mask with the EXIF orientation {turn}", case=case
        )
    with reading(path, case), opened(path, case) as picture:
        try:
            picture.load()
        except BROKEN as error:
            raise LayoutError(
                "file-unreadable", path, f"is truncated or broken ({error})", case=case
            ) from error
        palette = None
        if picture.mode == "P":
            flat = picture.getpalette("RGB") or []
            palette = np.asarray(flat, np.uint8).reshape(-1, 3)
        elif picture.mode in ("LA", "RGBA", "CMYK", "YCbCr", "PA"):
            picture = picture.convert("RGB")
        values = np.asarray(picture)
        lossy = picture.format == "JPEG" or path.suffix.lower() in (".jpg", ".jpeg")
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if values.dtype.kind not in "ui":
        raise LayoutError("mask-is-image", path, f"holds {values.dtype} values", case=case)
    if values.ndim == 3 and bool((values == values[..., :1]).all()):
        values = values[..., 0]
    return Stored(np.ascontiguousarray(values), palette, lossy)


def read_mask(
    path: Path, case: str, classes: Mapping[str, str], foreground: str
) -> tuple[NDArray[np.int32], dict[str, str]]:
    """The mask of a file as class numbers, and the names of the numbers.

    Parameters
    ----------
    classes
        Name of each number (``"1"``) or colour (``"#ff0000"``); colours are numbered in this order,
        black or a name of the background being 0. Empty: the mask must hold 0 and one more value.
    foreground
        Name of the one value that a mask without ``classes`` holds.

    Raises
    ------
    LayoutError
        ``mask-colours``, ``mask-is-image``, ``label-value``, and those of :func:`stored_mask`.
    """
    stored = stored_mask(path, case)
    if not classes:
        return _binary(stored, path, case, foreground)
    if any(key.startswith("#") for key in classes):
        return _coloured(stored, path, case, classes)
    if stored.values.ndim == 3:
        raise LayoutError(
            "mask-colours",
            path,
            "holds colours, but its classes are numbers",
            'give the classes as colours, "#ff0000"',
            case=case,
        )
    known = np.array(sorted({0, *map(int, classes)}))
    strange = ~np.isin(stored.values, known)
    _refuse_strange(strange, stored.values, known[:, None], stored, path, case)
    labels = {k: n for k, n in classes.items() if k != "0" or n.lower() not in BACKGROUND}
    return stored.values.astype(np.int32), labels


def _coloured(
    stored: Stored, path: Path, case: str, classes: Mapping[str, str]
) -> tuple[NDArray[np.int32], dict[str, str]]:
    colours = stored.values
    if stored.palette is not None:
        if int(colours.max()) >= len(stored.palette):
            raise LayoutError(
                "mask-colours",
                path,
                f"uses the palette entry {int(colours.max())}, and has {len(stored.palette)}",
                case=case,
            )
        colours = stored.palette[colours]
    elif colours.ndim == 2:
        colours = np.repeat(colours[..., None], 3, axis=2)
    packed = colours.astype(np.int64) @ _PACK
    mask = np.zeros(packed.shape, np.int32)
    strange = np.ones(packed.shape, bool)
    labels: dict[str, str] = {}
    for key, name in classes.items():
        here = packed == int(key.removeprefix("#"), 16)
        strange &= ~here
        if name.lower() in BACKGROUND:
            continue
        labels[str(len(labels) + 1)] = name
        mask[here] = len(labels)
    strange &= packed != 0
    numbers = np.array(sorted({0, *(int(key.removeprefix("#"), 16) for key in classes)}))
    known = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=1)
    _refuse_strange(strange, colours, known, stored, path, case)
    return mask, labels


def _binary(
    stored: Stored, path: Path, case: str, foreground: str
) -> tuple[NDArray[np.int32], dict[str, str]]:
    if stored.values.ndim == 3:
        strange = ((stored.values != 0) & (stored.values != 255)).any(2)
        strange |= (stored.values != stored.values[..., :1]).any(2)
        ends = np.array([[0, 0, 0], [255, 255, 255]])
        todo = "name its colours by the option classes"
        _refuse_strange(strange, stored.values, ends, stored, path, case, todo)
        raise AssertionError("grey values were reduced to one channel")
    found = np.unique(stored.values)
    others = found[found != 0]
    if len(others) > 1:
        ends = (stored.values == 0) | (stored.values == found[-1])
        soft = found[-1] == 255 and float(ends.mean()) > 1 - _IMAGE_SHARE
        if len(found) <= _MANY and not stored.lossy and not soft:
            raise LayoutError(
                "label-value",
                path,
                f"holds the values {', '.join(map(str, found[:12]))}, which no dictionary explains",
                "name them by the option classes",
                case=case,
            )
        known = np.array([[0], [int(found[-1])]])
        todo = "name more classes by the option classes"
        _refuse_strange(~ends, stored.values, known, stored, path, case, todo)
    native = int(others[0]) if len(others) else 255
    return stored.values.astype(np.int32), {str(native): foreground}


def _refuse_strange(
    strange: NDArray[np.bool_],
    values: NDArray[Any],
    known: NDArray[Any],
    stored: Stored,
    path: Path,
    case: str,
    todo: str = "",
) -> None:
    """Raise the fault that pixels of no class amount to; nothing if there are none.

    ``known`` are the values (rows, channels) of the classes. What lies far from all of them in
    much of the picture is an image; what lies near them came from a mask that lost something.
    """
    if not strange.any():
        return
    share = float(strange.mean())
    odd = np.unique(values[strange].reshape(int(strange.sum()), -1), axis=0, return_counts=True)
    apart = np.abs(odd[0][:, None].astype(np.int64) - known[None].astype(np.int64)).max(2).min(1)
    median = np.median(np.repeat(apart, odd[1]))
    if share > _IMAGE_SHARE and len(apart) > _MANY and median > _FAR:
        raise LayoutError(
            "mask-is-image",
            path,
            f"has {len(apart)} values that no class has in {share:.0%} of its pixels, as images do",
            "check that image and mask are not interchanged",
            case=case,
        )
    why = "it is a JPEG" if stored.lossy else "smoothed edges, or another palette"
    raise LayoutError(
        "mask-colours",
        path,
        f"has {len(apart)} values that no class has in {share:.2%} of its pixels ({why})",
        todo or "get the mask without loss; no value is assigned to its nearest class",
        case=case,
    )
