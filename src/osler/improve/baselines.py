"""Published ways to pick what to label: what the engine is compared with."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from osler.core import InputError, derive_rng

from .retrieve import k_centre, seed_rows
from .vectors import Floats, Ints, as_rows, same_length, unit_rows


def pick_random(n: int, k: int, seed: int = 0) -> Ints:
    """``k`` of ``n`` rows, each set equally likely."""
    rows: Ints = derive_rng("pick random", seed).permutation(n)[:k].astype(np.int64)
    return rows


def pick_entropy(probs: ArrayLike, k: int) -> Ints:
    """The ``k`` rows of largest predictive entropy -sum p ln p (Settles 2009)."""
    table = _distributions(probs)
    entropy = -np.sum(table * np.log(np.maximum(table, 1e-300)), axis=1)
    return _top(entropy, k)


def pick_margin(probs: ArrayLike, k: int) -> Ints:
    """The ``k`` rows of least margin between the two likeliest classes (Scheffer et al. 2001)."""
    ordered = np.sort(_distributions(probs), axis=1)
    return _top(ordered[:, -2] - ordered[:, -1], k)


def pick_coreset(vectors: ArrayLike, labelled: ArrayLike | None, k: int) -> Ints:
    """CoreSet: k-centre greedy from what is labelled already (Sener & Savarese, ICLR 2018)."""
    covered = None if labelled is None or len(np.asarray(labelled)) == 0 else unit_rows(labelled)
    return k_centre(unit_rows(vectors), k, covered=covered)


def pick_badge(vectors: ArrayLike, probs: ArrayLike, k: int, seed: int = 0) -> Ints:
    """BADGE: k-means++ on the gradients of a linear head (Ash et al., ICLR 2020).

    The gradient of a row for its own prediction is (p - onehot(argmax p)) outer x. The outer
    product is never formed: its dot products are those of the factors multiplied.
    """
    x, p = as_rows(vectors), _distributions(probs)
    same_length(vectors=x, probs=p)
    residual = p.copy()
    residual[np.arange(len(p)), p.argmax(axis=1)] -= 1.0
    return _seed_products(residual, x, k, derive_rng("pick badge", seed))


def _seed_products(a: Floats, x: Floats, k: int, rng: Generator) -> Ints:
    """k-means++ seeding of the rows a_i outer x_i; the first is the largest gradient."""
    n = len(a)
    if k >= n:
        return np.arange(n)
    squares = np.einsum("nc,nc->n", a, a) * np.einsum("nd,nd->n", x, x)
    taken = [int(np.argmax(squares))]
    nearest = np.full(n, np.inf)
    while len(taken) < k:
        i = taken[-1]
        distance = squares + squares[i] - 2 * (a @ a[i]) * (x @ x[i])
        nearest = np.minimum(nearest, np.maximum(distance, 0.0))
        nearest[taken] = 0.0
        weight = nearest
        if weight.sum() <= 0:
            weight = np.ones(n)
            weight[taken] = 0.0
        taken.append(int(rng.choice(n, p=weight / weight.sum())))
    return np.array(taken, dtype=np.int64)


def pick_typiclust(
    vectors: ArrayLike, labelled: ArrayLike | None, k: int, seed: int = 0, neighbours: int = 20
) -> Ints:
    """TypiClust: the most typical row of each large cluster without a label (Hacohen et al. 2022).

    k-means into (labelled + ``k``) clusters, at most 500 as published; clusters are visited by
    fewest labels, then size; typical is the smallest mean distance to the ``neighbours`` nearest
    rows of the cluster. Clusters are visited again until ``k`` rows are taken.
    """
    mine = unit_rows(vectors)
    held = np.zeros((0, mine.shape[1])) if labelled is None else as_rows(labelled)
    held = unit_rows(held) if len(held) else held
    if k >= len(mine):
        return np.arange(len(mine))
    both = np.concatenate([mine, held])
    codes = _k_means(both, min(len(held) + k, 500, len(both)), derive_rng("typiclust", seed))
    own, labels = (
        codes[: len(mine)],
        np.bincount(codes[len(mine) :], minlength=int(codes.max()) + 1),
    )
    sizes = np.bincount(own, minlength=labels.size)
    queues = {
        c: list(_typical(mine, np.flatnonzero(own == c), neighbours))
        for c in range(labels.size)
        if sizes[c]
    }
    taken: list[int] = []
    while len(taken) < k:
        c = min(queues, key=lambda q: (labels[q], -sizes[q], q))
        taken.append(queues[c].pop(0))
        labels[c] += 1
        if not queues[c]:
            del queues[c]
    return np.array(taken, dtype=np.int64)


def _typical(unit: Floats, rows: Ints, neighbours: int) -> list[int]:
    """``rows`` by decreasing typicality: 1 / mean distance to the nearest rows of the cluster."""
    part = unit[rows]
    mean = np.zeros(len(part))
    near = min(neighbours, len(part) - 1)
    step = max(1, 4_000_000 // len(part))
    for start in range(0, len(part) if near else 0, step):
        distance = np.sqrt(np.maximum(2.0 - 2.0 * part[start : start + step] @ part.T, 0.0))
        closest = np.partition(distance, near, axis=1)[:, : near + 1]  # the row itself is one
        mean[start : start + step] = closest.sum(axis=1) / near
    return [int(i) for i in rows[np.argsort(mean, kind="stable")]]


def _k_means(rows: Floats, k: int, rng: Generator, iterations: int = 20) -> Ints:
    """Lloyd's algorithm from k-means++ seeds; an empty cluster keeps its centre."""
    centres = rows[seed_rows(rows, k, rng)].copy()
    codes = np.full(len(rows), -1, dtype=np.int64)
    for _ in range(iterations):
        squares = np.einsum("kd,kd->k", centres, centres)
        found = np.argmin(squares - 2 * rows @ centres.T, axis=1)
        if (found == codes).all():
            break
        codes = found
        sizes = np.bincount(codes, minlength=k)
        sums = np.zeros_like(centres)
        np.add.at(sums, codes, rows)
        used = sizes > 0
        centres[used] = sums[used] / sizes[used, None]
    return codes


def _top(values: Floats, k: int) -> Ints:
    rows: Ints = np.argsort(-values, kind="stable")[:k].astype(np.int64)
    return rows


def _distributions(probs: ArrayLike) -> Floats:
    table = as_rows(probs, "class probabilities")
    if table.shape[1] < 2 or (table < 0).any() or not np.allclose(table.sum(axis=1), 1, atol=1e-3):
        raise InputError("class probabilities must be rows of at least two that sum to 1")
    return table
