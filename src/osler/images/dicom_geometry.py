"""From DICOM positions and directions (LPS) to affines (RAS+), for planes and for stacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from osler.core import BadFileError

from .dicom_tags import group, numbers, raw, whole

SeriesFault = Literal["gap", "orientation", "duplicate", "shape", "geometry", "several", "empty"]

_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_COSINE_TOLERANCE = 1e-3
_TILT_DEGREES = 0.1


class SeriesError(BadFileError):
    """Slices that do not make a volume; ``kind`` names the fault.

    ``gap`` (spacing not even), ``orientation`` (directions mixed), ``duplicate`` (a position
    twice), ``shape`` (sizes mixed), ``geometry`` (not stated), ``several`` (more than one series),
    ``empty`` (none).
    """

    def __init__(self, path: object, kind: SeriesFault, what: str, todo: str = "") -> None:
        self.kind = kind
        super().__init__(path, what, todo)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one plane lies: position and directions in LPS mm, spacing (row, column) in mm."""

    position: NDArray[np.float64]
    directions: NDArray[np.float64]  # 2 x 3: along a row, down a column
    spacing: tuple[float, float]
    thickness: float | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """``order[t][z]`` indexes the planes; ``affine`` maps (column, row, slice) to RAS+ mm."""

    order: list[list[int]]
    affine: NDArray[np.float64]
    notes: tuple[str, ...] = ()


def pixel_spacing(ds: Dataset, frame: int = 0) -> tuple[tuple[float, float] | None, str]:
    """(row, column) spacing in mm and the attribute that states it.

    PixelSpacing before ImagerPixelSpacing (at the detector, so objects are smaller by the
    magnification), before NominalScannedPixelSpacing, before ultrasound regions.
    """
    measures = group(ds, frame, "PixelMeasuresSequence")
    for where, name in (
        (measures, "PixelSpacing"),
        (ds, "PixelSpacing"),
        (ds, "ImagerPixelSpacing"),
        (ds, "NominalScannedPixelSpacing"),
    ):
        found = None if where is None else numbers(where, name)
        if found and len(found) == 2 and min(found) > 0:
            suffix = " (at the detector)" if name == "ImagerPixelSpacing" else ""
            return (found[0], found[1]), name + suffix
    regions = [
        r
        for r in raw(ds, "SequenceOfUltrasoundRegions") or ()
        if whole(r, "PhysicalUnitsXDirection") == 3 and whole(r, "PhysicalUnitsYDirection") == 3
    ]
    if len(regions) == 1:
        dy, dx = numbers(regions[0], "PhysicalDeltaY"), numbers(regions[0], "PhysicalDeltaX")
        if dy and dx and dy[0] and dx[0]:
            return (abs(dy[0]) * 10, abs(dx[0]) * 10), "SequenceOfUltrasoundRegions (cm)"
    return None, "not stated"


def placement(ds: Dataset, frame: int = 0) -> Placement | None:
    """Where a plane lies, or None where position, directions or spacing are not stated."""
    spot = group(ds, frame, "PlanePositionSequence") or ds
    turn = group(ds, frame, "PlaneOrientationSequence") or ds
    position = numbers(spot, "ImagePositionPatient")
    cosines = numbers(turn, "ImageOrientationPatient")
    spacing, name = pixel_spacing(ds, frame)
    if not position or not cosines or spacing is None or name != "PixelSpacing":
        return None
    if len(position) != 3 or len(cosines) != 6:
        return None
    directions = np.array(cosines).reshape(2, 3)
    lengths = np.linalg.norm(directions, axis=1)
    if np.abs(lengths - 1).max() > 0.01 or abs(float(directions[0] @ directions[1])) > 0.01:
        return None
    measures = group(ds, frame, "PixelMeasuresSequence") or ds
    between = numbers(measures, "SpacingBetweenSlices") or numbers(measures, "SliceThickness")
    thickness = abs(between[0]) if between and between[0] else None
    return Placement(np.array(position), directions / lengths[:, None], spacing, thickness)


def plane_affine(place: Placement) -> NDArray[np.float64]:
    """Affine of one plane: (column, row, 0, 1) to RAS+ mm; the third column is the normal times
    the stated slice distance (1 mm where none is)."""
    normal = np.cross(*place.directions)
    return _affine(place, normal * (place.thickness or 1.0), place.position)


