"""Joint vectors, silhouettes and Rand indices against scikit-learn, planted clusters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import InputError
from osler.improve import (
    adjusted_rand,
    cluster,
    find_prototypes,
    joint_embedding,
    quality_scale,
    silhouette,
    stability,
    with_quality,
)
from osler.improve.vectors import cosine_distances, nearest, unit_rows


def planted(k: int, n: int, seed: int, spread: float = 0.35) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = unit_rows(rng.normal(size=(k, 24)))
    truth = np.arange(n) % k
    return centres[truth] + spread * rng.normal(size=(n, 24)) / np.sqrt(24), truth


def test_joint_cosine_is_the_weighted_mean_of_the_parts() -> None:
    rng = np.random.default_rng(0)
    v, q, a = (rng.normal(size=(6, d)) for d in (8, 5, 3))
    joint = joint_embedding(v, q, a)
    assert np.linalg.norm(joint, axis=1) == pytest.approx(np.ones(6))
    parts = [1 - cosine_distances(x) for x in (v, q, a)]
    expected = (parts[0] + 0.25 * parts[1] + 0.25 * parts[2]) / 1.5
    assert joint @ joint.T == pytest.approx(expected, abs=1e-12)
    assert joint_embedding(v, q, a, (1, 0, 0)) == pytest.approx(unit_rows(v))


def test_quality_features_separate_what_the_encoder_cannot() -> None:
    same = np.tile([1.0, 0.0], (6, 1))
    noise = np.array([[0.01], [0.012], [0.011], [0.2], [0.21], [0.19]])
    joint = with_quality(same, noise, quality_scale(noise), weight=0.5)
    d = cosine_distances(joint)
    assert d[0, 1] < 0.02 < d[0, 3]
    far = with_quality(same, noise * 1e6, quality_scale(noise), weight=0.5)
    assert (far[:, 0] >= 1 / np.sqrt(1.25) - 1e-9).all()  # one outlier cannot take over


def test_nearest_in_blocks_equals_the_whole_table() -> None:
    rng = np.random.default_rng(0)
    rows, targets = unit_rows(rng.normal(size=(50, 3))), unit_rows(rng.normal(size=(200_000, 3)))
    best, which = nearest(rows, targets)  # blocks of 20 rows
    assert best == pytest.approx((rows @ targets.T).max(1), abs=1e-12)
    assert np.einsum("nd,nd->n", rows, targets[which]) == pytest.approx(best, abs=1e-12)


def test_bad_vectors_are_named() -> None:
    with pytest.raises(InputError, match="row 1"):
        unit_rows([[1, 0], [0, 0]])
    with pytest.raises(InputError, match="row 0"):
        unit_rows([[np.nan, 0]])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(12, 60))
def test_silhouette_and_rand_equal_scikit_learn(seed: int, k: int, n: int) -> None:
    from sklearn.metrics import adjusted_rand_score, silhouette_samples

    rng = np.random.default_rng(seed)
    distances = cosine_distances(rng.normal(size=(n, 5)))
    labels = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    assert silhouette(distances, labels) == pytest.approx(
        silhouette_samples(distances, labels, metric="precomputed"), abs=1e-12
    )
    other = rng.integers(0, 3, n)
    assert adjusted_rand(labels, other) == pytest.approx(adjusted_rand_score(labels, other))


def test_planted_k_is_found_in_nine_of_ten() -> None:
    ks = [2, 3, 4, 5, 6, 7, 8, 10, 12, 15]
    hits = 0
    for seed, k in enumerate(ks):
        vectors, truth = planted(k, 200, seed)
        found = cluster(vectors)
        hits += found.k == k and adjusted_rand(found.labels, truth) > 0.95
    assert hits >= 9


def test_scan_of_merged_columns_equals_direct_silhouettes() -> None:
    vectors, _ = planted(4, 80, 3, spread=0.9)
    found = cluster(vectors)
    direct = silhouette(cosine_distances(vectors), found.labels).mean()
    assert found.scores[found.k] == pytest.approx(direct, abs=1e-12)


def test_stability_tells_clusters_from_a_cloud() -> None:
    vectors, truth = planted(4, 120, 0)
    cloud = np.random.default_rng(0).normal(size=(120, 24))
    assert stability(vectors, truth) > 0.95
    assert stability(cloud, np.arange(120) % 4) < 0.2
    assert stability(vectors, np.zeros(120)) == 1.0


def test_large_sets_are_sampled_and_all_rows_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    import osler.improve.prototypes as module

    monkeypatch.setattr(module, "SAMPLE", 100)
    vectors, truth = planted(5, 900, 2)
    found = cluster(vectors)
    assert found.k == 5
    assert adjusted_rand(found.labels, truth) > 0.95


def test_prototypes_per_stratum() -> None:
    vectors, truth = planted(6, 240, 5)
    strata = [("ct" if t < 4 else "mri") for t in truth]
    found = find_prototypes(vectors, vectors, strata)
    assert [p.stratum for p in found] == ["ct"] * 4 + ["mri"] * 2
    assert sum(p.share for p in found) == pytest.approx(1)
    assert sorted(np.concatenate([p.members for p in found]).tolist()) == list(range(240))
    for p in found:
        assert p.medoid in p.members
        assert p.anchor == pytest.approx(unit_rows(vectors)[p.medoid])
        mean = 1 - cosine_distances(vectors[p.members])
        assert mean.sum(1).max() == pytest.approx(mean.sum(1)[list(p.members).index(p.medoid)])
    centroid = find_prototypes(vectors, vectors, strata, anchor="centroid")[0]
    expected = unit_rows(unit_rows(vectors)[centroid.members].mean(0, keepdims=True))[0]
    assert centroid.anchor == pytest.approx(expected)


def test_few_failures_make_one_prototype_and_none_says_so() -> None:
    vectors, _ = planted(2, 6, 0)
    assert len(find_prototypes(vectors, vectors, ["s"] * 6)) == 1
    with pytest.raises(InputError, match="nothing to mend"):
        find_prototypes(np.zeros((0, 4)), np.zeros((0, 4)), [])
