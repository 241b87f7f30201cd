"""Who chooses: the engine and the published ways, each with the same student, pool and steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from osler.core import derive_rng
from osler.evaluate.benchmarks.medq_bench.vocabulary import concept_of
from osler.improve import (
    Forbidden,
    find_prototypes,
    joint_embedding,
    leakage,
    leaked_rows,
    persistent_failures,
    pick_badge,
    pick_coreset,
    pick_entropy,
    pick_random,
    pick_typiclust,
    prototype_weights,
    range_retrieve,
    select,
    shares,
    weakness,
)
from osler.improve.retrieve import COSINE
from osler.improve.space import COSINE as SPACE_COSINE
from osler.improve.space import search_space
from osler.models.efficientnet_onnx import WIDTH as ENCODED
from osler.models.probe.taught import TaughtHead, fit_basis, teach
from round_images import BESIDE, COMMON, SPECIAL
from round_world import World

QUALITY = 10
TRIALS = 5


@dataclass(slots=True, eq=False)
class Setting:
    """A world as every arm sees it: coordinates for the student, vectors for the search."""

    world: World
    seed: int
    x: np.ndarray = field(init=False)
    label: np.ndarray = field(init=False)
    stratum: np.ndarray = field(init=False)
    names: list[str] = field(init=False)
    shown: np.ndarray = field(init=False)
    allowed: np.ndarray = field(init=False)
    temperature: float = field(init=False)

    def __post_init__(self) -> None:
        bank, w = self.world.bank, self.world
        basis = fit_basis(bank.seen[np.concatenate([w.base, w.pool])])
        self.x = basis.of(bank.seen)
        self.label, self.stratum, self.temperature = bank.label, bank.stratum, 1.0
        self.names = sorted(set(self.label.tolist()) - {"clean"})
        options = {m: {concept_of(k).name for k in (*COMMON, *SPECIAL.get(m, ()), *BESIDE[m])}
                   for m in BESIDE}  # fmt: skip
        self.shown = np.array([[n in options[m] for n in self.names] for m in bank.modality])
        first = self.student(np.zeros(0, np.int64), held_out=True)
        self.temperature = first.temperature
        vectors = bank.seen[:, :ENCODED]
        told = np.concatenate([w.dev, w.test])
        forbidden = Forbidden(
            vectors=vectors[told], patients=frozenset(bank.patient[told].tolist())
        )
        found = leakage(
            forbidden, vectors=vectors[w.pool], patients=bank.patient[w.pool].tolist(),
            max_cosine=0.995,
        )  # fmt: skip
        self.allowed = ~leaked_rows(found, len(w.pool))

    def student(self, labelled: np.ndarray, held_out: bool = False) -> TaughtHead:
        """The probe's head after base and ``labelled`` rows of the pool.

        A clean image has no answer to "which degradation", so its label teaches nothing.
        """
        w, bank = self.world, self.world.bank
        rows = np.concatenate([w.base, w.pool[labelled]])
        rows = rows[bank.level[rows] > 0]
        return teach("which degradation", self.x[rows], self.label[rows].tolist(),
                     bank.patient[rows].tolist(), held_out=held_out)  # fmt: skip

    def probabilities(self, head: TaughtHead, rows: np.ndarray) -> np.ndarray:
        """Of ``names`` (n, names): options are what each image's modality is asked about."""
        found = np.zeros((len(rows), len(self.names)))
        logits = (self.x[rows] @ head.weight + head.bias) / self.temperature
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found[:, [self.names.index(c) for c in head.classes]] = powers
        found = np.maximum(found, 1e-9) * self.shown[rows]
        return found / found.sum(axis=1, keepdims=True)

    def accuracy(self, head: TaughtHead) -> float:
        """On the test set, evenly over strata."""
        return float(np.mean(list(self.by_stratum(head).values())))

    def by_stratum(self, head: TaughtHead) -> dict[str, float]:
        """Accuracy on the test images of each asked stratum."""
        rows = self.world.test
        said = np.array(self.names)[self.probabilities(head, rows).argmax(axis=1)]
        right, stratum = said == self.label[rows], self.stratum[rows]
        return {str(s): float(right[stratum == s].mean()) for s in np.unique(stratum)}


Pick = Callable[[Setting, TaughtHead, np.ndarray, int, int], np.ndarray]
"""(setting, student now, rows labelled, how many, step) -> rows of the pool, none of them twice."""


def curve(setting: Setting, pick: Pick, sizes: list[int]) -> list[float]:
    """Accuracy at each of ``sizes``: at each step the student is trained again and asked."""
    labelled = np.zeros(0, np.int64)
    head = setting.student(labelled)
    scores = []
    for step, size in enumerate(sizes):
        count = size - labelled.size
        if count > 0:
            chosen = pick(setting, head, labelled, count, step)
            labelled = np.concatenate([labelled, _filled(setting, labelled, chosen, count, step)])
            head = setting.student(labelled)
        scores.append(setting.accuracy(head))
    return scores


