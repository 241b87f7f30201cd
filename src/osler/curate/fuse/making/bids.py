"""A made BIDS dataset: heads with a lesion, a mask in derivatives, sidecars that are inherited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from osler.core import derive_rng, write_json, write_text

from ..case import Source
from .anatomy import Organ, centres, draw, random_grid, varied, voxels
from .made import Made
from .nifti import save, truth

HEAD = Organ((0, 0, 0), (68, 84, 74), 300)
PARTS: dict[str, Organ] = {
    "left ventricle of brain": Organ((-12, 4, 10), (9, 30, 12), 90),
    "right ventricle of brain": Organ((12, 4, 10), (9, 30, 12), 90),
    "lesion": Organ((-40, -10, 8), (14, 16, 13), 620),
}


def make(
    folder: Path,
    *,
    subjects: int = 3,
    seed: int = 0,
    sessions: int = 1,
    step: float = 6.0,
    dataset: str = "made-bids",
) -> Made:
    """Write a dataset of T1w images with a lesion mask and a segmentation of the ventricles.

    Masks lie in ``derivatives/made``; the one of the lesion is named by its entity ``label``, the
    segmentation by ``dseg.tsv``. The field strength stands in a sidecar at the top, the echo time
    of the first subject in one of its own.

    Parameters
    ----------
    sessions
        For each subject; with one, there are no folders ``ses-*``.
    step
        Size of a voxel in mm, about; grids differ in spacing, size and orientation.
    """
    ids = {"left ventricle of brain": 1, "right ventricle of brain": 2, "lesion": 3}
    native = {"Left-Lateral-Ventricle": 1, "Right-Lateral-Ventricle": 2, "lesion": 3}
    derived = folder / "derivatives" / "made"
    for place, kind in ((folder, "raw"), (derived, "derivative")):
        write_json(
            place / "dataset_description.json",
            {"Name": "made heads", "BIDSVersion": "1.9.0", "DatasetType": kind, "License": "CC0"},
        )
    write_json(folder / "T1w.json", {"MagneticFieldStrength": 3, "EchoTime": 0.003})
    lines = ["index\tname", "1\tLeft-Lateral-Ventricle", "2\tRight-Lateral-Ventricle"]
    write_text(derived / "dseg.tsv", "\n".join(lines) + "\n")
    people = ["participant_id\tage\tsex"]
    cases: dict[str, dict[str, Any]] = {}
    for number in range(subjects):
        subject = f"sub-{number + 1:02d}"
        people.append(f"{subject}\t{34 + 9 * number}\t{'FM'[number % 2]}")
        for session in range(sessions):
            rng = derive_rng("made bids", seed, number, session)
            stem = f"{subject}_ses-{session + 1:02d}" if sessions > 1 else subject
            inner = Path(*stem.split("_")) / "anat"
            shape, affine = random_grid(rng, (150, 180, 160), step)
            image, labels = draw(
                shape, affine, varied(PARTS, rng), ids, rng, body=HEAD, outside=0.0, noise=4.0
            )
            save(image.clip(0).astype(np.int16), affine, folder / inner / f"{stem}_T1w.nii.gz")
            lesion = (labels == 3).astype(np.uint8)
            save(lesion, affine, derived / inner / f"{stem}_label-lesion_mask.nii.gz")
            ventricles = np.where(labels < 3, labels, 0).astype(np.uint8)
            save(ventricles, affine, derived / inner / f"{stem}_dseg.nii.gz")
            if number == 0 and session == 0:
                write_json(folder / inner / f"{stem}_T1w.json", {"EchoTime": 0.005})
            cases[f"{stem}_T1w"] = truth(
                subject, voxels(labels, native), affine, "", centres(labels, ids, affine),
                structures=voxels(labels, ids),
            )  # fmt: skip
    write_text(folder / "participants.tsv", "\n".join(people) + "\n")
    source = Source(
        dataset=dataset,
        folder=folder,
        layout="bids",
        version="1",
        modality="",
        licence="CC0-1.0",
        annotation_licence="CC0-1.0",
    )
    return Made(source, cases)
