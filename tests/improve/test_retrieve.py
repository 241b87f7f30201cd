"""Retrieval equals brute force; quotas, exclusion, stop rule; leaks; published baselines."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import InputError, derive_rng
from osler.curate.pool import append, create_pool
from osler.improve import (
    Forbidden,
    Hits,
    k_centre,
    leakage,
    leaked_rows,
    pick_badge,
    pick_coreset,
    pick_entropy,
    pick_margin,
    pick_random,
    pick_typiclust,
    range_retrieve,
    retrieval_scores,
    retrieve_from,
    select,
    spread_out,
)
from osler.improve.vectors import unit_rows


def clouds(seed: int, n: int, k: int = 5, d: int = 16) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = unit_rows(rng.normal(size=(k, d)))
    truth = rng.integers(0, k, n)
    return centres[truth] + rng.normal(size=(n, d)) * 0.25 / 4, centres


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 1000),
    st.sampled_from([np.float16, np.float32, np.float64]),
    st.sampled_from([0.0, 0.75, 0.98]),
)
def test_range_retrieval_equals_brute_force(seed: int, kind: type, threshold: float) -> None:
    pool, centres = clouds(seed, 300)
    stored = unit_rows(pool).astype(kind)
    hits = range_retrieve(stored, centres, threshold)
    brute = unit_rows(stored) @ unit_rows(centres).T
    i, j = np.nonzero(brute > threshold)
    assert (hits.row.tolist(), hits.prototype.tolist()) == (i.tolist(), j.tolist())
    assert hits.cosine == pytest.approx(brute[i, j], abs=1e-12)


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    import osler.improve.retrieve as module

    pool, centres = clouds(1, 500)
    whole = range_retrieve(pool, centres)
    monkeypatch.setattr(module, "BLOCK", 37)
    parts = range_retrieve(pool, centres)
    assert whole.row.size > 100
    assert (whole.row == parts.row).all()
    assert (whole.cosine == parts.cosine).all()


def test_scores_are_the_stated_sum() -> None:
    pool, centres = clouds(2, 200)
    pi = np.array([0.4, 0.3, 0.1, 0.1, 0.1])
    hits = range_retrieve(pool, centres)
    brute = np.maximum(unit_rows(pool) @ centres.T - 0.75, 0) @ pi
    assert retrieval_scores(hits, pi, 200) == pytest.approx(brute, abs=1e-12)


def test_selection_keeps_quota_and_exclusion() -> None:
    pool, centres = clouds(3, 1000)
    hits = range_retrieve(pool, centres)
    excluded = np.arange(1000) % 3 == 0
    chosen = select(pool, hits, [0.5, 0.2, 0.1, 0.1, 0.1], 100, excluded=excluded)
    assert chosen.quota.tolist() == [50, 20, 10, 10, 10]
    assert np.bincount(chosen.prototype, minlength=5).tolist() == chosen.quota.tolist()
    assert np.unique(chosen.rows).size == 100
    assert not excluded[chosen.rows].any()
    cosines = unit_rows(pool)[chosen.rows] @ centres.T
    assert (cosines.argmax(1) == chosen.prototype).all()
    for j in range(5):
        assert chosen.tail[j] == pytest.approx(cosines[chosen.prototype == j, j].min())


def test_selection_stops_where_nothing_fits() -> None:
    pool, centres = clouds(4, 60)
    hits = range_retrieve(pool, centres)
    chosen = select(pool, hits, np.full(5, 0.2), 500)
    assert chosen.rows.size == np.unique(hits.row).size
    assert chosen.shortfall == 500 - chosen.rows.size > 0
    assert np.nanmin(chosen.tail) > 0.75
    nothing = select(pool, range_retrieve(pool, -centres, 0.99), np.full(5, 0.2), 10)
    assert (nothing.rows.size, nothing.shortfall) == (0, 10)


def test_empty_pool_and_wrong_encoder() -> None:
    empty = range_retrieve(np.zeros((0, 4), np.float16), np.eye(4))
    assert empty.row.size == 0
    assert select(np.zeros((0, 4)), empty, np.ones(4), 5).shortfall == 5
    with pytest.raises(InputError, match="same encoder"):
        range_retrieve(np.zeros((3, 5)), np.eye(4))
    with pytest.raises(InputError, match="row 1"):
        range_retrieve([[1, 0], [0, 0]], np.eye(2))


def covering(unit: np.ndarray, rows: np.ndarray) -> float:
    return float((1 - (unit @ unit[rows].T).max(1)).max())


def test_k_centre_finds_every_planted_cloud_and_covers_better_than_chance() -> None:
    pool, centres = clouds(5, 400, k=8)
    unit = unit_rows(pool)
    picked = k_centre(unit, 8)
    assert np.unique((unit[picked] @ centres.T).argmax(1)).size == 8
    chance = [covering(unit, pick_random(400, 8, s)) for s in range(20)]
    assert covering(unit, picked) < min(chance)


def test_seeding_spreads_and_never_repeats() -> None:
    unit = unit_rows(np.repeat(np.eye(4), 5, axis=0))
    for seed in range(10):
        assert np.unique(spread_out(unit, 4, seed) // 5).size == 4
        assert np.unique(spread_out(unit, 12, seed)).size == 12


def test_planted_leaks_are_all_found_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    test_hash = rng.integers(0, 2**63, 40).astype(np.uint64)
    test_vectors = unit_rows(rng.normal(size=(40, 32)))
    pool_hash = rng.integers(0, 2**63, 2000).astype(np.uint64)
    pool_vectors = unit_rows(rng.normal(size=(2000, 32)))
    patients = [f"p{i}" for i in range(2000)]
    for i in range(40):  # copies with up to 6 flipped bits; then 40 that differ by 7
        bits = rng.permutation(64)
        flip = np.bitwise_or.reduce(np.uint64(1) << bits[: i % 7].astype(np.uint64), initial=0)
        pool_hash[i] = test_hash[i] ^ np.uint64(flip)
        far = np.bitwise_or.reduce(np.uint64(1) << bits[:7].astype(np.uint64))
        pool_hash[100 + i] = test_hash[i] ^ far
    pool_vectors[200:240] = test_vectors + 0.001 * rng.normal(size=(40, 32))
    for i in range(300, 310):
        patients[i] = "seen"
    patients[310] = ""
    forbidden = Forbidden(test_hash, test_vectors, frozenset({"seen", ""}))
    leaks = leakage(forbidden, hashes=pool_hash, vectors=pool_vectors, patients=patients)
    by = {r: [k.row for k in leaks if k.reason == r] for r in ("hash", "vector", "patient")}
    assert by == {
        "hash": list(range(40)),
        "vector": list(range(200, 240)),
        "patient": list(range(300, 310)),
    }
    assert [int(k.against) for k in leaks if k.reason == "hash"] == list(range(40))
    assert [k.value for k in leaks if k.reason == "hash"] == [i % 7 for i in range(40)]
    assert leaked_rows(leaks, 2000).sum() == 90


def test_images_of_one_value_have_no_hash_to_leak_by() -> None:
    forbidden = Forbidden(np.array([0, 5], np.uint64))
    leaks = leakage(forbidden, hashes=np.array([0, 1, 5], np.uint64))
    assert [(k.row, k.against, k.value) for k in leaks] == [(1, "1", 1.0), (2, "1", 0.0)]


class OnDisk:
    """A source of vectors that is no array."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        return self._rows[rows].astype(np.float32)


