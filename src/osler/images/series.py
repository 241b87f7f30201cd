"""A folder of DICOM slices as one volume with its true geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset

from osler.core import BadFileError

from .dicom import arranged, image_of, read_dataset
from .dicom_geometry import SeriesError, placement, stack
from .dicom_pixels import frame_count, has_pixels
from .dicom_tags import numbers, text
from .image import Image
from .limits import check_shape
from .pet import joined_factors
from .sniff import format_of

TIMES = (
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "EchoTime",
    "TriggerTime",
    "AcquisitionNumber",
)
"""Attributes that tell slices at one position apart."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series in a folder: its UID, what it says it is, and its files in name order."""

    uid: str
    modality: str
    description: str
    files: tuple[Path, ...]


def find_series(folder: str | Path) -> list[Series]:
    """The DICOM series whose files lie in ``folder`` or below, by UID.

    Files that are no DICOM images (indexes, reports, pictures) are passed over.

    Raises
    ------
    BadFileError
        If the folder does not exist.
    """
    return [
        Series(uid, *_about(datasets[0][1]), tuple(path for path, _ in datasets))
        for uid, datasets in _by_series(folder, pixels=False).items()
    ]


def _about(ds: Dataset) -> tuple[str, str]:
    return text(ds, "Modality") or "", text(ds, "SeriesDescription") or ""


def _by_series(folder: str | Path, *, pixels: bool) -> dict[str, list[tuple[Path, Dataset]]]:
    root = Path(folder)
    if not root.is_dir():
        raise BadFileError(root, "is not a folder", "check the path")
    found: dict[str, list[tuple[Path, Dataset]]] = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file() and p.stat().st_size):
        if path.name.upper() == "DICOMDIR" or format_of(path) != "dicom":
            continue
        ds = read_dataset(path, pixels=pixels)
        if "Rows" in ds and (not pixels or has_pixels(ds)):
            found.setdefault(text(ds, "SeriesInstanceUID") or "", []).append((path, ds))
    return dict(sorted(found.items()))


def read_series(folder: str | Path, uid: str | None = None) -> Image:
    """The volume ``xyz`` (or ``xyzt``) of the DICOM series in a folder.

    Slices are ordered by their position along the normal, never by name or number. Each slice is
    rescaled by its own slope.

    Parameters
    ----------
    uid
        Which series, where the folder holds several.

    Raises
    ------
    SeriesError
        If there is no series or several, or its slices mix sizes or orientations, repeat a
        position, or leave a gap; the message names the files.
    """
    groups = _by_series(folder, pixels=True)
    if uid is not None:
        groups = {key: value for key, value in groups.items() if key == uid}
    if not groups:
        what = "holds no DICOM image" if uid is None else f"holds no series {uid}"
        raise SeriesError(folder, "empty", what, "check the path")
    if len(groups) > 1:
        listing = ", ".join(f"{key} ({len(value)} files)" for key, value in groups.items())
        raise SeriesError(
            folder,
            "several",
            f"holds {len(groups)} series: {listing}",
            "keep each in a folder of its own (read_series takes a UID)",
        )
    return _volume(next(iter(groups.values())), folder)


def read_slices(files: Sequence[str | Path], source: str | Path) -> Image:
    """As :func:`read_series`, of the files that make the series; ``source`` names it in errors.

    Raises
    ------
    BadFileError, SeriesError
        As :func:`read_series`; a file without pixels is an error here.
    """
    if not files:
        raise SeriesError(source, "empty", "names no file", "check the path")
    slices = [(Path(path), read_dataset(path)) for path in files]
    for path, ds in slices:
        if not has_pixels(ds):
            raise BadFileError(path, "is a DICOM object without pixels")
    return _volume(slices, source)


def _volume(slices: list[tuple[Path, Dataset]], folder: str | Path) -> Image:
    paths = [path for path, _ in slices]
    datasets = [ds for _, ds in slices]
    names = [path.name for path in paths]
    if len(slices) == 1:
        return image_of(datasets[0], paths[0])
    _check_alike(datasets, names, folder)
    places = []
    for ds, name in zip(datasets, names, strict=True):
        place = placement(ds)
        if place is None:
            raise SeriesError(
                folder, "geometry", f"{name} states no position, orientation or pixel spacing",
                "read the files one by one",
            )  # fmt: skip
        places.append(place)
    laid = stack(places, folder, names, slice_times([time_values(ds) for ds in datasets]))
    images = [image_of(ds, path) for ds, path in zip(datasets, paths, strict=True)]
    if len({image.unit for image in images}) > 1:
        raise SeriesError(folder, "shape", "mixes units of intensity", "read the files one by one")
    kind = np.result_type(*(image.pixels for image in images))
    check_shape(folder, (len(images), *images[0].shape))
    planes = np.empty((len(images), *images[0].shape), kind)
    for index, image in enumerate(images):
        planes[index] = image.pixels
    pixels, axes = arranged(planes, laid.order)
    first = images[laid.order[0][0]]
    meta = {**first.meta, "files": str(len(images))}
    if "pet_units" in meta:
        meta |= joined_factors([dict(images[spot].meta) for spot in laid.order[0]])
    if laid.notes:
        meta["warning"] = "; ".join(laid.notes)
    row, column = places[0].spacing
    return Image(
        pixels=pixels,
        axes=axes,
        modality=first.modality,
        unit=first.unit,
        spacing=(column, row, float(np.linalg.norm(laid.affine[:3, 2]))),
        affine=laid.affine,
        window=first.window,
        source=str(folder),
        patient=first.patient,
        meta=meta,
    )


def _check_alike(datasets: list[Dataset], names: list[str], folder: object) -> None:
    shapes = [
        (ds.get("Rows"), ds.get("Columns"), ds.get("SamplesPerPixel"), frame_count(ds))
        for ds in datasets
    ]
    for shape, name in zip(shapes, names, strict=True):
        if shape != shapes[0]:
            raise SeriesError(
                folder, "shape", f"mixes sizes: {name} has {shape[0]} x {shape[1]}, {names[0]} has "
                f"{shapes[0][0]} x {shapes[0][1]}", "read the files one by one",
            )  # fmt: skip
    if shapes[0][2] not in (None, 1) or shapes[0][3] > 1:
        raise SeriesError(
            folder, "shape", "holds colour or multi-frame files", "read the files one by one"
        )
    seen: dict[str, str] = {}
    for ds, name in zip(datasets, names, strict=True):
        uid = text(ds, "SOPInstanceUID") or name
        if uid in seen:
            raise SeriesError(
                folder, "duplicate", f"{seen[uid]} and {name} are the same image", "remove one"
            )
        seen[uid] = name


def time_values(ds: Dataset) -> tuple[float | None, ...]:
    """What a slice states of each of :data:`TIMES`."""
    found = (numbers(ds, name) for name in TIMES)
    return tuple(values[0] if values else None for values in found)


def slice_times(stated: Sequence[tuple[float | None, ...]]) -> list[float] | None:
    """What tells slices at one position apart: the first of the values (:func:`time_values`) that
    all slices state and that is not the same in all of them."""
    for column in zip(*stated, strict=True):
        values = [value for value in column if value is not None]
        if len(values) == len(stated) and len(set(values)) > 1:
            return values
    return None
