"""Perceptual hashes of 64 bits, and all pairs of them that are near.

pHash: Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010): 7 x 7
mean filter, 32 x 32, DCT-II, the 8 x 8 coefficients after the first row and column, each against
their median. dHash: Krawetz (2013): 9 x 8 pixels, each against its right neighbour.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import InputError

BITS = 64
_BLOCK = 2048
_WEIGHTS = (np.uint64(1) << np.arange(63, -1, -1, dtype=np.uint64)).astype(np.uint64)


def phash(grey: NDArray[Any]) -> int:
    """The DCT hash of a grey plane (h, w), uint8 or float; the first bit is the highest.

    A plane of one value has no structure: its hash is 0.
    """
    import cv2

    plane = _plane(grey)
    smooth = cv2.blur(plane, (7, 7), borderType=cv2.BORDER_REPLICATE)
    small = cv2.resize(smooth, (32, 32), interpolation=cv2.INTER_AREA)
    rows = _cosines()
    values = rows @ small.astype(np.float64) @ rows.T
    if np.abs(values).max() < 1e-3:
        return 0
    return _packed(values > np.median(values))


def dhash(grey: NDArray[Any]) -> int:
    """The difference hash of a grey plane (h, w): bit = right neighbour is brighter."""
    import cv2

    small = cv2.resize(_plane(grey), (9, 8), interpolation=cv2.INTER_AREA)
    return _packed(small[:, 1:] > small[:, :-1])


def _plane(grey: NDArray[Any]) -> NDArray[np.float32]:
    if grey.ndim != 2 or 0 in grey.shape:
        raise InputError(f"a hash is taken of a grey plane (h, w), not of shape {grey.shape}")
    return np.ascontiguousarray(grey, np.float32)


@cache
def _cosines() -> NDArray[np.float64]:
    """Rows 1 to 8 of the orthonormal DCT-II matrix of 32."""
    k, n = np.arange(1, 9)[:, None], np.arange(32)[None, :]
    return np.asarray(np.sqrt(2 / 32) * np.cos(np.pi * k * (2 * n + 1) / 64))


def _packed(bits: NDArray[np.bool_]) -> int:
    return int(_WEIGHTS[bits.ravel()].sum())


def hamming(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Bits that differ between hashes; the arrays are broadcast."""
    return _count(np.bitwise_xor(first, second))


if hasattr(np, "bitwise_count"):

    def _count(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
        return np.bitwise_count(words)

else:  # NumPy 1.26: sums of neighbouring bits, then of pairs, of nibbles, of bytes

    def _count(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
        one, two, four = (np.uint64(v * 0x0101010101010101) for v in (0x55, 0x33, 0x0F))
        words = words - ((words >> np.uint64(1)) & one)
        words = (words & two) + ((words >> np.uint64(2)) & two)
        words = (words + (words >> np.uint64(4))) & four
        return ((words * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.uint8)


Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]


def near_pairs(hashes: NDArray[np.uint64], max_distance: int = 6) -> Pairs:
    """All pairs i < j of ``hashes`` that differ in at most ``max_distance`` bits.

    Exact. Of ``max_distance + 1`` parts of the 64 bits, two such hashes share at least one
    (pigeonhole), so only hashes with an equal part are compared; a pair is kept at the first part
    it shares. The answer has as many rows as there are pairs: give distinct hashes where many
    images may be equal.

    Returns
    -------
    i, j, distance
        Sorted by i, then j.
    """
    words = np.asarray(hashes, np.uint64)
    return _sorted(_pairs(words, None, max_distance))


def near_between(
    first: NDArray[np.uint64], second: NDArray[np.uint64], max_distance: int = 6
) -> Pairs:
    """All pairs of a hash of ``first`` and one of ``second`` within ``max_distance`` bits."""
    one, two = np.asarray(first, np.uint64), np.asarray(second, np.uint64)
    return _sorted(_pairs(one, two, max_distance))


def _parts(max_distance: int) -> list[tuple[np.uint64, np.uint64]]:
    """(shift, mask) of each part of the word."""
    if not 0 <= max_distance <= 31:
        raise InputError(f"a distance of hashes is 0 to 31 bits, not {max_distance}")
    edges = np.linspace(0, BITS, max_distance + 2).round().astype(int)
    return [
        (np.uint64(low), np.uint64((1 << int(high - low)) - 1)) for low, high in pairwise(edges)
    ]


def _pairs(words: NDArray[np.uint64], others: NDArray[np.uint64] | None, limit: int) -> list[Pairs]:
    """Pairs by part; ``others`` None means pairs within ``words``."""
    parts = _parts(limit)
    found: list[Pairs] = []
    for number, (shift, mask) in enumerate(parts):
        key = np.uint16 if mask <= 0xFFFF else np.uint64  # 16 bits: NumPy sorts by radix
        left = ((words >> shift) & mask).astype(key)
        right = left if others is None else ((others >> shift) & mask).astype(key)
        order, other_order = np.argsort(left, kind="stable"), np.argsort(right, kind="stable")
        keys, starts = np.unique(left[order], return_index=True)
        ends = np.append(starts[1:], len(order))
        low = np.searchsorted(right[other_order], keys, "left")
        high = np.searchsorted(right[other_order], keys, "right")
        edges = np.stack([starts, ends, low, high], axis=1).tolist()
        for start, end, begin, stop in edges:
            if begin < stop and (others is not None or end - start > 1):
                found += _bucket(
                    words,
                    order[start:end],
                    words if others is None else others,
                    other_order[begin:stop],
                    (limit, parts[:number], others is None),
                )
    return found


def _bucket(
    words: NDArray[np.uint64],
    mine: NDArray[np.int64],
    others: NDArray[np.uint64],
    theirs: NDArray[np.int64],
    how: tuple[int, list[tuple[np.uint64, np.uint64]], bool],
) -> list[Pairs]:
    limit, earlier, within = how
    found = []
    for start in range(0, len(mine), _BLOCK):
        rows = mine[start : start + _BLOCK]
        for begin in range(start if within else 0, len(theirs), _BLOCK):
            columns = theirs[begin : begin + _BLOCK]
            distance = hamming(words[rows][:, None], others[columns][None, :])
            i, j = np.nonzero(distance <= limit)
            one, two, gap = rows[i], columns[j], distance[i, j]
            keep = one < two if within else np.ones(len(one), bool)
            differ = words[one] ^ others[two]
            for shift, mask in earlier:
                keep &= ((differ >> shift) & mask) != 0
            if keep.any():
                found.append((one[keep], two[keep], gap[keep]))
    return found


def _sorted(found: list[Pairs]) -> Pairs:
    if not found:
        none = np.zeros(0, np.int64)
        return none, none, np.zeros(0, np.uint8)
    i = np.concatenate([pairs[0] for pairs in found])
    j = np.concatenate([pairs[1] for pairs in found])
    distance = np.concatenate([pairs[2] for pairs in found])
    order = np.lexsort((j, i))
    return i[order], j[order], distance[order]
