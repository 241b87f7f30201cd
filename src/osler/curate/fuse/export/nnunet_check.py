"""The rules by which nnU-Net accepts a dataset (``nnUNetv2_plan_and_preprocess
--verify_dataset_integrity``), checked without it.

Where nnU-Net only warns (origin and direction) this refuses: image and labels must lie on one grid.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 1e-3


def check_nnunet(root: Path) -> list[str]:
    """Every fault of an nnU-Net v2 dataset, one sentence each; empty: it is whole.

    Checked: consecutive labels from background 0 with ``ignore`` last; as many training cases as
    ``numTraining``; every channel of every case; equal shape, spacing and affine of all channels
    and the labels; labels of the dictionary only; finite images.
    """
    described = json.loads((root / "dataset.json").read_bytes())
    faults = _labels(described["labels"])
    ending, channels = described["file_ending"], len(described["channel_names"])
    single = ending != ".nii.gz"
    cases = sorted(
        path.name.removesuffix(ending) for path in (root / "labelsTr").glob(f"*{ending}")
    )
    if len(cases) != described["numTraining"]:
        faults.append(f"{len(cases)} training cases, not {described['numTraining']}")
    allowed = set(described["labels"].values())
    for images, labels in (("imagesTr", "labelsTr"), ("imagesTs", "labelsTs")):
        for path in sorted((root / labels).glob(f"*{ending}")):
            name = path.name.removesuffix(ending)
            numbers = range(1 if single else channels)
            parts = [root / images / f"{name}_{number:04d}{ending}" for number in numbers]
            faults += _case(name, parts, path, allowed)
        known = {path.name.removesuffix(ending) for path in (root / labels).glob(f"*{ending}")}
        held = {path.name.removesuffix(ending)[:-5] for path in (root / images).glob(f"*{ending}")}
        faults += [f"{name}: an image without labels" for name in sorted(held - known)]
    return faults


def _labels(labels: dict[str, int]) -> list[str]:
    values = sorted(labels.values())
    faults = []
    if labels.get("background") != 0:
        faults.append("label background is not 0")
    if values != list(range(len(values))):
        faults.append(f"labels are not consecutive: {values}")
    if "ignore" in labels and labels["ignore"] != values[-1]:
        faults.append("label ignore is not the last")
    return faults


def _case(name: str, images: list[Path], labels: Path, allowed: set[int]) -> list[str]:
    missing = [path.name for path in images if not path.is_file()]
    if missing:
        return [f"{name}: {', '.join(missing)} is missing"]
    mask, grid = _read(labels)
    faults = []
    for path in images:
        pixels, affine = _read(path)
        if pixels.shape[: mask.ndim] != mask.shape:
            faults.append(f"{path.name}: shape {pixels.shape}, labels {mask.shape}")
        elif grid is not None and not np.allclose(np.asarray(affine), grid, atol=_TOLERANCE):
            faults.append(f"{path.name}: affine differs from that of the labels")
        if not np.isfinite(pixels).all():
            faults.append(f"{path.name}: has values that are not finite")
    foreign = sorted(set(np.unique(mask).tolist()) - allowed)
    if foreign:
        faults.append(f"{labels.name}: labels {foreign} are not in dataset.json")
    return faults


def _read(path: Path) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    if path.name.endswith(".png"):
        import cv2

        return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)), None
    import nibabel as nib

    image: Any = nib.load(path)
    return np.asarray(image.dataobj), np.asarray(image.affine)
