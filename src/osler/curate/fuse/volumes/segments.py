"""DICOM SEG: frames laid on the slices of a series by their geometry, never by their order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from osler.images import Image
from osler.images.dicom import read_dataset
from osler.images.dicom_geometry import Placement, placement, plane_affine
from osler.images.dicom_pixels import stored_values
from osler.images.dicom_tags import group, raw, text, whole
from osler.images.limits import check_shape

from ..faults import LayoutError
from .files import reading
from .grid import TOLERANCE_MM
from .slices import Slices

_OFF_MM = 0.01
"""A frame lies on a slice if it is no farther off along the normal (text keeps 16 digits)."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """``masks``: one label map if no two segments overlap, else a binary mask for each.

    ``labels`` maps the value in each mask to the segment's label; ``codes`` holds the coded
    meaning of labels, "SCT:10200004" and, after a semicolon, its modifier.
    """

    masks: list[NDArray[Any]]
    labels: list[dict[int, str]]
    codes: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


def segments_of(path: Path, image: Image, slices: Slices, case: str) -> Segments:
    """The segments of a SEG object on the grid of ``image``.

    Each frame goes to the slice on which its own position lies, turned or mirrored as its own
    directions say; nothing is interpolated. Fractional segments count from one half (flag).

    Raises
    ------
    LayoutError
        ``frame-order`` for a frame that lies on no slice, on another than it refers to, or on one
        that has a frame of its segment already; ``grid-mismatch`` for other pixels than those of
        the image; ``mask-overlap`` where segments overlap that are said not to; ``label-value``;
        ``file-unreadable``.

    Notes
    -----
    DICOM PS3.3 C.8.20 (segmentation), C.7.6.16 (functional groups).
    """
    with reading(path, case):
        ds = read_dataset(path)
        count = max(whole(ds, "NumberOfFrames") or 1, 1)
        check_shape(path, (count, whole(ds, "Rows") or 0, whole(ds, "Columns") or 0))
    names = _names(ds, path, case)
    kind = text(ds, "SegmentationType") or "BINARY"
    frames = list(_laid(ds, count, kind, names, image, slices, path, case))
    top = max(names)
    whole_map = np.zeros(image.shape[:3], np.uint8 if top < 256 else np.uint16, order="F")
    flags = ("fractional-segments",) if kind == "FRACTIONAL" else ()
    for segment, index, frame in frames:
        pixels = _pixels(ds, frame, kind, path, case)
        plane = whole_map[:, :, index]
        if segment is None:
            strange = set(np.unique(pixels).tolist()) - {0, *names}
            if strange:
                raise LayoutError(
                    "label-value", path, f"holds segments it does not name: {strange}", case=case
                )
            plane[...] = _turned(pixels, frame)
            continue
        here = _turned(pixels, frame)
        if plane[here].any():
            return _apart(ds, frames, kind, names, image, path, case, flags)
        plane[here] = segment
    return Segments([whole_map], [names], _codes(ds), flags)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame and how its rows and columns become x and y of the image."""

    number: int
    swapped: bool
    flip_x: bool
    flip_y: bool


_Laid = tuple[int | None, int, _Frame]


def _names(ds: Dataset, path: Path, case: str) -> dict[int, str]:
    """Segment number -> label."""
    found: dict[int, str] = {}
    for item in raw(ds, "SegmentSequence") or ():
        number = whole(item, "SegmentNumber")
        if number is None or not 0 <= number < 65536 or number in found:
            raise LayoutError(
                "label-dictionary", path, f"numbers a segment {number}, or two", case=case
            )
        if number:
            found[number] = (text(item, "SegmentLabel") or f"Segment {number}").strip()
    if not found:
        raise LayoutError("label-dictionary", path, "names no segment", case=case)
    return found


