"""The same image or the same text twice in a training set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from osler.core import InputError
from osler.curate.pool.hashes import near_pairs

from .vectors import Bools

HASH_BITS = 6
TEXT_COSINE = 0.9
_BLOCK = 2_048


@dataclass(frozen=True, slots=True)
class Duplicates:
    """``pairs`` (first < second, measure) of near-equal rows, and which rows are ``kept`` (n,).

    The earliest of near-equal rows is kept; a row goes when it is near one that is kept.
    """

    pairs: tuple[tuple[int, int, float], ...]
    kept: Bools


def duplicate_images(hashes: ArrayLike, max_bits: int = HASH_BITS) -> Duplicates:
    """Images whose 64-bit perceptual hashes (n,) differ by at most ``max_bits`` bits.

    Exact. A hash of 0 is that of an image of one value and matches nothing.
    """
    mine = np.asarray(hashes, dtype=np.uint64)
    if mine.ndim != 1:
        raise InputError(f"hashes have shape {mine.shape}; one 64-bit number an image is needed")
    one, two, bits = near_pairs(mine, max_bits)
    real = (mine[one] != 0) & (mine[two] != 0)
    found = zip(one[real], two[real], bits[real], strict=True)
    pairs = [(int(i), int(j), float(b)) for i, j, b in found]
    return Duplicates(tuple(pairs), _keep_first(mine.size, pairs))


def duplicate_texts(texts: Sequence[str], max_cosine: float = TEXT_COSINE) -> Duplicates:
    """Texts whose TF-IDF vectors have a cosine above ``max_cosine``; exact, sparse, in blocks.

    A text without a word is no duplicate of anything.
    """
    vectors = tf_idf(texts)
    pairs: list[tuple[int, int, float]] = []
    for start in range(0, len(texts), _BLOCK):
        close = (vectors[start : start + _BLOCK] @ vectors.T).tocoo()
        rows, columns, cosines = close.row + start, close.col, close.data
        hit = (cosines > max_cosine) & (columns > rows)
        found = zip(rows[hit], columns[hit], cosines[hit], strict=True)
        pairs += [(int(i), int(j), min(float(c), 1.0)) for i, j, c in found]
    pairs.sort()
    return Duplicates(tuple(pairs), _keep_first(len(texts), pairs))


def tf_idf(texts: Sequence[str]) -> Any:
    """Unit TF-IDF rows as a SciPy CSR matrix (n, words); idf = ln((1 + n)/(1 + df)) + 1.

    Words are runs of two or more letters, digits or underscores, lower case.
    """
    from scipy.sparse import csr_matrix

    counts = [Counter(re.findall(r"\b\w\w+\b", text.lower())) for text in texts]
    place: dict[str, int] = {}
    for row in counts:
        for word in row:
            place.setdefault(word, len(place))
    columns = np.array([place[w] for row in counts for w in row], dtype=np.int64)
    values = np.array([float(c) for row in counts for c in row.values()])
    starts = np.concatenate([[0], np.cumsum([len(row) for row in counts])]).astype(np.int64)
    df = np.bincount(columns, minlength=len(place))
    values = values * (np.log((1 + len(texts)) / (1 + df[columns])) + 1)
    lengths = np.sqrt(np.bincount(_owner(starts), values**2, minlength=len(texts)))
    values = values / lengths[_owner(starts)]
    return csr_matrix((values, columns, starts), shape=(len(texts), max(len(place), 1)))


def _owner(starts: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(starts.size - 1), np.diff(starts))


def _keep_first(n: int, pairs: Sequence[tuple[int, int, float]]) -> Bools:
    kept = np.ones(n, dtype=bool)
    for first, second, _ in sorted(pairs):
        if kept[first]:
            kept[second] = False
    return kept
