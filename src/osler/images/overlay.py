"""DICOM overlay planes (PS3.3 C.9): graphics and regions, kept apart from the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from osler.core import BadFileError

from .dicom_pixels import frame_count
from .dicom_tags import numbers
from .limits import check_shape

_KINDS: dict[str, Literal["graphic", "roi"]] = {"G": "graphic", "R": "roi"}


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """One overlay. ``mask`` is boolean, (rows, columns) of the image, or with frames first."""

    group: int
    mask: NDArray[np.bool_]
    kind: Literal["graphic", "roi"]
    label: str = ""
    description: str = ""


def overlays_of(ds: Dataset, path: object) -> list[Overlay]:
    """All overlays of a data set, placed at their origin on the grid of the image.

    Raises
    ------
    BadFileError
        If an overlay states more bits than it holds, or an impossible size.
    """
    return [
        _overlay(ds, number, path)
        for number in range(0x6000, 0x6020, 2)
        if (number, 0x0010) in ds and (number, 0x0011) in ds
    ]


def _overlay(ds: Dataset, number: int, path: object) -> Overlay:
    def element(low: int, default: Any = None) -> Any:
        found = ds.get((number, low))
        return default if found is None or found.value in (None, "") else found.value

    rows, columns = int(element(0x0010)), int(element(0x0011))
    frames = int(element(0x0015, 1))
    check_shape(path, (frames, rows, columns))
    if element(0x3000) is not None:
        bits = np.unpackbits(np.frombuffer(bytes(element(0x3000)), np.uint8), bitorder="little")
        if bits.size < frames * rows * columns:
            raise BadFileError(
                path,
                f"its overlay {number:04X} states {frames} x {rows} x {columns} bits but holds "
                f"{bits.size}",
                "export it again",
            )
        mask = bits[: frames * rows * columns].reshape(frames, rows, columns).astype(bool)
    else:
        mask = _embedded(ds, int(element(0x0102, 0)), number, path)
    origin = [int(v) for v in element(0x0050, (1, 1))]
    placed = _on_grid(mask, origin, int(ds.get("Rows") or rows), int(ds.get("Columns") or columns))
    kind = str(element(0x0040, "G")).strip()
    return Overlay(
        group=number,
        mask=placed[0] if placed.shape[0] == 1 else placed,
        kind=_KINDS.get(kind, "graphic"),
        label=str(element(0x1500, "")),
        description=str(element(0x0022, "")),
    )


def _embedded(ds: Dataset, position: int, number: int, path: object) -> NDArray[np.bool_]:
    """An overlay that lives in an unused bit of uncompressed pixels (retired in 2004)."""
    allocated = int((numbers(ds, "BitsAllocated") or [0])[0])
    shape = (frame_count(ds), int(ds.get("Rows") or 0), int(ds.get("Columns") or 0))
    data = ds.get("PixelData")
    usable = allocated in (8, 16) and not ds.file_meta.TransferSyntaxUID.is_compressed
    need = int(np.prod(shape)) * allocated // 8
    if not data or not usable or len(data) < need or not 0 <= position < allocated:
        raise BadFileError(path, f"its overlay {number:04X} has no data", "export it again")
    order = "<" if ds.file_meta.TransferSyntaxUID.is_little_endian else ">"
    values = np.frombuffer(data[:need], f"{order}u{allocated // 8}").reshape(shape)
    return ((values >> position) & 1).astype(bool)


def _on_grid(
    mask: NDArray[np.bool_], origin: list[int], rows: int, columns: int
) -> NDArray[np.bool_]:
    """The overlay cut or padded to the image; the origin counts from 1 and may be negative."""
    out = np.zeros((mask.shape[0], rows, columns), bool)
    top, left = origin[0] - 1, origin[1] - 1
    y, x = max(top, 0), max(left, 0)
    part = mask[:, max(-top, 0) :, max(-left, 0) :][:, : max(rows - y, 0), : max(columns - x, 0)]
    out[:, y : y + part.shape[1], x : x + part.shape[2]] = part
    return out
