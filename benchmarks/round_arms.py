"""Who chooses: the engine and the published ways, each with the same student, pool and steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from osler.core import derive_rng
from osler.evaluate.benchmarks.medq_bench.vocabulary import concept_of
from osler.improve import (
    Forbidden,
    Hits,
    Prototype,
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
from osler.improve.contrast import contrast_retrieve, cover
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
    fits: np.ndarray = field(init=False)
    allowed: np.ndarray = field(init=False)
    temperature: float = field(init=False)

    def __post_init__(self) -> None:
        bank, w = self.world.bank, self.world
        basis = fit_basis(bank.seen[np.concatenate([w.base, w.pool])])
        self.x = basis.of(bank.seen)
        self.label, self.stratum, self.temperature = bank.label, bank.stratum, 1.0
        self.names = sorted(set(self.label.tolist()) - {"clean"})
        asked = {m: (*COMMON, *SPECIAL[m]) if m in SPECIAL else BESIDE[m] for m in BESIDE}
        options = {m: {concept_of(k).name for k in keys} for m, keys in asked.items()}
        self.shown = np.array([[n in options[m] for n in self.names] for m in bank.modality])
        self.fits = (self.shown & (self.label[:, None] == np.array(self.names))).any(axis=1)
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

        An image that no option fits (a clean one, one with something beside what is asked) has no
        answer, so its label teaches nothing: it was spent in vain.
        """
        w, bank = self.world, self.world.bank
        rows = np.concatenate([w.base, w.pool[labelled]])
        rows = rows[self.fits[rows]]
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


EXPLORE = 0.3
"""Part of each step that the engine spends on covering the pool: dev cannot show everything."""


@dataclass(slots=True, eq=False)
class Engine:
    """Failures on dev -> weakness -> shares -> prototypes -> retrieval -> select, and coverage.

    It searches in the pool's own space (whitened vectors beside image quality). At each step the
    labels that came in speak for the prototypes of their stratum and against the others, as does
    what the student has learnt before; a part of each step covers the pool. Without ``feedback``
    there is neither: each step is a round of its own, as `osler round` runs it. Without ``fitted``
    it searches by the encoder's vectors alone at the published cosine of 0.75.
    """

    feedback: bool = True
    fitted: bool = True
    held: tuple[World, np.ndarray] | None = None

    def space(self, s: Setting) -> np.ndarray:
        """The vectors (bank rows) that are searched; those of the last world are kept."""
        w, seen = s.world, s.world.bank.seen
        vectors, quality = seen[:, :ENCODED], seen[:, -QUALITY:]
        if not self.fitted:
            return vectors
        if self.held is None or self.held[0] is not w:
            fitted = search_space(vectors[w.pool], quality[w.pool])
            self.held = (w, fitted.of(vectors, quality))
        return self.held[1]

    def __call__(
        self, s: Setting, head: TaughtHead, labelled: np.ndarray, k: int, step: int
    ) -> np.ndarray:
        w, vectors = s.world, self.space(s)
        pool, free = vectors[w.pool], s.allowed.copy()
        free[labelled] = False
        said = trials(s, head, w.dev, step)
        wrong = (said != s.label[w.dev][:, None]).astype(float)
        failed = persistent_failures(wrong).flagged
        rows = np.zeros(0, np.int64)
        if failed.any():
            kinds, weights = self.prototypes(s, vectors, said, failed)
            hits = self.search(s, vectors, kinds, failed, wrong, labelled)
            part = k - round(EXPLORE * k) if self.feedback else k
            spread = 1.5 if self.feedback else 3.0
            rows = select(pool, hits, weights, part, excluded=~free, oversample=spread).rows
        if not self.feedback:
            return rows
        free[rows] = False
        held = np.concatenate([w.base, w.pool[labelled], w.pool[rows]])
        return np.concatenate([rows, cover(pool, vectors[held], k - rows.size, free)])

    def prototypes(
        self, s: Setting, vectors: np.ndarray, said: np.ndarray, failed: np.ndarray
    ) -> tuple[list[Prototype], np.ndarray]:
        """Kinds of failure and the part of the budget of each."""
        w, strata = s.world, s.stratum[s.world.dev]
        rates = weakness(failed, strata.tolist(), w.bank.patient[w.dev].tolist())
        parts = shares([r.rate.value for r in rates])
        image = vectors[w.dev[failed]]
        joint = joint_embedding(image, np.ones((len(image), 1)), _told(said[failed], s.names))
        kinds = find_prototypes(joint, image, strata[failed].tolist())
        of_stratum = dict(zip([r.stratum for r in rates], parts, strict=True))
        return kinds, prototype_weights(kinds, of_stratum)

    def search(
        self, s: Setting, vectors: np.ndarray, kinds: list[Prototype], failed: np.ndarray,
        wrong: np.ndarray, labelled: np.ndarray,
    ) -> Hits:  # fmt: skip
        """Hits in the pool."""
        w = s.world
        if not self.feedback:
            threshold = SPACE_COSINE if self.fitted else COSINE
            return range_retrieve(vectors[w.pool], [p.anchor for p in kinds], threshold)
        told = w.pool[labelled]
        known = np.concatenate([w.base, w.dev[wrong.mean(axis=1) < 0.5], told])
        anchors, against = [], []
        for kind in kinds:
            own = told[s.stratum[told] == kind.stratum]
            anchors.append(vectors[np.concatenate([w.dev[failed][kind.members], own])])
            against.append(vectors[known[s.stratum[known] != kind.stratum]])
        return contrast_retrieve(vectors[w.pool], anchors, against)


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
    "engine, no feedback": Engine(feedback=False),
    "engine, encoder alone": Engine(feedback=False, fitted=False),
}
