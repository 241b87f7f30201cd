"""Geometry of the fused set: volumes in RAS+ millimetres, image and mask on one grid.

Axes are permuted and flipped, nothing is interpolated: an oblique volume stays oblique, and its
affine says so. What cannot be placed without doubt is refused, never mended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.images import Image, orientation, to_ras
from osler.images.geometry import corner_distance, spacing_of

from .case import Annotation, Loaded
from .faults import LayoutError
from .intensity import check_unit

TOLERANCE_MM = 1e-3
"""An image and its mask share a grid if no corner voxel lies farther apart than this."""

FORMS_MM = 0.01
"""sform and qform place a volume differently if a corner lies farther apart than this."""

_OBLIQUE_DEGREES = 0.1
_SHEAR = 1e-3


def canonical(loaded: Loaded) -> Loaded:
    """The same case with its axes along R, A, S, its masks likewise, and its unit checked.

    Planes and cines stay as they are. A volume without affine stays too, with the flag
    ``orientation-unknown``; turned volumes get ``oblique``, skewed ones ``sheared``.

    Raises
    ------
    LayoutError
        ``affine-broken``: not finite or singular. ``form-disagreement``: sform and qform differ by
        more than 0.01 mm and the source does not say which holds (``meta["form"]``).
        ``grid-mismatch``: a mask of another shape. ``intensity``: values that contradict the unit.
    """
    image = loaded.image
    for one in loaded.annotations:
        for mask in _masks(one):
            _check_shape(mask, image)
    check_unit(image, loaded.modality, loaded.channels)
    if not image.is_volume:
        return loaded
    if image.affine is None:
        return replace(loaded, flags=_with(loaded.flags, "orientation-unknown"))
    _check_affine(image)
    _check_forms(image)
    turned = to_ras(image)
    affine = turned.affine
    assert affine is not None  # to_ras keeps it
    turned = replace(turned, spacing=spacing_of(affine), meta=_turned_meta(image))
    annotations = tuple(_turned(one, image) for one in loaded.annotations)
    flags = _with(loaded.flags, *_notes(affine))
    return replace(loaded, image=turned, annotations=annotations, flags=flags)


def check_grid(
    image: Image, mask: Image, tolerance: float = TOLERANCE_MM, where: object = ""
) -> None:
    """Refuse a mask that does not lie on the grid of its image.

    Raises
    ------
    LayoutError
        ``grid-mismatch``, which says by how much; ``affine-broken`` where one has no affine.
    """
    where = where or mask.source or image.source
    _check_shape(mask.pixels, image, where)
    if image.affine is None and mask.affine is None:
        return
    if image.affine is None or mask.affine is None:
        which = "image" if image.affine is None else "mask"
        raise LayoutError("affine-broken", where, f"the {which} states no orientation")
    _check_affine(image)
    _check_affine(mask)
    apart = corner_distance(image.affine, mask.affine, image.shape)
    if not apart <= tolerance:
        raise LayoutError(
            "grid-mismatch",
            where,
            f"its corners lie up to {apart:.4f} mm from those of its image",
            "find out which of the two headers is right; Osler never resamples silently",
        )


def _with(flags: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*flags, *more)))


def _masks(annotation: Annotation) -> list[NDArray[Any]]:
    """Every array of an annotation that lies on the grid of its image."""
    if annotation.kind == "mask":
        return [np.asarray(annotation.value)]
    if annotation.kind == "instances":
        return [np.asarray(one["mask"]) for one in annotation.value if "mask" in one]
    return []


def _check_shape(mask: NDArray[Any], image: Image, where: object = "") -> None:
    whole = image.shape[:-1] if image.has_colour else image.shape
    # One label map may serve all channels or times of a volume.
    allowed = {whole, whole[:3]} if image.is_volume else {whole}
    if mask.shape not in allowed:
        raise LayoutError(
            "grid-mismatch",
            where or image.source or "image",
            f"a mask has {_by(mask.shape)} voxels, its image {_by(whole)}",
            "resample it yourself, knowingly; Osler never does",
        )


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _check_affine(image: Image) -> None:
    """Refuse an affine that is not finite, has no length along an axis, or lies flat."""
    affine = image.affine
    assert affine is not None
    what = ""
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        what = "its affine is not finite"
    elif min(spacing_of(affine)) < 1e-6:
        what = "its affine has no length along an axis"
    elif abs(float(np.linalg.det(affine[:3, :3] / spacing_of(affine)))) < _SHEAR:
        what = "its affine is singular: two axes point the same way"
    if what:
        raise LayoutError(
            "affine-broken", image.source or "image", what, "export it again from its original"
        )


def _check_forms(image: Image) -> None:
    apart = float(image.meta.get("sform_qform_mm", "0"))
    if apart > FORMS_MM and not image.meta.get("form"):
        raise LayoutError(
            "form-disagreement",
            image.source or "image",
            f"sform and qform place its corners up to {apart:.3f} mm apart",
            'set the option "form" to "sform" or "qform" once you know which is right',
        )


def _turned(annotation: Annotation, image: Image) -> Annotation:
    """The annotation with its arrays permuted and flipped as the image is."""
    if annotation.kind == "mask":
        return replace(annotation, value=_turned_mask(np.asarray(annotation.value), image))
    if annotation.kind != "instances":
        return annotation
    found: list[Mapping[str, Any]] = [
        {**one, "mask": _turned_mask(np.asarray(one["mask"]), image)} if "mask" in one else one
        for one in annotation.value
    ]
    return replace(annotation, value=found)


def _turned_mask(mask: NDArray[Any], image: Image) -> NDArray[Any]:
    axes = "xyz" if mask.ndim == 3 else "xyzt"
    return to_ras(image.with_pixels(mask, axes=axes, spacing=None)).pixels


def _turned_meta(image: Image) -> Mapping[str, str]:
    """``meta`` with the facts of single slices (SUV factors) in their new order."""
    factors = image.meta.get("suv_factors", "").split()
    if not factors:
        return image.meta
    assert image.affine is not None
    along = orientation(image.affine)[2]
    if along in "SI":
        return {**image.meta, "suv_factors": " ".join(factors[:: 1 if along == "S" else -1])}
    left = {key: value for key, value in image.meta.items() if key != "suv_factors"}
    return {**left, "suv_missing": "slices across the long axis"}


def _notes(affine: NDArray[np.float64]) -> list[str]:
    """``oblique`` and ``sheared``, where the axes of a RAS+ affine are turned or skewed."""
    columns = affine[:3, :3] / spacing_of(affine)
    notes = []
    if float(np.degrees(np.arccos(np.clip(np.diag(columns).min(), -1, 1)))) > _OBLIQUE_DEGREES:
        notes.append("oblique")
    if float(np.abs(columns.T @ columns - np.eye(3)).max()) > _SHEAR:
        notes.append("sheared")
    return notes