def _codes(ds: Dataset) -> dict[str, str]:
    """What segments are, in codes, by their label."""
    found: dict[str, str] = {}
    for item in raw(ds, "SegmentSequence") or ():
        kinds = raw(item, "SegmentedPropertyTypeCodeSequence")
        if not kinds:
            continue
        sides = raw(kinds[0], "SegmentedPropertyTypeModifierCodeSequence") or ()
        parts = [f"{text(one, 'CodingSchemeDesignator')}:{text(one, 'CodeValue')}"
                 for one in (kinds[0], *sides)]  # fmt: skip
        found[(text(item, "SegmentLabel") or "").strip()] = ";".join(parts)
    return found


def _laid(
    ds: Dataset,
    count: int,
    kind: str,
    names: dict[int, str],
    image: Image,
    slices: Slices,
    path: Path,
    case: str,
) -> Iterator[_Laid]:
    """For each frame its segment, its slice and how it is turned."""
    planes = [np.linalg.inv(_unit(place)) for place in slices.places]
    if not planes:
        raise LayoutError("affine-broken", path, "marks an image without geometry", case=case)
    depth_of = _Depths(slices)
    taken: set[tuple[int | None, int]] = set()
    for number in range(count):
        place = placement(ds, number)
        if place is None:
            raise LayoutError("frame-order", path, f"frame {number} states no place", case=case)
        index = depth_of.nearest(place)
        relative = planes[index] @ _unit(place)
        across, down = whole(ds, "Columns") or 1, whole(ds, "Rows") or 1
        off = abs(float(relative[2, 3])) + abs(float(relative[2, 0])) * across
        off += abs(float(relative[2, 1])) * down
        if off > _OFF_MM:
            raise LayoutError(
                "frame-order",
                path,
                f"frame {number} lies {off:.2f} mm from slice {index}, the nearest",
                "the series is not the one that was segmented, or slices are missing",
                case=case,
            )
        frame = _frame(ds, number, relative, place, image, slices.places[index], path, case)
        _check_reference(ds, number, index, slices, path, case)
        segment = None if kind == "LABELMAP" else _segment(ds, number, names, path, case)
        if (segment, index) in taken:
            raise LayoutError(
                "frame-order", path, f"has two frames of one segment on slice {index}", case=case
            )
        taken.add((segment, index))
        yield segment, index, frame


class _Depths:
    """Slices by their distance along the normal."""

    def __init__(self, slices: Slices) -> None:
        self.normal = np.cross(*slices.places[0].directions)
        self.depths = np.array([float(p.position @ self.normal) for p in slices.places])

    def nearest(self, place: Placement) -> int:
        """The slice on whose level the first pixel of a frame lies."""
        return int(np.abs(self.depths - float(place.position @ self.normal)).argmin())


def _unit(place: Placement) -> NDArray[Any]:
    """Affine of a plane whose normal has length 1 mm."""
    return plane_affine(Placement(place.position, place.directions, place.spacing, 1.0))


def _segment(ds: Dataset, number: int, names: dict[int, str], path: Path, case: str) -> int:
    item = group(ds, number, "SegmentIdentificationSequence")
    segment = None if item is None else whole(item, "ReferencedSegmentNumber")
    if segment not in names:
        raise LayoutError(
            "label-value", path, f"frame {number} is of segment {segment}, which has no label",
            case=case,
        )  # fmt: skip
    return segment


