"""Made organ maps: label maps in published numberings, or a mask for each structure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from osler.core import derive_rng, write_text

from ..case import Source
from .anatomy import TRUNK, centres, draw, random_grid, varied, voxels
from .made import Made
from .nifti import save, truth
from .numbering import ABDOMEN, organ_ids

STYLES = (*ABDOMEN, "TotalSegmentator")
"""What :func:`make` imitates."""


def make(
    folder: Path,
    *,
    subjects: int = 3,
    seed: int = 0,
    style: str = "AMOS22",
    only: Sequence[str] = (),
    step: float = 7.0,
    unit: str = "",
    modality: str = "CT",
    dataset: str = "",
) -> Made:
    """Write a dataset of the trunk and say what is true of it.

    Parameters
    ----------
    style
        One of :data:`STYLES`: a numbering (folders ``images`` and ``labels``), or
        ``TotalSegmentator`` (binary masks, ``meta.csv``).
    only
        Native names that were annotated: the others are in the image, but not in the map, and the
        source says so (``annotated``). Empty: all.
    step
        Size of a voxel in mm, about; grids differ in spacing, size and orientation.
    unit
        Stated in the options of the source; empty: not stated.
    """
    parts = style == "TotalSegmentator"
    ids, names = _numbers(style)
    wanted = set(only) or set(names.values())
    ids = {organ: n for organ, n in ids.items() if names[n] in wanted}
    cases: dict[str, dict[str, Any]] = {}
    rows = ["image_id;age;gender;institute;study_type;split"]
    for number in range(subjects):
        rng = derive_rng("made organ maps", style, seed, number)
        key = f"s{number:04d}" if parts else f"{style.lower()}_{number:04d}"
        shape, affine = random_grid(rng, (250, 190, 200), step)
        image, labels = draw(shape, affine, varied(TRUNK, rng), ids, rng)
        native = {name: n for n, name in names.items() if name in wanted}
        if parts:
            save(image, affine, folder / key / "ct.nii.gz")
            for name, n in native.items():
                mask = (labels == n).astype(np.uint8)
                save(mask, affine, folder / key / "segmentations" / f"{name}.nii.gz")
            split = "test" if number == subjects - 1 and subjects > 2 else "train"
            rows.append(f"{key};{40 + 7 * number};{'mf'[number % 2]};I;ct abdomen;{split}")
        else:
            save(image, affine, folder / "images" / f"{key}_0000.nii.gz")
            save(labels, affine, folder / "labels" / f"{key}.nii.gz")
        cases[key] = truth(
            key if parts else "", voxels(labels, native), affine, unit,
            centres(labels, ids, affine), structures=voxels(labels, ids),
        )  # fmt: skip
    if parts:
        write_text(folder / "meta.csv", "\n".join(rows) + "\n")
    options: dict[str, Any] = {} if parts else {"convention": style}
    if unit:
        options["unit"] = unit
    if only:
        options["annotated"] = sorted(wanted)
    source = Source(
        dataset=dataset or f"made-{style.lower()}-maps",
        folder=folder,
        layout="organ_maps",
        version="1",
        modality=modality,
        licence="CC0-1.0",
        annotation_licence="CC0-1.0",
        options=options,
    )
    return Made(source, cases)


def _numbers(style: str) -> tuple[dict[str, int], dict[int, str]]:
    if style != "TotalSegmentator":
        return organ_ids(style, TRUNK)
    ids = {organ: n for n, organ in enumerate(sorted(TRUNK), 1)}
    return ids, {n: _native(organ) for organ, n in ids.items()}


def _native(organ: str) -> str:
    """The name of a file: ``kidney_left``, ``adrenal_gland_right``."""
    words = organ.split()
    if words[0] in ("left", "right"):
        words = [*words[1:], words[0]]
    return "_".join(words) if organ != "bladder" else "urinary_bladder"