def _filled(
    setting: Setting, labelled: np.ndarray, chosen: np.ndarray, count: int, step: int
) -> np.ndarray:
    """``chosen``, with random rows where an arm stopped short, so that sizes are what they say."""
    free = _free(setting, np.concatenate([labelled, chosen]))
    order = derive_rng("fill", setting.seed, step).permutation(free)
    return np.concatenate([chosen, order[: count - chosen.size]]).astype(np.int64)


def _free(setting: Setting, labelled: np.ndarray) -> np.ndarray:
    mask = setting.allowed.copy()
    mask[labelled] = False
    return np.flatnonzero(mask)


def by_chance(s: Setting, head: TaughtHead, labelled: np.ndarray, k: int, step: int) -> np.ndarray:
    free = _free(s, labelled)
    return free[pick_random(len(free), k, seed=s.seed * 100 + step)]


def by_entropy(s: Setting, head: TaughtHead, labelled: np.ndarray, k: int, step: int) -> np.ndarray:
    free = _free(s, labelled)
    return free[pick_entropy(s.probabilities(head, s.world.pool[free]), k)]


def by_coreset(s: Setting, head: TaughtHead, labelled: np.ndarray, k: int, step: int) -> np.ndarray:
    free = _free(s, labelled)
    held = np.concatenate([s.world.base, s.world.pool[labelled]])
    return free[pick_coreset(s.x[s.world.pool[free]], s.x[held], k)]


def by_badge(s: Setting, head: TaughtHead, labelled: np.ndarray, k: int, step: int) -> np.ndarray:
    free = _free(s, labelled)
    rows = s.world.pool[free]
    return free[pick_badge(s.x[rows], s.probabilities(head, rows), k, seed=s.seed * 100 + step)]


def by_typiclust(
    s: Setting, head: TaughtHead, labelled: np.ndarray, k: int, step: int
) -> np.ndarray:
    free = _free(s, labelled)
    held = np.concatenate([s.world.base, s.world.pool[labelled]])
    return free[pick_typiclust(s.x[s.world.pool[free]], s.x[held], k, seed=s.seed * 100 + step)]


@dataclass(frozen=True, slots=True)
class Engine:
    """Failures on dev -> weakness -> shares -> prototypes -> range retrieval -> select.

    ``fitted`` searches in the pool's own space (whitened vectors beside image quality) at its own
    threshold; without it, the encoder's vectors alone at 0.75, the published number.
    """

    fitted: bool = True

    def space(self, s: Setting) -> np.ndarray:
        """The vectors (bank rows) that are searched."""
        w, seen = s.world, s.world.bank.seen
        vectors, quality = seen[:, :ENCODED], seen[:, -QUALITY:]
        if not self.fitted:
            return vectors
        return search_space(vectors[w.pool], quality[w.pool]).of(vectors, quality)

    def __call__(
        self, s: Setting, head: TaughtHead, labelled: np.ndarray, k: int, step: int
    ) -> np.ndarray:
        w, strata = s.world, s.stratum[s.world.dev]
        said = trials(s, head, w.dev, step)
        failed = persistent_failures((said != s.label[w.dev][:, None]).astype(float)).flagged
        if not failed.any():
            return np.zeros(0, np.int64)
        rates = weakness(failed, strata.tolist(), w.bank.patient[w.dev].tolist())
        parts = shares([r.rate.value for r in rates])
        of_stratum = dict(zip([r.stratum for r in rates], parts, strict=True))
        vectors = self.space(s)
        image = vectors[w.dev[failed]]
        joint = joint_embedding(image, np.ones((len(image), 1)), _told(said[failed], s.names))
        kinds = find_prototypes(joint, image, strata[failed].tolist())
        threshold = SPACE_COSINE if self.fitted else COSINE
        hits = range_retrieve(vectors[w.pool], [p.anchor for p in kinds], threshold)
        excluded = ~s.allowed
        excluded[labelled] = True
        weights = prototype_weights(kinds, of_stratum)
        return select(vectors[w.pool], hits, weights, k, excluded=excluded).rows


def trials(s: Setting, head: TaughtHead, rows: np.ndarray, step: int) -> np.ndarray:
    """Five answers (n, 5) drawn at temperature 1, as names."""
    logs = np.log(np.maximum(s.probabilities(head, rows), 1e-12))
    rng = derive_rng("trials", s.seed, step)
    noise = rng.gumbel(size=(TRIALS, *logs.shape))
    return np.array(s.names)[(logs[None] + noise).argmax(axis=2)].T


def _told(said: np.ndarray, classes: list[str]) -> np.ndarray:
    """Share of the trials that each class got: (n, classes)."""
    return np.stack([(said == name).mean(axis=1) for name in classes], axis=1)


ARMS: dict[str, Pick] = {
    "engine": Engine(),
    "random": by_chance,
    "entropy": by_entropy,
    "CoreSet": by_coreset,
    "BADGE": by_badge,
    "TypiClust": by_typiclust,
    "engine, encoder alone": Engine(fitted=False),
}
