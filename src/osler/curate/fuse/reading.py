"""One case read once: all that a lock needs to know of it, as plain JSON.

Runs in any process. What is read here is kept in the journal, so nothing of it may depend on
where the files lie or on the day.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, InputError, OslerError, content_hash, plain, sha256_hex

from .align import histogram
from .case import Annotation, Case, Loaded, Source
from .faults import LayoutError
from .geometry import canonical
from .identity import identity_of
from .intensity import intensity_of
from .journal import stamp
from .layouts import layout_named
from .looks import looks_of, packed
from .planes import content_planes, label_planes
from .suv import as_asked

_OTHER_CODE = frozenset({"making", "export"})
_CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class Job:
    """One case to read; ``known`` are the SHA-256 of files that were hashed before, by stamp.

    ``read`` is false where only hashes of files are missing.
    """

    source: Source
    case: Case
    key: str
    known: Mapping[str, tuple[str, int]]
    read: bool = True


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job: hashes by stamp, and the result for the journal (None: not read)."""

    key: str
    hashes: Mapping[str, tuple[str, int]]
    result: Mapping[str, Any] | None


@cache
def code_digest() -> str:
    """Digest of the code that reads cases and images: other code, other results."""
    found = hashlib.sha256()
    for room in ("osler.curate.fuse", "osler.images"):
        home = Path(str(import_module(room).__file__)).parent
        for path in sorted(home.rglob("*.py")):
            if not _OTHER_CODE & set(path.relative_to(home).parts):
                found.update(path.read_bytes())
    return found.hexdigest()[:16]


def case_key(source: Source, case: Case, stamps: Iterable[str]) -> str:
    """Key of a reading: the case, its source's settings, its files as they are, and the code."""
    settings = [source.dataset, source.layout, source.version, source.modality, source.options]
    facts = [case.key, case.patient, case.study, case.series, case.frame, case.info]
    return content_hash([settings, facts, list(stamps), code_digest()], 32)


def work(job: Job) -> Done:
    """Hash the files of a case and read it.

    Raises
    ------
    InputError
        A file changed while it was being read.
    """
    try:
        return _worked(job)
    except OslerError as error:  # one that any process can hand on
        raise InputError(str(error)) from error


def _worked(job: Job) -> Done:
    stamps = {stamp(path): path for path in job.case.files}
    hashes = {key: job.known.get(key) or hash_file(path) for key, path in stamps.items()}
    result = read_case(job.source, job.case) if job.read else None
    if {stamp(path) for path in job.case.files} != set(stamps):
        raise InputError(
            f"files of case {job.case.key} of {job.source.dataset} changed while they were read; "
            "run the same command again"
        )
    return Done(job.key, hashes, result)


def hash_file(path: Path) -> tuple[str, int]:
    """SHA-256 and size in bytes of a file.

    Raises
    ------
    BadFileError
        It cannot be read.
    """
    found, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as handle:
            while part := handle.read(_CHUNK):
                found.update(part)
                size += len(part)
    except OSError as error:
        raise BadFileError(path, f"cannot be read ({error.strerror})") from error
    return found.hexdigest(), size


def load_case(source: Source, case: Case) -> Loaded:
    """One case, in canonical geometry and with its unit checked.

    Raises
    ------
    LayoutError
        It is not what its layout promises; every other fault of its files becomes
        ``file-unreadable``.
    """
    try:
        loaded = canonical(layout_named(source.layout).load(source, case))
        loaded = as_asked(loaded, source.options, case.key)
    except LayoutError as error:
        if not error.case:
            error.case = case.key
        raise
    except BadFileError as error:
        what = str(error).removeprefix(f"{error.path}: ")
        raise LayoutError("file-unreadable", error.path, what, case=case.key) from error
    return loaded


def read_case(source: Source, case: Case) -> dict[str, Any]:
    """What the lock needs of one case, or its fault: ``{"fault": [code, sentence]}``."""
    try:
        loaded = load_case(source, case)
    except LayoutError as error:
        return {"fault": [error.code, without_folder(str(error), source.folder)]}
    except OslerError as error:
        return {"fault": ["file-unreadable", without_folder(str(error), source.folder)]}
    image = loaded.image
    identity = identity_of(image)
    intensity = intensity_of(image, loaded.modality)
    volume = image.axes in ("xyz", "xyzc")
    return {
        "pixels": identity.pixels_sha256,
        "orbit": identity.orbit_sha256,
        "plain": identity.plain,
        "planes": list(identity.plane_keys),
        "looks": [packed(look) for look in looks_of(image)],
        "modality": loaded.modality,
        "axes": image.axes,
        "shape": list(image.shape),
        "dtype": str(image.pixels.dtype),
        "intensity": plain(intensity),
        "content": content_planes(image, intensity.unit) if volume else None,
        "detail": plain(loaded.detail),
        "flags": sorted({*case.flags, *loaded.flags}),
        "annotations": [summary(one, volume) for one in loaded.annotations],
    }


