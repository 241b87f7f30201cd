"""Unit vectors: what every similarity in this room is computed on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osler.core import InputError, UnknownNameError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def as_rows(values: ArrayLike, what: str = "vectors") -> Floats:
    """``values`` as a finite (n, d) float64 table, or an error that names the bad row."""
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2:
        raise InputError(f"{what} have shape {rows.shape}; a table (rows, numbers) is needed")
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        raise InputError(f"{what}: row {int(np.argmax(bad))} holds a value that is not finite")
    return rows


def unit_rows(values: ArrayLike, what: str = "vectors") -> Floats:
    """Rows scaled to length 1 (n, d), so that a dot product is a cosine.

    Raises
    ------
    InputError
        Not a table, not finite, or a row of length zero (it has no direction).
    """
    rows = as_rows(values, what)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    if (length == 0).any():
        raise InputError(f"{what}: row {int(np.argmin(length))} is all zeros and has no direction")
    unit: Floats = rows / length
    return unit


def cosine_distances(values: ArrayLike) -> Floats:
    """1 - cosine between all pairs of rows: (n, n), symmetric, zero diagonal, in [0, 2]."""
    unit = unit_rows(values)
    distances: Floats = np.clip(1.0 - unit @ unit.T, 0.0, 2.0)
    np.fill_diagonal(distances, 0.0)
    return (distances + distances.T) / 2


def nearest(unit: Floats, targets: Floats) -> tuple[Floats, Ints]:
    """Largest cosine of each unit row (n, d) to any of ``targets`` (m, d), and which: (n,), (n,).

    Read in blocks, so that memory does not grow with n x m.
    """
    step = max(1, 4_000_000 // len(targets))
    best, which = np.empty(len(unit)), np.empty(len(unit), dtype=np.int64)
    for start in range(0, len(unit), step):
        cosines = unit[start : start + step] @ targets.T
        top = cosines.argmax(axis=1)
        which[start : start + step] = top
        best[start : start + step] = cosines[np.arange(top.size), top]
    return best, which


def one_of(kind: str, name: str, known: Iterable[str]) -> None:
    """Refuse a ``name`` that is not ``known``: types do not check what a user typed."""
    names = tuple(known)
    if name not in names:
        raise UnknownNameError(kind, name, names)


def same_length(**columns: object) -> int:
    """The common length of named columns; an error names those that differ."""
    sizes = {name: len(column) for name, column in columns.items()}  # type: ignore[arg-type]
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{size} {name}" for name, size in sizes.items())
        raise InputError(f"columns of different lengths: {told}")
    return next(iter(sizes.values()))