def _affine(
    place: Placement, step: NDArray[np.float64], origin: NDArray[np.float64]
) -> NDArray[np.float64]:
    out = np.eye(4)
    out[:3, 0] = place.directions[0] * place.spacing[1]
    out[:3, 1] = place.directions[1] * place.spacing[0]
    out[:3, 2] = step
    out[:3, 3] = origin
    out[:3] = _TO_RAS @ out[:3]
    return out


def stack(
    places: Sequence[Placement],
    path: object,
    names: Sequence[str],
    times: Sequence[float] | None = None,
) -> Stack:
    """Order planes along their normal and check that they make a regular volume.

    Parameters
    ----------
    names
        What to call each plane in an error.
    times
        A number for each plane that tells repeats at one position apart (time, echo, b value).

    Raises
    ------
    SeriesError
        Naming the fault and the planes it concerns.
    """
    first = places[0]
    for place, name in zip(places, names, strict=True):
        if np.abs(place.directions - first.directions).max() > _COSINE_TOLERANCE:
            raise SeriesError(
                path,
                "orientation",
                f"mixes orientations ({name} differs from {names[0]})",
                "read the series apart",
            )
        if not np.allclose(place.spacing, first.spacing, rtol=1e-4):
            raise SeriesError(
                path, "shape", f"mixes pixel spacings ({name} differs from {names[0]})",
                "read the series apart",
            )  # fmt: skip
    normal = np.cross(*first.directions)
    depth = np.array([float(place.position @ normal) for place in places])
    order = _repeats(depth, times, path, names)
    zs = depth[order[0]]
    notes: list[str] = []
    if len(zs) == 1:
        affine = plane_affine(places[order[0][0]])
        return Stack(order, affine, ("a single slice",))
    _check_even(zs, [names[i] for i in order[0]], path)
    spots = np.array([places[i].position for i in order[0]])
    step = (spots[-1] - spots[0]) / (len(spots) - 1)
    off = np.linalg.norm(spots - (spots[0] + np.arange(len(spots))[:, None] * step), axis=1)
    if off.max() > max(0.05 * float(np.linalg.norm(step)), 0.02):
        worst = names[order[0][int(off.argmax())]]
        raise SeriesError(
            path, "geometry", f"slices do not lie on one line ({worst} is {off.max():.2f} mm off)"
        )
    tilt = np.degrees(np.arccos(min(1.0, abs(float(step @ normal)) / float(np.linalg.norm(step)))))
    if tilt > _TILT_DEGREES:
        notes.append(f"the stack is sheared by {tilt:.1f} degrees (gantry tilt); the affine has it")
    return Stack(order, _affine(first, step, spots[0]), tuple(notes))


def _repeats(
    depth: NDArray[np.float64],
    times: Sequence[float] | None,
    path: object,
    names: Sequence[str],
) -> list[list[int]]:
    """Planes by time and depth; a position that repeats without its own time is refused."""
    rank = np.argsort(depth, kind="stable")
    new = np.concatenate([[True], np.diff(depth[rank]) > 1e-3])
    spots: list[list[int]] = []
    for index, is_new in zip(rank.tolist(), new, strict=True):
        if is_new:
            spots.append([])
        spots[-1].append(index)
    count = len(spots[0])
    if all(len(spot) == 1 for spot in spots):
        return [[spot[0] for spot in spots]]
    if times is not None and all(len(spot) == count for spot in spots):
        by_time = [sorted(spot, key=lambda i: times[i]) for spot in spots]
        stamps = {tuple(times[i] for i in spot) for spot in by_time}
        if len(stamps) == 1 and len(set(next(iter(stamps)))) == count:
            return [[spot[t] for spot in by_time] for t in range(count)]
    double = next(spot for spot in spots if len(spot) > 1)
    raise SeriesError(
        path,
        "duplicate",
        f"has {len(double)} slices at one position ({names[double[0]]} and {names[double[1]]})",
        "remove one or read the acquisitions apart",
    )


def _check_even(zs: NDArray[np.float64], names: Sequence[str], path: object) -> None:
    gaps = np.diff(zs)
    usual = float(np.median(gaps))
    wrong = np.abs(gaps - usual) > max(0.01 * usual, 0.01)
    if wrong.any():
        at = int(np.argmax(np.abs(gaps - usual)))
        raise SeriesError(
            path,
            "gap",
            f"its slices are not evenly spaced: {gaps[at]:.3f} mm between {names[at]} and "
            f"{names[at + 1]}, {usual:.3f} mm elsewhere",
            "find the missing slices or read a part",
        )
