"""Images and masks as files of planes: palettes, colours, 0 and 255, object numbers, XML outlines.

CholecSeg8k, CaDIS, GlaS, MoNuSeg. A mask stands in a folder of masks under the name of its image,
or beside it with a suffix (``_mask``, ``_anno``); that folder or suffix is its *variant*.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.dictionary import classes_of
from ..pictures.leaks import OPTION, mark_leaks, same_pictures
from ..pictures.listing import PICTURES, files_below, split_named
from ..pictures.masks import read_mask, stored_mask
from ..pictures.options import check_options, names_of, text_of
from ..pictures.outlines import outlines_of, with_labels
from ..pictures.planes import EXIF_OPTION, annotated_plane
from ..pictures.shapes import mask_box, polygon_box, polygon_fault
from ..pictures.slide import is_pyramid
from ..pictures.template import patient_from
from ..volumes.files import fetched, loads_cases

NAME = "png_masks"
TITLE = "Images and masks as files of planes, or XML outlines"

OPTIONS = {
    "classes": "class of each number or colour: {'0': 'background', '#ff0000': 'polyp'}",
    "foreground": "name of the one class of a mask of 0 and 255",
    "mask": "variant to read where an image has several: '_watershed_mask', 'masks'",
    "regions": "variant -> class, for sets with one mask a class: {'_MA': 'microaneurysm'}",
    "instances": "class of all objects, where masks hold object numbers",
    "exif": EXIF_OPTION,
    "patient_pattern": "where the patient or video stands in a file name (or path, if it has a /)",
    "split_leak": OPTION,
}

_IMAGES = frozenset({"images", "image", "imgs", "img", "tissue images", "original", "originals"})
_MASKS = frozenset(
    {"masks", "mask", "labels", "label", "annotations", "annotation", "gt", "groundtruth"}
    | {"ground_truth", "ground truth", "segmentation", "segmentations", "manual", "1st_manual"}
)
_SUFFIXES = (
    *("_color_mask", "_watershed_mask", "_segmentation", "_binary", "_labels", "_label", "_mask"),
    *("_anno", "_gt", "_seg", "-mask", " mask"),
)


def detect(folder: Path) -> str:
    """Masks that belong to images by their names, and no table of labels."""
    found = list(files_below(folder, PICTURES | {".xml"}, most=3000))
    if any(is_pyramid(folder / p) for p in found[:20] if p.suffix.lower() in (".tif", ".tiff")):
        return ""
    pairs, _ = _pairs(found, ())
    masked = sum(bool(masks) for masks in pairs.values())
    if not masked:
        return ""
    return f"{masked} images have a mask of their name"


def scan(source: Source) -> Iterator[Case]:
    """One case an image that is not itself a mask.

    Raises
    ------
    LayoutError
        ``mask-variant``: images have several masks and no option says which to read.
        ``file-missing``: no image. ``label-dictionary``: a broken dictionary of classes.
    """
    check_options(source, OPTIONS)
    regions, wanted = names_of(source, "regions"), text_of(source, "mask")
    own = tuple(v for v in (*regions, wanted) if v)
    pairs, orphans = _pairs(list(files_below(source.folder, PICTURES | {".xml"})), own)
    if not pairs:
        raise LayoutError("file-missing", source.folder, "has no images", "fetch them")
    classes_of(source)
    cases = []
    for image, masks in pairs.items():
        chosen = {v: m for v, m in masks.items() if v in own} if own else masks
        if len(chosen) > 1 and not regions:
            raise LayoutError(
                "mask-variant",
                source.folder / image,
                f"has the masks {', '.join(repr(v) for v in sorted(chosen))}",
                "choose one by the option mask, or name the class of each by the option regions",
                case=image.as_posix(),
            )
        cases.append(_case(source, image, chosen))
    cases += [_orphan(source, mask) for mask in orphans]
    cases = with_labels(source, cases, "outlines")
    same = same_pictures([c.files[0] for c in cases], [c.split for c in cases])
    groups = [[n for n in (c.patient, twin) if n] for c, twin in zip(cases, same, strict=True)]
    yield from mark_leaks(source, cases, groups)


def _pairs(
    paths: list[Path], own: tuple[str, ...]
) -> tuple[dict[Path, dict[str, Path]], list[Path]]:
    """Each image with its masks by variant, and masks of no image.

    ``own`` are variants that the user named.
    """
    suffixes = sorted({*_SUFFIXES, *own}, key=len, reverse=True)
    stems = {path.with_suffix("") for path in paths if path.suffix.lower() != ".xml"}
    images: dict[Path, tuple[str, ...]] = {}
    masks: dict[tuple[str, ...], dict[str, Path]] = defaultdict(dict)
    for path in paths:
        folders = path.parts[:-1]
        suffix = next((s for s in suffixes if path.stem.endswith(s) and path.stem != s), "")
        base = path.stem.removesuffix(suffix)
        home = next((f for f in reversed(folders) if f.lower() in _MASKS or f in own), "")
        place = [f for f in folders if f.lower() not in _IMAGES | _MASKS and f != home]
        if home or path.suffix.lower() == ".xml":
            masks[(*place, base)][suffix or home or ".xml"] = path
        elif suffix and path.with_name(base) in stems:
            masks[(*place, base)][suffix] = path
        else:
            images[path] = (*place, path.stem)
    found = {path: dict(masks.get(key, {})) for path, key in images.items()}
    taken = set(images.values())
    return found, [m for key, some in masks.items() if key not in taken for m in some.values()]


def _orphan(source: Source, mask: Path) -> Case:
    key = mask.as_posix()
    path = source.folder / mask
    fault = LayoutError("file-missing", path, "is the mask of an image that is not there", case=key)
    return Case(key, (path,), info={"masks": {}}, fault=fault)


def _case(source: Source, image: Path, masks: Mapping[str, Path]) -> Case:
    key, fault, patient = image.as_posix(), None, ""
    split = next((s for part in image.parts[:-1] if (s := split_named(part))), "")
    try:
        fetched(source.folder / image, key)
        for mask in masks.values():
            fetched(source.folder / mask, key)
        patient = patient_from(source, image, case=key)
    except LayoutError as error:
        fault, error.case = error, key
    files = [source.folder / p for p in (image, *masks.values())]
    return Case(
        key=key,
        files=tuple(files),
        patient=patient,
        split=split,
        flags=() if masks else ("unlabelled",),
        info={
            "masks": {variant: path.as_posix() for variant, path in masks.items()},
            "outlines": next((p.as_posix() for p in masks.values() if p.suffix == ".xml"), ""),
        },
        fault=fault,
    )


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """The image with its ``mask`` (one a region), or ``instances`` of numbered or outlined objects.

    Raises
    ------
    LayoutError
        ``mask-colours``, ``mask-is-image``, ``label-value``: see :mod:`..pictures.masks`.
        ``grid-mismatch``: the mask has another size. ``orientation-tag``: see option ``exif``.
    """
    image = annotated_plane(source, case, case.files[0])
    shape = (image.shape[0], image.shape[1])
    regions, found = names_of(source, "regions"), []
    for variant, name in case.info["masks"].items():
        path = source.folder / name
        if path.suffix.lower() == ".xml":
            found.append(_outlined(path, case, shape))
            continue
        if path.stat().st_size == case.files[0].stat().st_size and (
            path.read_bytes() == case.files[0].read_bytes()
        ):
            raise LayoutError("mask-is-image", path, "is a copy of its image", case=case.key)
        mark = _mask(source, case, path, regions.get(variant, ""))
        size = mark.value.shape if mark.kind == "mask" else _size(mark, shape)
        if size != shape:
            raise LayoutError(
                "grid-mismatch",
                path,
                f"is {size[1]} x {size[0]}, its image {shape[1]} x {shape[0]}",
                "nothing is resampled in silence",
                case=case.key,
            )
        found.append(mark)
    return Loaded(image, source.modality, tuple(found), flags=case.flags)


def _size(mark: Annotation, default: tuple[int, int]) -> tuple[int, int]:
    return tuple(mark.value[0]["mask"].shape) if mark.value else default


def _mask(source: Source, case: Case, path: Path, region: str) -> Annotation:
    numbered = text_of(source, "instances")
    if not numbered:
        foreground = region or text_of(source, "foreground", "foreground")
        classes = {} if region else classes_of(source)
        return Annotation("mask", *read_mask(path, case.key, classes, foreground))
    stored = stored_mask(path, case.key)
    if stored.values.ndim != 2 or stored.lossy:
        raise LayoutError(
            "mask-colours", path, "must hold object numbers, without colours or loss", case=case.key
        )
    objects = []
    for number in np.unique(stored.values):
        if number:
            mask = stored.values == number
            objects.append({"label": "1", "mask": mask, "box": mask_box(mask)})
    return Annotation("instances", objects, {"1": numbered})


def _outlined(path: Path, case: Case, shape: tuple[int, int]) -> Annotation:
    objects: list[dict[str, Any]] = []
    for outline in outlines_of(path, case.key):
        points = [list(p) for p in outline.parts[0]]
        if fault := polygon_fault(points, shape[1], shape[0]):
            raise LayoutError("box", path, fault, "mend it at its source", case=case.key)
        objects.append({"label": outline.label, "polygon": points, "box": polygon_box(points)})
    return Annotation("instances", objects, {name: name for name in case.info["outlined"]})
