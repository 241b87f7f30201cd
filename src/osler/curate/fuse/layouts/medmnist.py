"""MedMNIST: one NPZ with ``train_images``, ``train_labels``, and the same for val and test.

The facts of the 18 sets (labels, task, checksums; Yang et al., Scientific Data 2023, MedMNIST v2,
with the sizes of MedMNIST+) are in ``pictures/medmnist.json``. Other files of the form are read
with the options ``task`` and ``labels``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from osler.core import InputError
from osler.images import Axes, Image

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.listing import files_below
from ..pictures.options import check_options, names_of, text_of
from ..pictures.planes import described
from ..pictures.stacks import Header, array_of, headers_of
from ..volumes.files import inside, loads_cases

NAME = "medmnist"
TITLE = "MedMNIST: arrays of small images and labels in one NPZ"

OPTIONS = {
    "file": "name of the NPZ, if there are several",
    "md5": "MD5 that the file must have; 'none' to skip that of a known set",
    "task": "multi-class, binary-class, multi-label or ordinal-regression, for unknown sets",
    "labels": "names of the classes by number, for unknown sets",
}

_SPLITS = ("train", "val", "test")
_PARTS = tuple(f"{split}_{part}" for split in _SPLITS for part in ("images", "labels"))
_TASKS = ("multi-class", "binary-class", "multi-label, binary-class", "ordinal-regression")
_LEAKS = {"dermamnist": "known-leak"}
"""Sets whose published splits share lesions (Abhishek et al., arXiv 2401.14497)."""
_CHUNK = 1 << 22


def detect(folder: Path) -> str:
    """An NPZ with images and labels of three splits."""
    for path in files_below(folder, frozenset({".npz"}), most=50):
        try:
            if set(_PARTS) <= set(headers_of(folder / path)):
                return f"{path.as_posix()} has images and labels of train, val and test"
        except LayoutError:
            continue
    return ""


@cache
def known_sets() -> Mapping[str, Any]:
    """Facts of the 18 published sets: modality, task, labels, MD5 by size."""
    text = files("osler.curate.fuse.pictures").joinpath("medmnist.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def scan(source: Source) -> Iterator[Case]:
    """One case a sample; keys are ``train/00012``.

    Raises
    ------
    LayoutError
        ``file-missing``, ``file-unreadable``, ``file-unsafe`` (a pickle); ``checksum``: not the
        published file; ``table-row``: images and labels differ in number or form;
        ``label-dictionary``: an unknown set without options; ``label-value``: a class has no name.
    """
    check_options(source, OPTIONS)
    path = _file(source)
    headers = headers_of(path)
    lacking = [part for part in _PARTS if part not in headers]
    if lacking:
        raise LayoutError("table-columns", path, f"has no array {', '.join(lacking)}")
    _check_sum(source, path)
    task, labels = _meaning(source, path, headers)
    size = headers["train_images"].shape[1]
    flags = [f"resampled-{size}px", *([_LEAKS[name]] if (name := _name(path)) in _LEAKS else [])]
    for split in _SPLITS:
        images, marks = headers[f"{split}_images"], headers[f"{split}_labels"]
        _check_shapes(path, split, images, marks, size)
        values = array_of(path, f"{split}_labels")
        _check_values(path, split, values, task, labels)
        for n in range(images.shape[0]):
            yield Case(
                key=f"{split}/{n:06d}",
                files=(path,),
                split=split,
                flags=tuple(flags),
                info={"split": split, "index": n, "task": task, "labels": labels},
            )


def _name(path: Path) -> str:
    return re.sub(r"_(64|128|224)$", "", path.stem.lower())


def _file(source: Source) -> Path:
    named = text_of(source, "file")
    if named:
        return inside(source.folder, named, source.folder)
    found = list(files_below(source.folder, frozenset({".npz"})))
    if len(found) != 1:
        raise LayoutError(
            "file-missing" if not found else "layout-unknown",
            source.folder,
            f"has {len(found)} NPZ files, and a source is one",
            "name one by the option file",
        )
    return source.folder / found[0]


def _check_sum(source: Source, path: Path) -> None:
    """Compare with the MD5 of the option, else with that of the published set of this name."""
    wanted = text_of(source, "md5").lower()
    if not wanted and _name(path) in known_sets():
        suffix = next((s for s in ("64", "128", "224") if path.stem.endswith(f"_{s}")), "28")
        wanted = known_sets()[_name(path)]["md5"].get(suffix, "")
    if not wanted or wanted == "none":
        return
    if not re.fullmatch(r"[0-9a-f]{32}", wanted):
        raise InputError(f"source {source.dataset}: option 'md5' is no MD5 of 32 digits")
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as handle:
        while part := handle.read(_CHUNK):
            digest.update(part)
    if digest.hexdigest() != wanted:
        raise LayoutError(
            "checksum",
            path,
            f"has the MD5 {digest.hexdigest()}, published is {wanted}",
            "fetch it again; 'md5': 'none' reads a file that you changed on purpose",
        )


def _meaning(
    source: Source, path: Path, headers: Mapping[str, Header]
) -> tuple[str, dict[str, str]]:
    """The task and the names of the classes."""
    facts = known_sets().get(_name(path), {})
    task = text_of(source, "task") or facts.get("task", "")
    task = "multi-label, binary-class" if task == "multi-label" else task
    labels = names_of(source, "labels") or dict(facts.get("labels", {}))
    if task not in _TASKS or not labels:
        raise LayoutError(
            "label-dictionary",
            path,
            "is none of the published sets, and no option says what its labels mean",
            f"give the options task ({', '.join(_TASKS)}) and labels",
        )
    columns = int(np.prod(headers["train_labels"].shape[1:], dtype=int))
    expected = len(labels) if task.startswith("multi-label") else 1
    if columns != expected:
        raise LayoutError(
            "label-dictionary",
            path,
            f"has {columns} columns of labels, and a {task} task of {len(labels)} labels has "
            f"{expected}",
        )
    return task, labels


def _check_shapes(path: Path, split: str, images: Header, marks: Header, size: int) -> None:
    shape = images.shape
    plane = len(shape) == 3 or (len(shape) == 4 and shape[-1] == 3)
    cube = len(shape) == 4 and shape[1] == shape[2] == shape[3]
    if not (plane or cube) or shape[1] != size or images.dtype != np.uint8:
        raise LayoutError(
            "table-row",
            path,
            f"{split}_images has the shape {shape} and the type {images.dtype}; planes, colour "
            "planes or cubes of 8 bits belong there",
        )
    if shape[0] != marks.shape[0] or marks.dtype.kind not in "iu":
        raise LayoutError(
            "table-row",
            path,
            f"{split} has {shape[0]} images and {marks.shape[0]} labels of type {marks.dtype}",
        )


def _check_values(
    path: Path, split: str, values: Any, task: str, labels: Mapping[str, str]
) -> None:
    allowed = {0, 1} if task.startswith("multi-label") else {int(k) for k in labels}
    strange = sorted({int(v) for v in np.unique(values)} - allowed)
    if strange:
        raise LayoutError(
            "label-value",
            path,
            f"{split}_labels holds {', '.join(map(str, strange[:8]))}, which no label explains",
        )


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """One sample: ``class``, with ``value`` beside it where classes are grades, or ``multilabel``.

    Cubes are stacks ``tyx``: their files state no geometry.
    """
    path, split, index = case.files[0], case.info["split"], case.info["index"]
    pixels = np.array(array_of(path, f"{split}_images")[index])
    marks = np.asarray(array_of(path, f"{split}_labels")[index]).reshape(-1)
    axes: dict[bool, Axes] = {True: "yxc", False: "tyx"}
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    image = Image(
        pixels, "yx" if pixels.ndim == 2 else axes[colour], unit="8-bit", source=str(path)
    )
    facts = known_sets().get(_name(path), {})
    modality = source.modality or facts.get("modality", "")
    labels, task = dict(case.info["labels"]), case.info["task"]
    found: list[Annotation] = []
    if task.startswith("multi-label"):
        states = {str(n): int(state) for n, state in enumerate(marks)}
        found.append(Annotation("multilabel", states, labels))
    else:
        found.append(Annotation("class", str(int(marks[0])), labels))
        if task == "ordinal-regression":
            grade = {"name": "grade", "value": int(marks[0]), "unit": "ordinal"}
            found.append(Annotation("value", grade))
    flags = (*case.flags, *(("no-geometry",) if image.axes == "tyx" else ()))
    image = described(image, source, case)
    return Loaded(image, modality, tuple(found), detail={"task": task}, flags=flags)
