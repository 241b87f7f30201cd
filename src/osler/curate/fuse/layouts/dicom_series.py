"""DICOM series of CT, MR, PET with RTSTRUCT and SEG objects, in folders of any shape.

Everything is told by headers, never by names of files. Each image series is a case; an RTSTRUCT or
SEG object belongs to the series that it refers to. Names of regions are free text and stay as they
are. RTSTRUCT regions may overlap and are annotations of their own; segments of a SEG are one map
unless they overlap. Series of other kinds (CR, DX, localizers) are passed over; the cases of their
study carry a flag. PET stays in the unit of its header; ``detail`` has what SUV is computed from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from osler.core import BadFileError
from osler.images import Image, format_of
from osler.images.dicom import read_dataset
from osler.images.dicom_tags import text

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.options import check_options
from ..volumes.archive import MODALITY, Archive, Object, archive_of, objects_of
from ..volumes.files import below, loads_cases
from ..volumes.masks import check_sides
from ..volumes.segments import segments_of
from ..volumes.series_words import tracer_of
from ..volumes.settings import COMMON, list_of
from ..volumes.sides import Centre, centre, centres, has_side
from ..volumes.slices import Slices, read_volume, series_case, slices_of, stray_faults
from ..volumes.structures import regions_of

NAME = "dicom_series"
TITLE = "DICOM series (CT, MR, PET) with RTSTRUCT and SEG objects"

OPTIONS = {
    **COMMON,
    "modalities": 'DICOM modalities that are cases, ["CT", "MR", "PT", "NM"] unless said',
    "regions": "words of which the name of a region must hold one; all regions unless said",
}

_LOOKED_AT = 400
_KINDS = {*MODALITY, "RTSTRUCT", "SEG"}
_PET = ("pet_units", "suv_type", "decay_correction", "nuclide", "suv_factor", "suv_missing")


def detect(folder: Path) -> str:
    """DICOM files of volumes somewhere below, and no readers' XML of LIDC."""
    if not folder.is_dir():
        return ""
    found = False
    for number, path in enumerate(folder.rglob("*")):
        if number > _LOOKED_AT:
            break
        if path.name.startswith(".") or not path.is_file():
            continue
        if path.suffix.lower() == ".xml":
            with path.open("rb") as handle:
                if b"LidcReadMessage" in handle.read(4096):
                    return ""
        found = found or _is_volume(path)
    return "DICOM files of volumes" if found else ""


def _is_volume(path: Path) -> bool:
    try:
        if format_of(path) != "dicom":
            return False
        return text(read_dataset(path, pixels=False, tags=("Modality",)), "Modality") in _KINDS
    except BadFileError:
        return False


def scan(source: Source) -> Iterator[Case]:
    """Series by UID, then objects whose series is not there.

    Raises
    ------
    LayoutError
        Of the dataset: ``file-missing`` if there is no series of a wanted modality.
    """
    check_options(source, OPTIONS)
    wanted = list_of(source, "modalities", list(MODALITY))
    archive = archive_of(source.folder)
    marks, lost = _owners(archive)
    found = [uid for uid, objects in sorted(archive.series.items())
             if objects[0].said("Modality") in wanted]  # fmt: skip
    if not found:
        raise LayoutError(
            "file-missing", source.folder, f"holds no DICOM series of {', '.join(wanted)}"
        )
    for uid in found:
        case = series_case(source, archive, uid)
        if case is None:
            continue
        own = [mark.path for mark in marks.get(uid, [])]
        yield replace(
            case,
            files=(*case.files, *own),
            info={**case.info, "marks": [below(path, source.folder) for path in own]},
        )
    yield from stray_faults(source, archive)
    for mark in lost:
        key = mark.said("SOPInstanceUID")
        yield Case(key, (mark.path,), fault=LayoutError(
            "file-missing", mark.path, f"is a {mark.said('Modality')} object of a series that is "
            "not here", "fetch the series it refers to", case=key))  # fmt: skip


