"""Is one plane a copy of the other: re-encoded, resized, cropped, mirrored, turned, brightened?

Proposals come from two blockings, neither of which compares all pairs: near perceptual hashes, in
the eight ways a plane can be turned; and local features that fall into one bucket of
locality-sensitive hashes (Charikar, 2002) and agree on a turn and a change of scale. A proposal is
put to the test with pixels: one plane is laid over the other by the similarity that most features
agree on (RANSAC), and the correlation of the pictures and of their details decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import derive_rng

from ..pool.hashes import near_between, phash
from .looks import Features, Look, mirrored

HASH_BITS = 10
"""Bits of two perceptual hashes that may differ in a proposal; pixels decide."""

_TABLES, _KEY_BITS = 10, 18
_BUCKET = 64
"""A bucket with more features than this tells nothing, as a stop word."""

_VOTES = 3
_BLOCK = 200
_ANGLES = 12

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A plane to compare; ``owner`` is the number of the case that it shows."""

    owner: int
    look: Look
    features: Features


def turned(grey: NDArray[np.uint8], way: int) -> NDArray[np.uint8]:
    """The plane turned by ``way % 4`` quarters, then mirrored if ``way >= 4``."""
    found = np.rot90(grey, way % 4)
    return np.ascontiguousarray(found[:, ::-1] if way >= 4 else found)


def proposals(
    planes: Sequence[Plane],
    skip: Callable[[int, int], bool],
    progress: Callable[[int], None] | None = None,
) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, bool]]]:
    """Pairs of planes worth a look.

    Returns
    -------
    By hash: (plane, other, way the first is turned). By features: (plane, other, mirrored).
    Both sorted, pairs of one owner and those that ``skip(owner, owner)`` names left out.
    """
    by_hash = sorted(
        (one, two, way)
        for one, two, way in set(_by_hash(planes))
        if _wanted(planes, one, two, skip)
    )
    by_features = sorted(
        (one, two, mirror)
        for one, two, mirror in _by_features(planes, progress)
        if _wanted(planes, one, two, skip)
    )
    return by_hash, by_features


def _wanted(planes: Sequence[Plane], one: int, two: int, skip: Callable[[int, int], bool]) -> bool:
    first, second = planes[one].owner, planes[two].owner
    return first != second and not skip(first, second)


def _by_hash(planes: Sequence[Plane]) -> Iterator[tuple[int, int, int]]:
    if not planes:
        return
    upright = np.array([phash(plane.look.grey) for plane in planes], np.uint64)
    for way in range(8):
        turns = [phash(turned(plane.look.grey, way)) for plane in planes] if way else upright
        hashes = np.array(turns, np.uint64)
        ones, twos, _ = near_between(hashes, upright, HASH_BITS)
        for one, two in zip(ones.tolist(), twos.tolist(), strict=True):
            if one < two and hashes[one] and upright[two]:
                yield one, two, way


def _by_features(
    planes: Sequence[Plane], progress: Callable[[int], None] | None
) -> Iterator[tuple[int, int, bool]]:
    """Pairs of planes of which several features agree on one turn and one change of scale."""
    counts = [len(plane.features.places) for plane in planes]
    if not sum(counts):
        return
    owner = np.repeat(np.arange(len(planes)), counts)
    places = np.concatenate([plane.features.places for plane in planes])
    upright, _ = _keys(planes, mirror=False)
    reflected, glass_places = _keys(planes, mirror=True)
    orders = [np.argsort(keys, kind="stable") for keys in upright]
    ends = np.cumsum([0, *counts])
    for start in range(0, len(planes), _BLOCK):
        stop = min(start + _BLOCK, len(planes))
        rows = np.arange(ends[start], ends[stop])
        for keys, asked, mirror in ((upright, places, False), (reflected, glass_places, True)):
            for one, two in _voted(keys, upright, orders, rows, (owner, asked, places)):
                yield one, two, mirror
        if progress:
            progress(stop - start)


def _keys(
    planes: Sequence[Plane], mirror: bool
) -> tuple[list[NDArray[np.uint32]], NDArray[np.float32]]:
    """One key of 18 bits for each feature and table (sides of planes through the mean), and places.

    A block of planes at a time, so that memory holds keys and no projections of all features.
    """
    normals = derive_rng("osler.fuse", "feature keys").standard_normal((128, _TABLES * _KEY_BITS))
    thin = normals.astype(np.float32)
    weights = (1 << np.arange(_KEY_BITS)).astype(np.uint32)
    keys: list[list[NDArray[np.uint32]]] = [[] for _ in range(_TABLES)]
    places: list[NDArray[np.float32]] = []
    for start in range(0, len(planes), _BLOCK):
        some = [
            mirrored(one.features, one.look.grey.shape[1]) if mirror else one.features
            for one in planes[start : start + _BLOCK]
        ]
        places += [one.places for one in some]
        # The mean of RootSIFT descriptors of natural pictures is nearly flat; its length is 0.8.
        flat = np.concatenate([one.descriptors for one in some]) - np.float32(0.8 / np.sqrt(128))
        sides = flat @ thin > 0
        for table, held in enumerate(keys):
            bits = sides[:, table * _KEY_BITS : (table + 1) * _KEY_BITS]
            held.append((bits * weights).sum(1, dtype=np.uint32))
    return [np.concatenate(held) for held in keys], np.concatenate(places)


