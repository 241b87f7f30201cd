"""nnU-Net v2: ``DatasetNNN_Name`` with imagesTr, labelsTr, imagesTs, labelsTs and dataset.json.

Format: documentation/dataset_format.md of nnU-Net 2 (Isensee et al., Nature Methods 18, 2021). Our
train and val become the training cases, with ``splits_final.json`` for one fold that keeps patient
groups together; test stays apart. A slice of a volume is written as a volume of one plane, which
keeps its values and its place, and for which nnU-Net plans its 2D configuration.

A case in which some class was not looked for has background that nobody vouches for: there 0
becomes the *ignore* label, on which nnU-Net computes no loss. So does a class that holds another
one that was not looked for: an organ without its tumour where nobody looked for tumours. The report
says for how many cases; with fewer ``classes`` fewer are ignored.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from osler.core import InputError, write_bytes, write_json

from ..cutting import as_volume
from ..sample import Sample
from .contents import Work, read_file, suffix_of
from .nnunet_check import check_nnunet
from .regions import regions_of, renumbered

NAME = "nnunet"
TITLE = "nnU-Net v2: volumes or pictures with masks"

_SEQUENCES = {
    "T1": ("t1", "t1w", "t1n", "t1-weighted"),
    "T1ce": ("t1ce", "t1gd", "t1c", "t1-gd", "t1post", "t1w-ce"),
    "T2": ("t2", "t2w", "t2-weighted"),
    "FLAIR": ("flair", "t2f", "t2-flair", "t2flair"),
}
"""Usual names of MR sequences, so that sources that name them differently can be joined."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What must be equal in all cases of one nnU-Net dataset."""

    flat: bool
    channels: tuple[str, ...]


def write(work: Work) -> None:
    """Write all samples that have a mask; see the module.

    Raises
    ------
    InputError
        Samples differ in channels or in dimension, so that they make no single dataset; or the
        written dataset fails its own check.
    """
    chosen = [one for one in work.samples if _fits(work, one)]
    if not chosen:
        return
    shape = _one_shape(chosen)
    safe = re.sub(r"[^A-Za-z0-9]+", "_", work.name).strip("_") or "Fused"
    root = work.folder / f"Dataset{work.options.number:03d}_{safe}"
    names = _case_names(chosen)
    classes = work.classes
    new, ignore = renumbered(work.targets, classes), len(classes) + 1
    partial: Counter[str] = Counter()
    common = {one.name for one in classes}
    ignored = clashes = 0
    for sample in chosen:
        regions = regions_of(work, sample)
        if regions is None:
            work.leave_out(sample, "no mask of that reader")
            continue
        labels = new[regions.values]
        if regions.partial(classes):
            undecided = regions.undecided(classes)
            held = [number for number, one in enumerate(classes, 1) if one in undecided]
            labels[np.isin(labels, [0, *held])] = ignore
            partial[sample.dataset] += 1
        ignored += int((labels == ignore).any())
        clashes += regions.clashes
        common &= regions.annotated
        test = sample.split == "test"
        name = names[sample.sample_id]
        _write_image(work, sample, root / ("imagesTs" if test else "imagesTr"), name, shape)
        _write_labels(work, sample, labels, root / ("labelsTs" if test else "labelsTr"), name)
        work.wrote(sample)
    _describe(work, root, shape, names, bool(ignored))
    _tell(work, partial, clashes, common)
    faults = check_nnunet(root)
    if faults:
        raise InputError(f"the nnU-Net dataset fails its check: {faults[0]} ({len(faults)} faults)")


def _fits(work: Work, sample: Sample) -> bool:
    if not any(one.kind == "mask" and one.uri for one in sample.marks):
        work.leave_out(sample, "no mask")
    elif sample.image.axes not in {"RAS", "YX", "YXC"} and not _has_channels(sample):
        work.leave_out(sample, f"is a series of frames ({sample.image.axes})")
    elif _flat(sample) and suffix_of(sample.image.uri) != ".png":
        work.leave_out(sample, "its values fit no PNG, and nnU-Net reads pictures as PNG")
    elif work.options.reader and work.options.reader not in {
        one.reader for one in sample.marks if one.kind == "mask"
    }:
        work.leave_out(sample, f"no mask of reader {work.options.reader}")
    else:
        return True
    return False


def _one_shape(samples: list[Sample]) -> _Shape:
    found = Counter((_flat(one), _channels(one)) for one in samples)
    if len({(flat, frozenset(channels)) for flat, channels in found}) > 1:
        listed = "; ".join(
            f"{n} {'pictures' if flat else 'volumes'} of {', '.join(channels)}"
            for (flat, channels), n in found.most_common()
        )
        raise InputError(
            f"nnU-Net takes cases of the same channels only, and the set has {listed}; export one "
            "--modality, or fuse those apart"
        )
    flat, channels = found.most_common(1)[0][0]
    return _Shape(flat, channels)


def _flat(sample: Sample) -> bool:
    return sample.image.axes.startswith("YX") and not is_slice(sample)


def is_slice(sample: Sample) -> bool:
    """Whether a picture is a plane of a volume, with its place in it."""
    return "slice" in sample.flags and sample.image.affine is not None


def _channels(sample: Sample) -> tuple[str, ...]:
    """Names of the channels; nnU-Net normalises one called "CT" in Hounsfield units."""
    count = _count(sample)
    if sample.image.axes == "YXC":
        return ("R", "G", "B")[:count]
    if len(sample.image.channels) == count and count > 1:
        return tuple(_sequence(name) for name in sample.image.channels)
    if count == 1:
        return (sample.modality,)
    return tuple(f"{sample.modality} {number}" for number in range(count))


