"""A world for the round's benchmark: base, pool, dev and test of different persons, by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osler.core import derive_rng
from round_images import COMMON, SPECIAL, Bank


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Rows of the bank by part; ``weak`` are the planted strata (none: nothing was planted)."""

    bank: Bank
    base: np.ndarray
    pool: np.ndarray
    dev: np.ndarray
    test: np.ndarray
    weak: tuple[str, ...]
    asked: tuple[str, ...]

    @property
    def weak_share(self) -> float:
        """Share of the pool that shows a weak stratum."""
        return float(np.isin(self.bank.stratum[self.pool], self.weak).mean())


BASE_EACH = {True: 24, False: 2}
"""Images of each stratum in the base set, with and without a planted weakness."""

DEV_EACH, TEST_EACH = 12, 40


def make_world(bank: Bank, seed: int, weak_share: float) -> World:
    """Persons of each modality are dealt to pool, dev and test by ``seed``.

    With a ``weak_share`` above 0 a weakness is planted: one stratum of each asked modality is shown
    by no image of the base set, and together these strata are that share of the pool.
    """
    planted = weak_share > 0
    rng = derive_rng("round world", seed, planted)
    modalities = [m for m in SPECIAL if len(set(bank.patient[bank.modality == m])) >= 3]
    role = {}
    for modality in dict.fromkeys(bank.modality.tolist()):
        here = sorted(set(bank.patient[bank.modality == modality].tolist()))
        order = [here[int(i)] for i in rng.permutation(len(here))]
        part = max(1, len(order) // 4) if modality in modalities else 0
        role.update(dict.fromkeys(order[:part], "dev"))
        role.update(dict.fromkeys(order[part : 2 * part], "test"))
        role.update(dict.fromkeys(order[2 * part :], "pool"))
    roles = np.array([role[p] for p in bank.patient.tolist()])
    stratum, key = bank.stratum, bank.key
    weak_keys = {m: SPECIAL[m][int(rng.integers(len(SPECIAL[m])))] for m in modalities}
    strata, weak = _strata(bank, modalities, weak_keys if planted else {})
    here = {s: np.flatnonzero((stratum == s) & np.isin(key, _keys(s, bank))) for s in strata}
    base, pool = [], []
    for name in strata:
        rows = rng.permutation(here[name][roles[here[name]] == "pool"])
        kept = 0 if name in weak else min(BASE_EACH[planted], len(rows) // 3)
        base.append(rows[:kept])
        pool.append(rows[kept:])
    rest = np.flatnonzero((roles == "pool") & ~np.isin(stratum, strata))
    common = sum(len(p) for p, s in zip(pool, strata, strict=True) if s not in weak) + len(rest)
    if planted:
        each = max(2, round(weak_share * common / (1 - weak_share) / max(len(weak), 1)))
        pool = [p[:each] if s in weak else p for p, s in zip(pool, strata, strict=True)]
    parts = {}
    for part, size in (("dev", DEV_EACH), ("test", TEST_EACH)):
        chosen = [rng.permutation(here[s][roles[here[s]] == part])[:size] for s in strata]
        parts[part] = np.concatenate(chosen)
    return World(
        bank, np.concatenate(base), rng.permutation(np.concatenate([*pool, rest])),
        parts["dev"], parts["test"], tuple(weak), tuple(strata),
    )  # fmt: skip


def _strata(bank: Bank, modalities: list[str], weak: dict[str, str]) -> tuple[list[str], list[str]]:
    """Asked strata (the common ones and the special ones) and those that are weak.

    As in MedQ-Bench nobody asks which degradation a clean image shows.
    """
    table = dict(zip(zip(bank.modality, bank.key, strict=True), bank.stratum.tolist(), strict=True))
    strata = [table[m, k] for m in modalities for k in (*COMMON, *SPECIAL[m])]
    return list(dict.fromkeys(strata)), [table[m, k] for m, k in weak.items()]


def _keys(stratum: str, bank: Bank) -> list[str]:
    """Degradations that a stratum is asked with: those beside it are not."""
    modality = stratum.split(" | ")[0]
    return [*COMMON, *SPECIAL.get(modality, ())]
