"""Made DICOM archives: series of the trunk with RTSTRUCT regions and SEG segments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from osler.core import derive_rng, sha256_hex

from ..case import Source
from .anatomy import TRUNK, Organ, centres, draw, grid, varied
from .dicom import write_rtstruct, write_seg, write_series
from .made import Made
from .nifti import truth

REGIONS = {"Liver": "liver", "Kidney_L": "left kidney", "Kidney_R": "right kidney"}
"""Free-text names of regions -> organs; ``gtv-1``, a shell with a hole, is added."""

SEGMENTS = {
    "Spleen": ("spleen", ("SCT", "78961009", "Spleen")),
    "Aorta": ("aorta", ("SCT", "15825003", "Aorta")),
    "Pancreas": ("pancreas", ("SCT", "15776009", "Pancreas")),
}
_SHELL = Organ((62, 8, 18), (22, 20, 16), 90)
_HOLE = Organ((62, 8, 18), (10, 9, 8), 20)
_TURNS = ("LPS", "RAS", "LIP", "PIR")
"""Right-handed grids: two axial ones, a coronal and a sagittal one."""


def make(
    folder: Path,
    *,
    subjects: int = 2,
    seed: int = 0,
    modality: str = "CT",
    marks: Sequence[str] = ("RTSTRUCT", "SEG"),
    flipped: bool = False,
    step: float = 8.0,
    dataset: str = "",
) -> Made:
    """Write an archive and say what is true of its series.

    Parameters
    ----------
    modality
        DICOM code: CT, MR or PT (Bq/mL, with all that SUV needs).
    marks
        Which objects mark each series.
    flipped
        Store the rows of the SEG frames from the other end than those of the series.
    """
    cases: dict[str, dict[str, Any]] = {}
    for number in range(subjects):
        rng = derive_rng("made dicom", modality, seed, number)
        patient = f"MADE-{seed}-{number:03d}"
        letters = _TURNS[number % len(_TURNS)]
        extent = {"R": 250, "L": 250, "A": 190, "P": 190, "S": 200, "I": 200}
        spacing = rng.uniform(0.9 * step, 1.1 * step, 3).round(2)
        shape = tuple(int(np.ceil(extent[c] / s)) for c, s in zip(letters, spacing, strict=True))
        affine = grid(shape, spacing.tolist(), orientation=letters,
                      centre=rng.uniform(-2, 2, 3).tolist(),
                      tilt_degrees=6.0 if number % 2 else 0.0)  # fmt: skip
        ids = {organ: n for n, organ in enumerate(TRUNK, 1)}
        organs = {**varied(TRUNK, rng), "shell": _SHELL, "hole": _HOLE}
        ids |= {"shell": len(ids) + 1, "hole": len(ids) + 2}
        image, labels = draw(shape, affine, organs, ids, rng,
                             outside=-1000.0 if modality == "CT" else 0.0)  # fmt: skip
        image = np.maximum(image, -1024 if modality == "CT" else 0)
        place = folder / patient
        series = write_series(place / "images", image, affine, patient=patient,
                              name=f"{seed}-{number}", rng=rng, modality=modality)  # fmt: skip
        regions = {name: labels == ids[organ] for name, organ in REGIONS.items()}
        regions["gtv-1"] = labels == ids["shell"]
        segments = {name: labels == ids[organ] for name, (organ, _) in SEGMENTS.items()}
        found: dict[str, int] = {}
        if "RTSTRUCT" in marks:
            write_rtstruct(place / "rtstruct" / "1.dcm", series, regions, keyholes=bool(number % 2))
            found |= {name: int(mask.sum()) for name, mask in regions.items()}
        if "SEG" in marks:
            codes = {name: code for name, (_, code) in SEGMENTS.items()}
            write_seg(place / "seg" / "1.dcm", series, segments, codes, rng, flipped=flipped)
            found |= {name: int(mask.sum()) for name, mask in segments.items()}
        unit = {"CT": "HU", "PT": "Bq/mL"}.get(modality, "a.u.")
        cases[series.series] = truth(
            sha256_hex(patient.encode())[:16], found, affine, unit, centres(labels, ids, affine),
            folder=patient,
        )  # fmt: skip
    source = Source(
        dataset=dataset or f"made-dicom-{modality.lower()}",
        folder=folder,
        layout="dicom_series",
        version="1",
        licence="CC0-1.0",
        annotation_licence="CC0-1.0",
    )
    return Made(source, cases)
