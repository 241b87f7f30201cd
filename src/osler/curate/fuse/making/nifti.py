"""Writing made volumes as NIfTI, as other people's tools do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import write_bytes


def save(
    pixels: NDArray[Any], affine: NDArray[np.float64], path: Path, *, seconds: float = 0.0
) -> None:
    """A NIfTI-1 file whose sform and qform are both ``affine``; the same bytes each time."""
    import gzip

    import nibabel as nib

    image = nib.Nifti1Image(pixels, affine, dtype=pixels.dtype)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm", "sec")
    if seconds and pixels.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], seconds))
    content = image.to_bytes()
    zipped = path.name.endswith(".gz")
    write_bytes(path, gzip.compress(content, 1, mtime=0) if zipped else content)


def truth(
    patient: str,
    voxels: Mapping[str, int],
    affine: NDArray[np.float64],
    unit: str,
    landmarks: Mapping[str, tuple[float, float, float]],
    **more: Any,
) -> dict[str, Any]:
    """What is true of a made volume; see :class:`osler.curate.fuse.making.made.Made`."""
    return {
        "patient": patient,
        "voxels": dict(voxels),
        "affine": affine.tolist(),
        "unit": unit,
        "landmarks": {name: tuple(map(float, place)) for name, place in landmarks.items()},
        **more,
    }
