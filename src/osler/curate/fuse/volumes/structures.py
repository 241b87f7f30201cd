"""DICOM RTSTRUCT: contours of regions, drawn as masks on the slices of a series."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from osler.images import Image
from osler.images.dicom import read_dataset
from osler.images.dicom_tags import numbers, raw, text, whole

from ..faults import LayoutError
from .contours import filled
from .files import reading
from .slices import Slices

_CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
_OFF_SHARE = 0.05
_OFF_MM = 0.02
"""A contour lies on a slice if it is no farther off than the larger of both."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One region of interest: its free-text name, its mask (x, y, z), and what is odd about it."""

    name: str
    mask: NDArray[np.bool_]
    flags: tuple[str, ...] = ()


def regions_of(
    path: Path, image: Image, slices: Slices, case: str, wanted: list[str]
) -> list[Region]:
    """The regions that an RTSTRUCT object outlines, in its order; only those whose name holds one
    of the words ``wanted``, if there are any.

    Contours of one region on one slice are combined by exclusive or, so that a contour within a
    contour is a hole; a keyhole is one as well. A contour that is there twice counts once. Slices
    between contours are not filled (flag ``contours-skip-slices``). Points and open contours are
    no regions; a region without contour was not drawn and is left out.

    Raises
    ------
    LayoutError
        ``contour-slice`` for a contour that lies on no slice, or on another than it refers to;
        ``file-unreadable`` for a broken object.

    Notes
    -----
    DICOM PS3.3 C.8.8.5 (structure set), C.8.8.6 (ROI contour).
    """
    with reading(path, case):
        ds = read_dataset(path)
    if image.affine is None or image.axes[:3] != "xyz":
        raise LayoutError("affine-broken", path, "marks an image without geometry", case=case)
    names = {
        whole(item, "ROINumber"): text(item, "ROIName") or ""
        for item in raw(ds, "StructureSetROISequence") or ()
    }
    to_voxel: NDArray[Any] = np.linalg.inv(image.affine) @ np.diag([-1.0, -1.0, 1.0, 1.0])
    found: list[Region] = []
    for item in raw(ds, "ROIContourSequence") or ():
        number = whole(item, "ReferencedROINumber")
        if number not in names:
            raise LayoutError(
                "file-unreadable", path, f"outlines region {number}, which it does not name",
                case=case,
            )  # fmt: skip
        name = names[number].strip() or f"ROI {number}"
        if wanted and not any(word.lower() in name.lower() for word in wanted):
            continue
        region = _region(item, name, to_voxel, image, slices, path, case)
        if region is not None:
            found.append(region)
    return found


def _region(
    item: Dataset,
    name: str,
    to_voxel: NDArray[Any],
    image: Image,
    slices: Slices,
    path: Path,
    case: str,
) -> Region | None:
    shape = image.shape[:3]
    mask = np.zeros(shape, bool, order="F")
    flags: set[str] = set()
    drawn: set[tuple[int, bytes]] = set()
    for contour in raw(item, "ContourSequence") or ():
        kind = text(contour, "ContourGeometricType") or ""
        if kind not in _CLOSED:
            flags.add(f"contour-left-out:{kind or 'no type'}")
            continue
        voxels = _voxels(contour, to_voxel, name, path, case)
        index = _slice(voxels, image, name, path, case)
        _check_reference(contour, index, slices, name, path, case)
        key = (index, np.round(voxels, 4).tobytes())
        if key in drawn:
            flags.add("contour-doubled")
            continue
        drawn.add(key)
        mask[:, :, index] ^= filled(voxels[:, :2], (shape[0], shape[1]))
    if not drawn:
        return None
    levels = sorted({index for index, _ in drawn})
    if levels[-1] - levels[0] + 1 > len(levels):
        flags.add("contours-skip-slices")
    return Region(name, mask, tuple(sorted(f"{flag} ({name})" for flag in flags)))


def _voxels(
    contour: Dataset, to_voxel: NDArray[Any], name: str, path: Path, case: str
) -> NDArray[np.float64]:
    """Corners as voxel indices (n, 3)."""
    values: Any = numbers(contour, "ContourData")
    stated = whole(contour, "NumberOfContourPoints")
    if not values or len(values) % 3 or len(values) < 9 or stated not in (None, len(values) // 3):
        raise LayoutError(
            "file-unreadable",
            path,
            f"a contour of {name!r} has {len(values or ())} numbers for {stated} points",
            case=case,
        )
    points = np.array(values, np.float64).reshape(-1, 3)
    if not np.isfinite(points).all():
        raise LayoutError(
            "file-unreadable", path, f"a contour of {name!r} is not finite", case=case
        )
    out: NDArray[np.float64] = points @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    return out


def _slice(voxels: NDArray[np.float64], image: Image, name: str, path: Path, case: str) -> int:
    """The slice on which a contour lies."""
    assert image.affine is not None  # regions_of has checked it
    step = float(np.linalg.norm(image.affine[:3, 2]))
    index = round(float(voxels[:, 2].mean()))
    off = float(np.abs(voxels[:, 2] - index).max()) * step
    if not 0 <= index < image.shape[2] or off > max(_OFF_SHARE * step, _OFF_MM):
        spread = float(np.ptp(voxels[:, 2])) * step
        raise LayoutError(
            "contour-slice",
            path,
            f"a contour of {name!r} lies {off:.2f} mm from slice {index} of {image.shape[2]}"
            + (f" and spreads over {spread:.2f} mm" if spread > _OFF_MM else ""),
            "the series is not the one that was outlined, or slices are missing",
            case=case,
        )
    return index


def _check_reference(
    contour: Dataset, index: int, slices: Slices, name: str, path: Path, case: str
) -> None:
    """A contour must lie on a slice that it refers to, if it refers to any."""
    where = slices.elsewhere(index, raw(contour, "ContourImageSequence") or ())
    if not where:
        return
    raise LayoutError(
        "contour-slice",
        path,
        f"a contour of {name!r} lies on slice {index} but refers to {where}",
        "the series is not the one that was outlined, or slices are missing",
        case=case,
    )
