"""How well a partition fits (silhouette) and how far two partitions agree (adjusted Rand)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from osler.core import InputError

from .vectors import Floats, Ints


def silhouette(distances: ArrayLike, labels: ArrayLike) -> Floats:
    """s = (b - a)/max(a, b) of each row (n,), from (n, n) distances (Rousseeuw 1987).

    a: mean distance to the own cluster without the row, b: least mean distance to another. A row
    alone in its cluster has 0.
    """
    table = np.asarray(distances, dtype=np.float64)
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    if table.shape != (codes.size, codes.size):
        raise InputError(f"distances {table.shape} do not fit {codes.size} labels")
    return silhouette_from_sums(cluster_sums(table, codes), codes)


def cluster_sums(distances: Floats, codes: Ints) -> Floats:
    """Sum of the distances from each row to each cluster: (n, k)."""
    one_hot = np.zeros((codes.size, int(codes.max()) + 1))
    one_hot[np.arange(codes.size), codes] = 1.0
    sums: Floats = distances @ one_hot
    return sums


def silhouette_from_sums(sums: Floats, codes: Ints) -> Floats:
    """As :func:`silhouette` from :func:`cluster_sums`: sums of merged clusters simply add."""
    n, k = sums.shape
    if not k >= 2:
        raise InputError("a silhouette needs at least two clusters")
    sizes = np.bincount(codes, minlength=k).astype(np.float64)
    rows = np.arange(n)
    own = sums[rows, codes] / np.maximum(sizes[codes] - 1, 1)
    others = sums / sizes
    others[rows, codes] = np.inf
    nearest = others.min(axis=1)
    top = np.maximum(own, nearest)
    value: Floats = np.where(
        (sizes[codes] > 1) & (top > 0), (nearest - own) / np.where(top > 0, top, 1), 0.0
    )
    return value


def adjusted_rand(first: ArrayLike, second: ArrayLike) -> float:
    """Agreement of two partitions of the same rows: 1 equal, 0 chance (Hubert & Arabie 1985).

    Examples
    --------
    >>> adjusted_rand([0, 0, 1, 1], ["b", "b", "a", "a"])
    1.0
    """
    a = np.unique(np.asarray(first), return_inverse=True)[1]
    b = np.unique(np.asarray(second), return_inverse=True)[1]
    if a.size != b.size:
        raise InputError(f"{a.size} and {b.size} labels are no two partitions of the same rows")
    table = np.zeros((int(a.max(initial=0)) + 1, int(b.max(initial=0)) + 1))
    np.add.at(table, (a, b), 1.0)
    together = float((table * (table - 1)).sum()) / 2
    in_a, in_b = (float((s * (s - 1)).sum()) / 2 for s in (table.sum(1), table.sum(0)))
    pairs = a.size * (a.size - 1) / 2
    expected = in_a * in_b / pairs if pairs else 0.0
    best = (in_a + in_b) / 2
    return 1.0 if best == expected else (together - expected) / (best - expected)
