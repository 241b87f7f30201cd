"""Does confidence mean anything? Reliability bins, ECE, ACE, Brier, NLL, risk against coverage.

``confidence`` (n,) lies in [0, 1]; ``correct`` (n,) is 0 or 1, or a share of trials in between.
A confidence of exactly 1 belongs to the last bin: vote confidence is very often exactly 1, and a
half-open last bin would put those items into a bin that does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osler.core import InputError

from .averages import as_column

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bin:
    """One reliability bin: confidences from ``low`` to ``high``, ``n`` items, their means."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def calibration_shift(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean confidence minus accuracy (arXiv 2603.07769); above 0 is over-confident.

    Over- and under-confidence cancel: 0 does not mean calibrated.
    """
    conf, hit = _pair(confidence, correct)
    return float(conf.mean() - hit.mean())


def reliability_bins(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> list[Bin]:
    """Equal-width bins [0, 1/b), ..., [1 - 1/b, 1]; empty bins are left out."""
    conf, hit = _pair(confidence, correct)
    if bins < 1:
        raise InputError(f"{bins} bins cannot hold anything; use at least 1")
    # Shares such as 0.3 * 10 fall a hair short of 3 in floating point: they belong to the upper.
    place = np.minimum(np.floor(conf * bins + 1e-9).astype(int), bins - 1)
    found = []
    for i in np.unique(place):
        inside = place == i
        found.append(_bin(i / bins, (i + 1) / bins, conf[inside], hit[inside]))
    return found


def ece(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error: sum over bins of n_b / n * |acc_b - conf_b| (Guo et al. 2017)."""
    return _gap(reliability_bins(confidence, correct, bins))


def mce(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> float:
    """Maximum calibration error: the largest |acc_b - conf_b| over the bins."""
    return max(abs(b.accuracy - b.confidence) for b in reliability_bins(confidence, correct, bins))


def ace(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> float:
    """Adaptive calibration error: as ECE over bins of equal mass (Nixon et al. 2019).

    Items of equal confidence are never split between bins, so the order of items cannot matter;
    with vote confidence there are then at most as many bins as different values.
    """
    conf, hit = _pair(confidence, correct)
    _, place, counts = np.unique(conf, return_inverse=True, return_counts=True)
    # A group of equal confidences goes where its middle rank falls.
    middle = np.cumsum(counts) - counts / 2
    target = np.minimum((middle * bins / conf.size).astype(int), bins - 1)[place]
    found = [_bin(0.0, 1.0, conf[target == i], hit[target == i]) for i in np.unique(target)]
    return _gap(found)


def brier(probabilities: ArrayLike, gold: ArrayLike) -> float:
    """Multi-class Brier score, mean over items of sum_k (p_k - y_k)^2, in [0, 2] (Brier 1950).

    ``probabilities`` (n, K), rows sum to 1; ``gold`` (n,) positions of the right options.
    """
    p, y = _distribution(probabilities, gold)
    truth = np.zeros_like(p)
    truth[np.arange(len(y)), y] = 1.0
    return float(((p - truth) ** 2).sum(1).mean())


def nll(probabilities: ArrayLike, gold: ArrayLike, floor: float = 1e-6) -> float:
    """Mean of -ln p(right option), in nats; p is raised to ``floor`` so that 0 stays finite.

    For vote shares pass smoothed ones (:meth:`osler.evaluate.scoring.Votes.smoothed`).
    """
    p, y = _distribution(probabilities, gold)
    return float(-np.log(np.maximum(p[np.arange(len(y)), y], floor)).mean())


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> tuple[Array, Array]:
    """(coverage, risk): answer only the most confident; risk is the share of wrong among them.

    One point for each different confidence, from the highest; coverage rises to 1. Items of equal
    confidence enter together, so the curve does not depend on the order of the items.
    """
    conf, hit = _pair(confidence, correct)
    values, place = np.unique(-conf, return_inverse=True)
    n = np.cumsum(np.bincount(place, minlength=values.size))
    wrong = np.cumsum(np.bincount(place, 1.0 - hit, values.size))
    return n / conf.size, wrong / n


def aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the risk-coverage curve (Geifman & El-Yaniv 2017); lower is better.

    Mean over items of the risk at their rank; tied items count with the expected risk over the
    random orders within the tie, so the value is exact for vote confidence with few levels.
    """
    conf, hit = _pair(confidence, correct)
    values, place = np.unique(-conf, return_inverse=True)
    counts = np.bincount(place, minlength=values.size).astype(np.float64)
    wrong = np.bincount(place, 1.0 - hit, values.size)
    ranks = np.arange(1, conf.size + 1, dtype=np.float64)
    tie = np.repeat(np.arange(values.size), counts.astype(int))
    before_n = np.concatenate([[0.0], np.cumsum(counts)[:-1]])[tie]
    before_wrong = np.concatenate([[0.0], np.cumsum(wrong)[:-1]])[tie]
    expected = before_wrong + (ranks - before_n) * (wrong / counts)[tie]
    return float((expected / ranks).mean())


def _pair(confidence: ArrayLike, correct: ArrayLike) -> tuple[Array, Array]:
    conf, hit = as_column(confidence, "confidence"), as_column(correct, "correct")
    if conf.size != hit.size:
        raise InputError(f"{conf.size} confidences and {hit.size} outcomes do not pair")
    for name, array in (("confidence", conf), ("correct", hit)):
        if array.min() < -1e-9 or array.max() > 1 + 1e-9:
            raise InputError(f"{name} reaches {array.min():g} to {array.max():g}, not 0 to 1")
    return np.clip(conf, 0.0, 1.0), np.clip(hit, 0.0, 1.0)


def _bin(low: float, high: float, conf: Array, hit: Array) -> Bin:
    return Bin(float(low), float(high), int(conf.size), float(conf.mean()), float(hit.mean()))


def _gap(bins: list[Bin]) -> float:
    n = sum(b.n for b in bins)
    return float(sum(b.n * abs(b.accuracy - b.confidence) for b in bins) / n)


def _distribution(probabilities: ArrayLike, gold: ArrayLike) -> tuple[Array, NDArray[np.intp]]:
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(gold, dtype=np.intp)
    if p.ndim != 2 or y.shape != (len(p),) or len(p) == 0:
        raise InputError(f"probabilities of shape {p.shape} do not fit {y.size} right options")
    if not np.isfinite(p).all() or (p < -1e-9).any() or not np.allclose(p.sum(1), 1, atol=1e-6):
        raise InputError("a row of probabilities is not a distribution: it must sum to 1")
    if y.min() < 0 or y.max() >= p.shape[1]:
        raise InputError(f"right options {y.min()} to {y.max()} lie outside 0 to {p.shape[1] - 1}")
    return p, y
