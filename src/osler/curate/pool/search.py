"""Exact search by a blocked scan: every vector against every anchor, nothing to build.

The scan reads the memory-mapped shards block by block, so its memory does not grow with the pool.
It only proposes: a cosine that is reported is computed once more in double precision from the
stored vector and its true length, so it does not depend on blocks, shards, processes or the other
anchors, and is never above 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import InputError

from .executors import Executor, Here
from .shards import Shard, map_vectors
from .store import Pool
from .vectors import ROWS, lifted, lowered, to_single

_MARGIN = 1.2e-3
"""Twice what a scan can be wrong: rounding to half precision (2**-11 at most), and sums."""

_ANCHORS = 256
_RECHECK = 1024
_SHARE = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """What a search found; three arrays of one length.

    ``anchor`` is the number of the anchor, ``row`` that of the pool, ``cos`` float32. Sorted by
    anchor, then the highest cosine first, then the lowest row.
    """

    anchor: NDArray[np.int64]
    row: NDArray[np.int64]
    cos: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True, eq=False)
class _Scan:
    """Some shards to scan, (folder, shard, first row) each: a job that any process can do."""

    parts: tuple[tuple[str, Shard, int], ...]
    anchors: NDArray[np.float64]
    threshold: float
    k: int


def range_search(
    pool: Pool,
    anchors: NDArray[Any],
    threshold: float,
    *,
    executor: Executor | None = None,
) -> Hits:
    """All rows whose cosine with an anchor is above ``threshold``; exact.

    Parameters
    ----------
    anchors
        (n, dim), of any length but 0.
    threshold
        From -1 to 1.

    Raises
    ------
    InputError
        If the pool is empty, or the anchors are of another dim.
    """
    if not -1 <= threshold <= 1:
        raise InputError(f"a cosine is -1 to 1, not {threshold:g}")
    return _search(pool, anchors, threshold, 0, executor)


def top_k(
    pool: Pool, anchors: NDArray[Any], k: int = 10, *, executor: Executor | None = None
) -> Hits:
    """The ``k`` rows nearest to each anchor by cosine; exact, of equals the lowest rows.

    Raises
    ------
    InputError
        If the pool is empty, ``k`` is not positive, or the anchors are of another dim.
    """
    if k < 1:
        raise InputError(f"k is at least 1, not {k}")
    return _search(pool, anchors, -2.0, k, executor)


def _search(
    pool: Pool, anchors: NDArray[Any], threshold: float, k: int, executor: Executor | None
) -> Hits:
    if not len(pool):
        raise InputError(f"{pool.path} is empty; add images first: osler pool add")
    wide = np.atleast_2d(np.asarray(anchors))
    if wide.shape[1] != pool.dim:
        raise InputError(
            f"the anchors have dim {wide.shape[1]}, {pool.path} has {pool.dim}; embed them with "
            f"its encoder, {pool.encoder}"
        )
    found: list[Hits] = []
    unit = _directions(wide)
    for first in range(0, len(unit), _ANCHORS):
        block = unit[first : first + _ANCHORS]
        jobs = (_Scan(parts, block, threshold, k) for parts in _shares(pool))
        best = _joined(list((executor or Here()).run(scan_shards, jobs)), k)
        found.append(Hits(best.anchor + first, best.row, best.cos))
    return _joined(found, k)


def _shares(pool: Pool) -> Iterator[tuple[tuple[str, Shard, int], ...]]:
    """The shards of a pool in shares of some 65,536 rows: a small shard is no job of its own."""
    share: list[tuple[str, Shard, int]] = []
    start = 0
    for shard in pool.shards:
        share.append((str(pool.folder(shard)), shard, start))
        start += shard.rows
        if start - share[0][2] >= _SHARE:
            yield tuple(share)
            share = []
    if share:
        yield tuple(share)


def scan_shards(job: _Scan) -> Hits:
    """Hits of some shards, with the pool's row numbers."""
    ready = lifted(job.anchors)
    floor = np.full(len(job.anchors), job.threshold, np.float32)
    best = np.zeros((0, len(job.anchors)), np.float32)
    found = []
    for folder, shard, start in job.parts:
        vectors = map_vectors(Path(folder), shard)
        anchor: list[NDArray[np.int64]] = []
        row: list[NDArray[np.int64]] = []
        for number, block in enumerate(lowered(vectors)):
            close = block @ ready
            if job.k:
                best = _highest(best, close, job.k)
                if len(best) == job.k:
                    floor = np.maximum(floor, best.min(axis=0))
            flat = np.flatnonzero(close > floor - np.float32(_MARGIN))  # faster than 2-D nonzero
            anchor.append(flat % close.shape[1])
            row.append(flat // close.shape[1] + number * ROWS)
        hits = _checked(job, vectors, np.concatenate(anchor), np.concatenate(row))
        found.append(Hits(hits.anchor, hits.row + start, hits.cos))
    return _joined(found, job.k)


def _highest(best: NDArray[np.float32], close: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """The ``k`` highest values of each column of both, in any order."""
    size = min(k, len(close))
    both = np.concatenate([best, np.partition(close, -size, axis=0)[-size:]])
    return both if len(both) <= k else np.partition(both, -k, axis=0)[-k:]


def _checked(
    job: _Scan,
    vectors: NDArray[np.float16],
    anchor: NDArray[np.int64],
    row: NDArray[np.int64],
) -> Hits:
    """Proposals with their cosines in double precision; those not above the threshold go."""
    wide = _directions(job.anchors)
    cos = np.empty(len(row), np.float32)
    for start in range(0, len(row), _RECHECK):
        part = slice(start, start + _RECHECK)
        theirs = to_single(vectors[row[part]]).astype(np.float64)
        length = np.sqrt(np.einsum("ij,ij->i", theirs, theirs))
        cos[part] = np.einsum("ij,ij->i", wide[anchor[part]], theirs) / length
    np.minimum(cos, 1, out=cos)
    keep = cos > job.threshold
    return _joined([Hits(anchor[keep], row[keep], cos[keep])], job.k)


def _directions(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Rows at length 1, in double precision."""
    wide = vectors.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    if not np.isfinite(length).all() or not (length > 0).all():
        raise InputError("an anchor holds a value that is not finite, or is all zeros")
    found: NDArray[np.float64] = wide / length
    return found


def _joined(parts: Sequence[Hits], k: int) -> Hits:
    """Hits in order, the best ``k`` of each anchor if ``k`` is not 0."""
    anchor = np.concatenate([p.anchor for p in parts])
    row = np.concatenate([p.row for p in parts])
    cos = np.concatenate([p.cos for p in parts])
    order = np.lexsort((row, -cos, anchor))
    anchor, row, cos = anchor[order], row[order], cos[order]
    if k:
        starts = np.searchsorted(anchor, anchor, "left")
        keep = np.arange(len(anchor)) - starts < k
        anchor, row, cos = anchor[keep], row[keep], cos[keep]
    return Hits(anchor, row, cos)
