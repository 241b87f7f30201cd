"""Search again when some labels have come in: like the failures, unlike what is known already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from osler.core import InputError

from .retrieve import Hits, VectorSource, k_centre
from .vectors import Bools, Floats, Ints, as_rows, nearest, unit_rows

COSINE = 0.2
MARGIN = -0.2
_BLOCK = 16_384


def contrast_retrieve(
    pool: ArrayLike | VectorSource,
    anchors: Sequence[ArrayLike],
    against: Sequence[ArrayLike],
    *,
    threshold: float = COSINE,
    margin: float = MARGIN,
) -> Hits:
    """Rows near the anchors of a prototype and not as near to what speaks against it.

    ``anchors`` holds a table (a, d) for each prototype: its failures, and images found to be of its
    kind since. ``against`` holds a table (b, d), which may be empty: images of another kind, such
    as what the student has learnt. A pair is a hit where the largest cosine to the anchors is above
    ``threshold`` and exceeds the largest cosine to the others by more than ``margin``; that
    difference is the ``cosine`` of the hit, and ``margin`` its threshold, so that ``select`` takes
    the clearest first. (Relevance feedback by the nearest examples of both kinds: Giacinto & Roli,
    2004.)

    Raises
    ------
    InputError
        No prototype, one without an anchor, or tables of different numbers.
    """
    if not anchors or len(anchors) != len(against):
        raise InputError(
            f"{len(anchors)} tables of anchors and {len(against)} against them do not match"
        )
    wanted = [unit_rows(table, f"anchors of prototype {j}") for j, table in enumerate(anchors)]
    if any(len(table) == 0 for table in wanted):
        raise InputError("a prototype without an anchor cannot be searched for")
    other = [
        unit_rows(table, f"vectors against prototype {j}") if len(np.asarray(table)) else None
        for j, table in enumerate(against)
    ]
    found: list[tuple[Ints, Ints, Floats]] = []
    n = len(pool) if isinstance(pool, VectorSource) else len(np.asanyarray(pool))
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        unit = unit_rows(_vectors(pool, rows), "pool vectors")
        for j, (near, far) in enumerate(zip(wanted, other, strict=True)):
            cosine = nearest(unit, near)[0]
            close = np.flatnonzero(cosine > threshold)  # few: only these are compared with the rest
            gap = cosine[close]
            if far is not None and close.size:
                gap -= nearest(unit[close], far)[0]
            kept = gap > margin
            found.append((rows[close[kept]], np.full(int(kept.sum()), j), gap[kept]))
    if not found:
        empty = np.zeros(0, dtype=np.int64)
        return Hits(empty, empty, np.zeros(0), len(wanted), margin)
    row, prototype, gap = (np.concatenate(part) for part in zip(*found, strict=True))
    return Hits(row, prototype, gap, len(wanted), margin)


def cover(
    pool: ArrayLike | VectorSource, held: ArrayLike, k: int, allowed: Bools | None = None
) -> Ints:
    """``k`` allowed rows that cover the pool best beside the vectors ``held`` (m, d).

    Farthest-first from what is held (k-centre greedy): the part of a budget that does not trust
    dev to have shown every weakness.
    """
    n = len(pool) if isinstance(pool, VectorSource) else len(np.asanyarray(pool))
    free: Ints = np.arange(n) if allowed is None else np.flatnonzero(allowed).astype(np.int64)
    if k <= 0 or not free.size:
        return np.zeros(0, dtype=np.int64)
    unit = unit_rows(_vectors(pool, free), "pool vectors")
    known = unit_rows(held, "held vectors") if len(np.asarray(held)) else None
    chosen: Ints = free[k_centre(unit, k, covered=known)]
    return chosen


def _vectors(pool: ArrayLike | VectorSource, rows: Ints) -> Floats:
    if isinstance(pool, VectorSource):
        return as_rows(pool.vectors(rows))
    return as_rows(np.asanyarray(pool)[rows])
