"""Organ maps without a dataset.json: a label map a case, or a binary mask a structure.

Three forms, told apart by what lies in the folder:

- ``pairs``: two folders, ``images`` and ``labels`` (BTCV: ``img`` and ``label``; FLARE, AMOS:
  ``imagesTr`` and ``labelsTr``), whose files share a name but for ``_0000``, ``img``, ``label``;
- ``cases``: a folder for each case with images and one label map (BraTS: ``X-t1n.nii.gz`` ...
  ``X-seg.nii.gz``; KiTS: ``imaging.nii.gz`` and ``segmentation.nii.gz``);
- ``structures``: a folder for each case with an image and ``segmentations/NAME.nii.gz``, one binary
  mask for each structure (TotalSegmentator), and ``meta.csv``.

Numbers mean what the options ``labels`` or ``convention`` say, or what the dataset is known to use;
where nothing says it, the source is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.documents import rows_of
from ..pictures.options import check_options, text_of
from ..volumes.dictionary import needed_labels
from ..volumes.files import below, fetched, inside, listed, loads_cases, stem
from ..volumes.grid import check_same, grid_of
from ..volumes.masks import marks, read_image, read_map
from ..volumes.parts import from_parts
from ..volumes.settings import COMMON, FORM, PATIENT, form_of, list_of, patient_in
from ..volumes.tables import demographics

NAME = "organ_maps"
TITLE = "Organ maps: one label map a case, or one binary mask a structure (TotalSegmentator)"

OPTIONS = {
    **COMMON,
    "form": FORM,
    "patient_pattern": PATIENT,
    "images": "name of the folder of images, where it is none of the usual ones",
    "masks": "name of the folder of label maps, where it is none of the usual ones",
    "labels": "what numbers mean (number -> name), or the name of a file that says it",
    "convention": "a published numbering, such as AMOS22",
    "exclusive": "false: binary masks may overlap and stay apart",
    "annotated": "native names that were looked for: a list, or case -> list",
}

_PAIRS = (
    ("imagesTr", "labelsTr", "train"), ("imagesVa", "labelsVa", "val"),
    ("imagesVal", "labelsVal", "val"), ("imagesTs", "labelsTs", "test"),
    ("images", "labels", ""), ("images", "masks", ""), ("img", "label", ""),
    ("image", "label", ""), ("Images", "Masks", ""), ("Images", "Labels", ""),
)  # fmt: skip
_MASK = re.compile(r"(^|[-_.])(seg|segmentation|label|labels|mask|gt)$", re.IGNORECASE)
_KIND = re.compile(r"^(img|image|volume|labels|label|mask|seg)[-_]?(?=\d)", re.IGNORECASE)
_PARTS = "segmentations"


def detect(folder: Path) -> str:
    """Folders of images and labels, or of cases with masks, and no dataset.json."""
    form = "" if (folder / "dataset.json").exists() else _form(folder)
    return {
        "pairs": "folders of NIfTI images and label maps, no dataset.json",
        "cases": "a folder for each case with its label map",
        "structures": "a folder for each case with a mask for each structure",
    }.get(form, "")


def _form(folder: Path) -> str:
    if any(listed(folder / one) and listed(folder / other) for one, other, _ in _PAIRS):
        return "pairs"
    for case in _folders(folder)[:20]:
        if listed(case / _PARTS):
            return "structures"
        files = listed(case)
        masks = [path for path in files if _is_mask(path, case)]
        # More than one label map beside a cine is a cine of that many frames.
        if len(masks) == 1 and len(files) > 1 and not (case / "Info.cfg").exists():
            return "" if any("_sa" in stem(path) for path in files) else "cases"
    return ""


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "_")))


def _is_mask(path: Path, case: Path) -> bool:
    name = stem(path)
    return bool(_MASK.search(name.removeprefix(case.name) or name))


def scan(source: Source) -> Iterator[Case]:
    """Cases by name; headers of images and label maps are checked, binary masks when loaded.

    Raises
    ------
    LayoutError
        Of the dataset: ``layout-unknown`` if it has none of the three forms,
        ``label-dictionary`` if nothing says what the numbers mean, ``table-columns``.
    """
    check_options(source, OPTIONS)
    form = "pairs" if text_of(source, "images") else _form(source.folder)
    if form == "pairs":
        needed_labels(source)
        yield from _pairs(source)
    elif form == "cases":
        needed_labels(source)
        yield from _cases(source)
    elif form == "structures":
        yield from _structures(source)
    else:
        raise LayoutError(
            "layout-unknown",
            source.folder,
            "holds neither folders of images and labels nor folders of cases",
            "name the folders in the options images and masks",
        )


def _pairs(source: Source) -> Iterator[Case]:
    root = source.folder
    stated = text_of(source, "images"), text_of(source, "masks", "labels")
    pairs = [(*stated, "")] if stated[0] else list(_PAIRS)
    seen: dict[str, Path] = {}
    for one, other, split in pairs:
        folders = inside(root, one, root), inside(root, other, root)
        masks = {_KIND.sub("", stem(path)): path for path in listed(folders[1])}
        images = {_key(path, masks): path for path in listed(folders[0])}
        if not images or (not masks and not split):
            continue
        for key in sorted({*images, *masks}):
            if key in seen:
                raise LayoutError(
                    "table-row", seen[key], f"and another folder both have the case {key}", case=key
                )
            missing = source.folder / one / f"{key}.nii.gz"
            seen[key] = image = images.get(key, missing)
            mask = masks.get(key)
            # Where a folder of labels is there at all, each image needs one.
            if mask is None and masks:
                mask = source.folder / other / f"{key}.nii.gz"
            yield _checked(source, key, [image], [mask] if mask else [], split)


def _key(image: Path, masks: Mapping[str, Path]) -> str:
    """The key that an image shares with its mask: without ``img``, and without the ``_0000`` of
    its channel unless that is part of the name of a mask."""
    name = _KIND.sub("", stem(image))
    return name if name in masks else name.removesuffix("_0000")


def _cases(source: Source) -> Iterator[Case]:
    for folder in _folders(source.folder):
        files = listed(folder)
        masks = [path for path in files if _is_mask(path, folder)]
        images = [path for path in files if path not in masks]
        if not files:
            continue
        if len(masks) > 1:
            names = ", ".join(path.name for path in masks)
            fault = LayoutError(
                "mask-variant", folder, f"has several label maps: {names}", case=folder.name
            )
            yield replace(_case(source, folder.name, images, masks, ""), fault=fault)
            continue
        if not images:
            images = [folder / "image.nii.gz"]
        yield _checked(source, folder.name, images, masks, "")


def _structures(source: Source) -> Iterator[Case]:
    table = source.folder / "meta.csv"
    rows: dict[str, dict[str, str]] = {}
    if table.exists():
        for row in rows_of(table, ("image_id",)):
            if row["image_id"] in rows:
                raise LayoutError("table-row", table, f"names {row['image_id']} twice")
            rows[row["image_id"]] = row
    folders = {folder.name: folder for folder in _folders(source.folder)}
    for key in sorted({*folders, *rows}):
        folder = folders.get(key, source.folder / key)
        images = [p for p in listed(folder) if not _is_mask(p, folder)] or [folder / "ct.nii.gz"]
        masks = listed(folder / _PARTS)
        if key not in rows and not masks and not images[0].exists():
            continue  # a folder of something else
        row = rows.get(key, {})
        case = _checked(source, key, images, masks, row.get("split", ""), many=True)
        yield replace(case, patient=case.patient or key,
                      demographics=demographics(row.get("age"), row.get("gender")),
                      files=(*case.files, *([table] if rows else [])))  # fmt: skip


def _checked(
    source: Source, key: str, images: list[Path], masks: list[Path], split: str, many: bool = False
) -> Case:
    """The case, with what its headers tell of it."""
    case = _case(source, key, images, masks, split)
    form = form_of(source)
    try:
        case = replace(case, patient=patient_in(source, key))
        for path in images:
            fetched(path, key, "image")
        grid = grid_of(images[0], key, form)
        for path in images[1:] if many else [*images[1:], *masks]:
            fetched(path, key)
            check_same(grid, grid_of(path, key, form), path, key)
        if many and not masks:
            raise LayoutError("file-missing", images[0].parent / _PARTS, "has no masks", case=key)
        for path in masks if many else ():
            fetched(path, key, "mask")
    except LayoutError as error:
        return replace(case, fault=error, files=tuple(p for p in case.files if p.is_file()))
    return case


def _case(source: Source, key: str, images: list[Path], masks: list[Path], split: str) -> Case:
    return Case(
        key=key,
        files=(*images, *masks),
        split=split,
        flags=() if masks else ("unlabelled",),
        info={
            "images": [below(path, source.folder) for path in images],
            "masks": [below(path, source.folder) for path in masks],
            "form": "structures" if any(path.parent.name == _PARTS for path in masks) else "map",
        },
    )


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """Image and one label map; binary masks become one map, or stay apart (``exclusive`` false).

    Raises
    ------
    LayoutError
        Besides the faults of ``scan``: ``grid-mismatch``, ``label-value``, ``mask-overlap``,
        ``mask-is-image``, ``laterality``.
    """
    images = [source.folder / name for name in case.info["images"]]
    masks = [source.folder / name for name in case.info["masks"]]
    image, grid = read_image(images, source, case.key, modality=source.modality)
    channels = tuple(_channel(path, case.key) for path in images) if len(images) > 1 else ()
    annotations: tuple[Annotation, ...] = ()
    if case.info["form"] == "structures":
        annotations = from_parts(masks, grid, source, case.key, _annotated(source, case.key))
    elif masks:
        mask = read_map(masks[0], grid, source, case.key)
        annotations = marks(
            mask,
            needed_labels(source),
            image,
            source,
            masks[0],
            case.key,
            _annotated(source, case.key),
        )
    modality = source.modality or _modality(images[0])
    return Loaded(image, modality, annotations, channels, {}, case.flags)


def _channel(path: Path, key: str) -> str:
    return stem(path).removeprefix(key).strip("-_.") or stem(path)


def _modality(path: Path) -> str:
    return {"ct": "CT", "mri": "MR", "mr": "MR", "pet": "PET"}.get(stem(path).lower(), "")


def _annotated(source: Source, key: str) -> tuple[str, ...] | None:
    stated: Any = source.options.get("annotated")
    if isinstance(stated, dict):
        stated = stated.get(key)
    if stated is None:
        return None
    return tuple(list_of(replace(source, options={"annotated": stated}), "annotated", []))
