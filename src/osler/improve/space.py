"""Where failures and pool images are compared: whitened encoder vectors beside image quality.

Cosines of a semantic encoder say what an image shows; most of their variance is anatomy and
modality. What a degradation changes lies in directions of little variance, which whitening brings
up (Jegou & Chum, ECCV 2012), and in measures that no encoder gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osler.core import InputError, derive_rng

from .embedding import QualityScale, quality_scale, with_quality
from .retrieve import Hits, VectorSource, range_retrieve
from .vectors import Bools, Floats, Ints, as_rows, unit_rows

if TYPE_CHECKING:
    from osler.curate.pool import Pool

COSINE = 0.3
"""Threshold in this space: two images without anything in common have a cosine near 0."""

COMPONENTS = 128
WEIGHT = 1.0
_SHRINK = 0.03
_ROWS = 20_000
_BLOCK = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class SearchSpace:
    """How vectors (n, d) and quality measures (n, q) become unit vectors (n, components + q)."""

    mean: Floats
    axes: Floats
    scale: QualityScale
    weight: float

    def of(self, vectors: ArrayLike, features: ArrayLike) -> Floats:
        """Unit vectors of images, in the order given; both tables have a row each.

        An image exactly at the pool's mean has no direction of its own and gets one by its quality
        alone.
        """
        moved = (unit_rows(vectors) - self.mean) @ self.axes
        flat = np.linalg.norm(moved, axis=1) < 1e-12
        moved[flat, 0] = 1e-12
        return with_quality(moved, long_tailed(features), self.scale, self.weight)


def long_tailed(features: ArrayLike) -> Floats:
    """Measures with long tails (noise, clipping) as sign(v) log(1 + |v|): (n, q); null is 0."""
    table = as_rows(np.nan_to_num(np.asarray(features, dtype=np.float64)), "quality features")
    found: Floats = np.sign(table) * np.log1p(np.abs(table))
    return found


def search_space(
    vectors: ArrayLike,
    features: ArrayLike,
    *,
    components: int = COMPONENTS,
    weight: float = WEIGHT,
    seed: int = 0,
) -> SearchSpace:
    """The space of a pool, from its vectors (n, d) and quality measures (n, q).

    Principal components of at most 20,000 random rows, each divided by its spread (a shrunk one,
    so that the least components do not bring up noise alone).
    """
    table, quality = as_rows(vectors), as_rows(np.nan_to_num(np.asarray(features, np.float64)))
    if len(table) != len(quality) or len(table) < 2:
        raise InputError(
            f"{len(table)} vectors and {len(quality)} rows of quality features make no space; "
            "give at least two images"
        )
    rows = np.arange(len(table))
    if rows.size > _ROWS:
        rows = np.sort(derive_rng("search space", seed).choice(rows, _ROWS, replace=False))
    unit = unit_rows(table[rows])
    mean = unit.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov((unit - mean).T))
    values, axes = values[::-1][:components], axes[:, ::-1][:, :components]
    top = max(float(values[0]), 1e-12)
    kept = values > 1e-9 * top
    spread = np.sqrt(np.maximum(values[kept], 0.0) + _SHRINK * top)
    return SearchSpace(mean, axes[:, kept] / spread, quality_scale(long_tailed(quality)), weight)


@dataclass(frozen=True, slots=True, eq=False)
class PoolView:
    """A pool on disk seen in a :class:`SearchSpace`: what ``select`` takes as a vector source."""

    pool: Pool
    space: SearchSpace
    features: Floats

    def __len__(self) -> int:
        return len(self.pool)

    def vectors(self, rows: Ints, /) -> NDArray[np.float32]:
        """Vectors of ``rows`` in the space."""
        return self.space.of(self.pool.vectors(rows), self.features[rows]).astype(np.float32)


def view_pool(pool: Pool, *, weight: float = WEIGHT, seed: int = 0) -> PoolView:
    """The pool in a space of its own, fitted on at most 20,000 of its images."""
    from osler.images.quality import FEATURES

    columns = pool.columns(*FEATURES)
    quality = quality_table(columns, FEATURES)
    rows = np.arange(len(pool))
    if rows.size > _ROWS:
        rows = np.sort(derive_rng("view pool", seed).choice(rows, _ROWS, replace=False))
    space = search_space(pool.vectors(rows), quality[rows], weight=weight, seed=seed)
    return PoolView(pool, space, quality)


def quality_table(columns: Any, names: Sequence[str]) -> Floats:
    """Columns of quality features as a table (n, q); a missing value counts as 0."""
    table = np.stack([np.asarray(columns[name], dtype=np.float64) for name in names], axis=1)
    found: Floats = np.nan_to_num(table)
    return found


def retrieve_in(
    view: VectorSource,
    anchors: ArrayLike,
    threshold: float = COSINE,
    *,
    most: int | None = None,
    fits: Callable[[Ints, Ints], Bools] | None = None,
) -> Hits:
    """As :func:`range_retrieve`, over a view that is read in blocks.

    ``fits(rows, prototypes)`` tells which hits count at all; of those each prototype keeps its
    ``most`` nearest (None: all), so that a low threshold on a large pool stays small.
    """
    targets = as_rows(anchors, "anchors")
    empty = np.zeros(0, dtype=np.int64)
    row, prototype, cosine = empty, empty, np.zeros(0)
    for start in range(0, len(view), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(view)))
        hits = range_retrieve(view.vectors(rows), targets, threshold)
        found, kinds = hits.row + start, hits.prototype
        kept = np.ones(found.size, dtype=bool) if fits is None else fits(found, kinds)
        row = np.concatenate([row, found[kept]])
        prototype = np.concatenate([prototype, kinds[kept]])
        cosine = np.concatenate([cosine, hits.cosine[kept]])
        if most is not None:
            best = nearest_of_each(Hits(row, prototype, cosine, len(targets), threshold), most)
            row, prototype, cosine = row[best], prototype[best], cosine[best]
    return Hits(row, prototype, cosine, len(targets), threshold)


def nearest_of_each(hits: Hits, most: int) -> Ints:
    """Indices of the ``most`` nearest hits of each prototype; equal cosines: the earlier row."""
    order = np.lexsort((hits.row, -hits.cosine, hits.prototype))
    kinds = hits.prototype[order]
    first = np.searchsorted(kinds, kinds, side="left")
    kept: Ints = order[np.arange(order.size) - first < most]
    return kept