def test_selection_from_a_source_is_that_from_its_array_in_any_order_of_hits() -> None:
    pool, centres = clouds(6, 500)
    hits = range_retrieve(pool.astype(np.float32), centres)
    order = np.random.default_rng(0).permutation(hits.row.size)
    mixed = Hits(hits.row[order], hits.prototype[order], hits.cosine[order], 5, 0.75)
    one = select(pool.astype(np.float32), hits, np.ones(5), 60)
    two = select(OnDisk(pool), mixed, np.ones(5), 60)
    assert one.rows.tolist() == two.rows.tolist()


def test_a_pool_on_disk_gives_the_same_selection(tmp_path: Path) -> None:
    rows, centres = clouds(7, 400)
    pool = create_pool(tmp_path / "pool", encoder="none", identity="n", dim=16)
    for start in (0, 150):
        stop = start + (150 if start == 0 else 250)
        records = [{"sha256": str(i), "path": ""} for i in range(start, stop)]
        pool = append(pool, records, rows[start:stop])
    hits = retrieve_from(pool, centres)
    stored = pool.vectors(np.arange(400))
    brute = range_retrieve(stored, centres)
    order = np.lexsort((hits.prototype, hits.row))
    assert hits.row[order].tolist() == brute.row.tolist()
    assert hits.cosine[order] == pytest.approx(brute.cosine, abs=1e-6)
    taken = select(pool, hits, np.ones(5), 50)
    assert taken.rows.tolist() == select(stored, hits, np.ones(5), 50).rows.tolist()
    assert taken.rows.size == 50


