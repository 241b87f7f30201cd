"""Hashes against the published definition; near pairs against every pair."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pool_thumbnail import picture
from scipy.fft import dctn

from osler.core import InputError
from osler.curate.pool import dhash, hamming, near_between, near_pairs, phash


def _grey(seed: int, side: int = 96) -> np.ndarray:
    return cv2.cvtColor(picture(seed, side), cv2.COLOR_RGB2GRAY)


@pytest.mark.parametrize("seed", range(5))
def test_phash_is_the_published_one(seed: int) -> None:
    grey = _grey(seed).astype(np.float32)
    smooth = cv2.blur(grey, (7, 7), borderType=cv2.BORDER_REPLICATE)
    small = smooth.reshape(32, 3, 32, 3).mean((1, 3))
    values = dctn(small.astype(np.float64), norm="ortho")[1:9, 1:9].ravel()
    bits = "".join("1" if v > np.median(values) else "0" for v in values)
    assert phash(grey) == int(bits, 2)
    assert bits.count("1") == 32


def test_dhash_is_the_published_one() -> None:
    grey = _grey(3, 72)
    small = grey.reshape(8, 9, 9, 8).astype(np.float64).mean((1, 3))
    bits = "".join("1" if right > left else "0" for row in small for left, right in _steps(row))
    assert dhash(grey) == int(bits, 2)


def _steps(row: np.ndarray) -> list[tuple[float, float]]:
    return list(pairwise(row))


def test_a_hash_survives_recoding_and_resizing_and_tells_pictures_apart() -> None:
    for seed in range(8):
        grey = _grey(seed, 224)
        coded = cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 0)
        small = cv2.resize(grey, (150, 150), interpolation=cv2.INTER_AREA)
        for other in (coded, small, np.clip(grey * 0.8 + 20, 0, 255)):
            assert (phash(grey) ^ phash(other)).bit_count() <= 6
        assert (phash(grey) ^ phash(_grey(seed + 100, 224))).bit_count() > 10


def test_a_plane_of_one_value_has_the_hash_zero() -> None:
    assert phash(np.full((50, 70), 128, np.uint8)) == 0
    with pytest.raises(InputError, match="grey plane"):
        phash(np.zeros((4, 4, 3), np.uint8))


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=30))
def test_hamming_counts_bits(values: list[int]) -> None:
    words = np.array(values, np.uint64)
    found = hamming(words[:-1], words[1:])
    assert found.tolist() == [(a ^ b).bit_count() for a, b in _steps(values)]  # type: ignore[arg-type]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 12))
def test_near_pairs_are_all_pairs_within_the_distance(seed: int, distance: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 2**64, 6, dtype=np.uint64)
    flips = rng.random((60, 64)) < 0.08
    noise = (flips * (np.uint64(1) << np.arange(64, dtype=np.uint64))).sum(1, dtype=np.uint64)
    words = base[rng.integers(0, 6, 60)] ^ noise
    every = hamming(words[:, None], words[None, :])
    i, j, gap = near_pairs(words, distance)
    truth = np.argwhere(np.triu(every <= distance, 1))
    assert np.array_equal(np.stack([i, j], 1), truth)
    assert np.array_equal(gap, every[i, j])
    i, j, gap = near_between(words[:20], words[20:], distance)
    assert np.array_equal(np.stack([i, j], 1), np.argwhere(every[:20, 20:] <= distance))


def test_two_hundred_thousand_hashes_take_less_than_a_minute() -> None:
    import time

    rng = np.random.default_rng(1)
    words = rng.integers(0, 2**64, 200_000, dtype=np.uint64)
    planted = words[:500] ^ np.uint64(0b100001000010001)
    words[-500:] = planted
    started = time.process_time()
    i, j, _ = near_pairs(words, 6)
    assert time.process_time() - started < 20
    assert set(zip(range(500), range(199_500, 200_000), strict=True)) <= set(
        zip(i.tolist(), j.tolist(), strict=True)
    )
