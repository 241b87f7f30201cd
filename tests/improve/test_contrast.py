"""Searching with what is known: against brute force, and on kinds that only a contrast tells."""

from __future__ import annotations

import numpy as np
import pytest

from osler.core import InputError
from osler.improve.contrast import contrast_retrieve, cover
from osler.improve.retrieve import range_retrieve
from osler.improve.vectors import unit_rows


def test_hits_are_those_of_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(500, 8))
    anchors = [rng.normal(size=(3, 8)), rng.normal(size=(1, 8))]
    against = [rng.normal(size=(4, 8)), np.zeros((0, 8))]
    monkeypatch.setattr("osler.improve.contrast._BLOCK", 130)
    hits = contrast_retrieve(pool, anchors, against, threshold=0.3, margin=-0.1)
    unit = unit_rows(pool)
    wanted = set()
    for j in range(2):
        near = (unit @ unit_rows(anchors[j]).T).max(1)
        far = (unit @ unit_rows(against[j]).T).max(1) if len(against[j]) else 0
        wanted |= {(int(i), j) for i in np.flatnonzero((near > 0.3) & (near - far > -0.1))}
    assert {(int(i), int(j)) for i, j in zip(hits.row, hits.prototype, strict=True)} == wanted
    assert (hits.cosine > hits.threshold).all()
    assert hits.n_prototypes == 2


def test_nothing_against_it_is_a_range_search() -> None:
    rng = np.random.default_rng(1)
    pool, anchors = rng.normal(size=(300, 6)), rng.normal(size=(2, 6))
    ours = contrast_retrieve(
        pool, list(anchors[:, None]), [np.zeros((0, 6))] * 2, threshold=0.4, margin=-9.0
    )
    theirs = range_retrieve(pool, anchors, 0.4)
    pairs = [set(zip(h.row.tolist(), h.prototype.tolist(), strict=True)) for h in (ours, theirs)]
    assert pairs[0] == pairs[1]


def test_what_is_known_takes_its_own_look_out_of_the_search() -> None:
    """Failures are of a new person, who resembles one person of the pool; the fault is small."""
    gains = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        people, fault = rng.normal(size=(6, 32)) * 2, 0.4 * rng.normal(size=32)
        who, faulty = rng.integers(6, size=6000), rng.random(6000) < 0.05
        pool = people[who] + faulty[:, None] * fault + 0.3 * rng.normal(size=(6000, 32))
        anchor = people[0] + rng.normal(size=32) + fault + 0.3 * rng.normal(size=(8, 32))
        known = people[rng.integers(6, size=90)] + 0.3 * rng.normal(size=(90, 32))
        found = []
        for against in (np.zeros((0, 32)), known):
            hits = contrast_retrieve(pool, [anchor], [against], threshold=-1.0, margin=-2.0)
            found.append(faulty[hits.row[np.argsort(-hits.cosine)[:25]]].mean())
        gains.append(found[1] - found[0])
        assert found[1] > 0.2
    assert np.mean(gains) > 0.1


def test_cover_takes_allowed_rows_far_from_what_is_held() -> None:
    angles = np.linspace(0, np.pi, 13)
    pool = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    allowed = np.ones(13, dtype=bool)
    allowed[12] = False
    assert cover(pool, pool[:1], 1, allowed).tolist() == [11]
    assert set(cover(pool, pool[:1], 20, allowed)) == set(range(12))
    assert cover(pool, np.zeros((0, 2)), 0).size == 0


def test_tables_that_do_not_match_are_refused() -> None:
    pool = np.eye(4)
    with pytest.raises(InputError, match="do not match"):
        contrast_retrieve(pool, [pool[:1]], [])
    with pytest.raises(InputError, match="without an anchor"):
        contrast_retrieve(pool, [np.zeros((0, 4))], [pool[:1]])