def _voted(
    asked: list[NDArray[np.uint32]],
    known: list[NDArray[np.uint32]],
    orders: list[NDArray[np.int64]],
    rows: NDArray[np.int64],
    facts: tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]],
) -> Iterator[Pair]:
    """Pairs (plane of ``rows``, later plane) with enough votes."""
    owner, asked_places, places = facts
    hits = [
        _matches(keys[rows], stored[order], order, rows)
        for keys, stored, order in zip(asked, known, orders, strict=True)
    ]
    mine = np.concatenate([one for one, _ in hits])
    theirs = np.concatenate([two for _, two in hits])
    later = owner[mine] < owner[theirs]
    mine, theirs = mine[later], theirs[later]
    if not len(mine):
        return
    ratio = np.log2(asked_places[mine, 2] / places[theirs, 2])
    angle = (asked_places[mine, 3] - places[theirs, 3]) % 360
    turn = np.rint(angle / 360 * _ANGLES).astype(np.int64) % _ANGLES
    size = np.clip(np.rint(ratio), -4, 3).astype(np.int64) + 4
    # One vote for a feature, a plane and a motion, in however many tables it was found.
    count = len(owner)
    motion = (owner[theirs] * _ANGLES + turn) * 8 + size
    votes = _distinct(motion * count + mine)
    motion, mine = np.divmod(votes, count)
    plane = owner[mine]
    ballots, number = np.unique(
        plane * np.int64(int(motion.max()) + 1) + motion, return_counts=True
    )
    enough = ballots[number >= _VOTES]
    one, motion = np.divmod(enough, int(motion.max()) + 1)
    two = motion // (8 * _ANGLES)
    yield from sorted(set(zip(one.tolist(), two.tolist(), strict=True)))


def _distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The values, each once, in order; sorting is faster here than the hashing of np.unique."""
    ordered = np.sort(values)
    return np.asarray(ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])])


def _matches(
    keys: NDArray[np.uint32],
    stored: NDArray[np.uint32],
    order: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All (row, feature) of equal key, but those of overfull buckets."""
    low = np.searchsorted(stored, keys, "left")
    size = np.searchsorted(stored, keys, "right") - low
    size[size > _BUCKET] = 0
    mine = np.repeat(rows, size)
    offsets = np.arange(len(mine)) - np.repeat(np.cumsum(size) - size, size)
    return mine, order[np.repeat(low, size) + offsets]


def score_by_hash(one: Plane, two: Plane, way: int) -> float:
    """How well the first plane, turned, lies over the second one as a whole; -1 to 1."""
    import cv2

    from .laying import laid_over

    first, second = turned(one.look.grey, way), two.look.grey
    scale = np.array(second.shape) / np.array(first.shape)
    if abs(np.log(scale[0] / scale[1])) > 0.1:
        return -1.0
    small = np.asarray(cv2.resize(first, second.shape[::-1], interpolation=cv2.INTER_AREA))
    return laid_over(small, second, np.eye(2, 3))


def score_by_features(one: Plane, two: Plane, mirror: bool) -> float:
    """How well the first plane lies over the second one by their common features; -1 to 1."""
    from .laying import laid_over

    features, grey = one.features, one.look.grey
    if mirror:
        features, grey = mirrored(features, grey.shape[1]), np.ascontiguousarray(grey[:, ::-1])
    motion = _motion(features, two.features)
    return -1.0 if motion is None else laid_over(grey, two.look.grey, motion)


def _motion(one: Features, two: Features) -> NDArray[Any] | None:
    """The similarity (2 x 3) that takes places of ``one`` to places of ``two``, if four agree."""
    import cv2

    likeness = one.descriptors @ two.descriptors.T
    mine, theirs = np.arange(len(likeness)), likeness.argmax(1)
    mutual = (likeness.argmax(0)[theirs] == mine) & (likeness[mine, theirs] > 0.8)
    if mutual.sum() < 4:
        return None
    first, second = one.places[mine[mutual], :2], two.places[theirs[mutual], :2]
    motion, inliers = cv2.estimateAffinePartial2D(
        first, second, method=cv2.RANSAC, ransacReprojThreshold=3.0
    )
    if motion is None or int(inliers.sum()) < 4:
        return None
    found: NDArray[Any] = motion
    return found
