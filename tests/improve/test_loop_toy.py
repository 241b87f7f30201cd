"""The loop on a planted weakness: eight strata, two weak and rare (check 15 in miniature)."""

from dataclasses import dataclass

import numpy as np
import pytest

from osler.improve import (
    Curve,
    Forbidden,
    Hits,
    find_prototypes,
    leakage,
    leaked_rows,
    learning_curve,
    persistent_failures,
    pick_random,
    prototype_weights,
    range_retrieve,
    sample_efficiency,
    select,
    shares,
    weakness,
)
from osler.improve.vectors import unit_rows

STRATA, CLASSES, LATENT, LOOK = 8, 4, 10, 32
SIZES = [0, 50, 100, 200, 400, 666, 1000, 2000, 3000]


@dataclass(frozen=True)
class Split:
    stratum: np.ndarray
    look: np.ndarray  # what the retrieval encoder sees: where, not what
    features: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class World:
    base: Split
    dev: Split
    test: Split
    pool: Split


def world(seed: int, weak: tuple[int, ...]) -> World:
    rng = np.random.default_rng(seed)
    centres = unit_rows(rng.normal(size=(STRATA, LOOK)))
    rules = rng.normal(size=(STRATA, LATENT, CLASSES))

    def split(sizes: list[int]) -> Split:
        s = np.repeat(np.arange(STRATA), sizes)
        z = rng.normal(size=(s.size, LATENT))
        label = np.einsum("nd,ndc->nc", z, rules[s]).argmax(1)
        look = unit_rows(centres[s] + 0.55 * rng.normal(size=(s.size, LOOK)) / np.sqrt(LOOK))
        features = (np.eye(STRATA)[s][:, :, None] * z[:, None, :]).reshape(s.size, -1)
        return Split(s, look, features, label)

    trained = [5 if s in weak else 1200 for s in range(STRATA)]
    common = [600 if s in weak else 2800 for s in range(STRATA)]
    even = [250] * STRATA
    if not weak:
        trained, common = [60] * STRATA, [2000] * STRATA
    return World(split(trained), split(even), split(even), split(common))


def train(parts: list[tuple[Split, np.ndarray]]) -> np.ndarray:
    """A linear student: ridge regression on the one-hot labels."""
    x = np.concatenate([p.features[rows] for p, rows in parts])
    y = np.eye(CLASSES)[np.concatenate([p.label[rows] for p, rows in parts])]
    return np.linalg.solve(x.T @ x + 2.0 * np.eye(x.shape[1]), x.T @ y)


def accuracy(weights: np.ndarray, part: Split) -> float:
    return float(((part.features @ weights).argmax(1) == part.label).mean())


def trials(weights: np.ndarray, part: Split, seed: int) -> np.ndarray:
    """Five sampled answers an item: 1 where wrong."""
    logits = 12 * part.features @ weights
    noise = np.random.default_rng(seed).gumbel(size=(5, *logits.shape))
    return ((logits + noise).argmax(2) != part.label).T


def explore(w: World, student: np.ndarray, seed: int) -> tuple[Hits, np.ndarray]:
    """What the engine searches for: failures, weakness, shares, prototypes, range retrieval."""
    names = [f"s{s}" for s in w.dev.stratum]
    failed = persistent_failures(trials(student, w.dev, seed)).flagged
    rates = {r.stratum: r.rate.value for r in weakness(failed, names)}
    of_stratum = dict(zip(rates, shares(list(rates.values())), strict=True))
    looks, strata = w.dev.look[failed], np.array(names)[failed]
    found = find_prototypes(looks, looks, list(strata), anchor="centroid")
    hits = range_retrieve(w.pool.look, np.stack([p.anchor for p in found]))
    return hits, prototype_weights(found, of_stratum)


def curves(weak: tuple[int, ...], seeds: int = 5) -> tuple[Curve, Curve]:
    reference, engine = [], []
    for seed in range(seeds):
        w = world(seed, weak)
        base = (w.base, np.arange(w.base.label.size))
        student = train([base])
        random_scores, engine_scores = [], []
        hits, weights = explore(w, student, seed)
        order = pick_random(w.pool.label.size, SIZES[-1], seed)
        for n in SIZES:
            random_scores.append(accuracy(train([base, (w.pool, order[:n])]), w.test))
            rows = select(w.pool.look, hits, weights, n).rows
            engine_scores.append(accuracy(train([base, (w.pool, rows)]), w.test))
        reference.append(random_scores)
        engine.append(engine_scores)
    return learning_curve(SIZES, reference), learning_curve(SIZES, engine)


def test_engine_needs_at_most_a_third_of_the_samples_on_a_planted_weakness() -> None:
    reference, engine = curves(weak=(2, 5))
    goal = float(reference.scores[:, SIZES.index(2000)].mean())
    assert engine.scores[:, SIZES.index(666)].mean() > goal
    found = sample_efficiency(reference, engine, goal)
    assert found.ratio is not None
    assert found.ratio.value >= 3
    assert found.ratio.low > 2


def test_without_a_weakness_the_engine_promises_nothing() -> None:
    reference, engine = curves(weak=())
    found = sample_efficiency(reference, engine, float(reference.scores[:, 4].mean()))
    assert found.ratio is not None
    assert 0.5 < found.ratio.value < 2


def test_planted_test_copies_never_reach_the_selection() -> None:
    w = world(0, (2, 5))
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, w.pool.label.size).astype(np.uint64)
    copies = rng.choice(w.pool.label.size, 200, replace=False)
    flips = np.array([np.uint64((1 << (i % 7)) - 1) for i in range(200)])
    forbidden = Forbidden(hashes[copies] ^ flips)
    marks = leaked_rows(leakage(forbidden, hashes=hashes), hashes.size)
    assert marks[copies].all()
    assert marks.sum() == 200
    hits = range_retrieve(w.pool.look, w.dev.look[::250])
    chosen = select(w.pool.look, hits, np.ones(STRATA), 2000, excluded=marks)
    assert chosen.rows.size == pytest.approx(2000, abs=chosen.shortfall)
    assert not np.isin(chosen.rows, copies).any()