def without_folder(sentence: str, folder: Path) -> str:
    """``sentence`` with paths told from the folder of the source: locks name no machine.

    Only whole paths are taken out: a folder ``mn`` leaves ``pneumoniamnist.npz`` as it is.
    """
    for spelling in sorted({str(folder), str(folder.resolve())}, key=len, reverse=True):
        whole = r"(?<![^\s'\"(:=])" + re.escape(spelling) + r"(?:(?P<in>/)|(?![\w-]|\.\w))"
        sentence = re.sub(whole, lambda found: "" if found["in"] else ".", sentence)
    return sentence


def summary(annotation: Annotation, volume: bool = False) -> dict[str, Any]:
    """An annotation without its arrays: enough to align it, and a hash of all of it.

    ``value`` is that of the annotation where it is small; of a mask the labels that occur, with
    their voxels in ``voxels``, where they lie in ``centres`` (:func:`histogram_of`) and, on a
    ``volume``, their axial planes in ``planes``; of objects their labels.
    """
    value, voxels, centres = annotation.value, None, None
    planes = None
    if annotation.kind == "mask":
        mask = np.asarray(value)
        value, voxels, centres = histogram_of(mask)
        planes = label_planes(mask, value) if volume else None
    elif annotation.kind in ("boxes", "instances", "keypoints"):
        value = [{"label": one["label"]} for one in value]
    return {
        "kind": annotation.kind,
        "labels": dict(annotation.labels),
        "annotated": None if annotation.annotated is None else list(annotation.annotated),
        "reader": annotation.reader,
        "source_dataset": annotation.source_dataset,
        "value": plain(value),
        "voxels": voxels,
        "centres": centres,
        "planes": planes,
        "sha256": value_hash(annotation.value),
    }


def histogram_of(
    mask: NDArray[Any],
) -> tuple[list[Any], list[int], list[list[float] | None]]:
    """Labels that occur in a mask, in order; voxels of each; and the centre of each.

    A centre is the mean place along each axis as a share of the side, 0 to 1; that of 0 is None.
    """
    ids, counts = histogram(mask)
    flat = np.flatnonzero(mask)
    of = np.searchsorted(ids, mask.reshape(-1)[flat])
    sums = [
        np.bincount(of, weights=places, minlength=len(ids)) / max(side - 1, 1)
        for places, side in zip(np.unravel_index(flat, mask.shape), mask.shape, strict=True)
    ]
    centres = [
        [round(float(one[at] / count), 4) for one in sums] if label else None
        for at, (label, count) in enumerate(zip(ids.tolist(), counts.tolist(), strict=True))
    ]
    return ids.tolist(), counts.tolist(), centres


def annotation_of(told: Mapping[str, Any]) -> Annotation:
    """The annotation that :func:`summary` told, its mask as the list of the labels that occur."""
    value = told["value"]
    return Annotation(
        told["kind"],
        np.asarray(value) if told["kind"] == "mask" else value,
        told["labels"],
        None if told["annotated"] is None else tuple(told["annotated"]),
        told["reader"],
        told["source_dataset"],
    )


def value_hash(value: Any) -> str:
    """A hash of the value of an annotation, arrays by shape and values."""
    return content_hash(_hashable(value), 16)


def _hashable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        whole = np.ascontiguousarray(value.astype(np.int64) if value.dtype.kind in "bui" else value)
        return [list(value.shape), sha256_hex(whole.tobytes())]
    if isinstance(value, Mapping):
        return {str(name): _hashable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_hashable(one) for one in value]
    return plain(value)


def relocated(case: Case, folder: Path) -> list[str]:
    """Paths of the files of a case from the folder of its source, with ``/``.

    Raises
    ------
    InputError
        A file lies outside that folder.
    """
    try:
        return [path.relative_to(folder).as_posix() for path in case.files]
    except ValueError as error:
        raise InputError(
            f"case {case.key} has a file outside the folder of its source {folder} ({error})"
        ) from error
