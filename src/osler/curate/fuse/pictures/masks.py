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
from .planes import header_of, opened

BACKGROUND = frozenset({"background", "bg", "nothing", "none", "_background_"})
"""Names of 0 that mean no class."""

_MANY = 32
_IMAGE_SHARE = 0.3


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
        except (OSError, SyntaxError, ValueError) as error:
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
    known = [int(key) for key in classes]
    strange = ~np.isin(stored.values, known)
    if "0" not in classes:
        strange &= stored.values != 0
    _refuse_strange(strange, stored, path, case)
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
    packed = colours.astype(np.int64) @ np.array([65536, 256, 1])
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
    if not any(int(key.removeprefix("#"), 16) == 0 for key in classes):
        strange &= packed != 0
    _refuse_strange(strange, Stored(packed, None, stored.lossy), path, case)
    return mask, labels


def _binary(
    stored: Stored, path: Path, case: str, foreground: str
) -> tuple[NDArray[np.int32], dict[str, str]]:
    if stored.values.ndim == 3:
        packed = stored.values.astype(np.int64) @ np.array([65536, 256, 1])
        strange = (packed != 0) & (packed != 0xFFFFFF)
        _refuse_strange(strange, Stored(packed, None, stored.lossy), path, case)
        raise AssertionError("grey values were reduced to one channel")
    found = np.unique(stored.values)
    others = found[found != 0]
    if len(others) > 1:
        ends = (stored.values == 0) | (stored.values == found[-1])
        if len(found) <= _MANY and not stored.lossy and float(ends.mean()) < 1 - _IMAGE_SHARE:
            raise LayoutError(
                "label-value",
                path,
                f"holds the values {', '.join(map(str, found[:12]))}, which no dictionary explains",
                "name them by the option classes",
                case=case,
            )
        _refuse_strange(~ends, stored, path, case, "name more classes by the option classes")
    native = int(others[0]) if len(others) else 255
    return stored.values.astype(np.int32), {str(native): foreground}


def _refuse_strange(
    strange: NDArray[np.bool_], stored: Stored, path: Path, case: str, todo: str = ""
) -> None:
    """Raise the fault that pixels of no class amount to; nothing if there are none."""
    if not strange.any():
        return
    share = float(strange.mean())
    colours = len(np.unique(stored.values[strange]))
    if share > _IMAGE_SHARE and colours > _MANY:
        raise LayoutError(
            "mask-is-image",
            path,
            f"has {colours} values that no class has in {share:.0%} of its pixels, as an image has",
            "check that image and mask are not interchanged",
            case=case,
        )
    why = "it is a JPEG" if stored.lossy else "smoothed edges, or another palette"
    raise LayoutError(
        "mask-colours",
        path,
        f"has {colours} values that no class has in {share:.2%} of its pixels ({why})",
        todo or "get the mask without loss; no value is assigned to its nearest class",
        case=case,
    )
