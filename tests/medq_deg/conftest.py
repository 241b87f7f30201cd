"""A simulated run with planted effects: accuracy, confidence and drops are known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from osler.core import Answer, Case, Gold, ImageRef, Item, derive_rng, sha256_hex

KEYS = {
    "gaussian_noise": ("noise", 0.02, 0.10),
    "ghosting": ("artifacts", 0.10, 0.30),
    "rotation": ("motion", 0.05, 0.20),
}
MODALITIES = ("ct", "mri", "xray", "ultrasound", "pathology")
CAPABILITIES = ("recognition", "diagnosis")


@dataclass(frozen=True)
class Simulated:
    cases: list[Case]
    answers: list[Answer]
    accuracy: dict[str, float]


def simulate(
    parents: int = 60, trials: int = 5, seed: int = 0, base: float = 0.75, per_patient: int = 2
) -> Simulated:
    """Each parent question clean and degraded by all of KEYS at two levels; K = 4."""
    cases, answers = [], []
    for p in range(parents):
        for key, level in [("clean", 0)] + [(k, lv) for k in KEYS for lv in (1, 2)]:
            category = KEYS[key][0] if level else "clean"
            drop = KEYS[key][level] if level else 0.0
            item_id = f"q{p}-{key}-{level}"
            rng = derive_rng("simulated", item_id, seed)
            gold = "ABCD"[p % 4]
            options = {"A": "left lung", "B": "heart", "C": "liver", "D": "spleen"}
            item = Item(
                id=item_id,
                question=f"Which organ shows the finding? ({p % 3})",
                images=(ImageRef(sha256_hex(item_id.encode())),),
                options=options,
                group=f"patient{p // per_patient}",
                tags={
                    "level": str(level),
                    "degradation": key,
                    "category": category,
                    "modality": MODALITIES[p % 5],
                    "capability": CAPABILITIES[p % 2],
                    "dataset": "simulated",
                    "parent": f"q{p}",
                    "geometric": "1" if key == "rotation" else "0",
                    "laterality": "1" if p % 3 == 0 else "0",
                    "record": "",
                },
            )
            cases.append(Case(item, Gold(gold)))
            wrong = [letter for letter in options if letter != gold]
            for t in range(trials):
                right = rng.random() < base - drop
                letter = gold if right else wrong[int(rng.integers(3))]
                probs = {k: (0.7 if k == letter else 0.1) for k in options}
                answers.append(Answer(item_id, t, "ok", letter, letter, letter, probs))
    expected = {
        "0": base,
        "1": base - float(np.mean([v[1] for v in KEYS.values()])),
        "2": base - float(np.mean([v[2] for v in KEYS.values()])),
    }
    return Simulated(cases, answers, expected)


@pytest.fixture(scope="session")
def simulated() -> Callable[..., Simulated]:
    return simulate
