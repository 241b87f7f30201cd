"""What the planted world holds: which strata are asked, which are weak, how many of each."""

from __future__ import annotations

from dataclasses import dataclass

from osler.degrade import degradation_named
from osler.evaluate.benchmarks.medq_bench.questions import suitable
from osler.evaluate.benchmarks.medq_bench.vocabulary import concept_of
from osler.images import Modality

from .mini_subjects import subject, subjects

VERSION = 1
"""Raise it when the same seed would give another world."""

ASKED: dict[Modality, tuple[str, ...]] = {
    "mri": ("gaussian_noise", "reduce_contrast", "random_motion", "wrap_around", "low_resolution"),
    "ultrasound": ("gaussian_noise", "reduce_contrast", "adjust_brightness", "salt_pepper"),
}
"""Degradations that dev and gate ask about; each names the concept of a stratum."""

WEAK: tuple[tuple[Modality, str], ...] = (("mri", "low_resolution"), ("ultrasound", "salt_pepper"))
"""The planted weakness: missing from what the student has learnt, rare in the pool."""

SHOWN_LEVELS = (1, 3)
"""Levels of degraded images: "Mild" and "Severe"; level 0 is "Not visible"."""

_LEFT_OUT = ("hidden", "marks", "banding", "low_resolution", "impulse")
"""Concepts that images of the pool beyond the strata do not show: too close to the weak ones, or
a matter of what was cut off."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many images: ``pool`` in all with ``weak`` of each weak stratum; per stratum ``each`` and
    per modality ``clean`` ones in dev and in the gate; ``base`` per stratum in the base set;
    ``leaks`` of each kind of planted overlap."""

    pool: int
    weak: int
    each: int
    clean: int
    base: int
    leaks: int


FULL = Sizes(pool=1500, weak=24, each=12, clean=8, base=16, leaks=6)
QUICK = Sizes(pool=400, weak=12, each=6, clean=4, base=12, leaks=2)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One image of the pool: degradation ``key`` ("" for clean) at ``level``, from ``source``."""

    source: str
    key: str
    level: int


def stratum(modality: str, key: str) -> str:
    """The stratum's name: modality | concept."""
    return f"{modality} | {concept_of(key).name if key else 'clean'}"


def pool_counts(sizes: Sizes) -> dict[tuple[Modality, str], int]:
    """Images of the pool by modality and degradation; they sum to ``sizes.pool``.

    Weak strata have ``sizes.weak`` each. Of the rest MRI has 46 %, ultrasound 30 %, CT 12 %,
    pathology and fundus 6 % each; in a modality 15 % are clean, half show an asked degradation,
    the others any that suits.
    """
    counts: dict[tuple[Modality, str], int] = dict.fromkeys(WEAK, sizes.weak)
    rest = sizes.pool - sum(counts.values())
    parts: dict[Modality, float] = {
        "mri": 0.46, "ultrasound": 0.30, "ct": 0.12, "pathology": 0.06, "fundus": 0.06,
    }  # fmt: skip
    for modality, part in parts.items():
        here = round(rest * part)
        asked = [k for k in ASKED.get(modality, ()) if (modality, k) not in WEAK]
        other = [k for k in suitable(modality) if k not in asked and _fits(k)]
        clean = round(0.15 * here)
        half = round(0.5 * here) if asked else 0
        counts[modality, ""] = clean
        counts.update({(modality, k): n for k, n in _even(asked, half).items()})
        counts.update({(modality, k): n for k, n in _even(other, here - clean - half).items()})
    counts["mri", ""] += sizes.pool - sum(counts.values())
    return {pair: n for pair, n in counts.items() if n > 0}


def _fits(key: str) -> bool:
    return concept_of(key).name not in _LEFT_OUT and not degradation_named(key).geometric


def _even(keys: list[str], total: int) -> dict[str, int]:
    return {k: total // len(keys) + (i < total % len(keys)) for i, k in enumerate(keys)}


def pool_images(sizes: Sizes) -> list[Wanted]:
    """Every image of the pool, subjects of a modality in turn, levels in turn."""
    sources = {
        m: [s for s in subjects("pool") if subject(s).modality == m]
        for m in ("mri", "ultrasound", "ct", "pathology", "fundus")
    }
    share = {"mni-t1": 4, "us-heart": 4}  # the rich volumes more often
    found: list[Wanted] = []
    for (modality, key), n in pool_counts(sizes).items():
        turn = [s for s in sources[modality] for _ in range(share.get(s, 1))]
        found += [
            Wanted(turn[i % len(turn)], key, SHOWN_LEVELS[(i // len(turn) + i) % 2] if key else 0)
            for i in range(n)
        ]
    return found


def wordings(modality: Modality) -> list[str]:
    """Degradations that questions about images of ``modality`` may name."""
    return list(ASKED[modality])


def rarity(sizes: Sizes) -> dict[str, float]:
    """Share of the pool that each weak stratum has."""
    return {stratum(m, k): round(sizes.weak / sizes.pool, 4) for m, k in WEAK}
