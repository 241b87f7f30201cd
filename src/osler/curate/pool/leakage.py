"""Overlap of a pool with images that must not be learnt from: a test set, a development set.

Kinds, from the strongest: ``sha256`` (equal files), ``phash`` (near hashes: re-encoded, resized,
brightened), ``cosine`` (near vectors), ``crop`` (one is a part of the other), ``patient``.

A crop has another hash and often another vector. So vectors of the test image and of nine windows
of it propose the nearest rows of the pool, and each proposal is put to the test with pixels: one
picture is laid over the other at many scales and places, and their normalised correlation decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, InputError, sha256_hex

from .encoders import PoolEncoder, identity_of, load_encoder
from .executors import Executor, Here
from .hashes import near_between, phash
from .overlay import overlay_of, prepared
from .reading import Shown, read_content, read_record, read_shown
from .search import Hits, range_search, top_k
from .store import Pool, check_encoder, open_pool

Kind = Literal["sha256", "phash", "cosine", "crop", "patient"]
KINDS: tuple[Kind, ...] = ("sha256", "phash", "cosine", "crop", "patient")

_WINDOWS = (0.8, 0.6)
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Overlap:
    """One reason to leave out a row of the pool.

    ``other`` is the path of the other image, or the patient key; ``value`` is the Hamming distance
    (phash), the cosine, the correlation (crop), else 0.
    """

    row: int
    kind: Kind
    other: str
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Overlaps:
    """All overlaps, by row and kind; ``unread`` are pool files that could not be compared."""

    found: tuple[Overlap, ...]
    unread: tuple[str, ...] = ()

    @property
    def rows(self) -> list[int]:
        """The rows to leave out, each once."""
        return sorted({one.row for one in self.found})


def overlap(
    pool: Pool,
    files: Sequence[str | Path],
    *,
    patients: Iterable[str] = (),
    max_distance: int = 6,
    min_cos: float = 0.98,
    crops: int = 20,
    min_correlation: float = 0.94,
    executor: Executor | None = None,
    progress: Callable[[int], None] | None = None,
) -> Overlaps:
    """Every overlap of ``pool`` with the images ``files`` and the keys ``patients``.

    Parameters
    ----------
    max_distance
        Bits of pHash that may differ. Images of one value have no hash and are not compared by it.
    min_cos
        Cosine at or above which two images count as the same.
    crops
        Nearest rows, for an image and for each of its windows, that are tested as crops with their
        pixels; 0 leaves the test out.
    min_correlation
        Normalised correlation at or above which one image is a part of the other.
    executor
        Where files are compared, some at a time (default: one after the other in this process).

    Raises
    ------
    InputError
        If the pool is empty, its encoder is not the installed one, or there is nothing to compare.
    BadFileError
        If a file of ``files`` cannot be read: an unread test image would hide its leaks.
    """
    if not len(pool):
        raise InputError(f"{pool.path} is empty; add images first: osler pool add")
    keys = {key for key in patients if key}
    if not files and not keys:
        raise InputError("there is nothing to compare with: give image files or patient keys")
    patient_of = pool.columns("patient")["patient"]
    found = [Overlap(row, "patient", key) for row, key in enumerate(patient_of) if key in keys]
    if files:
        encoder = load_encoder(pool.encoder)
        check_encoder(pool, identity_of(pool.encoder, encoder), encoder.dim)
    unread: set[str] = set()
    names = [str(name) for name in files]
    jobs = [
        _Compared(str(pool.path), tuple(names[start : start + _BATCH]), max_distance, min_cos,
                  crops, min_correlation)
        for start in range(0, len(names), _BATCH)
    ]  # fmt: skip
    for some, missed, count in (executor or Here()).run(_compare, jobs):
        found += some
        unread |= missed
        if progress:
            progress(count)
    order = {kind: n for n, kind in enumerate(KINDS)}
    found.sort(key=lambda one: (one.row, order[one.kind], one.other))
    return Overlaps(tuple(found), tuple(sorted(unread)))


@dataclass(frozen=True, slots=True)
class _Compared:
    """One job: some files against the whole pool."""

    pool: str
    names: tuple[str, ...]
    max_distance: int
    min_cos: float
    crops: int
    min_correlation: float


def _compare(job: _Compared) -> tuple[list[Overlap], set[str], int]:
    """Overlaps of the files of a job, pool files that could not be read, how many were compared."""
    pool = open_pool(job.pool)
    encoder = load_encoder(pool.encoder)
    columns = pool.columns("sha256", "phash")
    contents = [read_content(name) for name in job.names]
    shown = [read_shown(name, data) for name, data in zip(job.names, contents, strict=True)]
    same: dict[str, list[str]] = {}
    for name, data in zip(job.names, contents, strict=True):
        same.setdefault(sha256_hex(data), []).append(name)
    found = [
        Overlap(row, "sha256", name)
        for row, digest in enumerate(columns["sha256"])  # by file, for the pool is the larger side
        if digest in same
        for name in same[digest]
    ]
    found += _by_hash(columns["phash"], job.names, shown, job.max_distance)
    found += _by_vector(pool, encoder, job.names, shown, job.min_cos)
    unread: set[str] = set()
    if job.crops:
        seen = {(one.row, one.other) for one in found}
        near = _proposals(pool, encoder, shown, job.crops)
        pairs = [(row, n) for row, n in near if (row, job.names[n]) not in seen]
        found += _by_pixels(pool, job.names, shown, pairs, job.min_correlation, unread)
    return found, unread, len(job.names)


def _by_hash(
    hashes: NDArray[np.uint64], names: Sequence[str], shown: Sequence[Shown], limit: int
) -> Iterator[Overlap]:
    theirs = np.array([phash(one.grey) for one in shown], np.uint64)
    for n, row, distance in zip(*near_between(theirs, hashes, limit), strict=True):
        if theirs[n] != 0 and hashes[row] != 0:
            yield Overlap(int(row), "phash", names[n], float(distance))


def _by_vector(
    pool: Pool,
    encoder: PoolEncoder,
    names: Sequence[str],
    shown: Sequence[Shown],
    min_cos: float,
) -> Iterator[Overlap]:
    vectors = encoder.embed([one.pixels for one in shown])
    hits = range_search(pool, vectors, np.nextafter(min_cos, -1))
    for n, row, cos in zip(hits.anchor, hits.row, hits.cos, strict=True):
        yield Overlap(int(row), "cosine", names[n], round(float(cos), 6))


def _proposals(
    pool: Pool,
    encoder: PoolEncoder,
    shown: Sequence[Shown],
    k: int,
) -> list[tuple[int, int]]:
    """(row, number in ``shown``) of the pairs worth a look, sorted."""
    views = [list(windows(one.pixels)) for one in shown]
    owner = np.repeat(np.arange(len(views)), [len(view) for view in views])
    vectors = encoder.embed([window for view in views for window in view])
    hits: Hits = top_k(pool, vectors, k)
    return sorted({(int(r), int(owner[a])) for a, r in zip(hits.anchor, hits.row, strict=True)})


def windows(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The plane, its middle at 0.8 and 0.6 of each side, and the four corners at each."""
    yield pixels
    height, width = pixels.shape[:2]
    for share in _WINDOWS:
        h, w = max(1, round(height * share)), max(1, round(width * share))
        down, right = height - h, width - w
        for top, left in ((down // 2, right // 2), (0, 0), (0, right), (down, 0), (down, right)):
            yield np.ascontiguousarray(pixels[top : top + h, left : left + w])


def _by_pixels(
    pool: Pool,
    names: Sequence[str],
    shown: Sequence[Shown],
    pairs: Sequence[tuple[int, int]],
    least: float,
    unread: set[str],
) -> list[Overlap]:
    """Pairs whose pictures lie over each other; each file of the pool is read once."""
    found = []
    numbers: dict[int, list[int]] = {}
    for row, number in pairs:
        numbers.setdefault(row, []).append(number)
    rows = sorted(numbers)
    theirs = {n: prepared(shown[n].grey) for n in sorted({n for _, n in pairs})}
    for row, record in zip(rows, pool.records(rows), strict=True):
        try:
            ours = prepared(read_record(record).grey)
        except BadFileError:
            unread.add(record["path"])
            continue
        for number in numbers[row]:
            score = overlay_of(ours, theirs[number])
            if score >= least:
                found.append(Overlap(row, "crop", names[number], round(score, 4)))
    return found
