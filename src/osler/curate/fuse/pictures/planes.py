"""Planes as :mod:`osler.images` reads them, with faults of layouts in place of its errors."""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from osler.images import Image, Modality

from ..case import Case, Source
from ..faults import LayoutError
from ..volumes.files import fetched, reading
from .listing import PICTURES

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

_ORIENTATION = 0x0112
BROKEN = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError),
    *(AttributeError, OverflowError, struct.error, zlib.error),
)
"""What Pillow raises on bytes that lie."""
EXIF_OPTION = "images with an EXIF turn: refuse, upright (annotations fit the turned image), stored"


def modality_of(source: Source) -> Modality | None:
    """The name by which :mod:`osler.images` knows the modality of a source."""
    from osler.core import UnknownNameError

    from ...catalog.vocabulary import term

    if not source.modality:
        return None
    try:
        name: Any = term("modality", source.modality).osler
    except UnknownNameError:
        return None
    return name or None


def plane_of(source: Source, case: Case, path: Path) -> Image:
    """The image of a case, with what its source says of it; upright by EXIF.

    Raises
    ------
    LayoutError
        ``file-missing``, ``file-dangling`` or ``file-unreadable``, naming the case.
    """
    from osler.images import read

    with reading(fetched(path, case.key), case.key):
        image = read(path)
    return described(image, source, case)


def described(image: Image, source: Source, case: Case) -> Image:
    """``image`` with modality, licence and patient of its case."""
    return replace(
        image,
        modality=image.modality or modality_of(source),
        licence=source.licence,
        patient=case.patient or image.patient,
    )


def annotated_plane(source: Source, case: Case, path: Path) -> Image:
    """The image of a case whose annotations are pixel coordinates or a mask.

    An EXIF orientation other than 1 makes two readings of every coordinate possible; the option
    ``exif`` says which was meant: ``upright`` or ``stored``.

    Raises
    ------
    LayoutError
        ``orientation-tag`` if the image has such a tag and the option does not say.
    """
    from .options import choice_of

    image = plane_of(source, case, path)
    turn = header_of(path, case.key)[2] if path.suffix.lower() in PICTURES else 1
    mode = choice_of(source, "exif", ("refuse", "upright", "stored"))
    if turn == 1 or mode == "upright":
        return image
    if mode == "refuse":
        raise LayoutError(
            "orientation-tag",
            path,
            f"has the EXIF orientation {turn}, so its annotations may lie on the turned or on the "
            "stored image",
            'look at one, then set the option exif to "upright" or "stored"',
            case=case.key,
        )
    meta = {**image.meta, "exif": f"orientation {turn} not applied"}
    return image.with_pixels(stored_pixels(image.pixels, turn), meta=meta)


def stored_pixels(upright: NDArray[Any], turn: int) -> NDArray[Any]:
    """The pixels before EXIF orientation ``turn`` was applied (EXIF 2.32, table 4.6.4)."""
    found = {
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: np.swapaxes(p, 0, 1),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: np.swapaxes(p[::-1, ::-1], 0, 1),
        8: lambda p: np.rot90(p, -1),
    }.get(turn, lambda p: p)(upright)
    return np.ascontiguousarray(found)


def header_of(path: Path, case: str = "") -> tuple[int, int, int]:
    """Width and height as stored, and EXIF orientation (1: none), without reading pixels.

    Raises
    ------
    LayoutError
        ``file-unreadable``, also for a size beyond the caps of :mod:`osler.images`.
    """
    with opened(path, case) as picture:
        try:  # of a PNG this reads to its end, for the tag may stand there
            turn = picture.getexif().get(_ORIENTATION, 1)
        except BROKEN as error:
            raise LayoutError(
                "file-unreadable", path, f"is truncated or broken ({error})", case=case
            ) from error
        return picture.width, picture.height, turn if turn in range(1, 9) else 1


def size_of(path: Path, case: str = "") -> tuple[int, int]:
    """Width and height as stored, from the header alone; raises as :func:`header_of`."""
    with opened(path, case) as picture:
        return picture.width, picture.height


def opened(path: Path, case: str = "") -> Opened:
    """A picture of which only the header has been read, its size within the caps.

    Raises
    ------
    LayoutError
        ``file-missing``, ``file-dangling`` or ``file-unreadable``.
    """
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    from osler.images.limits import check_shape

    with reading(fetched(path, case), case), warnings.catch_warnings():
        warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
        try:
            picture = Pillow.open(path)
            check_shape(path, (picture.height, picture.width))
        except (UnidentifiedImageError, Pillow.DecompressionBombError, *BROKEN) as error:
            raise LayoutError(
                "file-unreadable", path, f"is no picture ({error})", "fetch it again", case=case
            ) from error
        return picture
