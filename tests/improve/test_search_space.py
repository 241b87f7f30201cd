"""The space that failures and the pool are compared in: whitening, quality, equal searches."""

from __future__ import annotations

import numpy as np
import pytest

from osler.core import InputError
from osler.improve.retrieve import range_retrieve
from osler.improve.space import long_tailed, retrieve_in, search_space
from osler.improve.vectors import unit_rows


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors whose variance is anatomy (10 large directions); artefact 0/1 is one small one."""
    rng = np.random.default_rng(seed)
    anatomy = rng.normal(size=(2000, 10)) @ (5 * np.eye(10, 64))
    kind = rng.integers(2, size=2000)
    small = 0.15 * rng.normal(size=(2000, 64))
    small[:, 40] += 1.2 * kind
    return anatomy + small + 8, kind, rng.normal(size=(2000, 4))


def share_of_equals(unit: np.ndarray, kind: np.ndarray) -> float:
    near = np.argsort(-(unit[:200] @ unit.T), axis=1)[:, 1:11]
    return float((kind[near] == kind[:200, None]).mean())


def test_whitening_finds_what_little_variance_tells() -> None:
    vectors, kind, features = planted()
    space = search_space(vectors, features, weight=0.0, components=64)
    plain = share_of_equals(unit_rows(vectors), kind)
    white = share_of_equals(space.of(vectors, features), kind)
    assert plain < 0.6
    assert white > plain + 0.1


def test_quality_tells_equal_pictures_apart() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(500, 32))
    noisy = rng.integers(2, size=500)
    features = np.stack([np.exp(4 * noisy + 0.1 * rng.normal(size=500)), np.zeros(500)], axis=1)
    blind = search_space(vectors, features, weight=0.0)
    seeing = search_space(vectors, features, weight=2.0)
    kind = noisy
    assert share_of_equals(blind.of(vectors, features), kind) < 0.65
    assert share_of_equals(seeing.of(vectors, features), kind) > 0.8


def test_unrelated_images_have_cosines_around_zero() -> None:
    vectors, _, features = planted(3)
    space = search_space(vectors, features, weight=0.0, components=64)
    unit = space.of(vectors, features)
    assert abs(np.median(unit[:300] @ unit[300:].T)) < 0.02
    assert np.allclose(np.linalg.norm(unit, axis=1), 1)
    assert np.median(unit_rows(vectors)[:300] @ unit_rows(vectors)[300:].T) > 0.3


def test_blocks_find_what_one_product_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _, features = planted(4)
    unit = search_space(vectors, features).of(vectors, features)

    class View:
        def __len__(self) -> int:
            return len(unit)

        def vectors(self, rows: np.ndarray, /) -> np.ndarray:
            return unit[rows]

    monkeypatch.setattr("osler.improve.space._BLOCK", 300)
    ours, whole = retrieve_in(View(), unit[:5], 0.3), range_retrieve(unit, unit[:5], 0.3)
    pairs = {(int(r), int(p)) for r, p in zip(ours.row, ours.prototype, strict=True)}
    assert pairs == {(int(r), int(p)) for r, p in zip(whole.row, whole.prototype, strict=True)}


def test_equal_seeds_equal_spaces_and_bad_tables_are_refused() -> None:
    vectors, _, features = planted(5)
    one, two = search_space(vectors, features), search_space(vectors, features)
    assert (one.axes == two.axes).all()
    with pytest.raises(InputError, match="make no space"):
        search_space(vectors[:1], features[:1])
    with pytest.raises(InputError, match="make no space"):
        search_space(vectors, features[:-1])


def test_missing_measures_count_as_zero_and_tails_keep_their_order() -> None:
    found = long_tailed([[np.nan, -3.0], [50.0, 3.0]])
    assert found[0, 0] == 0
    assert found[0, 1] == pytest.approx(-np.log(4))
    assert found[1, 0] == pytest.approx(np.log(51))
