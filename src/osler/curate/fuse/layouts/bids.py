"""BIDS: sub-01/[ses-01/]anat/sub-01_T1w.nii.gz, participants.tsv, derivatives with masks.

Images are those of ``anat`` and ``pet`` (option ``datatypes``), of all suffixes (option
``suffixes``). Masks (``_mask``, ``_dseg``) lie beside them or in ``derivatives``; one belongs to
the images that its sidecar names (``Sources``, ``RawSources``), else to those of the same subject
and session whose names allow it and which lie on its grid; masks in the space of a template are
passed over. Masks are named by the option ``labels``, by ``_dseg.tsv``, or by their entities
``label`` and ``desc``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..case import Annotation, Case, Loaded, Source
from ..faults import LayoutError
from ..pictures.documents import rows_of
from ..pictures.options import check_options
from ..volumes.bids_masks import elsewhere, owners
from ..volumes.bids_names import Name, metadata, name_of, sidecars
from ..volumes.dictionary import Dictionary, by_id
from ..volumes.files import below, fetched, listed, loads_cases, of_case, stem
from ..volumes.grid import Grid, grid_of
from ..volumes.masks import marks, read_image, read_map
from ..volumes.series_words import tracer_of
from ..volumes.settings import COMMON, FORM, form_of, list_of
from ..volumes.tables import demographics, object_of

NAME = "bids"
TITLE = "BIDS: sub-*/ses-*/anat, participants.tsv, derivatives"

OPTIONS = {
    **COMMON,
    "form": FORM,
    "datatypes": 'folders whose images are cases, ["anat", "pet"] unless said',
    "suffixes": 'suffixes of images that are cases, such as ["T1w"]; all unless said',
    "labels": "what the numbers of dseg files mean (number -> name)",
}

_TYPES = ("anat", "pet")
_MASKS = ("mask", "dseg")
_OTHER = {"defacemask", "probseg", "xfm", "blood", "events"}
_MODALITY = {"pet": "PET", "ct": "CT", "CT": "CT"}
_TOLD = (
    "Manufacturer", "ManufacturersModelName", "MagneticFieldStrength", "EchoTime",
    "RepetitionTime", "InversionTime", "FlipAngle", "ContrastBolusIngredient",
)  # fmt: skip
_PET = (
    "TracerRadionuclide", "InjectedRadioactivity", "InjectedRadioactivityUnits",
    "InjectionStart", "ScanStart", "TimeZero", "FrameTimesStart", "ImageDecayCorrected",
    "ImageDecayCorrectionTime", "BodyPart", "Units",
)  # fmt: skip
_UNITS = {"bq/ml": "Bq/mL", "suv": "SUV", "hu": "HU"}


def detect(folder: Path) -> str:
    """dataset_description.json (or participants.tsv) beside folders sub-*."""
    named = [n for n in ("dataset_description.json", "participants.tsv") if (folder / n).is_file()]
    if not named or not _subjects(folder):
        return ""
    return f"{named[0]} beside sub-*"


def _subjects(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("sub-*") if p.is_dir() and name_of(Path(f"{p.name}_x")))


def scan(source: Source) -> Iterator[Case]:
    """Images by subject, session and name.

    Raises
    ------
    LayoutError
        Of the dataset: ``file-missing`` without dataset_description.json or subjects,
        ``table-columns``, ``table-row``.
    """
    check_options(source, OPTIONS)
    root = source.folder
    description = root / "dataset_description.json"
    said = object_of(description)
    if not isinstance(said.get("BIDSVersion"), str) or not said.get("Name"):
        raise LayoutError("table-columns", description, "states no Name or no BIDSVersion")
    people, table = _participants(root)
    folders = {place.name: place for place in _subjects(root)}
    if not folders:
        raise LayoutError("file-missing", root, "holds no folder sub-*", "fetch the whole set")
    for subject in sorted({*folders, *people}):
        place = folders.get(subject)
        if place is None:
            yield Case(subject, (root / "participants.tsv",), subject, fault=LayoutError(
                "file-missing", root / subject, "participants.tsv names a subject that is not "
                "there", "fetch it or take it out of the table", case=subject))  # fmt: skip
            continue
        known = people.get(subject)
        flags = () if known is not None or not people else ("not-in-participants",)
        about = demographics((known or {}).get("age"), (known or {}).get("sex"))
        for case in _of_subject(source, place):
            yield replace(
                case, flags=(*case.flags, *flags), demographics=about,
                files=(*case.files, description, *table),
            )  # fmt: skip


def _participants(root: Path) -> tuple[dict[str, dict[str, str]], list[Path]]:
    table = root / "participants.tsv"
    if not table.exists() and not table.is_symlink():
        return {}, []
    found: dict[str, dict[str, str]] = {}
    for row in rows_of(table, ("participant_id",)):
        subject = row["participant_id"]
        name = name_of(Path(f"{subject}_x"))
        if name is None or set(name.entities) != {"sub"} or subject in found:
            raise LayoutError("table-row", table, f"has the participant {subject!r} twice or wrong")
        found[subject] = row
    return found, [table]


def _images(source: Source, place: Path) -> list[tuple[Path, Name]]:
    """Image files of a subject, with their names."""
    types = list_of(source, "datatypes", list(_TYPES))
    sessions = [p for p in sorted(place.glob("ses-*")) if p.is_dir()] or [place]
    found = []
    for session in sessions:
        for kind in types:
            for path in listed(session / Path(kind).name):
                name = name_of(path)
                if name is not None and name.suffix not in _MASKS and name.suffix not in _OTHER:
                    found.append((path, name))
    return found


def _masks(root: Path, place: Path) -> list[tuple[Path, Name]]:
    """Mask files of a subject: its own, and those of all derivatives."""
    derived = sorted(p for p in (root / "derivatives").glob("*") if p.is_dir())
    places = [place, root / "derivatives" / place.name, *(p / place.name for p in derived)]
    found = []
    for folder in places:
        paths = [p for p in folder.rglob("*_*") if p.name.endswith((".nii.gz", ".nii"))]
        for path in sorted(paths):
            name = name_of(path)
            if name is not None and name.suffix in _MASKS and not path.name.startswith("."):
                found.append((path, name))
    return found


def _of_subject(source: Source, place: Path) -> Iterator[Case]:
    root = source.folder
    images, masks = _images(source, place), _masks(root, place)
    form = form_of(source)
    grids: dict[Path, Grid] = {}
    cases: list[Case] = []
    for path, name in images:
        key = stem(path)
        case = _case(source, place, path, name, key)
        if name.entities.get("sub") != place.name.removeprefix("sub-"):
            case = replace(case, fault=LayoutError(
                "table-row", path, f"lies in the folder of {place.name}", case=key))  # fmt: skip
        else:
            try:
                fetched(path, key, "image")
                grids[path] = grid_of(path, key, form)
                case = replace(case, files=(*case.files, *sidecars(path, root)))
            except LayoutError as error:
                error.case = error.case or key
                case = replace(case, fault=error)
        cases.append(case)
    taken: dict[str, list[Path]] = {}
    lost: list[Case] = []
    types = list_of(source, "datatypes", list(_TYPES))
    for path, name in masks:
        keys, fault = owners(path, name, images, grids, source)
        if fault is None and not keys and path.parent.name in types and not elsewhere(name):
            key = stem(path)
            lost.append(Case(key, (path,), place.name, fault=LayoutError(
                "file-missing", path, "is a mask of an image that is not here", "fetch the image",
                case=key)))  # fmt: skip
        for key in keys:
            taken.setdefault(key, []).append(path)
            if fault is not None:
                cases = [replace(c, fault=c.fault or of_case(fault, key)) if c.key == key else c
                         for c in cases]  # fmt: skip
    wanted = list_of(source, "suffixes", [])
    for case, (_, name) in zip(cases, images, strict=True):
        if wanted and name.suffix not in wanted:
            continue
        own = taken.get(case.key, [])
        yield replace(
            case,
            files=tuple(p for p in (*case.files, *own) if p.is_file()),
            info={**case.info, "masks": [below(p, root) for p in own]},
        )
    yield from lost


def _case(source: Source, place: Path, path: Path, name: Name, key: str) -> Case:
    session = name.entities.get("ses", "")
    stated = {name.entities.get("desc", ""), name.entities.get("rec", ""),
              name.entities.get("acq", "")}  # fmt: skip
    mask = any(
        other is not None and other.suffix == "defacemask"
        for other in (name_of(p) for p in listed(path.parent))
    )
    defaced = mask or any("defaced" in word.lower() for word in stated)
    return Case(
        key=key,
        files=(path,),
        patient=place.name,
        study=f"{place.name}_ses-{session}" if session else place.name,
        flags=("defaced",) if defaced else (),
        info={"image": below(path, source.folder), "masks": []},
    )


@loads_cases
def load(source: Source, case: Case) -> Loaded:
    """Image, its masks, and what its sidecars say.

    Raises
    ------
    LayoutError
        Besides the faults of ``scan``: ``grid-mismatch``, ``label-value``, ``label-dictionary``
        for a dseg file whose numbers nothing explains, ``mask-is-image``, ``laterality``.
    """
    path = source.folder / case.info["image"]
    name = name_of(path)
    assert name is not None  # scan found it by its name
    said = metadata(path, source.folder, case.key)
    modality = source.modality or _MODALITY.get(name.suffix, "MR")
    unit = _UNITS.get(str(said.get("Units", "")).lower(), "")
    image, grid = read_image([path], source, case.key, modality=modality, unit=unit)
    annotations: list[Annotation] = []
    for text in case.info["masks"]:
        annotations += _annotations(source, source.folder / text, grid, image, case.key)
    told = _PET if modality == "PET" else _TOLD
    detail = {key: str(said[key]) for key in told if key in said}
    if modality == "PET" and (tracer := tracer_of(str(said.get("TracerName", "")))):
        detail["tracer"] = tracer
    flags = case.flags
    if said.get("Defaced") is True and "defaced" not in flags:
        flags = (*flags, "defaced")
    if not said:
        flags = (*flags, "sidecar-missing")
    return Loaded(
        image, modality, tuple(annotations), (), {"sequence": name.suffix, **detail}, flags
    )


def _annotations(
    source: Source, path: Path, grid: Grid, image: Any, key: str
) -> tuple[Annotation, ...]:
    name = name_of(path)
    assert name is not None  # scan found it by its name
    mask = read_map(path, grid, source, key)
    if name.suffix == "dseg":
        return marks(mask, _segments(source, path, key), image, source, path, key)
    values = set(np.unique(mask).tolist()) - {0}
    if len(values) > 1:
        listing = ", ".join(map(str, sorted(values)[:8]))
        raise LayoutError(
            "label-value", path, f"is a binary mask but holds the values {listing}", case=key
        )
    here = (mask > 0).view(np.uint8)
    what = name.entities.get("label") or name.entities.get("desc") or "mask"
    return marks(here, Dictionary({1: what}), image, source, path, key)


def _segments(source: Source, path: Path, key: str) -> Dictionary:
    """The labels of a dseg file: option, or the nearest table beside or above it."""
    if source.options.get("labels"):
        return by_id(source.options["labels"], source.folder)
    tables = sidecars(path, source.folder, ".tsv")
    if not tables:
        raise LayoutError(
            "label-dictionary", path, "has no _dseg.tsv that explains its numbers",
            "add one (index, name), or state labels in the options of the source", case=key,
        )  # fmt: skip
    rows = rows_of(tables[-1], ("index", "name"))
    found: dict[str, str] = {}
    for row in rows:
        if row["index"] in found:
            raise LayoutError("label-dictionary", tables[-1], f"explains {row['index']} twice")
        found[row["index"]] = row["name"]
    return by_id(found, tables[-1])
