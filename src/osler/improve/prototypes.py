"""Failures grouped into a few kinds, each shown by one real image: the prototypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from osler.core import InputError, derive_rng

from .silhouette import adjusted_rand, cluster_sums, silhouette_from_sums
from .vectors import Floats, Ints, cosine_distances, one_of, same_length, unit_rows

Anchor = Literal["medoid", "centroid"]
SAMPLE = 5_000  # rows clustered at most: 100 MB of distances
STABILITY_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Clustering:
    """A partition: ``labels`` (n,) in 0..k-1, ``scores`` mean silhouette of each k looked at."""

    k: int
    labels: Ints
    scores: dict[int, float]


@dataclass(frozen=True, slots=True)
class Prototype:
    """A kind of failure in one stratum.

    ``members`` are rows of the failures, ``medoid`` the member nearest to all others, ``anchor``
    (d,) the unit image vector to search with, ``share`` its part of all failures. ``silhouette``
    (NaN with one cluster) and ``stability`` belong to the clustering of the whole stratum.
    """

    name: str
    stratum: str
    members: Ints
    medoid: int
    anchor: Floats
    share: float
    silhouette: float
    stability: float


def cluster(vectors: ArrayLike, *, k_max: int = 40, seed: int = 0) -> Clustering:
    """Agglomerative clustering: average linkage on cosine distance, k by the mean silhouette.

    k runs from 2 to min(``k_max``, n // 5); with fewer than 10 rows, or when no cut has a positive
    silhouette, there is one cluster. Above 5,000 rows a random 5,000 are clustered and the others
    join the cluster of largest mean cosine. Equal silhouettes take the smaller k. (Average linkage:
    Sokal & Michener 1958; silhouette: Rousseeuw 1987; used by arXiv 2603.19863, whose linkage and
    range of k are not published.)
    """
    unit = unit_rows(vectors, "failure vectors")
    n = len(unit)
    top = min(k_max, n // 5)
    if top < 2:
        return Clustering(1, np.zeros(n, dtype=np.int64), {})
    rows = np.arange(n)
    if n > SAMPLE:
        rows = np.sort(derive_rng("cluster sample", seed).choice(n, SAMPLE, replace=False))
    cuts, scores = _scan(unit[rows], top)
    best = max(scores, key=lambda k: (round(scores[k], 12), -k)) if scores else 1
    if not scores or scores[best] <= 0:
        return Clustering(1, np.zeros(n, dtype=np.int64), scores)
    return Clustering(best, _spread(unit, rows, cuts[best]), scores)


def _linkage(distances: Floats) -> Floats:
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    tree: Floats = linkage(squareform(distances, checks=False), "average")
    return tree


def _cut(tree: Floats, k: int) -> Ints:
    from scipy.cluster.hierarchy import fcluster

    codes: Ints = np.unique(fcluster(tree, k, "maxclust"), return_inverse=True)[1].astype(np.int64)
    return codes


def _scan(unit: Floats, top: int) -> tuple[dict[int, Ints], dict[int, float]]:
    """Cuts of one tree and their silhouettes; coarser cuts merge the columns of the finest."""
    distances = cosine_distances(unit)
    tree = _linkage(distances)
    finest = _cut(tree, top)
    sums = cluster_sums(distances, finest)
    cuts: dict[int, Ints] = {}
    scores: dict[int, float] = {}
    for wanted in range(2, top + 1):
        codes = _cut(tree, wanted)
        k = int(codes.max()) + 1  # ties in the tree can give fewer than wanted
        if k < 2 or k in cuts:
            continue
        merged = np.zeros((len(unit), k))
        parent = np.zeros(sums.shape[1], dtype=np.int64)
        parent[finest] = codes
        np.add.at(merged.T, parent, sums.T)
        cuts[k], scores[k] = codes, float(silhouette_from_sums(merged, codes).mean())
    return cuts, scores


def _spread(unit: Floats, rows: Ints, codes: Ints) -> Ints:
    """Labels of all rows: the clustered ones keep theirs, others join by mean cosine."""
    k = int(codes.max()) + 1
    means = np.stack([unit[rows[codes == j]].mean(axis=0) for j in range(k)])
    labels: Ints = np.argmax(unit @ means.T, axis=1).astype(np.int64)
    labels[rows] = codes
    return labels


def stability(vectors: ArrayLike, labels: ArrayLike, *, draws: int = 20, seed: int = 0) -> float:
    """Mean adjusted Rand index between ``labels`` and clusterings of bootstrap samples.

    Each draw takes n rows with replacement, keeps each once, cuts into the same number of
    clusters, and compares on those rows; 1 means that the clusters do not hang on which failures
    happened to be seen. At most 1,000 rows are looked at. One cluster: 1.
    """
    unit, given = unit_rows(vectors), np.asarray(labels)
    k = np.unique(given).size
    if k < 2:
        return 1.0
    rng = derive_rng("cluster stability", seed)
    rows = np.arange(len(unit))
    if rows.size > STABILITY_ROWS:
        rows = np.sort(rng.choice(rows, STABILITY_ROWS, replace=False))
    distances = cosine_distances(unit[rows])
    found = []
    for _ in range(draws):
        kept = np.unique(rng.integers(0, rows.size, rows.size))
        if kept.size < 3:
            continue
        codes = _cut(_linkage(distances[np.ix_(kept, kept)]), k)
        found.append(adjusted_rand(given[rows[kept]], codes))
    return float(np.mean(found)) if found else float("nan")


def medoid(vectors: ArrayLike) -> int:
    """Row with the largest mean cosine to all rows (the smallest such row)."""
    unit = unit_rows(vectors)
    return int(np.argmax(np.round(unit @ unit.mean(axis=0), 12)))


def find_prototypes(
    joint: ArrayLike,
    image: ArrayLike,
    strata: Sequence[str],
    *,
    anchor: Anchor = "medoid",
    k_max: int = 40,
    seed: int = 0,
) -> list[Prototype]:
    """Prototypes of n failures, stratum by stratum.

    ``joint`` (n, d) is what they are clustered by, ``image`` (n, e) what the pool is searched with.
    ``medoid`` anchors are images that exist; ``centroid`` (compat) are means, which need not look
    like any image. Ordered by stratum, then by size.

    Raises
    ------
    InputError
        No failures (there is nothing to mend), or tables of different lengths.
    """
    one_of("anchor", anchor, get_args(Anchor))
    labels = np.asarray(strata, dtype=str)
    if labels.size == 0:
        raise InputError("no failures were found, so there are no prototypes and nothing to mend")
    vectors, looks = unit_rows(joint, "joint vectors"), unit_rows(image, "image vectors")
    same_length(joint=vectors, image=looks, strata=labels)
    found: list[Prototype] = []
    for stratum in np.unique(labels):
        rows = np.flatnonzero(labels == stratum)
        parts = cluster(vectors[rows], k_max=k_max, seed=seed)
        steady = stability(vectors[rows], parts.labels, seed=seed)
        fit = parts.scores.get(parts.k, float("nan"))
        groups = [rows[parts.labels == j] for j in range(parts.k)]
        for j, members in enumerate(sorted(groups, key=lambda g: (-g.size, int(g[0])))):
            centre = int(members[medoid(vectors[members])])
            look = looks[centre] if anchor == "medoid" else _mean_direction(looks[members])
            name, share = f"{stratum} #{j + 1}", members.size / labels.size
            found.append(Prototype(name, str(stratum), members, centre, look, share, fit, steady))
    return found


def prototype_weights(found: Sequence[Prototype], of_stratum: Mapping[str, float]) -> Floats:
    """Budget weight (p,) of each prototype: its stratum's share, parted by members.

    A stratum missing from ``of_stratum`` gets nothing; the part of one without failures is left
    to the others.
    """
    members: dict[str, int] = {}
    for p in found:
        members[p.stratum] = members.get(p.stratum, 0) + p.members.size
    return np.array(
        [of_stratum.get(p.stratum, 0.0) * p.members.size / members[p.stratum] for p in found]
    )


def _mean_direction(rows: Floats) -> Floats:
    mean = rows.mean(axis=0, keepdims=True)
    direction: Floats = unit_rows(mean, "the mean of a cluster's image vectors")[0]
    return direction
