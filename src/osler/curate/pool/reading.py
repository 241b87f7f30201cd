"""One file of a pool as what an encoder and a hash take: an 8-bit plane as a screen shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, sha256_hex
from osler.images import Image


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A plane in 8 bits, (h, w) or (h, w, 3), and what its file states."""

    pixels: NDArray[np.uint8]
    place: str = ""
    modality: str = ""
    patient: str = ""

    @property
    def grey(self) -> NDArray[np.uint8]:
        """The plane in grey (ITU-R BT.601 luma)."""
        import cv2

        if self.pixels.ndim == 2:
            return self.pixels
        return np.asarray(cv2.cvtColor(self.pixels, cv2.COLOR_RGB2GRAY))


def read_content(path: str | Path) -> bytes:
    """The bytes of a file.

    Raises
    ------
    BadFileError
        If it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadFileError(path, f"cannot be read: {error.strerror}") from error


def read_shown(path: str | Path, content: bytes | None = None) -> Shown:
    """The plane of a file: of a volume the middle axial one, of a cine the middle frame.

    Raises
    ------
    BadFileError
        If the file is broken, missing, or holds no plane of one or three channels.
    """
    from osler.images import read, read_bytes
    from osler.images.sniff import format_of_bytes

    kind = format_of_bytes(content[:4096], Path(path).name) if content else None
    if content is not None and kind in ("png", "jpeg", "bmp"):
        image = read_bytes(content, str(path), kind)
    else:
        image = read(path)
    return _shown(image)


def read_record(record: dict[str, Any]) -> Shown:
    """The plane of a record of a pool, if the file behind its hash is still the same.

    Raises
    ------
    BadFileError
        If the file is gone, or has other bytes than when it was added.
    """
    content = read_content(record["path"])
    if sha256_hex(content) != record["sha256"]:
        raise BadFileError(
            record["path"],
            "has changed since it was added to the pool",
            "restore it, or add it again as another image",
        )
    return read_shown(record["path"], content)


def _shown(image: Image) -> Shown:
    from osler.images import plane, to_display

    place = ""
    if image.axes == "xyzt":
        middle = image.shape[3] // 2
        image, place = image.with_pixels(image.pixels[..., middle], axes="xyz"), f"t{middle} "
    if image.is_volume:
        middle = image.shape[2] // 2
        image, place = plane(image, "axial"), f"{place}axial middle"
    elif image.axes.startswith("t"):
        middle = image.shape[0] // 2
        axes: Any = image.axes[1:]
        image, place = image.with_pixels(image.pixels[middle], axes=axes), f"frame {middle}"
    pixels = to_display(image).pixels
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        raise BadFileError(image.source, f"has {pixels.shape[2]} channels, not 1 or 3")
    return Shown(np.ascontiguousarray(pixels), place, image.modality or "", image.patient)
