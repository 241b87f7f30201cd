"""nnU-Net raw datasets, version 1 and 2, and the tasks of the Medical Segmentation Decathlon.

    dataset.json  imagesTr/  labelsTr/  [imagesTs/]

Version 1 (and the Decathlon) states ``modality`` {"0": "MRI"} and labels id -> name; channels are
the last axis of a 4D file, or files with the suffix ``_0000``. Version 2 states ``channel_names``,
labels name -> id and, for regions that overlap, name -> list of ids; channels are always files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.options import check_options
from ..volumes.dictionary import Dictionary, by_id, by_name
from ..volumes.files import NIFTI, below, fetched, inside, listed, loads_cases, stem
from ..volumes.grid import check_same, grid_of
from ..volumes.masks import marks, read_image, read_map
from ..volumes.settings import COMMON, FORM, PATIENT, form_of, patient_in
from ..volumes.tables import object_of

NAME = "nnunet"
TITLE = "nnU-Net v1 and v2, Medical Segmentation Decathlon: dataset.json, imagesTr, labelsTr"

OPTIONS = {**COMMON, "form": FORM, "patient_pattern": PATIENT}

_CHANNEL = re.compile(r"(.+)_(\d{4})$")
_BRATS = re.compile(r"(BraTS-[A-Za-z]+-\d{5})-\d{3}$")
_SEQUENCES = {"flair": "MR", "t1": "MR", "t1w": "MR", "t1ce": "MR", "t1gd": "MR", "t1c": "MR",
              "t1n": "MR", "t2": "MR", "t2w": "MR", "t2f": "MR", "adc": "MR", "dwi": "MR",
              "mri": "MR", "mr": "MR", "ct": "CT", "cta": "CT", "pet": "PET", "pt": "PET",
              "us": "US", "cbct": "CBCT"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _About:
    """What dataset.json says."""

    table: Path
    version: int
    channels: tuple[str, ...]
    dictionary: Dictionary
    ending: str
    said: Mapping[str, Any]


def detect(folder: Path) -> str:
    """dataset.json beside imagesTr and labelsTr."""
    if not (folder / "dataset.json").is_file() or not (folder / "imagesTr").is_dir():
        return ""
    return "dataset.json and imagesTr"


def scan(source: Source) -> Iterator[Case]:
    """Cases of the training folder, then of the test folder, by name.

    Raises
    ------
    LayoutError
        Of the dataset: ``file-missing``, ``label-dictionary``, ``channels``, ``table-row``,
        ``path-outside``.
    """
    check_options(source, OPTIONS)
    about = _about(source.folder)
    found = list(_listed_in(about, source)) if _has_list(about) else list(_by_folder(about, source))
    if not found:
        raise LayoutError(
            "file-missing", source.folder, "has no image in imagesTr", "fetch the whole set"
        )
    seen: set[str] = set()
    for key, images, label, split in found:
        if key in seen:
            raise LayoutError("table-row", about.table, f"names the case {key} twice", case=key)
        seen.add(key)
        yield _case(source, about, key, images, label, split)


def _about(folder: Path) -> _About:
    table = folder / "dataset.json"
    said = object_of(table)
    second = "channel_names" in said
    named = said.get("channel_names") if second else said.get("modality")
    if not isinstance(named, Mapping) or not named:
        raise LayoutError(
            "channels", table, "names neither channel_names (v2) nor modality (v1)", "mend it"
        )
    if sorted(map(str, named)) != sorted(str(n) for n in range(len(named))):
        raise LayoutError(
            "channels", table, f"numbers its channels {', '.join(map(str, named))}, not from 0"
        )
    channels = tuple(str(named[k]) for k in sorted(named, key=int))
    dictionary = (by_name if second else by_id)(said.get("labels"), table)
    ending = str(said.get("file_ending", ".nii.gz"))
    if ending not in NIFTI:
        raise LayoutError(
            "file-unreadable", table, f"says that its files end in {ending!r}",
            "convert them to NIfTI; Osler reads .nii and .nii.gz here",
        )  # fmt: skip
    return _About(table, 2 if second else 1, channels, dictionary, ending, said)


def _has_list(about: _About) -> bool:
    key = "training" if about.version == 1 else "dataset"
    return bool(about.said.get(key))


_Found = tuple[str, list[Path], Path | None, str]


def _listed_in(about: _About, source: Source) -> Iterator[_Found]:
    """Cases that dataset.json lists: training and test (v1), dataset (v2)."""
    table, said, root = about.table, about.said, source.folder
    if about.version == 2:
        entries = said["dataset"]
        if not isinstance(entries, Mapping):
            raise LayoutError("table-row", table, "its dataset is no object")
        for key, entry in sorted(entries.items()):
            images = entry.get("images") if isinstance(entry, Mapping) else None
            if not isinstance(images, list):
                raise LayoutError("table-row", table, f"gives {key!r} no images", case=str(key))
            label = entry.get("label")
            yield (
                str(key),
                [inside(root, name, table, str(key)) for name in images],
                inside(root, label, table, str(key)) if label else None,
                "train",
            )
        return
    for name, split in (("training", "train"), ("test", "test")):
        entries = said.get(name) or []
        if not isinstance(entries, list):
            raise LayoutError("table-row", table, f"its {name} is no list")
        for entry in entries:
            pair = entry if isinstance(entry, Mapping) else {"image": entry}
            image = inside(root, pair.get("image"), table)
            if image.name.startswith("._"):
                continue
            label = inside(root, pair["label"], table) if pair.get("label") else None
            yield stem(image), _channel_files(image), label, split


def _channel_files(image: Path) -> list[Path]:
    """The file itself, or (nnU-Net v1) its channel files."""
    if image.exists() or image.is_symlink():
        return [image]
    prefix = stem(image)
    own = [
        path for path in listed(image.parent)
        if (match := _CHANNEL.match(stem(path))) and match[1] == prefix
    ]  # fmt: skip
    return own or [image]


def _by_folder(about: _About, source: Source) -> Iterator[_Found]:
    """Cases by the names of the files, where dataset.json lists none."""
    root = source.folder
    for images, labels, split in (("imagesTr", "labelsTr", "train"), ("imagesTs", "", "test")):
        groups: dict[str, list[Path]] = {}
        for path in listed(root / images, (about.ending,)):
            match = _CHANNEL.match(stem(path))
            groups.setdefault(match[1] if match else stem(path), []).append(path)
        masks = (
            {stem(path): path for path in listed(root / labels, (about.ending,))} if labels else {}
        )
        for key in sorted({*groups, *masks}):
            label = masks.get(key, root / labels / (key + about.ending)) if labels else None
            missing = root / images / f"{key}_0000{about.ending}"
            yield key, groups.get(key, [missing]), label, split


def _case(
    source: Source, about: _About, key: str, images: list[Path], label: Path | None, split: str
) -> Case:
    fault: LayoutError | None = None
    patient = ""
    try:
        patient = _patient(key, source)
        _check(source, about, key, images, label)
    except LayoutError as error:
        fault = error
    flags = ("unlabelled",) if label is None else ()
    if about.dictionary.ignore is not None:
        flags = (*flags, "ignore-region")
    files = (*images, *([label] if label else []), about.table)
    return Case(
        key=key,
        files=tuple(path for path in files if fault is None or path.is_file()),
        patient=patient,
        split=split,
        flags=flags,
        info={
            "images": [below(path, source.folder) for path in images],
            "label": below(label, source.folder) if label else "",
        },
        fault=fault,
    )


def _patient(key: str, source: Source) -> str:
    """The patient where names tell: by the option, or as BraTS 2023 names visits."""
    match = _BRATS.match(key)
    return patient_in(source, key) or (match[1] if match else "")


def _check(source: Source, about: _About, key: str, images: list[Path], label: Path | None) -> None:
    """What the headers tell: files, channels, one grid."""
    form = form_of(source)
    for path in images:
        fetched(path, key, "image")
    grids = [grid_of(path, key, form) for path in images]
    count = grids[0].count if len(images) == 1 else len(images)
    if count != len(about.channels):
        raise LayoutError(
            "channels",
            images[0],
            f"has {count} channel(s), dataset.json names {len(about.channels)} "
            f"({', '.join(about.channels)})",
            case=key,
        )
    numbers = [match[2] for p in images if (match := _CHANNEL.match(stem(p)))]
    if about.version == 2 and numbers and numbers != [f"{n:04d}" for n in range(len(images))]:
        raise LayoutError("channels", images[0], f"has the channels {', '.join(numbers)}", case=key)
    for path, grid in zip(images[1:], grids[1:], strict=True):
        check_same(grids[0], grid, path, key)
    if label is not None:
        fetched(label, key, "label")
        check_same(grids[0], grid_of(label, key, form), label, key)


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """Image (channels last if several) and label map, or one mask for each region.

    Raises
    ------
    LayoutError
        Besides the faults of ``scan``: ``file-unreadable``, ``label-value``, ``mask-is-image``,
        ``laterality``.
    """
    about = _about(source.folder)
    images = [source.folder / name for name in case.info["images"]]
    modality = source.modality or _modality(about.channels)
    image, grid = read_image(images, source, case.key, modality=modality)
    annotations: tuple[Annotation, ...] = ()
    if case.info["label"]:
        path = source.folder / case.info["label"]
        mask = read_map(path, grid, source, case.key)
        annotations = marks(mask, about.dictionary, image, source, path, case.key)
    single = len(about.channels) == 1
    return Loaded(
        image=image,
        modality=modality,
        annotations=annotations,
        channels=() if single else about.channels,
        detail={"sequence": about.channels[0]} if single and modality == "MR" else {},
        flags=case.flags,
    )


def _modality(channels: tuple[str, ...]) -> str:
    """The modality that all channels share, by the words of dataset.json; empty if none is told."""
    found = {
        _SEQUENCES.get(re.split(r"[^a-z0-9]+", name.strip().lower())[0], "") for name in channels
    }
    return found.pop() if len(found) == 1 else ""
