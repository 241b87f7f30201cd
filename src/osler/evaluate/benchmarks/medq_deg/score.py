"""The score of one item over its trials, in the published way and in the robust one.

Both are the mean over trials (the paper states three trials and no rule; the mean is unbiased).
A refusal and a reply without a readable answer count as wrong, as published, and are counted in
their own column; a call that failed is no answer: the item stays unscored until it is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from osler.core import Answer, Case, Score
from osler.evaluate.scoring import (
    Votes,
    max_vote,
    modal_hit,
    vote_entropy,
    vote_entropy_miller_madow,
)

Parts = dict[str, float | str | None]


def votes_of(letters: Sequence[str], answers: Sequence[str | None]) -> Votes:
    """Votes over the options from one answer (a letter or None) per trial."""
    counts = tuple(sum(1 for a in answers if a == letter) for letter in letters)
    return Votes(counts, len(answers) - sum(counts))


def score_case(case: Case, answers: Sequence[Answer]) -> Score:
    """Mean correctness of the trials, with votes and confidence in ``parts``.

    ``parts``: ``trials``; ``votes`` ("A2 C1" by the robust parser), ``mode`` (first of the most
    frequent letters), ``mode_hit`` (1, 0, or 1/m in a tie of m); ``entropy_confidence`` (published,
    compat parser), ``entropy_confidence_mm`` (Miller-Madow), ``max_vote`` (robust parser);
    ``model_probs`` (in the order of the options), ``model_confidence``, ``model_hit`` and
    ``model_letter`` where the model gives a distribution;
    ``refused`` and ``unparsed`` trials; ``gold``.
    """
    failed = [a for a in answers if a.status == "model_error"]
    parts: Parts = {"trials": float(len(answers)), "failed": float(len(failed))}
    if failed or not answers:
        status = "model_error" if len(failed) == len(answers) else "partial"
        return Score(case.item.id, status, parts=parts)  # type: ignore[arg-type]
    letters, gold = list(case.item.options), case.gold.answer
    compat = votes_of(letters, [a.compat_value for a in answers])
    robust = votes_of(letters, [a.value for a in answers])
    place = letters.index(gold)
    best = max(range(len(letters)), key=lambda i: robust.counts[i])
    parts |= {
        "gold": gold,
        "votes": " ".join(f"{k}{n}" for k, n in zip(letters, robust.counts, strict=True) if n),
        "mode": letters[best] if robust.counts[best] else None,
        "mode_hit": modal_hit(robust.shares, place) if any(robust.counts) else 0.0,
        "entropy_confidence": vote_entropy(compat),
        "entropy_confidence_mm": vote_entropy_miller_madow(compat),
        "max_vote": max_vote(robust),
        "refused": float(sum(a.status == "refused" for a in answers)),
        "unparsed": float(sum(a.status == "unparsed" for a in answers)),
    }
    probabilities = mean_probabilities(letters, answers)
    if probabilities is not None:
        parts |= {
            "model_probs": " ".join(f"{p:.6g}" for p in probabilities),
            "model_confidence": float(probabilities.max()),
            "model_hit": modal_hit(probabilities, place),
            "model_letter": letters[int(probabilities.argmax())],
        }
    return Score(
        case.item.id,
        "scored",
        compat=compat.counts[place] / len(answers),
        robust=robust.counts[place] / len(answers),
        parts=parts,
    )


def mean_probabilities(
    letters: Sequence[str], answers: Sequence[Answer]
) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    """Mean over trials of the model's own distribution (K,), or None where a trial lacks one.

    Mass the model puts outside the options is left out and the rest scaled to sum to 1.
    """
    if not answers or any(not a.probs for a in answers):
        return None
    table = np.array([[max(0.0, (a.probs or {}).get(k, 0.0)) for k in letters] for a in answers])
    if not np.isfinite(table).all() or (table.sum(1) <= 0).any():
        return None
    mean: np.ndarray[tuple[int], np.dtype[np.float64]] = (table / table.sum(1, keepdims=True)).mean(
        0
    )
    return mean
