"""Made datasets in the layout of nnU-Net and the Decathlon: tumours of the brain, or the trunk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from osler.core import derive_rng, write_json

from ..case import Source
from .anatomy import TRUNK, Affine, Organ, centres, draw, random_grid, varied, voxels
from .made import Made
from .nifti import save, truth
from .numbering import ABDOMEN, organ_ids

HEAD = Organ((0, 0, 0), (68, 84, 74), 300)

TUMOUR: dict[str, Organ] = {
    "edema": Organ((28, 10, 14), (26, 30, 24), 700),
    "enhancing": Organ((28, 12, 14), (17, 18, 16), 900),
    "core": Organ((28, 12, 14), (10, 11, 9), 420),
}
"""A tumour at the right: each part holds the next, so that the parts are shells."""

_CHANNELS: dict[str, Mapping[str, float]] = {
    "FLAIR": {"edema": 900, "enhancing": 760, "core": 500},
    "T1w": {"edema": 380, "enhancing": 340, "core": 280},
    "t1gd": {"edema": 390, "enhancing": 980, "core": 300},
    "T2w": {"edema": 860, "enhancing": 700, "core": 800},
}

_BRAIN: dict[str, dict[str, Any]] = {
    "msd01": {
        "version": 1, "files": "4d", "key": "BRATS_{:03d}",
        "ids": {"edema": 1, "core": 2, "enhancing": 3},
        "names": {1: "edema", 2: "non-enhancing tumor", 3: "enhancing tumour"},
    },
    "brats21": {
        "version": 1, "files": "channels", "key": "BraTS2021_{:05d}",
        "ids": {"core": 1, "edema": 2, "enhancing": 4},
        "names": {1: "necrotic tumor core", 2: "peritumoral edema", 4: "enhancing tumor"},
    },
    "brats23": {
        "version": 2, "files": "channels", "key": "BraTS-GLI-{:05d}",
        "ids": {"core": 1, "edema": 2, "enhancing": 3},
        "names": {1: "necrotic tumor core", 2: "peritumoral edema", 3: "enhancing tumor"},
    },
}  # fmt: skip

STYLES = (*_BRAIN, *ABDOMEN)
"""What :func:`make` imitates: numberings of brain tumours and of organs of the trunk."""


def make(
    folder: Path,
    *,
    subjects: int = 3,
    seed: int = 0,
    style: str = "msd01",
    version: int = 0,
    regions: bool = False,
    step: float = 7.0,
    unit: str = "",
    dataset: str = "",
) -> Made:
    """Write a dataset and say what is true of it.

    Parameters
    ----------
    style
        One of :data:`STYLES`: how labels are numbered, files named and channels stored.
    version
        Of dataset.json, 1 or 2; 0: what the style has (2 for the trunk).
    regions
        State the overlapping regions whole tumour, tumour core and enhancing tumour (version 2).
    step
        Size of a voxel in mm, about; grids differ in spacing, size and orientation.
    unit
        Stated in the options of the source; empty: not stated.
    """
    if style in _BRAIN:
        about = dict(_BRAIN[style])
        about["version"] = version or (2 if regions else about["version"])
        channels = tuple(_CHANNELS)
    else:
        ids, names = organ_ids(style, TRUNK)
        about = {"version": version or 2, "files": "channels", "key": style.lower() + "_{:04d}",
                 "ids": ids, "names": names}  # fmt: skip
        channels = ("CT",)
    cases: dict[str, dict[str, Any]] = {}
    for number in range(subjects):
        rng = derive_rng("made nnunet", style, seed, number)
        key, patient = _named(about["key"], style, number)
        volumes, labels, affine = _drawn(style, about["ids"], rng, step)
        _write(folder, key, volumes, labels, affine, about["files"])
        native = {about["names"][n]: n for n in about["names"]}
        counted = voxels(labels, native)
        if regions:
            counted = {name: sum(int((labels == i).sum()) for i in ids)
                       for name, ids in _region_ids(about["ids"]).items()}  # fmt: skip
        cases[key] = truth(
            patient, counted, affine, unit, centres(labels, about["ids"], affine),
            structures=voxels(labels, about["ids"]), channels=channels,
        )  # fmt: skip
    _describe(folder, about, channels, list(cases), regions)
    source = Source(
        dataset=dataset or f"made-{style.lower()}",
        folder=folder,
        layout="nnunet",
        version="1",
        modality="MR" if style in _BRAIN else "CT",
        licence="CC0-1.0",
        annotation_licence="CC0-1.0",
        options={"unit": unit} if unit else {},
    )
    return Made(source, cases)


def _named(pattern: str, style: str, number: int) -> tuple[str, str]:
    """Key and patient; in BraTS 2023 the first patient came twice."""
    if style != "brats23":
        return pattern.format(number), ""
    person, visit = (0, number) if number < 2 else (number - 1, 0)
    patient = pattern.format(person)
    return f"{patient}-{visit:03d}", patient


def _drawn(
    style: str, ids: Mapping[str, int], rng: Generator, step: float
) -> tuple[list[NDArray[np.int16]], NDArray[np.uint8], Affine]:
    """One volume for each channel, the label map and the affine."""
    if style not in _BRAIN:
        shape, affine = random_grid(rng, (250, 190, 200), step)
        image, labels = draw(shape, affine, varied(TRUNK, rng), ids, rng)
        return [image], labels, affine
    shape, affine = random_grid(rng, (150, 180, 160), step)
    volumes = []
    parts = varied(TUMOUR, rng)
    for values in _CHANNELS.values():
        organs = {name: Organ(o.centre, o.radii, values[name]) for name, o in parts.items()}
        image, labels = draw(shape, affine, organs, ids, rng, body=HEAD, outside=0.0, noise=4.0)
        volumes.append(np.clip(image, 0, None).astype(np.int16))
    return volumes, labels, affine


def _write(
    folder: Path,
    key: str,
    volumes: list[NDArray[np.int16]],
    labels: NDArray[np.uint8],
    affine: Affine,
    files: str,
) -> None:
    images = folder / "imagesTr"
    if files == "4d":
        save(np.stack(volumes, -1), affine, images / f"{key}.nii.gz")
    else:
        for number, volume in enumerate(volumes):
            save(volume, affine, images / f"{key}_{number:04d}.nii.gz")
    save(labels, affine, folder / "labelsTr" / f"{key}.nii.gz")


def _region_ids(ids: Mapping[str, int]) -> dict[str, list[int]]:
    core = [ids["core"], ids["enhancing"]]
    return {
        "whole tumor": sorted([*core, ids["edema"]]),
        "tumor core": sorted(core),
        "enhancing tumor": [ids["enhancing"]],
    }


def _describe(
    folder: Path,
    about: Mapping[str, Any],
    channels: tuple[str, ...],
    keys: list[str],
    regions: bool,
) -> None:
    names: Mapping[int, str] = about["names"]
    named = {str(n): channel for n, channel in enumerate(channels)}
    if about["version"] == 2:
        labels: dict[str, Any] = {"background": 0, **{name: n for n, name in names.items()}}
        said: dict[str, Any] = {"channel_names": named, "labels": labels,
                                "numTraining": len(keys), "file_ending": ".nii.gz"}  # fmt: skip
        if regions:
            lists = {k: v if len(v) > 1 else v[0] for k, v in _region_ids(about["ids"]).items()}
            said |= {"labels": {"background": 0, **lists}, "regions_class_order": [2, 1, 3]}
    else:
        pairs = [{"image": f"./imagesTr/{key}.nii.gz", "label": f"./labelsTr/{key}.nii.gz"}
                 for key in keys]  # fmt: skip
        said = {
            "name": "made", "description": "ellipsoids", "tensorImageSize": "4D",
            "modality": {n: "MRI" if c == "MR" else c for n, c in named.items()},
            "labels": {"0": "background", **{str(n): name for n, name in names.items()}},
            "numTraining": len(keys), "numTest": 0, "training": pairs, "test": [],
        }  # fmt: skip
    write_json(folder / "dataset.json", said)
