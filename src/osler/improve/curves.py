"""Learning curves and how many fewer samples one way of choosing needs than another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from osler.core import Estimate, InputError

from .vectors import Floats, as_rows


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy (seeds, sizes) at rising training ``sizes`` (samples, minutes or money)."""

    sizes: Floats
    scores: Floats


def learning_curve(sizes: ArrayLike, scores: ArrayLike) -> Curve:
    """A checked :class:`Curve`: sizes strictly rising and not negative, one column each."""
    x, y = np.asarray(sizes, dtype=np.float64), as_rows(scores, "scores")
    if x.ndim != 1 or x.size < 2 or (np.diff(x) <= 0).any() or x[0] < 0:
        raise InputError("sizes of a learning curve must be two or more numbers that rise")
    if y.shape[1] != x.size or len(y) == 0:
        raise InputError(f"scores have shape {y.shape}; (seeds, {x.size} sizes) is needed")
    return Curve(x, y)


def monotone(values: ArrayLike) -> Floats:
    """The non-decreasing sequence nearest in squares (pool adjacent violators, Ayer et al. 1955).

    Examples
    --------
    >>> monotone([1, 3, 2, 4]).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    blocks: list[tuple[float, int]] = []
    for value in np.asarray(values, dtype=np.float64):
        mean, size = float(value), 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    return np.concatenate([np.full(size, mean) for mean, size in blocks])


def size_for(sizes: ArrayLike, scores: ArrayLike, accuracy: float) -> float:
    """Least size at which the monotone curve through ``scores`` (sizes,) reaches ``accuracy``.

    Linear between the sizes; the first size when it is reached from the start, inf when never.
    """
    x, y = np.asarray(sizes, dtype=np.float64), monotone(scores)
    reached = y >= accuracy - 1e-12  # means of pooled values carry rounding
    if not reached.any():
        return float("inf")
    i = int(np.argmax(reached))
    if i == 0:
        return float(x[0])
    part = min((accuracy - y[i - 1]) / (y[i] - y[i - 1]), 1.0)
    return float(x[i - 1] + part * (x[i] - x[i - 1]))


def reached(curve: Curve) -> float:
    """The largest accuracy that the monotone mean curve reaches whichever seed is left out.

    Where two curves can be compared with an interval: an accuracy that all seeds together just
    reach is missed without the best of them, so :func:`sample_efficiency` could not tell how sure
    the ratio is.
    """
    seeds = len(curve.scores)
    kept = ~np.eye(seeds, dtype=bool) if seeds > 1 else np.ones((1, 1), dtype=bool)
    return float(min(monotone(curve.scores[k].mean(axis=0))[-1] for k in kept))


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Sizes that two ways need for one ``accuracy`` and their ``ratio`` reference / engine.

    ``ratio`` is None, and ``note`` says why, when a curve does not reach the accuracy or starts
    above it, or there are fewer than two seeds.
    """

    accuracy: float
    reference: float
    engine: float
    ratio: Estimate | None
    note: str = ""


def sample_efficiency(
    reference: Curve, engine: Curve, accuracy: float, *, confidence: float = 0.95
) -> Efficiency:
    """N_reference / N_engine at equal accuracy, from the mean curves over the same seeds.

    The interval is that of the log ratio by the delete-one-seed jackknife with Student's t: seeds
    are few, so a bootstrap over them would be too narrow. Sizes of 0 are no samples: an accuracy
    that the model has before training compares nothing.
    """
    seeds = len(reference.scores)
    if len(engine.scores) != seeds:
        raise InputError(
            f"{seeds} seeds of the reference and {len(engine.scores)} of the engine are no pairs"
        )
    needs = [size_for(c.sizes, c.scores.mean(axis=0), accuracy) for c in (reference, engine)]
    note = _why_not(reference, engine, needs, accuracy)
    left: list[float] = []
    if not note and seeds < 2:
        note = "one seed: no interval, so no ratio"
    if not note:
        keep = ~np.eye(seeds, dtype=bool)
        pairs = [
            [size_for(c.sizes, c.scores[k].mean(axis=0), accuracy) for c in (reference, engine)]
            for k in keep
        ]
        if not np.isfinite(pairs).all() or min(min(p) for p in pairs) <= 0:
            note = "without one of the seeds a curve does not reach this accuracy: no interval"
        else:
            left = [float(np.log(a / b)) for a, b in pairs]
    if note:
        return Efficiency(accuracy, needs[0], needs[1], None, note)
    value = float(np.log(needs[0] / needs[1]))
    half = _half_width(left, confidence)
    low, high = np.exp([value - half, value + half])
    ratio = Estimate(float(np.exp(value)), float(low), float(high), seeds, seeds, confidence)
    return Efficiency(accuracy, needs[0], needs[1], ratio)


def _why_not(reference: Curve, engine: Curve, needs: list[float], accuracy: float) -> str:
    for name, curve, need in zip(("reference", "engine"), (reference, engine), needs, strict=True):
        if np.isinf(need):
            return f"the {name} does not reach {accuracy:.3f} with {curve.sizes[-1]:g}"
        if need <= curve.sizes[0]:
            return f"the {name} has {accuracy:.3f} from its first size on"
    return ""


def _half_width(left: list[float], confidence: float) -> float:
    """Student's t times the jackknife standard error of leave-one-out values."""
    from scipy.special import stdtrit

    n = len(left)
    error = float(np.sqrt((n - 1) / n * np.sum((np.array(left) - np.mean(left)) ** 2)))
    return float(stdtrit(n - 1, 0.5 + confidence / 2)) * error