def test_uncertainty_baselines_take_the_uncertain() -> None:
    probs = np.array([[0.9, 0.05, 0.05], [0.5, 0.49, 0.01], [0.4, 0.3, 0.3], [0.6, 0.2, 0.2]])
    assert pick_entropy(probs, 2).tolist() == [2, 3]
    assert pick_margin(probs, 2).tolist() == [1, 2]
    with pytest.raises(InputError, match="sum to 1"):
        pick_entropy([[0.5, 0.9]], 1)


def test_coreset_avoids_what_is_labelled() -> None:
    vectors = unit_rows(np.repeat(np.eye(4), 3, axis=0) + 0.01)
    picked = pick_coreset(vectors, vectors[:3], 3)
    assert sorted(picked // 3) == [1, 2, 3]


def test_badge_equals_seeding_on_explicit_gradients() -> None:
    rng = np.random.default_rng(0)
    x, p = rng.normal(size=(50, 6)), rng.dirichlet(np.ones(3), 50)
    gradients = np.einsum("nc,nd->ncd", p - np.eye(3)[p.argmax(1)], x).reshape(50, -1)
    draw = derive_rng("pick badge", 3)
    naive = [int(np.linalg.norm(gradients, axis=1).argmax())]
    while len(naive) < 10:
        away = ((gradients[:, None] - gradients[naive]) ** 2).sum(2).min(1)
        naive.append(int(draw.choice(50, p=away / away.sum())))
    assert pick_badge(x, p, 10, seed=3).tolist() == naive


def test_badge_takes_confident_rows_at_most_once() -> None:
    rng = np.random.default_rng(0)
    x, p = rng.normal(size=(50, 6)), rng.dirichlet(np.ones(3), 50)
    p[:25] = [1, 0, 0]  # no gradient: all of them are one point
    assert (pick_badge(x, p, 20) < 25).sum() <= 1


def test_typiclust_takes_the_middle_of_each_cloud_once() -> None:
    pool, centres = clouds(8, 300, k=6)
    truth = (unit_rows(pool) @ centres.T).argmax(1)
    picked = pick_typiclust(pool, None, 6, seed=0)
    assert sorted(truth[picked]) == list(range(6))
    cosine = (unit_rows(pool) * centres[truth]).sum(1)
    assert cosine[picked].min() > np.median(cosine)
    more = pick_typiclust(pool, pool[picked[:3]], 3, seed=0)
    assert set(truth[more]) == set(truth[picked[3:]])


def test_random_is_repeatable_and_uniform() -> None:
    assert (pick_random(100, 10, 1) == pick_random(100, 10, 1)).all()
    counts = np.bincount(np.concatenate([pick_random(20, 5, s) for s in range(800)]), minlength=20)
    assert abs(counts - 200).max() < 5 * np.sqrt(200 * 0.75)