def _count(sample: Sample) -> int:
    several = sample.image.axes.endswith("C") or _has_channels(sample)
    return sample.image.shape[-1] if several else 1


def _has_channels(sample: Sample) -> bool:
    """Whether the fourth axis of a volume holds named channels and no times."""
    axes, shape = sample.image.axes, sample.image.shape
    named = axes == "RAST" and len(sample.image.channels) == shape[-1]
    return axes == "RASC" or named


def _sequence(name: str) -> str:
    key = name.lower().replace("_", "-").strip()
    return next((known for known, names in _SEQUENCES.items() if key in names), name)


def _case_names(samples: list[Sample]) -> dict[str, str]:
    return {one.sample_id: f"{one.dataset}_{one.sample_id[:16]}" for one in samples}


def _write_image(work: Work, sample: Sample, folder: Path, name: str, shape: _Shape) -> None:
    ending = suffix_of(sample.image.uri)
    if is_slice(sample):
        _write_slice(work, sample, folder, name)
        return
    if shape.flat or _count(sample) == 1:
        work.put(sample.image.uri, sample.image.sha256, folder / f"{name}_0000{ending}")
        return
    read_file(work.fused.folder, sample.image.uri, sample.image.sha256)
    image = work.fused.image(sample)
    own = _channels(sample)
    for number, channel in enumerate(shape.channels):
        pixels = image.pixels[..., own.index(channel)]
        _save_volume(pixels, image.affine, folder / f"{name}_{number:04d}.nii.gz")


def _write_slice(work: Work, sample: Sample, folder: Path, name: str) -> None:
    read_file(work.fused.folder, sample.image.uri, sample.image.sha256)
    image = work.fused.image(sample)
    assert image.affine is not None  # is_slice saw it
    planes = image.pixels[..., np.newaxis] if image.axes == "yx" else image.pixels
    for number in range(planes.shape[-1]):
        pixels, affine = as_volume(planes[..., number], image.affine)
        _save_volume(pixels, affine, folder / f"{name}_{number:04d}.nii.gz")


def _write_labels(
    work: Work, sample: Sample, labels: NDArray[np.int64], folder: Path, name: str
) -> None:
    kind = np.uint8 if labels.max(initial=0) < 256 else np.uint16
    if _flat(sample):
        write_bytes(folder / f"{name}.png", encode_png(labels.astype(kind)))
    else:
        affine = np.asarray(sample.image.affine, dtype=np.float64).reshape(4, 4)
        if is_slice(sample):
            labels, affine = as_volume(labels, affine)
        _save_volume(labels.astype(kind), affine, folder / f"{name}.nii.gz")


def encode_png(pixels: NDArray[np.generic]) -> bytes:
    """A grey picture of 8 or 16 bits as PNG."""
    import cv2

    _, content = cv2.imencode(".png", np.asarray(pixels))
    return content.tobytes()


def _save_volume(pixels: NDArray[np.generic], affine: NDArray[np.float64] | None, to: Path) -> None:
    import nibabel as nib

    to.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.asarray(pixels), affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, to)


def _describe(work: Work, root: Path, shape: _Shape, names: dict[str, str], ignore: bool) -> None:
    done = set(work.written)
    by_split: dict[str, list[str]] = {}
    for sample in work.samples:
        if sample.sample_id in done:
            by_split.setdefault(sample.split, []).append(names[sample.sample_id])
    training = sorted(n for split, held in by_split.items() if split != "test" for n in held)
    labels = {"background": 0, **{one.name: n for n, one in enumerate(work.classes, 1)}}
    if ignore:
        labels["ignore"] = len(labels)
    first = next(one for one in work.samples if one.sample_id in done)
    write_json(
        root / "dataset.json",
        {
            "channel_names": {str(number): name for number, name in enumerate(shape.channels)},
            "labels": labels,
            "numTraining": len(training),
            "file_ending": ".nii.gz" if not shape.flat else suffix_of(first.image.uri),
            "name": work.name,
            "licence": "per case; see attribution.md",
        },
    )
    validation = sorted(by_split.get("val", []))
    if validation:
        train = [one for one in training if one not in set(validation)]
        write_json(root / "splits_final.json", [{"train": train, "val": validation}])
    write_json(
        root / "cases.json",
        {
            names[one.sample_id]: {
                "sample_id": one.sample_id,
                "dataset": one.dataset,
                "case": one.case,
                "frame": one.frame,
                "split": one.split,
                "patient_group": one.patient_group,
                "licence": one.licence,
            }
            for one in work.samples
            if one.sample_id in done
        },
    )


def _tell(work: Work, partial: Counter[str], clashes: int, common: set[str]) -> None:
    if work.written and sum(partial.values()) == len(work.written):
        held = ", ".join(sorted(common)) or "none"
        work.notes.append(
            "no case has any background, for none is annotated for all classes; "
            f"export fewer --classes (all cases are annotated for: {held})"
        )
    for name, n in sorted(partial.items()):
        work.notes.append(
            f"{name}: {n} cases are annotated for some classes only; what may hold the others "
            "(background, and organs whose parts were not looked for) is the ignore label"
        )
    if clashes:
        work.notes.append(
            f"{clashes} voxels are claimed by two classes of which neither lies in the other; they "
            "are the ignore label"
        )
