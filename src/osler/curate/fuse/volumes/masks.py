"""Images and label maps from NIfTI files, checked against each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from osler.images import Image, Modality

from ..case import Annotation, Source
from ..faults import LayoutError
from ..pictures.options import choice_of
from .dictionary import Dictionary
from .files import reading
from .grid import Grid, check_same, grid_of
from .settings import form_of, unit_of
from .sides import Centre, centres, laterality_check

MODALITY: dict[str, Modality] = {
    "CT": "ct", "MR": "mri", "PET": "pet", "NM": "nuclear", "US": "ultrasound", "XR": "xray",
    "OCT": "oct", "XA": "angiography", "CBCT": "ct",
}  # fmt: skip
"""Codes of the catalogue's vocabulary -> modalities of :mod:`osler.images`."""

_CHUNK = 1 << 22
_LISTED = 8


def read_image(
    paths: Sequence[Path],
    source: Source,
    case: str,
    *,
    modality: str = "",
    unit: str = "",
    frame: int | None = None,
) -> tuple[Image, Grid]:
    """One volume; several files are channels of one, stacked last in their order.

    Values stay as stored (after scl_slope and scl_inter). The unit is what the file states, else
    ``unit`` (of a sidecar), else the option of that name; nothing is guessed.

    Raises
    ------
    LayoutError
        ``file-missing``, ``file-dangling``, ``file-unreadable``, ``affine-broken``,
        ``form-disagreement``, or ``grid-mismatch`` between channels.
    """
    from osler.images.nifti import read_nifti

    form = form_of(source)
    grid = grid_of(paths[0], case, form)
    stacked: NDArray[Any] | None = None
    first: Image | None = None
    for index, path in enumerate(paths):
        if index:
            check_same(grid, grid_of(path, case, form), path, case)
        with reading(path, case):
            image = read_nifti(path, frame)
        if frame is not None:  # a view of one frame would keep the whole cine in memory
            image = replace(image, pixels=image.pixels.copy(order="K"))
        if len(paths) == 1:
            first = image
            break
        if image.axes != "xyz":
            raise LayoutError("channels", path, "is one channel but holds several", case=case)
        if stacked is None:
            first = image
            stacked = np.empty((*image.shape, len(paths)), image.pixels.dtype, order="F")
        elif image.pixels.dtype != stacked.dtype:
            stacked = stacked.astype(np.result_type(stacked.dtype, image.pixels.dtype))
        stacked[..., index] = image.pixels
    assert first is not None  # there is at least one path
    if stacked is not None:
        first = replace(first, pixels=stacked, axes="xyzt", source=str(paths[0].parent))
    if not np.isfinite(grid.affine).all():
        raise LayoutError("affine-broken", paths[0], "its affine is not finite", case=case)
    if first.unit != "unknown":
        unit = first.unit
    unit = unit or unit_of(source) or "unknown"
    known = MODALITY.get(modality) or first.modality
    # Which form holds is settled here, so that nothing later asks again.
    meta = {**first.meta, "form": form} if form else first.meta
    image = replace(first, affine=grid.affine, modality=known, unit=cast(Any, unit), meta=meta)
    return image, grid


def read_map(
    path: Path, grid: Grid, source: Source, case: str, frame: int | None = None
) -> NDArray[Any]:
    """An integer label map that lies on ``grid``, in the narrowest unsigned type.

    Raises
    ------
    LayoutError
        As :func:`read_image`, and ``grid-mismatch`` or ``mask-is-image``.
    """
    from osler.images.nifti import read_nifti

    check_same(grid, grid_of(path, case, form_of(source)), path, case)
    with reading(path, case):
        mask = read_nifti(path, frame)
    if mask.axes != "xyz":
        raise LayoutError(
            "channels", path, f"is a mask of shape {mask.shape}, not one volume", case=case
        )
    return whole(mask.pixels, path, case)


def whole(pixels: NDArray[Any], path: object, case: str) -> NDArray[Any]:
    """Mask values as the narrowest unsigned integers.

    Raises
    ------
    LayoutError
        ``mask-is-image`` if some value is negative, not finite or no whole number.
    """
    if pixels.dtype.kind == "f" and not bool(np.all(np.rint(pixels) == pixels)):
        raise LayoutError(
            "mask-is-image", path, "holds values that are no whole numbers", case=case
        )
    low, high = pixels.min(), pixels.max()
    if low < 0 or not np.isfinite(high) or high >= 1 << 31:
        raise LayoutError("mask-is-image", path, f"holds values from {low} to {high}", case=case)
    narrow: type[Any] = np.uint8 if high < 256 else np.uint16 if high < 65536 else np.uint32
    return pixels if pixels.dtype == narrow else pixels.astype(narrow)


