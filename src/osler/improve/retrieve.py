"""Which pool images look like a failure: exact range search, scores, quotas, diversity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from osler.core import InputError, derive_rng

from .budget import allocate
from .vectors import Floats, Ints, nearest, unit_rows

if TYPE_CHECKING:
    from osler.curate.pool import Executor, Pool

COSINE = 0.75
BLOCK = 65_536
MARGIN = 2e-3  # float32 products and float16 rows are off by less; candidates are recomputed


@runtime_checkable
class VectorSource(Protocol):
    """Rows of vectors that need not be in memory, such as ``osler.curate.pool.Pool``."""

    def __len__(self) -> int: ...

    def vectors(self, rows: Ints, /) -> NDArray[np.float32]:
        """The vectors of ``rows``, in that order."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Pairs above the threshold: pool row, prototype, cosine; in any order, each pair once."""

    row: Ints
    prototype: Ints
    cosine: Floats
    n_prototypes: int
    threshold: float


def range_retrieve(pool: ArrayLike, anchors: ArrayLike, threshold: float = COSINE) -> Hits:
    """All (pool row, anchor) pairs with cosine > ``threshold``, exactly.

    ``pool`` (n, d) may be float16 and memory-mapped: it is read in blocks. A float32 product finds
    candidates, whose cosine is then computed in float64 from the stored numbers, so the answer is
    that of a float64 brute force.
    """
    targets = unit_rows(anchors, "anchors")
    stored = np.asanyarray(pool)
    if stored.ndim != 2 or stored.shape[1] != targets.shape[1]:
        raise InputError(
            f"pool vectors have shape {stored.shape}, anchors have {targets.shape[1]} numbers; "
            "use the same encoder for both"
        )
    if not -1 <= threshold <= 1:
        raise InputError(f"a cosine threshold of {threshold} is not in [-1, 1]")
    found = [
        _block_hits(stored[start : start + BLOCK], start, targets, threshold)
        for start in range(0, len(stored), BLOCK)
    ]
    if not found:
        empty = np.zeros(0, dtype=np.int64)
        return Hits(empty, empty, np.zeros(0), len(targets), threshold)
    row, anchor, cosine = (np.concatenate(part) for part in zip(*found, strict=True))
    return Hits(row, anchor, cosine, len(targets), threshold)


def retrieve_from(
    pool: Pool, anchors: ArrayLike, threshold: float = COSINE, executor: Executor | None = None
) -> Hits:
    """As :func:`range_retrieve` from a pool on disk, by its own exact search.

    ``executor`` scans the shards in processes or on Ray (:mod:`osler.curate.pool`). Cosines are
    compared with the threshold and kept as float32.
    """
    from osler.curate.pool import range_search

    targets = unit_rows(anchors, "anchors")
    found = range_search(pool, targets, threshold, executor=executor)
    return Hits(found.row, found.anchor, found.cos.astype(np.float64), len(targets), threshold)


def _block_hits(
    block: NDArray[np.generic], start: int, targets: Floats, threshold: float
) -> tuple[Ints, Ints, Floats]:
    rows = np.asarray(block, dtype=np.float32)
    length = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    if not np.isfinite(length).all() or (length == 0).any():
        bad = int(np.argmax(~np.isfinite(length) | (length == 0)))
        raise InputError(f"pool vectors: row {start + bad} has no direction; embed it again")
    rough = rows @ targets.T.astype(np.float32) / length
    i, j = np.nonzero(rough > threshold - MARGIN)
    exact = unit_rows(np.asarray(block)[i]) if i.size else np.zeros((0, targets.shape[1]))
    cosine: Floats = np.einsum("nd,nd->n", exact, targets[j])
    kept = cosine > threshold
    return i[kept] + start, j[kept], cosine[kept]


def retrieval_scores(hits: Hits, shares: ArrayLike, n: int) -> Floats:
    """s_i = sum over prototypes j of share_j * max(cos_ij - threshold, 0): (n,), 0 unhit."""
    parts = np.asarray(shares, dtype=np.float64)
    if parts.shape != (hits.n_prototypes,):
        raise InputError(f"{parts.size} shares for {hits.n_prototypes} prototypes")
    if hits.row.size and int(hits.row.max()) >= n:
        raise InputError(f"row {int(hits.row.max())} was hit, but the pool has {n} rows")
    gain = parts[hits.prototype] * (hits.cosine - hits.threshold)
    scores: Floats = np.bincount(hits.row, gain, minlength=n).astype(np.float64)
    return scores


@dataclass(frozen=True, slots=True)
class Selection:
    """What was taken: pool ``rows`` (b,), the ``prototype`` each stands for, its ``score``.

    Per prototype (p,): the ``quota``, what was ``available`` above the threshold, the least cosine
    taken (``tail``, NaN for none). ``shortfall`` is the part of the budget that no image above the
    threshold was left for: the search stops there rather than take what does not fit.
    """

    rows: Ints
    prototype: Ints
    score: Floats
    quota: Ints
    available: Ints
    tail: Floats
    shortfall: int


