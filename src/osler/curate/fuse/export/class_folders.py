"""Class folders: ``<split>/<class>/<sample>``, the layout of torchvision's ImageFolder."""

from __future__ import annotations

import re

from osler.core import InputError, write_json

from ..sample import Sample
from .contents import Work, marks_of, suffix_of

NAME = "class_folders"
TITLE = "Class folders: train, val, test, each with a folder a class"


def write(work: Work) -> None:
    """Write every sample that belongs to one class; ``classes.json`` has the classes' folders."""
    folders: dict[str, str] = {}
    for sample in work.samples:
        name = _class_of(work, sample)
        if name is None:
            continue
        folder = _folder(name)
        if folders.setdefault(folder, name) != name:
            raise InputError(f"classes {folders[folder]!r} and {name!r} get one folder {folder!r}")
        target = work.folder / (sample.split or "all") / folder
        file = f"{sample.sample_id}{suffix_of(sample.image.uri)}"
        work.put(sample.image.uri, sample.image.sha256, target / file)
        work.wrote(sample)
    write_json(work.folder / "classes.json", dict(sorted(folders.items())))


def _class_of(work: Work, sample: Sample) -> str | None:
    marks = marks_of(sample, "class", "phase")
    if work.options.reader:
        marks = tuple(one for one in marks if one.reader == work.options.reader)
    if not marks:
        several = "may belong to several classes, which folders cannot say"
        none = "is a slice, and the class of a volume is not that of each slice"
        none = none if "slice" in sample.flags else "no class"
        work.leave_out(sample, several if marks_of(sample, "multilabel") else none)
        return None
    names = {one.value for one in marks}
    if len(names) > 1:
        work.leave_out(sample, "is given several classes")
        return None
    name = names.pop()
    if name is None:
        work.leave_out(sample, "its label is unmapped; say what it means in the goal's labels")
        return None
    if not isinstance(name, str) or not name:
        work.leave_out(sample, "its class is none of the set's")
        return None
    return name


def _folder(name: str) -> str:
    """A class as the name of a folder; never one that leads elsewhere."""
    folder = re.sub(r"[^\w+-]+", "_", name.removeprefix("own:")).strip("_")
    return folder or "class"