def _frame(
    ds: Dataset,
    number: int,
    relative: NDArray[Any],
    place: Placement,
    image: Image,
    slice_place: Placement,
    path: Path,
    case: str,
) -> _Frame:
    """How a frame is turned against the image; refuses any but whole pixels."""
    columns, rows = image.shape[0], image.shape[1]
    size = (whole(ds, "Columns") or 0, whole(ds, "Rows") or 0)
    swapped = abs(float(relative[0, 0])) < abs(float(relative[1, 0]))
    here = size[::-1] if swapped else size
    ends = np.array([(0, 0, 0, 1), (size[0] - 1, 0, 0, 1), (0, size[1] - 1, 0, 1)])
    corners = (ends @ relative.T)[:, :2]
    along_x, along_y = (2, 1) if swapped else (1, 2)
    flip_x = corners[along_x, 0] < corners[0, 0]
    flip_y = corners[along_y, 1] < corners[0, 1]
    right = np.empty((3, 2))
    right[:] = (columns - 1 if flip_x else 0, rows - 1 if flip_y else 0)
    right[along_x, 0] = 0 if flip_x else columns - 1
    right[along_y, 1] = 0 if flip_y else rows - 1
    spacing = np.array([slice_place.spacing[1], slice_place.spacing[0]])
    apart = float(np.abs((corners - right) * spacing).max())
    if here != (columns, rows) or apart > TOLERANCE_MM:
        raise LayoutError(
            "grid-mismatch",
            path,
            f"frame {number} has {size[0]} x {size[1]} pixels whose corners lie up to "
            f"{apart:.4f} mm from those of its slice ({columns} x {rows})",
            "resample it yourself, knowingly; Osler never does",
            case=case,
        )
    return _Frame(number, swapped, bool(flip_x), bool(flip_y))


def _check_reference(
    ds: Dataset, number: int, index: int, slices: Slices, path: Path, case: str
) -> None:
    """A frame must lie on a slice that it says it was derived from, if it says so."""
    derived = group(ds, number, "DerivationImageSequence")
    references = () if derived is None else raw(derived, "SourceImageSequence") or ()
    where = slices.elsewhere(index, references)
    if not where:
        return
    raise LayoutError(
        "frame-order",
        path,
        f"frame {number} lies on slice {index} but refers to {where}",
        "whoever wrote it put positions and references in different orders",
        case=case,
    )


def _pixels(ds: Dataset, frame: _Frame, kind: str, path: Path, case: str) -> NDArray[Any]:
    """The values of a frame (rows, columns): booleans, or segment numbers in a label map."""
    rows, columns = whole(ds, "Rows") or 0, whole(ds, "Columns") or 0
    packed = whole(ds, "BitsAllocated") == 1 and not ds.file_meta.TransferSyntaxUID.is_encapsulated
    if packed:
        content = np.frombuffer(ds.PixelData, np.uint8)
        first, last = frame.number * rows * columns, (frame.number + 1) * rows * columns
        if last > content.size * 8:
            raise LayoutError(
                "file-unreadable", path, f"ends before frame {frame.number}", case=case
            )
        bits = np.unpackbits(content[first // 8 : -(-last // 8)], bitorder="little")
        start = first % 8
        return bits[start : start + rows * columns].reshape(rows, columns).view(bool)
    with reading(path, case):
        values = stored_values(ds, path, frame.number)[0]
    if kind == "LABELMAP":
        return np.asarray(values)
    if kind == "FRACTIONAL":
        most = whole(ds, "MaximumFractionalValue") or 255
        return np.asarray(values >= most / 2)
    return np.asarray(values > 0)


def _turned(pixels: NDArray[Any], frame: _Frame) -> NDArray[Any]:
    """A frame as a plane [x, y] of the image."""
    plane = pixels if frame.swapped else pixels.T
    plane = plane[::-1] if frame.flip_x else plane
    return np.asarray(plane[:, ::-1] if frame.flip_y else plane)


def _apart(
    ds: Dataset,
    frames: list[_Laid],
    kind: str,
    names: dict[int, str],
    image: Image,
    path: Path,
    case: str,
    flags: tuple[str, ...],
) -> Segments:
    """A mask for each segment, where some overlap."""
    if text(ds, "SegmentsOverlap") == "NO":
        raise LayoutError(
            "mask-overlap", path, "its segments overlap, though it says they do not", case=case
        )
    masks = {number: np.zeros(image.shape[:3], np.uint8, order="F") for number in names}
    for segment, index, frame in frames:
        if segment is not None:
            masks[segment][:, :, index] = _turned(_pixels(ds, frame, kind, path, case), frame)
    return Segments(
        list(masks.values()), [{1: names[number]} for number in masks], _codes(ds),
        (*flags, "segments-overlap"),
    )  # fmt: skip