def counts(mask: NDArray[Any]) -> dict[int, int]:
    """Voxels of each value that occurs, in order of the values."""
    flat = mask.ravel(order="K")
    if mask.dtype.itemsize > 2:
        values, numbers = np.unique(flat, return_counts=True)
        return dict(zip(values.tolist(), numbers.tolist(), strict=True))
    total = np.zeros(1 << (8 * mask.dtype.itemsize), np.int64)
    for start in range(0, flat.size, _CHUNK):  # bincount widens to 8 bytes: a piece at a time
        here = np.bincount(flat[start : start + _CHUNK])
        total[: here.size] += here
    present = np.flatnonzero(total)
    return dict(zip(present.tolist(), total[present].tolist(), strict=True))


def check_values(mask: NDArray[Any], allowed: Iterable[int], path: object, case: str) -> None:
    """Refuse a mask with values that no dictionary explains.

    Raises
    ------
    LayoutError
        ``label-value``; ``mask-is-image`` where there are hundreds of them.
    """
    found = counts(mask)
    strange = sorted(set(found) - set(allowed))
    if not strange:
        return
    if len(strange) > 200:
        raise LayoutError(
            "mask-is-image", path, f"holds {len(strange)} values that are no labels", case=case
        )
    listing = ", ".join(f"{v} ({found[v]:,} voxels)" for v in strange[:_LISTED])
    more = f" and {len(strange) - _LISTED} more" if len(strange) > _LISTED else ""
    raise LayoutError(
        "label-value",
        path,
        f"holds labels that no dictionary explains: {listing}{more}",
        "name them where the source names its labels (dataset.json, or the option labels)",
        case=case,
    )


def check_image(image: Image, allowed: Iterable[int], path: object, case: str) -> None:
    """Refuse an image whose values are all labels: image and mask were exchanged.

    Raises
    ------
    LayoutError
        ``mask-is-image``.
    """
    pixels, top = image.pixels, max(allowed)
    if pixels.size and pixels.min() >= 0 and 0 < pixels.max() <= top and top < 256:
        values = np.unique(pixels)
        if set(values.tolist()) <= set(allowed):
            raise LayoutError(
                "mask-is-image", path, "is an image but holds nothing but labels", case=case
            )


def check_sides(found: dict[str, Centre], source: Source, path: object, case: str) -> None:
    """Refuse names that contradict the anatomy, unless the option ``laterality`` is "off".

    Raises
    ------
    LayoutError
        ``laterality``.
    """
    off = choice_of(source, "laterality", ("", "off")) == "off"
    wrong = "" if off else laterality_check(found)
    if wrong:
        raise LayoutError(
            "laterality",
            path,
            wrong,
            'mend labels or header, or set the option "laterality" to "off" for situs inversus',
            case=case,
        )


def marks(
    mask: NDArray[Any],
    dictionary: Dictionary,
    image: Image,
    source: Source,
    path: object,
    case: str,
    annotated: tuple[str, ...] | None = None,
) -> tuple[Annotation, ...]:
    """A label map as annotations: one of all labels, or one for each region.

    Raises
    ------
    LayoutError
        ``label-value``, ``mask-is-image``, ``laterality``.
    """
    check_values(mask, dictionary.ids, path, case)
    check_image(image, dictionary.ids, path, case)
    if dictionary.regions:
        return tuple(
            Annotation(
                "mask",
                np.isin(mask, ids).astype(np.uint8),
                {"1": name},
                annotated,
                source_dataset=source.dataset,
            )
            for name, ids in dictionary.regions
        )
    assert image.affine is not None  # read_image set it
    check_sides(centres(mask, image.affine, dictionary.labels), source, path, case)
    labels = {str(number): name for number, name in dictionary.labels.items()}
    if dictionary.ignore is not None:
        labels[str(dictionary.ignore)] = "ignore"
    return (Annotation("mask", mask, labels, annotated, source_dataset=source.dataset),)
