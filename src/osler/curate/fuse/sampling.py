"""One case of a lock made into samples: verified, loaded, aligned, stored. Runs in any process.

A case is one sample, or, where its row of the lock says so, one for each of its axial slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler import __version__
from osler.core import InputError, OslerError, content_hash, plain, sha256_hex
from osler.images import Image

from ..licences import licences_named
from .align import Aligned, align
from .case import Annotation, Case, Loaded, Source
from .cutting import plane_of, slice_of
from .fused import sample_to_json
from .identity import identity_of, pixels_sha256
from .intensity import Intensity, intensity_of
from .labels import LabelMap
from .planes import numbers_of
from .reading import hash_file, load_case
from .sample import Concept, Mark, Picture, Sample
from .storing import MEDIA, axes_of, mask_image, narrowed, run_lengths, store
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
    """The key of the work and its samples as plain JSON, under ``samples``.

    Raises
    ------
    InputError
        A file is not what was locked, or reads otherwise.
    """
    try:
        return work.key, {"samples": [sample_to_json(one) for one in _made(work)]}
    except OslerError as error:  # one that any process can hand on
        raise InputError(str(error)) from error


def _made(work: Work) -> Iterator[Sample]:
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
    if work.row.get("slices"):
        yield from _slices(work, loaded)
    else:
        yield _whole(work, loaded)


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


def _whole(work: Work, loaded: Loaded) -> Sample:
    row = work.row
    pairs = zip(loaded.annotations, row["annotations"], strict=True)
    marks = tuple(_mark(work, loaded, one, told) for one, told in pairs)
    intensity = intensity_of(loaded.image, loaded.modality)
    image = _picture(work, loaded, loaded.image, intensity, row["pixels_sha256"])
    shown = {
        name
        for told in row["annotations"]
        for name, count in told.get("targets", {}).items()
        if count and told["kind"] in ("mask", "boxes", "instances", "keypoints")
    }
    return _sample(work, image, marks, _structures(work, shown))


def _slices(work: Work, loaded: Loaded) -> Iterator[Sample]:
    """A sample for each slice that the lock lists; the volume and its masks are held once.

    What is said of the volume as a whole is not said of its slices and left out.
    """
    cut = work.row["slices"]
    volume = loaded.image.with_pixels(narrowed(loaded.image.pixels))
    intensity = intensity_of(loaded.image, loaded.modality)
    pairs = zip(loaded.annotations, work.row["annotations"], strict=True)
    masks = [
        (_facts(work, one, told), _ids(work, one, told))
        for one, told in pairs
        if one.kind == "mask" and "label_map" in told
    ]
    names = {one.id: one.name for one in work.targets.pixel}
    for number in numbers_of(cut["kept"]):
        plane = slice_of(volume, number)
        image = _picture(work, loaded, plane, intensity, pixels_sha256(plane))
        marks, shown = [], set()
        for facts, ids in masks:
            flat = plane_of(ids, number)
            shown |= {names[one] for one in np.unique(flat).tolist() if one in names}
            marks.append(_stored(work, flat, plane, facts))
        sample = _sample(work, image, tuple(marks), _structures(work, shown), number)
        step = {"step": "slice", **_TOOL, "params": {"axis": cut["axis"], "plane": number,
                "of": cut["of"]}, "input": [work.row["pixels_sha256"]]}  # fmt: skip
        yield replace(sample, flags=(*sample.flags, "slice"), provenance=(*sample.provenance, step))


def _sample(
    work: Work,
    image: Picture,
    marks: tuple[Mark, ...],
    shown: tuple[Concept, ...],
    plane: int | None = None,
) -> Sample:
    row, source = work.row, work.source
    terms = licences_named(source.licence) + licences_named(source.annotation_licence)
    what = [image.pixels_sha256, plain(image.affine), row["dataset"], row["case"], plain(marks)]
    what += [] if plane is None else ["slice", plane]
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
        frame=row["frame"] if plane is None else plane,
        detail=row["detail"],
        body_structures=shown,
        marks=marks,
        demographics=row["demographics"],
        constraints=tuple(sorted({c for one in terms for c in one.constraints})),
        provenance=_provenance(work, plane is None),
        flags=tuple(row["flags"]) + (() if work.with_files else ("recipe",)),
    )


def _salted(work: Work, uid: str) -> str:
    return sha256_hex(f"{work.salt}\n{uid}".encode())[:16] if uid else ""


def _picture(
    work: Work, loaded: Loaded, image: Image, intensity: Intensity, digest_of_pixels: str
) -> Picture:
    uri, digest, media = "", "", ""
    if work.with_files:
        uri, digest, media = store(image, work.folder, "images")
    kind = np.dtype(image.pixels.dtype).name
    return Picture(
        uri=uri,
        sha256=digest,
        pixels_sha256=digest_of_pixels,
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


def _facts(work: Work, annotation: Annotation, told: Mapping[str, Any]) -> dict[str, Any]:
    """What a mark states beside its value."""
    return {
        "kind": annotation.kind,
        "label_map": told.get("label_map", ""),
        "completeness": told.get("completeness", "full"),
        "annotated": tuple(told.get("annotated", ())),
        "reader": annotation.reader,
        "licence": work.source.annotation_licence,
        "source_dataset": annotation.source_dataset or work.row["dataset"],
    }


def _mark(work: Work, loaded: Loaded, annotation: Annotation, told: Mapping[str, Any]) -> Mark:
    facts = _facts(work, annotation, told)
    if not work.with_files:
        return Mark(**facts)
    if "label_map" not in told:
        return Mark(value=plain(annotation.value), **facts)
    if annotation.kind != "mask":
        return Mark(value=_value(_aligned(work, annotation, told)), **facts)
    return _stored(work, _ids(work, annotation, told), loaded.image, facts)


def _ids(work: Work, annotation: Annotation, told: Mapping[str, Any]) -> NDArray[Any]:
    """The mask of an annotation as target ids."""
    return np.asarray(_aligned(work, annotation, told).value)


def _aligned(work: Work, annotation: Annotation, told: Mapping[str, Any]) -> Aligned:
    return align(
        annotation, work.maps[told["label_map"]], work.targets,
        uncertain=work.uncertain, where=_name(work), case=work.case.key,
    )  # fmt: skip


def _stored(work: Work, mask: NDArray[Any], image: Image, facts: Mapping[str, Any]) -> Mark:
    """A mask of target ids on the grid of ``image``, written."""
    if not work.with_files:
        return Mark(**facts)
    uri, digest, _ = store(mask_image(mask, image), work.folder, "masks")
    serves_all = image.axes == "xyzt" and mask.ndim == 3
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


def _structures(work: Work, names: set[str]) -> tuple[Concept, ...]:
    """The concepts of targets that masks and objects show."""
    found = (work.targets.named(name) for name in sorted(names))
    return tuple(one.concept for one in found if one is not None)


_TOOL = {"tool": "osler", "version": __version__}


def _provenance(work: Work, with_inputs: bool = True) -> tuple[Mapping[str, Any], ...]:
    """The steps of a sample; of slices the lock alone tells the files, not every row again."""
    files = [one["sha256"] for one in work.row["files"]]
    maps = sorted({told["label_map"] for told in work.row["annotations"] if "label_map" in told})
    return (
        {
            "step": "read",
            **_TOOL,
            "params": {"layout": work.source.layout, "options": plain(work.source.options)},
            "input": files if with_inputs else [],
        },
        {"step": "canonical", **_TOOL, "params": {"axes": axes_of(work.row["axes"])}, "input": []},
        {"step": "align", **_TOOL, "params": {"label_maps": maps}, "input": []},
    )
