"""Nothing that a model is tested on may enter its training set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osler.core import InputError

from .vectors import Bools, Ints, unit_rows

Reason = Literal["hash", "vector", "patient"]
HASH_BITS = 6
COSINE = 0.98
_BLOCK = 4_096
_POPCOUNT = np.array([bin(i).count("1") for i in range(65_536)], dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What dev and test hold, any part of which may be absent.

    Perceptual ``hashes`` (m,) of 64 bits, ``vectors`` (m, d) of the pool's encoder, ``patients``
    (keys; empty keys are unknown and match nothing).
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
        bits, which = nearest_hash(hashes, forbidden.hashes)
        found += [
            Leak(int(i), "hash", str(which[i]), float(bits[i]))
            for i in np.flatnonzero(bits <= max_bits)
        ]
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


def differing_bits(first: ArrayLike, second: ArrayLike) -> NDArray[np.uint8]:
    """Number of differing bits of 64-bit hashes, broadcast like any ufunc.

    Examples
    --------
    >>> int(differing_bits(0b1011, 0b0001))
    2
    """
    both = np.bitwise_xor(np.asarray(first, dtype=np.uint64), np.asarray(second, dtype=np.uint64))
    words = np.array(both, order="C")[..., None].view(np.uint16)
    counts: NDArray[np.uint8] = _POPCOUNT[words].sum(axis=-1, dtype=np.uint8)
    return counts


def nearest_hash(hashes: ArrayLike, others: ArrayLike) -> tuple[Ints, Ints]:
    """Fewest differing bits to any of ``others``, and which one: two (n,) columns, exact."""
    mine = np.asarray(hashes, dtype=np.uint64)
    theirs = np.asarray(others, dtype=np.uint64)
    bits = np.full(mine.size, 65, dtype=np.int64)
    which = np.full(mine.size, -1, dtype=np.int64)
    for start in range(0, mine.size, _BLOCK):
        table = np.stack([differing_bits(mine[start : start + _BLOCK], h) for h in theirs], 1)
        which[start : start + _BLOCK] = table.argmin(axis=1)
        bits[start : start + _BLOCK] = table.min(axis=1)
    return bits, which


def _near_vectors(pool: ArrayLike, forbidden: ArrayLike, limit: float) -> list[Leak]:
    stored, targets = np.asanyarray(pool), unit_rows(forbidden, "forbidden vectors")
    if stored.ndim != 2 or stored.shape[1] != targets.shape[1]:
        raise InputError(
            f"pool vectors have shape {stored.shape}, forbidden ones {targets.shape}; "
            "use the same encoder for both"
        )
    found = []
    for start in range(0, len(stored), _BLOCK):
        cosines = unit_rows(stored[start : start + _BLOCK], "pool vectors") @ targets.T
        top = cosines.argmax(axis=1)
        best = cosines[np.arange(top.size), top]
        found += [
            Leak(start + int(i), "vector", str(top[i]), float(best[i]))
            for i in np.flatnonzero(best > limit)
        ]
    return found