def select(
    pool: ArrayLike | VectorSource,
    hits: Hits,
    weights: ArrayLike,
    budget: int,
    *,
    shares: ArrayLike | None = None,
    excluded: ArrayLike | None = None,
    oversample: float = 3.0,
) -> Selection:
    """Choose ``budget`` pool rows: a quota for each prototype, diverse within it.

    Each hit belongs to its nearest prototype. Quotas follow ``weights`` (p,) by largest remainder,
    capped by what there is. Of the ``oversample`` x quota best scores (``shares``, default
    ``weights``, weigh the prototypes), k-centre greedy takes the quota, starting from the best.
    ``excluded`` (n,) marks rows that must not be taken: leaks, labelled before.
    """
    n, vectors = _source(pool)
    score = retrieval_scores(hits, weights if shares is None else shares, n)
    allowed = np.ones(n, dtype=bool)
    if excluded is not None:
        allowed = ~np.asarray(excluded, dtype=bool)
    if allowed.shape != (n,):
        raise InputError(f"excluded has {allowed.size} marks for {n} pool rows")
    if oversample < 1:
        raise InputError(f"oversample = {oversample} leaves fewer candidates than the quota")
    rows, owner, cosine = _owners(hits, allowed)
    available = np.bincount(owner, minlength=hits.n_prototypes).astype(np.int64)
    quota = allocate(weights, budget, available)
    taken, stands_for = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    tail = np.full(hits.n_prototypes, np.nan)
    for j in np.flatnonzero(quota):
        mine = np.flatnonzero(owner == j)
        best = mine[np.lexsort((rows[mine], -score[rows[mine]]))]
        best = best[: max(int(quota[j]), int(np.ceil(oversample * quota[j])))]
        unit = unit_rows(vectors(rows[best]))
        kept = best[k_centre(unit, int(quota[j]), first=0)]
        taken.append(rows[kept])
        stands_for.append(np.full(kept.size, j))
        tail[j] = cosine[kept].min()
    chosen = np.concatenate(taken)
    left = budget - int(quota.sum())
    kinds = np.concatenate(stands_for)
    return Selection(chosen, kinds, score[chosen], quota, available, tail, left)


def _source(pool: ArrayLike | VectorSource) -> tuple[int, Callable[[Ints], ArrayLike]]:
    """Number of rows, and what gives the vectors of some."""
    if isinstance(pool, VectorSource):
        return len(pool), pool.vectors
    stored = np.asanyarray(pool)
    return len(stored), lambda rows: stored[rows]


def _owners(hits: Hits, allowed: NDArray[np.bool_]) -> tuple[Ints, Ints, Floats]:
    """Each allowed row that was hit, its nearest prototype, and that cosine."""
    order = np.lexsort((hits.prototype, -hits.cosine, hits.row))
    order = order[allowed[hits.row[order]]]
    rows, first = np.unique(hits.row[order], return_index=True)
    kept = order[first]
    return rows, hits.prototype[kept], hits.cosine[kept]


def k_centre(
    unit: Floats, k: int, *, first: int | None = None, covered: Floats | None = None
) -> Ints:
    """Indices of ``k`` rows by farthest-first traversal on unit rows (n, d) (Gonzalez 1985).

    Within twice the least possible covering radius. Starts from row ``first``, or farthest from
    the rows ``covered`` (m, d) already held, or at row 0. Equal distances take the earlier row.
    """
    n = len(unit)
    if k >= n:
        return np.arange(n)
    if k <= 0:
        return np.zeros(0, dtype=np.int64)
    away = np.full(n, np.inf)
    if covered is not None and len(covered):
        away = 1.0 - nearest(unit, covered)[0]
    start = first if first is not None else int(np.argmax(away))
    taken = [start]
    while True:
        np.minimum(away, 1.0 - unit @ unit[taken[-1]], out=away)
        away[taken[-1]] = -1.0
        if len(taken) == k:
            break
        taken.append(int(np.argmax(away)))
    return np.array(taken, dtype=np.int64)


def spread_out(unit: Floats, k: int, seed: int = 0) -> Ints:
    """Indices of ``k`` rows by k-means++ seeding (Arthur & Vassilvitskii 2007), without repeats.

    The next row is drawn with probability proportional to its squared distance to those taken:
    k-centre's spread without its love of outliers.
    """
    return seed_rows(unit, k, derive_rng("spread out", seed))


def seed_rows(rows: Floats, k: int, rng: Generator) -> Ints:
    """As :func:`spread_out` for rows of any length."""
    n = len(rows)
    if k >= n:
        return np.arange(n)
    squares = np.einsum("nd,nd->n", rows, rows)
    away = np.full(n, np.inf)
    taken: list[int] = []
    free = np.ones(n, dtype=bool)
    while len(taken) < k:
        weight = np.where(free, 1.0 if not taken else away, 0.0)
        if weight.sum() <= 0:  # all that is left are copies of what is taken
            weight = free.astype(np.float64)
        i = int(rng.choice(n, p=weight / weight.sum()))
        taken.append(i)
        free[i] = False
        distance = np.maximum(squares + squares[i] - 2 * rows @ rows[i], 0.0)
        away = np.minimum(away, distance)
    return np.array(taken, dtype=np.int64)
