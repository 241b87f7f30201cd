"""One case of a lock made into a sample: verified, loaded, aligned, stored. Runs in any process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from osler import __version__
from osler.core import InputError, OslerError, content_hash, plain, sha256_hex

from ..licences import licences_named
from .align import Aligned, align
from .case import Annotation, Case, Loaded, Source
from .fused import sample_to_json
from .identity import identity_of
from .intensity import intensity_of
from .labels import LabelMap
from .reading import hash_file, load_case
from .sample import Concept, Mark, Picture, Sample
from .storing import MEDIA, axes_of, mask_image, run_lengths, store
from .targets import TargetTable


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """One case to build; ``row`` is its row of the lock, ``maps`` by the id its marks name.

    ``with_files`` false makes a recipe: the row of a sample without any file.
    """

    source: Source
    case: Case
    row: Mapping[str, Any]
    maps: Mapping[str, LabelMap]
    targets: TargetTable
    salt: str
    folder: Path
    uncertain: Any
    with_files: bool
    key: str


def build_case(work: Work) -> tuple[str, dict[str, Any]]:
    """The key of the work and its sample as plain JSON.

    Raises
    ------
    InputError
        A file is not what was locked, or reads otherwise.
    """
    try:
        return work.key, sample_to_json(_made(work))
    except OslerError as error:  # one that any process can hand on
        raise InputError(str(error)) from error


def _made(work: Work) -> Sample:
    changed = changed_files(work.source.folder, work.row)
    if changed:
        raise InputError(
            f"{_name(work)} is not what was locked: {'; '.join(changed)}; lock again, or restore it"
        )
    loaded = load_case(work.source, work.case)
    if identity_of(loaded.image).pixels_sha256 != work.row["pixels_sha256"]:
        raise InputError(
            f"{_name(work)} reads otherwise than when it was locked; lock again with this version"
        )
    return _sample(work, loaded)


def _name(work: Work) -> str:
    return f"{work.row['dataset']}/{work.row['case']}"


def changed_files(folder: Path, row: Mapping[str, Any]) -> list[str]:
    """Files of a row of a lock that are gone or have other bytes, each in a few words."""
    found = []
    for one in row["files"]:
        path = folder / one["path"]
        try:
            digest, _ = hash_file(path)
        except InputError:
            found.append(f"{one['path']} is missing or cannot be read")
            continue
        if digest != one["sha256"]:
            found.append(f"{one['path']} has other bytes")
    return found


def _sample(work: Work, loaded: Loaded) -> Sample:
    row, source = work.row, work.source
    pairs = zip(loaded.annotations, row["annotations"], strict=True)
    marks = tuple(_mark(work, loaded, one, told) for one, told in pairs)
    image = _picture(work, loaded)
    terms = licences_named(source.licence) + licences_named(source.annotation_licence)
    what = [image.pixels_sha256, plain(image.affine), row["dataset"], row["case"], plain(marks)]
    return Sample(
        sample_id=content_hash(what, 32),
        dataset=row["dataset"],
        dataset_version=source.version,
        case=row["case"],
        patient_key=row["patient_key"],
        patient_group=row["patient_group"],
        split=row["split"],
        source_split=row["source_split"],
        image=image,
        modality=row["modality"],
        licence=source.licence,
        study_key=_salted(work, row["study"]),
        series_key=_salted(work, row["series"]),
        frame=row["frame"],
        detail=row["detail"],
        body_structures=_structures(work),
        marks=marks,
        demographics=row["demographics"],
        constraints=tuple(sorted({c for one in terms for c in one.constraints})),
        provenance=_provenance(work),
        flags=tuple(row["flags"]) + (() if work.with_files else ("recipe",)),
    )


def _salted(work: Work, uid: str) -> str:
    return sha256_hex(f"{work.salt}\n{uid}".encode())[:16] if uid else ""


def _picture(work: Work, loaded: Loaded) -> Picture:
    image, intensity = loaded.image, intensity_of(loaded.image, loaded.modality)
    uri, digest, media = "", "", ""
    if work.with_files:
        uri, digest, media = store(image, work.folder, "images")
    kind = np.dtype(image.pixels.dtype).name
    return Picture(
        uri=uri,
        sha256=digest,
        pixels_sha256=work.row["pixels_sha256"],
        media_type=media or (MEDIA[".nii.gz"] if image.is_volume else ""),
        shape=tuple(image.shape),
        axes=axes_of(image.axes),
        dtype=kind,
        spacing_mm=None if image.spacing is None else tuple(float(v) for v in image.spacing),
        affine=None
        if image.affine is None
        else tuple(float(v) + 0.0 for v in image.affine.ravel()),
        intensity_unit=intensity.unit,
        window=intensity.window,
        channels=tuple(loaded.channels),
    )


def _mark(work: Work, loaded: Loaded, annotation: Annotation, told: Mapping[str, Any]) -> Mark:
    facts: dict[str, Any] = {
        "kind": annotation.kind,
        "label_map": told.get("label_map", ""),
        "completeness": told.get("completeness", "full"),
        "annotated": tuple(told.get("annotated", ())),
        "reader": annotation.reader,
        "licence": work.source.annotation_licence,
        "source_dataset": annotation.source_dataset or work.row["dataset"],
    }
    if not work.with_files:
        return Mark(**facts)
    label_map = work.maps.get(told.get("label_map", ""))
    if label_map is None:
        return Mark(value=plain(annotation.value), **facts)
    where = _name(work)
    aligned = align(
        annotation, label_map, work.targets,
        uncertain=work.uncertain, where=where, case=work.case.key,
    )  # fmt: skip
    if annotation.kind != "mask":
        return Mark(value=_value(aligned), **facts)
    mask = np.asarray(aligned.value)
    uri, digest, _ = store(mask_image(mask, loaded.image), work.folder, "masks")
    serves_all = loaded.image.axes == "xyzt" and mask.ndim == 3
    return Mark(value={"axes": "RAS"} if serves_all else None, uri=uri, sha256=digest, **facts)


def _value(aligned: Aligned) -> Any:
    """Plain JSON; masks of instances as run lengths."""
    if aligned.kind != "instances":
        return plain(aligned.value)
    return [
        {
            name: run_lengths(one) if name == "mask" else plain(one)
            for name, one in instance.items()
            if one is not None
        }
        for instance in aligned.value
    ]


def _structures(work: Work) -> tuple[Concept, ...]:
    """What the masks and objects of a case show, once each."""
    names = {
        name
        for told in work.row["annotations"]
        for name, count in told.get("targets", {}).items()
        if count and told["kind"] in ("mask", "boxes", "instances", "keypoints")
    }
    found = (work.targets.named(name) for name in sorted(names))
    return tuple(one.concept for one in found if one is not None)


def _provenance(work: Work) -> tuple[Mapping[str, Any], ...]:
    tool = {"tool": "osler", "version": __version__}
    maps = sorted({told["label_map"] for told in work.row["annotations"] if "label_map" in told})
    return (
        {
            "step": "read",
            **tool,
            "params": {"layout": work.source.layout, "options": plain(work.source.options)},
            "input": [one["sha256"] for one in work.row["files"]],
        },
        {"step": "canonical", **tool, "params": {"axes": axes_of(work.row["axes"])}, "input": []},
        {"step": "align", **tool, "params": {"label_maps": maps}, "input": []},
    )
