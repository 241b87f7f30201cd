"""Nothing that a model is tested on may enter its training set.

These are the checks on columns already at hand; :func:`osler.curate.pool.overlap` works from image
files and finds crops as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osler.core import InputError
from osler.curate.pool.hashes import near_between

from .vectors import Bools, nearest, unit_rows

Reason = Literal["hash", "vector", "patient"]
HASH_BITS = 6
COSINE = 0.98
_BLOCK = 4_096


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What dev and test hold, any part of which may be absent.

    Perceptual ``hashes`` (m,) of 64 bits (0 is that of an image of one value and matches
    nothing), ``vectors`` (m, d) of the pool's encoder, ``patients`` (keys; empty keys are unknown
    and match nothing).
    """

    hashes: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    vectors: NDArray[np.float64] | None = None
    patients: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Leak:
    """One pool ``row`` that must go: why, the forbidden item (index or key) and the measure.

    ``value`` is the number of differing bits, the cosine, or 1 for a patient.
    """

    row: int
    reason: Reason
    against: str
    value: float


def leakage(
    forbidden: Forbidden,
    *,
    hashes: ArrayLike | None = None,
    vectors: ArrayLike | None = None,
    patients: Sequence[str] | None = None,
    max_bits: int = HASH_BITS,
    max_cosine: float = COSINE,
) -> list[Leak]:
    """Every reason why pool rows must not be used, by row: hash, vector, patient.

    A row leaks when its perceptual hash differs by at most ``max_bits`` bits from a forbidden one,
    its vector has a cosine above ``max_cosine`` to one, or its patient is there. Each reason gives
    the nearest forbidden item. Columns of the pool that are absent are not checked.
    """
    sizes = {len(c) for c in (hashes, vectors, patients) if c is not None}  # type: ignore[arg-type]
    if len(sizes) > 1:
        raise InputError(f"the pool's columns have different lengths: {sorted(sizes)}")
    found: list[Leak] = []
    if hashes is not None and forbidden.hashes.size:
        found += _near_hashes(hashes, forbidden.hashes, max_bits)
    if vectors is not None and forbidden.vectors is not None and len(forbidden.vectors):
        found += _near_vectors(vectors, forbidden.vectors, max_cosine)
    if patients is not None and forbidden.patients:
        found += [
            Leak(i, "patient", key, 1.0)
            for i, key in enumerate(patients)
            if key and key in forbidden.patients
        ]
    return sorted(found, key=lambda leak: (leak.row, leak.reason))


def leaked_rows(leaks: Sequence[Leak], n: int) -> Bools:
    """Marks (n,) of the rows named by ``leaks``: what ``select`` excludes."""
    marks = np.zeros(n, dtype=bool)
    marks[[leak.row for leak in leaks]] = True
    return marks


def _near_hashes(pool: ArrayLike, forbidden: ArrayLike, max_bits: int) -> list[Leak]:
    mine, theirs = np.asarray(pool, dtype=np.uint64), np.asarray(forbidden, dtype=np.uint64)
    row, other, bits = near_between(mine, theirs, max_bits)
    real = (mine[row] != 0) & (theirs[other] != 0)
    row, other, bits = row[real], other[real], bits[real]
    order = np.lexsort((other, bits, row))
    rows, first = np.unique(row[order], return_index=True)
    closest = order[first]
    return [
        Leak(int(i), "hash", str(other[k]), float(bits[k]))
        for i, k in zip(rows, closest, strict=True)
    ]


def _near_vectors(pool: ArrayLike, forbidden: ArrayLike, limit: float) -> list[Leak]:
    stored, targets = np.asanyarray(pool), unit_rows(forbidden, "forbidden vectors")
    if stored.ndim != 2 or stored.shape[1] != targets.shape[1]:
        raise InputError(
            f"pool vectors have shape {stored.shape}, forbidden ones {targets.shape}; "
            "use the same encoder for both"
        )
    found = []
    for start in range(0, len(stored), _BLOCK):
        unit = unit_rows(stored[start : start + _BLOCK], "pool vectors")
        best, which = nearest(unit, targets)
        found += [
            Leak(start + int(i), "vector", str(which[i]), float(best[i]))
            for i in np.flatnonzero(best > limit)
        ]
    return found
