"""Images in folders that are named after their class, with or without folders of splits.

``train/CNV/CNV-1016042-1.jpeg``: Kermany OCT2017, LC25000, BreakHis. The option ``path`` reads
deeper trees: ``"{*}/breast/{class}/SOB/{*}/{patient}/{*}/{*}"``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from osler.core import InputError

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.leaks import OPTION, mark_leaks, same_pictures
from ..pictures.listing import PICTURES, files_below, split_named
from ..pictures.options import check_options, names_of, text_of
from ..pictures.planes import plane_of
from ..pictures.template import Template, patient_from
from ..volumes.files import fetched, loads_cases

NAME = "class_folders"
TITLE = "Images in folders named after their class"

OPTIONS = {
    "path": "where class, patient and split stand in a path: '{split}/{class}/{patient}_{*}'",
    "patient_pattern": "where the patient stands in a file name or path: '{*}-{patient}-{*}'",
    "classes": "folder name -> class name, to join two spellings of one class",
    "split_leak": OPTION,
}

_NOT_CLASSES = frozenset(
    {"images", "image", "imgs", "img", "masks", "mask", "labels", "label", "annotations", "gt"}
    | {"ground_truth", "groundtruth", "videos", "imagestr", "labelstr", "data", "derivatives"}
)


def detect(folder: Path) -> str:
    """Class folders of images and nothing else that could hold labels."""
    classes: set[str] = set()
    for path in files_below(folder, most=3000):
        if path.suffix.lower() not in PICTURES:
            if path.suffix.lower() in (
                ".csv",
                ".json",
                ".jsonl",
                ".yaml",
                ".yml",
                ".xml",
                ".parquet",
            ):
                return ""
            continue
        parts = path.parts[:-1]
        if parts and split_named(parts[0]):
            parts = parts[1:]
        if len(parts) != 1 or parts[0].lower() in _NOT_CLASSES or split_named(parts[0]):
            return ""
        classes.add(parts[0])
    return f"{len(classes)} folders of images" if len(classes) > 1 else ""


def scan(source: Source) -> Iterator[Case]:
    """One case an image; ``class`` is the folder, ``split`` the folder above it if it names one.

    Raises
    ------
    LayoutError
        ``label-dictionary``: two folders spell one class differently. ``file-missing``: no image.
    """
    check_options(source, OPTIONS)
    folder = source.folder
    template = Template.of(text_of(source, "path")) if source.options.get("path") else None
    if template and "class" not in template.names:
        raise InputError(f"source {source.dataset}: option 'path' holds no {{class}}")
    found: list[tuple[Path, dict[str, str]]] = []
    for path in files_below(folder, PICTURES):
        fields = _fields(path, template)
        if fields:
            found.append((path, fields))
    if not found:
        raise LayoutError("file-missing", folder, "has no images in class folders", "check it")
    joined = names_of(source, "classes")
    _check_spelling(folder, ((f["class"], f.get("split", "")) for _, f in found), joined)
    labels = sorted({joined.get(f["class"], f["class"]) for _, f in found})
    cases = [_case(source, path, fields, joined, labels) for path, fields in found]
    same = same_pictures([c.files[0] for c in cases], [c.split for c in cases])
    groups = [
        [n for n in (case.patient, twin) if n] for case, twin in zip(cases, same, strict=True)
    ]
    yield from mark_leaks(source, cases, groups)


def _fields(path: Path, template: Template | None) -> dict[str, str]:
    """Class, split and patient as the path tells them; empty for a file outside of any class."""
    if template:
        fields = template.fields(path.as_posix()) or {}
        return {**fields, "split": split_named(fields.get("split", ""))} if fields else {}
    parts = path.parts[:-1]
    split = split_named(parts[0]) if parts else ""
    parts = parts[1:] if split else parts
    return {"class": parts[0], "split": split} if parts else {}


def _case(
    source: Source, path: Path, fields: dict[str, str], joined: dict[str, str], labels: list[str]
) -> Case:
    key, fault = path.as_posix(), None
    patient = fields.get("patient", "")
    try:
        fetched(source.folder / path, key)
        patient = patient or patient_from(source, path, case=key)
    except LayoutError as error:
        fault, error.case = error, key
    return Case(
        key=key,
        files=(source.folder / path,),
        patient=patient,
        split=fields.get("split", ""),
        info={"class": joined.get(fields["class"], fields["class"]), "labels": labels},
        fault=fault,
    )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _check_spelling(folder: Path, seen: Iterable[tuple[str, str]], joined: dict[str, str]) -> None:
    """Refuse names that differ only in case and signs, or by one slip between two splits."""
    splits: dict[str, set[str]] = defaultdict(set)
    for name, split in seen:
        splits[joined.get(name, name)].add(split)
    names = sorted(set(splits) - set(joined.values()))
    for n, one in enumerate(names):
        for other in [*names[n + 1 :], *(set(splits) & set(joined.values()))]:
            same = _plain(one) == _plain(other)
            typo = not splits[one] & splits[other] and _one_slip(_plain(one), _plain(other))
            if same or typo:
                raise LayoutError(
                    "label-dictionary",
                    folder,
                    f"the folders {one!r} and {other!r} seem to spell one class",
                    f'join them by the option classes: {{"{other}": "{one}"}}; if they are two, '
                    "map each to itself there",
                )


def _one_slip(one: str, other: str) -> bool:
    """Whether two names of five letters or more differ by one letter (digits never count)."""
    from rapidfuzz.distance import OSA

    digits = [re.sub(r"\D", "", name) for name in (one, other)]
    return (
        min(len(one), len(other)) >= 5 and digits[0] == digits[1] and OSA.distance(one, other) == 1
    )


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """The image and its class."""
    image = plane_of(source, case, case.files[0])
    name = case.info["class"]
    labels = {label: label for label in case.info["labels"]}
    return Loaded(image, source.modality, (Annotation("class", name, labels),))
