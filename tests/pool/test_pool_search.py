"""Exact search against plain products; what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from osler.core import BadFileError, InputError
from osler.curate.pool import Pool, Processes, append, create_pool, open_pool, range_search, top_k
from osler.curate.pool.vectors import lifted, lowered, to_half, to_single

Make = Callable[..., Pool]


def _truth(pool: Pool, anchors: np.ndarray) -> np.ndarray:
    vectors = pool.vectors(range(len(pool))).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return (anchors / np.linalg.norm(anchors, axis=1, keepdims=True)) @ vectors.T


def test_lowered_blocks_are_the_numbers_themselves() -> None:
    rng = np.random.default_rng(0)
    half = to_half(rng.normal(size=(5000, 40)) ** 3)
    anchors = rng.normal(size=(3, 40)).astype(np.float32)
    found = np.concatenate([block @ lifted(anchors) for block in lowered(half, 999)])
    assert np.allclose(found, half.astype(np.float32) @ anchors.T, rtol=0, atol=4e-6)
    assert np.abs(half[half != 0]).min() >= 2.0**-14
    edges = np.array([[0.0, -0.0, 1.0, -1.0, 6.1035e-05, -0.3333]], np.float16)
    block = next(lowered(edges)) * np.float32(2.0**112)
    assert np.array_equal(block, edges.astype(np.float32))
    assert np.array_equal(to_single(half), half.astype(np.float32))
    assert to_single(half[:0]).shape == (0, 40)
    with pytest.raises(InputError, match="vector 1"):
        to_half(np.array([[1.0], [np.nan]]))
    with pytest.raises(InputError, match="vector 0"):
        to_half(np.zeros((1, 4)))


@pytest.mark.parametrize("threshold", [0.75, 0.9, 0.0])
def test_range_search_is_brute_force(random_pool: Make, threshold: float) -> None:
    pool = random_pool([700, 5000, 1])
    anchors = np.random.default_rng(1).normal(size=(7, 32))
    anchors[:3] = pool.vectors([3, 4, 5000])
    cos = _truth(pool, anchors)
    hits = range_search(pool, anchors, threshold)
    pairs = set(zip(hits.anchor.tolist(), hits.row.tolist(), strict=True))
    assert pairs == set(map(tuple, np.argwhere(cos.astype(np.float32) > threshold).tolist()))
    assert len(pairs) == len(hits)
    assert np.allclose(hits.cos, cos[hits.anchor, hits.row], atol=1e-6)
    assert np.array_equal(hits.anchor, np.sort(hits.anchor))


def test_top_k_is_brute_force_and_ties_go_to_the_lowest_rows(random_pool: Make) -> None:
    pool = random_pool([900, 300])
    anchors = pool.vectors([3, 1000])
    hits = top_k(pool, anchors, 10)
    order = np.argsort(-_truth(pool, anchors).astype(np.float32), axis=1, kind="stable")[:, :10]
    assert np.array_equal(hits.row.reshape(2, 10), order)
    assert hits.cos[0] == pytest.approx(1)
    equal = create_pool(pool.path.parent / "equal", encoder="none", identity="n", dim=4)

    for number in range(3):
        rows = [{"sha256": f"{number}-{n}", "path": ""} for n in range(50)]
        equal = append(equal, rows, np.tile([[1.0, 2, 3, 4]], (50, 1)))
    assert top_k(equal, np.array([[1.0, 2, 3, 4]]), 60).row.tolist() == list(range(60))
    assert len(top_k(equal, np.ones((1, 4)), 500)) == 150


def test_answers_do_not_depend_on_blocks_anchors_or_processes(random_pool: Make) -> None:
    pool = random_pool([5000, 3000])
    anchors = np.random.default_rng(2).normal(size=(300, 32))
    whole = top_k(pool, anchors, 5)
    alone = top_k(pool, anchors[270:271], 5)
    assert np.array_equal(whole.row[270 * 5 : 271 * 5], alone.row)
    assert np.array_equal(whole.cos[270 * 5 : 271 * 5], alone.cos)
    apart = top_k(pool, anchors, 5, executor=Processes(2))
    assert np.array_equal(whole.row, apart.row)
    assert np.array_equal(whole.cos, apart.cos)


def test_searches_that_make_no_sense_are_refused(random_pool: Make) -> None:
    pool = random_pool([10])
    empty = create_pool(pool.path.parent / "empty", encoder="none", identity="n", dim=3)
    with pytest.raises(InputError, match="is empty"):
        top_k(empty, np.ones((1, 3)))
    with pytest.raises(InputError, match="dim 3"):
        top_k(pool, np.ones((1, 3)))
    with pytest.raises(InputError, match="-1 to 1"):
        range_search(pool, np.ones((1, 32)), 1.5)
    with pytest.raises(InputError, match="not finite"):
        range_search(pool, np.full((1, 32), np.nan), 0.5)
    with pytest.raises(InputError, match="at least 1"):
        top_k(pool, np.ones((1, 32)), 0)


def test_a_cut_off_shard_is_said_to_be_one(random_pool: Make) -> None:
    pool = random_pool([100, 100])
    vectors = pool.path / "shards" / "00001" / "vectors.npy"
    content = vectors.read_bytes()
    vectors.write_bytes(content[:-1000])
    with pytest.raises(BadFileError, match=r"00001.*cut off"):
        top_k(open_pool(pool.path), np.ones((1, 32)))


def test_many_small_shards_answer_as_one(
    random_pool: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, many = (
        random_pool([900]),
        create_pool(
            random_pool([1], seed=9).path.parent / "many", encoder="none", identity="n", dim=32
        ),
    )
    vectors = np.concatenate([part for _, part in one.parts()])
    for start in range(0, 900, 60):
        records = [{"sha256": f"{start}-{n}", "path": ""} for n in range(60)]
        many = append(many, records, vectors[start : start + 60])
    anchors = np.random.default_rng(3).normal(size=(6, 32))
    for share in (1, 150, 10_000):
        monkeypatch.setattr("osler.curate.pool.search._SHARE", share)
        for mine, theirs in (
            (top_k(one, anchors, 70), top_k(many, anchors, 70)),
            (range_search(one, anchors, 0.2), range_search(many, anchors, 0.2)),
        ):
            assert np.array_equal(mine.row, theirs.row)
            assert np.allclose(mine.cos, theirs.cos, atol=2e-4)  # rounded to half once more