def _owners(archive: Archive) -> tuple[dict[str, list[Object]], list[Object]]:
    """RTSTRUCT and SEG objects by their series, and those whose series is not there."""
    found: dict[str, list[Object]] = {}
    lost: list[Object] = []
    for mark in archive.marks:
        stated = mark.refers
        here = next((uid for uid in stated if uid in archive.series), "")
        if not stated:  # told by study and frame of reference, where only one series has both
            near = [
                uid for uid, objects in archive.series.items()
                if objects[0].said("StudyInstanceUID") == mark.said("StudyInstanceUID")
                and objects[0].said("FrameOfReferenceUID") == mark.said("FrameOfReferenceUID")
                and objects[0].said("Modality") in MODALITY
            ]  # fmt: skip
            here = near[0] if len(near) == 1 else ""
        if here:
            found.setdefault(here, []).append(mark)
        else:
            lost.append(mark)
    return found, lost


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """The volume of a series with the regions and segments that mark it.

    Raises
    ------
    LayoutError
        Besides the faults of ``scan``: ``contour-slice``, ``frame-order``, ``grid-mismatch``,
        ``mask-overlap``, ``laterality``, ``file-unreadable``.
    """
    paths = [source.folder / name for name in case.info["files"]]
    image = read_volume(paths, source, case.key)
    if image.affine is None or not image.is_volume:
        raise LayoutError(
            "affine-broken", image.source, "states no geometry that makes a volume", case=case.key
        )
    annotations: list[Annotation] = []
    flags: list[str] = []
    codes: dict[str, str] = {}
    marks = [(source.folder / name) for name in case.info["marks"]]
    kinds = [objects_of([path])[0].said("Modality") for path in marks]
    slices = slices_of(objects_of(paths), case.key) if marks else Slices((), ())
    for number, (path, kind) in enumerate(zip(marks, kinds, strict=True)):
        # Several objects of one kind are several opinions.
        several = kinds.count(kind) > 1
        reader = f"reader-{kinds[: number + 1].count(kind)}" if several else ""
        if kind == "SEG":
            made, said, odd = _from_segments(source, path, image, slices, case.key, reader)
            codes |= said
        else:
            made, odd = _from_regions(source, path, image, slices, case.key, reader)
        annotations += made
        flags += odd
    modality = case.info["modality"]
    detail = dict(case.info["detail"])
    detail |= {key: image.meta[key] for key in _PET if key in image.meta}
    if tracer := tracer_of(image.meta.get("tracer", "")):
        detail["tracer"] = tracer
    detail |= {f"code:{name}": code for name, code in codes.items()}
    return Loaded(
        image, modality, tuple(annotations), (), detail, (*case.flags, *dict.fromkeys(flags))
    )


def _from_regions(
    source: Source, path: Path, image: Image, slices: Slices, key: str, reader: str
) -> tuple[list[Annotation], list[str]]:
    regions = regions_of(path, image, slices, key, list_of(source, "regions", []))
    places: dict[str, Centre] = {}
    assert image.affine is not None  # load has checked it
    for region in regions:
        spot = centre(region.mask, image.affine) if has_side(region.name) else None
        if spot is not None:
            places[region.name] = spot
    check_sides(places, source, path, key)
    made = [
        Annotation("mask", region.mask.view("u1"), {"1": region.name}, None, reader, source.dataset)
        for region in regions
    ]
    return made, [flag for region in regions for flag in region.flags]


def _from_segments(
    source: Source, path: Path, image: Image, slices: Slices, key: str, reader: str
) -> tuple[list[Annotation], dict[str, str], list[str]]:
    found = segments_of(path, image, slices, key)
    places: dict[str, Centre] = {}
    made: list[Annotation] = []
    assert image.affine is not None  # load has checked it
    for mask, labels in zip(found.masks, found.labels, strict=True):
        places |= centres(mask, image.affine, labels)
        names = {str(number): name for number, name in labels.items()}
        made.append(Annotation("mask", mask, names, None, reader, source.dataset))
    check_sides(places, source, path, key)
    return made, found.codes, list(found.flags)
