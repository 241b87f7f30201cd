"""Real images that lie inside installed packages, by modality; computed stand-ins where none does.

Nothing is downloaded. A package that is not installed is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from osler.images import Image, Modality, read, to_display

from .phantoms import fdg_brain, retina_scan, thorax_radiograph
from .scale import Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One 8-bit plane, (H, W) or (H, W, 3), as shown on a display.

    ``real`` is False for computed stand-ins and for real images of another modality.
    """

    name: str
    modality: Modality
    pixels: Pixels
    about: str
    real: bool = True


def _file(package: str, path: str) -> Path | None:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    found = Path(spec.submodule_search_locations[0]) / path
    return found if found.is_file() else None


def _shown(image: Image) -> Pixels:
    pixels = to_display(image).pixels
    return np.ascontiguousarray(pixels[0] if image.axes.startswith("t") else pixels)


def _crop(pixels: Pixels, top: float, left: float, bottom: float, right: float) -> Pixels:
    height, width = pixels.shape[:2]
    rows = slice(round(top * height), round(bottom * height))
    return np.ascontiguousarray(pixels[rows, round(left * width) : round(right * width)])


# modality, name, package, file, part (top, left, bottom, right), what it shows
_FILES: tuple[tuple[Modality, str, str, str, tuple[float, float, float, float], str], ...] = (
    ("ct", "ct_head", "pydicom", "data/test_files/J2K_pixelrep_mismatch.dcm", (0, 0, 1, 1),
     "head CT, bone window (pydicom)"),
    ("ct", "ct_spine", "pydicom", "data/test_files/CT_small.dcm", (0, 0, 1, 1),
     "thoracic spine CT (pydicom)"),
    ("mri", "mri_abdomen", "pydicom", "data/test_files/examples_overlay.dcm", (0, 0.19, 1, 0.81),
     "abdominal MRI, arterial phase (pydicom)"),
    ("ultrasound", "us_heart", "pydicom", "data/test_files/examples_ybr_color.dcm",
     (0.02, 0.12, 0.86, 0.78), "echocardiogram, first frame (pydicom)"),
    ("nuclear", "bone_scan", "pydicom", "data/test_files/JPEG2000.dcm", (0.02, 0, 0.42, 1),
     "bone scan (pydicom)"),
    ("pathology", "ihc_colon", "skimage", "data/ihc.png", (0, 0, 1, 1),
     "colon, immunohistochemistry (scikit-image)"),
    ("pathology", "he_skin", "wsidicom_data", "data/test_tile.png", (0, 0, 1, 1),
     "skin, hematoxylin and eosin (wsidicom-data)"),
    ("fundus", "retina", "skimage", "data/retina.jpg", (0, 0, 1, 1),
     "fundus photograph (scikit-image)"),
)  # fmt: skip


def _from_files() -> Iterator[Sample]:
    for modality, name, package, path, part, about in _FILES:
        found = _file(package, path)
        if found is None:
            continue
        image = read(found, modality=modality, frame=0)
        yield Sample(name, modality, _crop(_shown(image), *part), about)


def _brain() -> Iterator[Sample]:
    maps = [
        _file("nilearn", f"datasets/data/mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz")
        for kind in ("t1", "gm", "wm")
    ]
    if any(path is None for path in maps):
        return
    t1, grey, white = (np.asarray(read(path).pixels) for path in maps if path is not None)

    def slice_at(volume: Pixels, z: float) -> Any:
        plane = volume[:, :, round(z * volume.shape[2])].T[::-1]
        return np.ascontiguousarray(plane).astype(np.float32)

    for z in (0.42, 0.56):
        plane = slice_at(t1, z)
        pixels = np.rint(plane / max(float(plane.max()), 1) * 255).astype(np.uint8)
        yield Sample(f"mri_brain_{round(z * 100)}", "mri", pixels,
                     "brain MRI, MNI T1 template (nilearn)")  # fmt: skip
    plane = fdg_brain(slice_at(grey, 0.46) / grey.max(), slice_at(white, 0.46) / white.max())
    yield Sample("fdg_brain", "pet", plane,
                 "computed FDG uptake from the MNI tissue maps (nilearn)", real=False)  # fmt: skip


def _stand_ins() -> Iterator[Sample]:
    yield Sample("thorax", "xray", thorax_radiograph(),
                 "computed radiograph of an ellipsoid thorax", real=False)  # fmt: skip
    yield Sample("retina_scan", "oct", retina_scan(),
                 "computed B-scan of a layered retina", real=False)  # fmt: skip
    retina = _file("skimage", "data/retina.jpg")
    if retina is not None:
        pixels = _crop(_shown(read(retina)), 0.12, 0.06, 0.52, 0.46)
        for modality in ("endoscopy", "dermoscopy"):
            yield Sample(f"{modality}_like", modality, pixels,
                         "part of a fundus photograph in place of mucosa or skin (scikit-image)",
                         real=False)  # fmt: skip


@lru_cache(maxsize=1)
def _all() -> tuple[Sample, ...]:
    return (*_from_files(), *_brain(), *_stand_ins())


def samples(modality: str | None = None, *, real: bool = False) -> list[Sample]:
    """Images of ``modality`` (or of all) that can be had offline, real ones first.

    Parameters
    ----------
    modality
        A name of :data:`osler.images.MODALITIES`, or None for all.
    real
        Leave out computed stand-ins.
    """
    chosen = [s for s in _all() if modality in (None, s.modality) and (s.real or not real)]
    return sorted(chosen, key=lambda s: not s.real)


def resized(pixels: Pixels, side: int) -> Pixels:
    """``pixels`` cut to a centred square and resized to ``side``; area averaging downwards."""
    height, width = pixels.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = pixels[top : top + short, left : left + short]
    how = cv2.INTER_AREA if short >= side else cv2.INTER_CUBIC
    done: Pixels = cv2.resize(np.ascontiguousarray(square), (side, side), interpolation=how)
    return done
