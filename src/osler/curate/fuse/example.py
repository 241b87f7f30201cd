"""A goal with small sources to try: five datasets in three layouts, with faults on purpose.

Abdomens are made; photographs are real images from installed packages where these are there,
else drawn. One source is annotated in part, one holds volumes of another under new names and with
their spacing overwritten, one holds JPEG copies of another's pictures, one of them mislabelled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from osler.core import InputError, MissingError, atomic, write_bytes, write_json
from osler.images import Image
from osler.images.raster import encode_raster

from .making import class_folders, nnunet, organ_maps
from .making.anatomy import TRUNK
from .making.drawn import SHAPES
from .making.made import Made
from .making.numbering import organ_ids

_PARTIAL = ("liver", "spleen", "left_kidney", "right_kidney")
_COPIES = 2


def make_example(folder: str | Path, seed: int = 0) -> Path:
    """Write the sources and ``goal.json`` into the new folder ``folder``; gives the goal's path.

    Raises
    ------
    InputError
        The folder is there and not empty.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; choose a new folder")
    first = organ_maps.make(folder / "abdomen_a", subjects=6, seed=seed, style="AMOS22")
    words = _native_names("WORD")
    partial = [name for name in words if name in _PARTIAL] or sorted(words)[:4]
    second = organ_maps.make(
        folder / "abdomen_b", subjects=4, seed=seed + 1, style="WORD", only=partial
    )
    third = nnunet.make(folder / "abdomen_c", subjects=4, seed=seed + 2, style="FLARE22")
    _copy_volumes(folder / "abdomen_a", folder / "abdomen_c")
    pictures, labels = _pictures()
    photos = (
        class_folders.make(folder / "photos_a", pictures=pictures, labels=labels)
        if labels
        else class_folders.make(folder / "photos_a", subjects=9, seed=seed)
    )
    classes = sorted(labels) or sorted(SHAPES)
    _copy_pictures(folder / "photos_a", folder / "photos_b", sorted(set(classes)))
    goal = _goal(folder, [first, second, third, photos], seed)
    write_json(folder / "goal.json", goal)
    return folder / "goal.json"


def _native_names(style: str) -> list[str]:
    return sorted(organ_ids(style, TRUNK)[1].values())


def _goal(folder: Path, made: list[Made], seed: int) -> dict[str, Any]:
    first, second, third, photos = made

    def source(name: str, made: Made, modality: str, licence: str) -> dict[str, Any]:
        return {
            "dataset": name.replace("_", "-"),
            "path": name,
            "layout": made.source.layout,
            "modality": modality,
            "licence": licence,
            "options": dict(made.source.options),
        }

    def own(name: str) -> dict[str, Any]:
        classes = {path.parent.name for path in (folder / name).rglob("*.*g")}
        return {"labels": {word: f"own:{word}" for word in sorted(classes)}}

    return {
        "name": "example",
        "seed": seed,
        "purpose": "research",
        "split": {"train": 0.6, "val": 0.2, "test": 0.2},
        "balance": {"max_share": 0.7, "by": "modality"},
        "sources": [
            source("abdomen_a", first, "CT", "CC-BY-4.0"),
            source("abdomen_b", second, "CT", "CC0-1.0"),
            source("abdomen_c", third, "CT", "CC-BY-SA-4.0"),
            source("photos_a", photos, "MIXED", "CC-BY-4.0") | own("photos_a"),
            source("photos_b", photos, "MIXED", "CC-BY-4.0") | own("photos_b"),
        ],
    }


def _copy_volumes(source: Path, target: Path) -> None:
    """The first volumes of one dataset in place of another's: new names, spacing of 1 mm."""
    described = json.loads((target / "dataset.json").read_text(encoding="utf-8"))
    theirs = {_word(name): int(number) for number, name in _numbered(described["labels"]).items()}
    ours = {number: _word(name) for number, name in organ_ids("AMOS22", TRUNK)[1].items()}
    images = sorted((source / "images").glob("*.nii.gz"))[:_COPIES]
    places = sorted((target / "imagesTr").glob("*.nii.gz"))
    for image, place in zip(images, places, strict=False):
        key = image.name.removesuffix("_0000.nii.gz")
        label = place.name.removesuffix(".nii.gz").removesuffix("_0000") + ".nii.gz"
        mask = np.asarray(nib.load(source / "labels" / f"{key}.nii.gz").dataobj)
        table = np.zeros(int(mask.max()) + 1, np.uint8)
        for number, name in ours.items():
            if number < len(table) and name in theirs:
                table[number] = theirs[name]
        original = nib.load(image)
        directions = np.eye(4)
        directions[:3, :3] = original.affine[:3, :3] / np.linalg.norm(
            original.affine[:3, :3], axis=0
        )
        _save(np.asarray(original.dataobj), directions, place)
        _save(table[mask], directions, target / "labelsTr" / label)


def _numbered(labels: Mapping[str, Any]) -> dict[str, str]:
    """Number to name, of either version of dataset.json."""
    if all(str(key).isdigit() for key in labels):
        return {str(key): str(name) for key, name in labels.items()}
    return {str(number): name for name, number in labels.items()}


def _word(name: str) -> str:
    return " ".join(sorted(name.lower().replace("_", " ").split()))


def _save(values: NDArray[Any], affine: NDArray[np.float64], path: Path) -> None:
    import gzip

    made = nib.Nifti1Image(values, affine)
    made.header.set_xyzt_units("mm")
    made.set_qform(made.affine, 1)
    made.set_sform(made.affine, 1)
    write_bytes(path, gzip.compress(made.to_bytes(), 4, mtime=0))


def _pictures() -> tuple[list[NDArray[Any]], list[str]]:
    """Real pictures, one of each subject, and how each was formed; none without the packages."""
    from osler.models.samples import training_pictures

    try:
        found = training_pictures()
    except MissingError:
        return [], []
    first: dict[str, Any] = {}
    for one in found:
        first.setdefault(one.source.patient, one)
    pictures, labels = [], []
    for one in first.values():
        pixels = one.image.pixels
        pictures.append(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2))
        labels.append(one.facts["formation"].answer)
    return pictures, labels


def _copy_pictures(source: Path, target: Path, classes: list[str]) -> None:
    """Every third picture as a JPEG of another name; the first of them in a wrong class."""
    from osler.images import read

    copied = 0
    for number, path in enumerate(sorted(source.rglob("*.png"))):
        if number % 3:
            continue
        label = path.parent.name
        if copied == 0:
            label = classes[(classes.index(label) + 1) % len(classes)]
        place = target / "train" / label / f"{label}-M{copied:03d}-1.jpg"
        image: Image = read(path)
        with atomic(place) as handle:
            handle.write(encode_raster(image, ".jpg"))
        copied += 1
