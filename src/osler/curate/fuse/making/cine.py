"""Made cine MR of the heart, numbered as ACDC or as M&Ms does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from osler.core import derive_rng, write_text

from ..case import Source
from ..volumes.dictionary import convention
from .anatomy import Organ, centres, draw, grid, varied, voxels
from .made import Made
from .nifti import save, truth

HEART: dict[str, Organ] = {
    "right ventricle": Organ((22, 14, 0), (34, 32, 38), 620),
    "myocardium": Organ((-22, -6, 0), (36, 36, 44), 210),
    "left ventricle": Organ((-22, -6, 2), (24, 24, 36), 640),
}
"""The right ventricle at the patient's right and front, the left one within its wall."""

_CHEST = Organ((0, 0, 0), (110, 90, 80), 120)
STYLES = ("ACDC", "M&Ms")


def make(
    folder: Path,
    *,
    subjects: int = 3,
    seed: int = 0,
    style: str = "ACDC",
    frames: int = 6,
    step: float = 4.0,
    stated: bool = True,
    dataset: str = "",
) -> Made:
    """Write a dataset of beating hearts and say what is true of its ED and ES frames.

    Parameters
    ----------
    style
        ``ACDC`` (1 right, 2 myocardium, 3 left; Info.cfg) or ``M&Ms`` (1 left, 3 right; CSV).
    frames
        Of each cine; ED and ES lie somewhere in it.
    stated
        Name the convention in the options of the source.
    """
    numbering = convention(style)
    assert numbering is not None  # both are known
    ids = {name: number for number, name in numbering.labels.items()}
    cases: dict[str, dict[str, Any]] = {}
    rows = ["External code,VendorName,Vendor,Centre,ED,ES,Age,Pathology,Sex,Height,Weight"]
    for number in range(subjects):
        rng = derive_rng("made cine", style, seed, number)
        name = f"patient{number + 1:03d}" if style == "ACDC" else f"A{number}S{seed}V{number}"
        letters = ("LPS", "RAS", "LAS", "PLS")[int(rng.integers(4))]
        shape = (46, 42, 10)
        spacing = (step, round(step * 1.05, 3), 9.0)
        affine = grid(shape, spacing, orientation=letters, centre=rng.uniform(-2, 2, 3).tolist())
        heart = varied(HEART, rng)
        first = int(rng.integers(frames))
        marked = {"ED": first, "ES": (first + frames // 2) % frames}
        image = np.zeros((*shape, frames), np.int16)
        labels = np.zeros((*shape, frames), np.uint8)
        for frame in range(frames):
            beat = 0.5 - 0.5 * np.cos(2 * np.pi * (frame - first) / frames)
            now = {part: _squeezed(organ, part, beat) for part, organ in heart.items()}
            drawn, labels[..., frame] = draw(
                shape, affine, now, ids, rng, body=_CHEST, outside=20.0, noise=5.0
            )
            image[..., frame] = drawn.clip(0)
        if style == "ACDC":
            _write_acdc(folder / name, name, image, labels, affine, marked)
        else:
            kept = labels * np.isin(np.arange(frames), list(marked.values())).astype(np.uint8)
            save(image, affine, folder / name / f"{name}_sa.nii.gz", seconds=0.04)
            save(kept, affine, folder / name / f"{name}_sa_gt.nii.gz", seconds=0.04)
            rows.append(
                f"{name},Made,A,1,{marked['ED']},{marked['ES']},{50 + number},NOR,F,N/A,N/A"
            )
        for phase, frame in marked.items():
            here = labels[..., frame]
            cases[f"{name}-{phase}"] = truth(
                name, voxels(here, ids), affine, "", centres(here, ids, affine),
                structures=voxels(here, ids), frame=frame, phase=phase,
            )  # fmt: skip
    if style != "ACDC":
        write_text(folder / "made_information.csv", "\n".join(rows) + "\n")
    source = Source(
        dataset=dataset or ("made-acdc" if style == "ACDC" else "made-mms"),
        folder=folder,
        layout="cine",
        version="1",
        modality="MR",
        licence="CC0-1.0",
        annotation_licence="CC0-1.0",
        options={"convention": style} if stated else {},
    )
    return Made(source, cases)


def _squeezed(organ: Organ, part: str, beat: float) -> Organ:
    """The organ at a moment of the beat: cavities shrink, the outer wall a little."""
    share = 1 - beat * (0.06 if part == "myocardium" else 0.28)
    x, y, z = organ.radii
    return Organ(organ.centre, (x * share, y * share, z), organ.value)


def _write_acdc(
    folder: Path, name: str, image: Any, labels: Any, affine: Any, marked: dict[str, int]
) -> None:
    save(image, affine, folder / f"{name}_4d.nii.gz", seconds=0.04)
    for frame in marked.values():
        save(image[..., frame], affine, folder / f"{name}_frame{frame + 1:02d}.nii.gz")
        save(labels[..., frame], affine, folder / f"{name}_frame{frame + 1:02d}_gt.nii.gz")
    lines = [f"{phase}: {frame + 1}" for phase, frame in marked.items()]
    lines += ["Group: NOR", "Height: 170.0", f"NbFrame: {image.shape[-1]}", "Weight: 70.0"]
    write_text(folder / "Info.cfg", "\n".join(lines) + "\n")
