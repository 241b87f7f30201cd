"""Calibration by level, for each kind of confidence a run offers.

``vote_entropy``  published: C = 1 - H / ln K over the compat votes, against the compat score.
                  C is no probability, so Brier and NLL are null; ECE is shown for reference.
``max_vote``      share of the most frequent option (robust parser) against whether it is right.
``model_prob``    the model's own distribution, where it gives one for every trial.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import plain
from osler.evaluate.scoring import (
    ace,
    aurc,
    brier,
    calibrated_sampler,
    ece,
    estimate,
    mce,
    nll,
    reliability_bins,
)

from .frame import Frame

Array = NDArray[np.float64]


def calibration_rows(frame: Frame, seed: int) -> list[dict[str, Any]]:
    """One row for each level and kind of confidence; vote kinds need two trials or more."""
    rows = []
    for level in frame.levels():
        here = frame.at(level)
        if here.trials > 1:
            rows.append(_vote_entropy(here, level, seed))
            rows.append(_max_vote(here, level, seed))
        if not np.isnan(here.part("model_confidence")).any():
            rows.append(_model_prob(here, level, seed))
    return rows


def _row(
    frame: Frame, level: str, kind: str, confidence: Array, correct: Array, seed: int
) -> dict[str, Any]:
    gap = estimate(confidence - correct, frame.groups.tolist(), seed=seed, bounds=(-1.0, 1.0))
    return {
        "level": level,
        "confidence": kind,
        "n": len(frame),
        "mean_confidence": float(confidence.mean()),
        "accuracy": float(correct.mean()),
        "shift": plain(gap),
        "ece": ece(confidence, correct),
        "mce": mce(confidence, correct),
        "ace": ace(confidence, correct),
        "brier": None,
        "nll": None,
        "aurc": aurc(confidence, correct),
        "bins": [plain(b) for b in reliability_bins(confidence, correct)],
    }


def _vote_entropy(frame: Frame, level: str, seed: int) -> dict[str, Any]:
    row = _row(frame, level, "vote_entropy", frame.part("entropy_confidence"), frame.compat, seed)
    k = Counter(len(case.item.options) for case in frame.cases).most_common(1)[0][0]
    accuracy = float(frame.compat.mean())
    expected, corrected = calibrated_sampler(accuracy, k, frame.trials, seed=seed)
    row["mean_confidence_mm"] = float(frame.part("entropy_confidence_mm").mean())
    row["calibrated_sampler"] = {
        "options": k,
        "trials": frame.trials,
        "mean_confidence": expected,
        "mean_confidence_mm": corrected,
        "shift": expected - accuracy,
    }
    return row


def _max_vote(frame: Frame, level: str, seed: int) -> dict[str, Any]:
    row = _row(frame, level, "max_vote", frame.part("max_vote"), frame.part("mode_hit"), seed)
    shares = _padded([votes.shares for votes in frame.votes])
    smooth = _padded([votes.smoothed() for votes in frame.votes])
    gold = _gold(frame)
    return {**row, "brier": brier(shares, gold), "nll": nll(smooth, gold)}


def _model_prob(frame: Frame, level: str, seed: int) -> dict[str, Any]:
    row = _row(
        frame,
        level,
        "model_prob",
        frame.part("model_confidence"),
        frame.part("model_hit"),
        seed,
    )
    table = _padded([_probabilities(score.parts["model_probs"]) for score in frame.scores])
    gold = _gold(frame)
    return {**row, "brier": brier(table, gold), "nll": nll(table, gold)}


def _probabilities(text: str) -> Array:
    """A distribution from its text; six digits are kept there, so it is scaled to sum to 1."""
    values: Array = np.array([float(v) for v in text.split()])
    scaled: Array = values / values.sum()
    return scaled


def _padded(rows: Sequence[Array]) -> Array:
    """Rows of different K as one table; options an item does not have get probability 0."""
    table = np.zeros((len(rows), max(row.size for row in rows)))
    for i, row in enumerate(rows):
        table[i, : row.size] = row
    return table


def _gold(frame: Frame) -> NDArray[np.intp]:
    places = [list(case.item.options).index(case.gold.answer) for case in frame.cases]
    return np.array(places, dtype=np.intp)
