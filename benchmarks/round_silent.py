"""Silent label error: labels taken unseen after routing, against the bound of their audit."""

from __future__ import annotations

import numpy as np

from osler.core import derive_rng
from osler.improve import (
    Signals,
    audit,
    audit_sample,
    bounded_review,
    doubt,
    route,
    trusted_items,
    trusted_strata,
)
from round_arms import Engine, Setting, curve, trials

ORACLE_ERROR = 0.08
SHARED = (0.0, 0.25, 0.5)
"""Of the student's errors, the part that the oracle repeats."""

RHO, AUDIT = 0.18, 0.10


def oracle_says(s: Setting, rows: np.ndarray, student: np.ndarray, shared: float) -> np.ndarray:
    """Names (n,): true, but for planted errors of its own and those it shares with the student."""
    rng = derive_rng("benchmark oracle", s.seed, shared, len(rows))
    said = s.label[rows].copy()
    own = np.flatnonzero(rng.random(len(rows)) < ORACLE_ERROR)
    for i in own:
        others = [n for n, shown in zip(s.names, s.shown[rows[i]], strict=True)
                  if shown and n != said[i]]  # fmt: skip
        said[i] = others[int(rng.integers(len(others)))]
    wrong = student != s.label[rows]
    copied = wrong & (rng.random(len(rows)) < shared)
    said[copied] = student[copied]
    return said


def routed(s: Setting, labels: int, shared: float) -> dict[str, float]:
    """One routing of the whole pool by a student that has had ``labels`` labels of the engine.

    ``silent``: share of wrong labels among those taken unseen; ``bound``: what the audit of 10 %
    of them states (95 %, Clopper-Pearson); ``kept`` and ``review`` are shares of the items.
    ``promised`` is the silent share where the review is chosen to keep it at or below 5 %, and
    ``promised_review`` what that costs.
    """
    w = s.world
    chosen: list[np.ndarray] = []

    def noted(*given: object) -> np.ndarray:
        chosen.append(Engine()(*given))  # type: ignore[arg-type]
        return chosen[-1]

    curve(s, noted, [labels])
    head = s.student(chosen[0])
    asked = s.fits[w.pool] & np.isin(s.stratum[w.pool], w.asked) & s.allowed
    rows = w.pool[asked]
    votes = trials(s, head, rows, 99)
    table = s.probabilities(head, rows)
    student = np.array(s.names)[table.argmax(axis=1)]
    oracle = oracle_says(s, rows, student, shared)
    agree = student == oracle
    signals = Signals(
        entropy=-np.log(table.max(axis=1)),
        consistency=(votes == student[:, None]).mean(axis=1),
        agreement=agree.astype(float),
    )
    doubts = doubt(signals)
    on_dev = oracle_says(
        s, w.dev, np.array(s.names)[s.probabilities(head, w.dev).argmax(1)], shared
    )
    modality = [name.split(" | ")[0] for name in s.stratum[w.dev]]
    trust = trusted_strata(on_dev == s.label[w.dev], modality, target=0.7)
    here = trusted_items([name.split(" | ")[0] for name in s.stratum[rows]], trust)
    routes = route(doubts, RHO, agree=agree, trusted=here, seed=s.seed)
    unseen = np.flatnonzero(routes.tier == 0)
    wrong = oracle != s.label[rows]
    looked = audit_sample(unseen, AUDIT, s.seed) if unseen.size else unseen
    told = audit(unseen.size, looked.size, int(wrong[looked].sum()))
    agreed = np.flatnonzero(agree & here)
    sample = audit_sample(np.arange(agreed.size), AUDIT, s.seed)
    review = bounded_review(doubts[agreed], sample, wrong[agreed][sample])
    kept = agreed[doubts[agreed] <= review.threshold]
    return {
        "silent": float(wrong[unseen].mean()) if unseen.size else 0.0,
        "bound": told.bound,
        "kept": unseen.size / len(rows),
        "review": routes.review_rate,
        "oracle": float(wrong.mean()),
        "promised": float(wrong[kept].mean()) if kept.size else 0.0,
        "promised_review": 1 - kept.size / len(rows),
    }
