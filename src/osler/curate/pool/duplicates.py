"""Near-duplicates inside a pool: images whose hashes are near and, if asked, whose vectors are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import InputError

from .hashes import near_pairs
from .store import Pool

_CHUNK = 8192


def duplicate_groups(pool: Pool, *, max_distance: int = 6, min_cos: float = 0.9) -> list[list[int]]:
    """Groups of rows that are near-duplicates, directly or through others; each sorted.

    Two images are near-duplicates if their pHashes differ in at most ``max_distance`` bits and
    the cosine of their vectors is at least ``min_cos`` (-1 asks for none). Images of one value
    have no hash and are compared by cosine 0.9999 and equal size alone.
    """
    if not -1 <= min_cos <= 1:
        raise InputError(f"min_cos is {min_cos}; a cosine lies from -1 to 1")
    columns = pool.columns("phash", "width", "height")
    links = [_same_hash(pool, columns, min_cos)]
    leaders = np.setdiff1d(np.arange(len(pool)), links[0][1])
    leaders = leaders[columns["phash"][leaders] != 0]
    i, j, _ = near_pairs(columns["phash"][leaders], max_distance)
    one, two = leaders[i], leaders[j]
    keep = cosines(pool, one, two) >= min_cos if min_cos > -1 else slice(None)
    links.append((one[keep], two[keep]))
    one, two = (np.concatenate(ends) for ends in zip(*links, strict=True))
    return _groups(len(pool), one, two)


def _same_hash(
    pool: Pool, columns: dict[str, NDArray[Any]], min_cos: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(leader, follower) rows: each image of equal hash joins the first leader it is like.

    So a hash that a million images share costs a million comparisons, not their square.
    """
    hashes = columns["phash"]
    order = np.argsort(hashes, kind="stable")
    edges = np.flatnonzero(np.diff(hashes[order])) + 1
    one: list[NDArray[np.int64]] = []
    two: list[NDArray[np.int64]] = []
    for rows in np.split(order, edges):
        flat = len(rows) > 1 and hashes[rows[0]] == 0
        while len(rows) > 1:
            leader, rest = rows[0], rows[1:]
            like = np.ones(len(rest), bool)
            if flat or min_cos > -1:
                needed = 0.9999 if flat else min_cos
                like = cosines(pool, np.full(len(rest), leader), rest) >= needed
            if flat:
                for side in ("width", "height"):
                    like &= columns[side][rest] == columns[side][leader]
            one.append(np.full(int(like.sum()), leader))
            two.append(rest[like])
            rows = rest[~like]
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *one]), np.concatenate([none, *two])


def cosines(pool: Pool, one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.float32]:
    """Cosine of each pair of rows."""
    found = np.empty(len(one), np.float32)
    for start in range(0, len(one), _CHUNK):
        part = slice(start, start + _CHUNK)
        left, right = pool.vectors(one[part]), pool.vectors(two[part])
        length = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        found[part] = np.einsum("ij,ij->i", left, right) / length
    return found


def _groups(count: int, one: NDArray[np.int64], two: NDArray[np.int64]) -> list[list[int]]:
    """Connected components of two or more rows, in the order of their first row."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(one), np.int8), (one, two)), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    linked = np.unique(np.concatenate([one, two]))
    groups: dict[int, list[int]] = {}
    for row in linked:
        groups.setdefault(int(label[row]), []).append(int(row))
    return sorted(groups.values())
