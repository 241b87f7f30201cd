"""Slices of a DICOM series: their order, where they lie, and the volume they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pydicom import Dataset

from osler.core import BadFileError
from osler.images import Image, SeriesError
from osler.images.dicom import read_dataset
from osler.images.dicom_geometry import Placement, placement, stack
from osler.images.dicom_tags import text, whole
from osler.images.series import slice_times

from ..case import Case, Source
from ..faults import LayoutError
from .archive import MODALITY, Archive, Object, without_localizers
from .files import below, of_case
from .series_words import agent_of, body_part_of, series_words
from .settings import unit_of
from .tables import demographics

_FAULTS = {
    "gap": "slice-missing", "duplicate": "slice-missing", "orientation": "series-mixed",
    "shape": "series-mixed", "several": "series-mixed", "geometry": "affine-broken",
    "empty": "file-missing",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Where the slices of a volume lie, in its order: UID and placement of each."""

    uids: tuple[str, ...]
    places: tuple[Placement, ...]

    def at(self, uid: str) -> list[int]:
        """Indices of the slices of this image object."""
        return [index for index, own in enumerate(self.uids) if own == uid]

    def elsewhere(self, index: int, references: Iterable[Dataset]) -> str:
        """Where what lies on slice ``index`` says it belongs, if that is another place.

        ``references`` are items of an image reference sequence. Empty: they fit, or say nothing.
        """
        stated = [uid for one in references if (uid := text(one, "ReferencedSOPInstanceUID"))]
        if not stated or self.uids[index] in ("", *stated):
            return ""
        spots = [spot for uid in stated for spot in self.at(uid)]
        return f"slice {spots[0]}" if spots else "an image that is not in the series"


def slices_of(objects: list[Object], case: str) -> Slices:
    """The slices of a series in the order of its volume, checked to make one.

    Raises
    ------
    LayoutError
        ``slice-missing``, ``series-mixed``, ``affine-broken``.
    """
    where = objects[0].path.parent
    if len(objects) == 1 and _frames(objects[0]) > 1:
        return _of_frames(objects[0])
    sizes = {(one.said("Rows"), one.said("Columns")) for one in objects}
    if len(sizes) > 1:
        listing = ", ".join(" x ".join(size) for size in sorted(sizes))
        raise LayoutError("series-mixed", where, f"mixes sizes: {listing}", case=case)
    seen: dict[str, Object] = {}
    for one in objects:
        other = seen.setdefault(one.said("SOPInstanceUID") or str(one.path), one)
        if other is not one:
            raise LayoutError(
                "slice-missing",
                where,
                f"{other.path.name} and {one.path.name} are the same image",
                "remove one of them",
                case=case,
            )
    places = []
    for one in objects:
        if one.place is None:
            raise LayoutError(
                "affine-broken", one.path, "states no position, direction or spacing", case=case
            )
        places.append(one.place)
    names = [one.path.name for one in objects]
    times = slice_times([one.times for one in objects])
    order = [0]
    if len(places) > 1:
        try:
            order = stack(places, where, names, times).order[0]
        except SeriesError as error:
            raise series_fault(error, case) from error
    return Slices(
        tuple(objects[i].said("SOPInstanceUID") for i in order), tuple(places[i] for i in order)
    )


def _frames(one: Object) -> int:
    text_of = one.said("NumberOfFrames")
    return int(text_of) if text_of.isdigit() else 1


def _of_frames(one: Object) -> Slices:
    """Frames of an enhanced object, which has all slices in one file."""
    ds = read_dataset(one.path, pixels=False)
    count = whole(ds, "NumberOfFrames") or 1
    places = [place for f in range(count) if (place := placement(ds, f)) is not None]
    if len(places) != count:
        return Slices((), ())
    order = stack(places, one.path, [f"frame {f}" for f in range(count)]).order[0]
    uid = one.said("SOPInstanceUID")
    return Slices((uid,) * count, tuple(places[i] for i in order))


def series_fault(error: SeriesError, case: str) -> LayoutError:
    """What a series that makes no volume is called among the faults."""
    what = str(error).removeprefix(f"{error.path}: ")
    return LayoutError(_FAULTS[error.kind], error.path, what, case=case)


def read_volume(paths: list[Path], source: Source, case: str) -> Image:
    """The volume of a series from its files, in the unit they state, else that of the option.

    Raises
    ------
    LayoutError
        As :func:`slices_of`; ``file-unreadable`` for a file that is cut off.
    """
    from osler.images.dicom import read_dicom
    from osler.images.series import read_slices

    try:
        image = read_dicom(paths[0]) if len(paths) == 1 else read_slices(paths, paths[0].parent)
    except SeriesError as error:
        raise series_fault(error, case) from error
    except BadFileError as error:
        what = str(error).removeprefix(f"{error.path}: ")
        raise LayoutError("file-unreadable", error.path, what, case=case) from error
    unit = unit_of(source)
    return replace(image, unit=cast(Any, unit)) if unit and image.unit == "unknown" else image


def series_case(source: Source, archive: Archive, uid: str) -> Case | None:
    """A series as a case, with what its headers tell; None if it holds localizers only."""
    objects = without_localizers(archive.series[uid])
    if not objects:
        return None
    first = objects[0]
    study = first.said("StudyInstanceUID")
    modality = first.said("Modality")
    others = sorted({
        other.said("Modality") for group in archive.series.values() for other in group[:1]
        if other.said("StudyInstanceUID") == study and other.said("Modality") not in MODALITY
    })  # fmt: skip
    flags = [f"series-ignored:{other}" for other in others]
    if len(objects) < len(archive.series[uid]):
        flags.append("localizers-left-out")
    detail = {"sequence": series_words(first.said("SeriesDescription")),
              "contrast_agent": agent_of(first.said("ContrastBolusAgent")),
              "body_part": body_part_of(first.said("BodyPartExamined"))}  # fmt: skip
    case = Case(
        key=uid,
        files=tuple(one.path for one in objects),
        patient=first.said("patient"),
        study=study,
        series=first.said("SeriesInstanceUID"),
        demographics=demographics(first.said("PatientAge"), first.said("PatientSex")),
        flags=tuple(flags),
        info={
            "files": [below(one.path, source.folder) for one in objects],
            "modality": MODALITY.get(modality, modality),
            "detail": {key: value for key, value in detail.items() if value},
            "marks": [],
        },
    )
    try:
        slices_of(objects, case.key)
    except LayoutError as error:
        case = replace(case, fault=error)
    for place in sorted({one.path.parent for one in objects} & set(archive.broken)):
        case = replace(case, fault=of_case(archive.broken[place], case.key))
    return case


def stray_faults(source: Source, archive: Archive) -> Iterator[Case]:
    """Files that should be slices but are none, in folders without any slice."""
    places = {one.path.parent for objects in archive.series.values() for one in objects}
    for place, fault in sorted(archive.broken.items()):
        if place not in places:
            key = below(Path(fault.path), source.folder)
            yield Case(key, (), fault=of_case(fault, key))
