"""The grid of a volume: shape and affine, from the header alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..faults import LayoutError
from .files import fetched, reading

TOLERANCE_MM = 1e-3
"""A mask and its image lie on one grid if no corner voxel is farther apart than this."""

FORMS_MM = 0.01
"""sform and qform that differ by more than this at a corner place a volume twice."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """``shape`` of one volume, ``affine`` to RAS+ mm, ``count`` of volumes along later axes."""

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    count: int = 1


def grid_of(path: Path, case: str, form: str = "") -> Grid:
    """The grid that a NIfTI header states.

    Parameters
    ----------
    form
        ``sform`` or ``qform``: which to believe where they disagree; empty: neither.

    Raises
    ------
    LayoutError
        ``file-unreadable``, ``affine-broken``, ``form-disagreement``.
    """
    import nibabel as nib
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    from osler.images.sniff import first_bytes

    fetched(path, case)
    with reading(path, case):
        head = first_bytes(path)
    second = head[4:7] in (b"n+2", b"ni2")
    try:
        header = (nib.Nifti2Header if second else nib.Nifti1Header)(
            head[: 540 if second else 348], check=False
        )
        dims = [int(n) for n in header["dim"][1 : 1 + int(header["dim"][0])]]
        sform, scode = header.get_sform(coded=True)
        space = str(header.get_xyzt_units()[0])
    except (HeaderDataError, WrapStructError, ValueError, TypeError, KeyError) as error:
        raise LayoutError(
            "file-unreadable", path, f"has no NIfTI header ({error})", "fetch it again", case=case
        ) from error
    if not dims or min(dims) < 1:
        raise LayoutError("file-unreadable", path, f"states the shape {dims}", case=case)
    try:
        qform, qcode = header.get_qform(coded=True)
    except (HeaderDataError, ValueError):
        qform, qcode = np.full((4, 4), np.nan), 1
    shape = [*dims, 1, 1, 1][:3]
    affine = _chosen(sform, qform, int(scode), int(qcode), shape, path, case, form)
    affine[:3] *= {"meter": 1000.0, "micron": 0.001}.get(space, 1.0)
    return Grid((shape[0], shape[1], shape[2]), affine, int(np.prod(dims[3:], initial=1)))


def _chosen(
    sform: NDArray[np.float64] | None,
    qform: NDArray[np.float64] | None,
    scode: int,
    qcode: int,
    shape: list[int],
    path: Path,
    case: str,
    form: str,
) -> NDArray[np.float64]:
    """The affine that places the volume; each form that is set must be whole."""
    from osler.images.geometry import corner_distance

    stated = {"sform": sform if scode > 0 else None, "qform": qform if qcode > 0 else None}
    for name, affine in stated.items():
        if affine is not None and (not form or form == name) and not invertible(affine):
            raise LayoutError(
                "affine-broken",
                path,
                f"its {name} is singular or not finite",
                "export the file again from its original",
                case=case,
            )
    one, other = stated["sform"], stated["qform"]
    if one is None and other is None:
        raise LayoutError(
            "affine-broken",
            path,
            "states neither sform nor qform, so nobody knows which side is left",
            "export the file again from its original",
            case=case,
        )
    if one is not None and other is not None and not form:
        apart = corner_distance(one, other, shape)
        if apart > FORMS_MM:
            raise LayoutError(
                "form-disagreement",
                path,
                f"sform and qform place its corners up to {apart:.3f} mm apart",
                'set the option "form" to "sform" or "qform" once you know which is right',
                case=case,
            )
    chosen = one if (other is None or form != "qform") and one is not None else other
    assert chosen is not None  # one of the two is set
    return np.array(chosen, np.float64)


def invertible(affine: NDArray[np.float64]) -> bool:
    """True for a finite affine whose voxels have a volume (1e-9 mm3 at least)."""
    if not np.isfinite(affine).all():
        return False
    return abs(float(np.linalg.det(affine[:3, :3]))) > 1e-9


def check_same(image: Grid, mask: Grid, path: Path, case: str) -> None:
    """Refuse a mask whose grid is not that of its image.

    Raises
    ------
    LayoutError
        ``grid-mismatch``, which says by how much.
    """
    from osler.images.geometry import corner_distance

    if mask.shape != image.shape:
        raise LayoutError(
            "grid-mismatch",
            path,
            f"has {_by(mask.shape)} voxels, its image {_by(image.shape)}",
            "resample it yourself, knowingly; Osler never does",
            case=case,
        )
    apart = corner_distance(image.affine, mask.affine, image.shape)
    if not apart <= TOLERANCE_MM:
        raise LayoutError(
            "grid-mismatch",
            path,
            f"its corners lie up to {apart:.4f} mm from those of its image",
            "find out which of the two headers is right",
            case=case,
        )


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
