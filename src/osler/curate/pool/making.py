"""One shard made from its files: read, measured, embedded, written. Runs in any process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, OslerError, sha256_hex
from osler.images.quality import measure

from .encoders import PoolEncoder, load_encoder
from .hashes import dhash, phash
from .reading import Shown, read_content, read_shown
from .shards import Shard, write_shard
from .sources import Candidate, PatientFrom
from .vectors import to_half

_BATCH = 16
_BATCH_PIXELS = 1 << 25


@dataclass(frozen=True, slots=True)
class Job:
    """One shard to make."""

    folder: str
    encoder: str
    patient_from: PatientFrom
    files: tuple[tuple[str, Candidate], ...]


@dataclass(frozen=True, slots=True)
class Done:
    """One shard made; ``shard`` is None when not one file could be read."""

    name: str
    shard: Shard | None
    errors: tuple[tuple[str, str], ...]
    files: int


def make_shard(job: Job) -> Done:
    """Read, measure and embed the files of a job, and write its shard. Runs in any process."""
    import cv2

    cv2.setNumThreads(1)
    encoder = load_encoder(job.encoder)
    made = _Made([], [], [])
    waiting: list[tuple[dict[str, Any], NDArray[np.uint8]]] = []
    for digest, candidate in job.files:
        try:
            shown = _read(digest, candidate)
            record = _record(digest, candidate, shown, job.patient_from)
        except OslerError as error:
            made.errors.append((candidate.path, str(error)))
            continue
        waiting.append((record, shown.pixels))
        if len(waiting) == _BATCH or sum(p.size for _, p in waiting) > _BATCH_PIXELS:
            _embed(encoder, waiting, made)
    _embed(encoder, waiting, made)
    records, vectors, errors = made.records, made.vectors, made.errors
    folder = Path(job.folder)
    shard = write_shard(folder, records, np.concatenate(vectors)) if records else None
    return Done(folder.name, shard, tuple(errors), len(job.files))


@dataclass(frozen=True, slots=True)
class _Made:
    records: list[dict[str, Any]]
    vectors: list[NDArray[np.float16]]
    errors: list[tuple[str, str]]


def _embed(
    encoder: PoolEncoder, waiting: list[tuple[dict[str, Any], NDArray[np.uint8]]], made: _Made
) -> None:
    """Move ``waiting`` to ``made``; an image without a direction is an error of its own."""
    if not waiting:
        return
    found = np.asarray(encoder.embed([pixels for _, pixels in waiting]), np.float32)
    length = np.linalg.norm(found, axis=1)
    good = np.isfinite(length) & (length > 0)
    for (record, _), fine in zip(waiting, good, strict=True):
        if fine:
            made.records.append(record)
        else:
            made.errors.append((record["path"], "the encoder gives no finite vector for it"))
    made.vectors.append(to_half(found[good]))
    waiting.clear()


def _read(digest: str, candidate: Candidate) -> Shown:
    content = read_content(candidate.path)
    if sha256_hex(content) != digest:
        raise BadFileError(candidate.path, "changed while it was being added", "add it again")
    return read_shown(candidate.path, content)


def _record(
    digest: str, candidate: Candidate, shown: Shown, patient_from: PatientFrom
) -> dict[str, Any]:
    grey = shown.grey
    patient = shown.patient if patient_from == "dicom" else candidate.patient
    return {
        "sha256": digest,
        "path": candidate.path,
        "place": shown.place,
        "phash": phash(grey),
        "dhash": dhash(grey),
        "width": grey.shape[1],
        "height": grey.shape[0],
        "patient": patient,
        "modality": candidate.modality or shown.modality,
        "licence": candidate.licence or "unknown",
        "source": candidate.source,
        **measure(grey),
    }
