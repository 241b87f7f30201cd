"""One vector for a failure: what was seen, what was asked, what was answered, how good it looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from osler.core import InputError

from .vectors import Floats, as_rows, same_length, unit_rows

WEIGHTS = (1.0, 0.5, 0.5)


def joint_embedding(
    image: ArrayLike,
    question: ArrayLike,
    answer: ArrayLike,
    weights: tuple[float, float, float] = WEIGHTS,
) -> Floats:
    """L2-normalised [w_v v; w_q q; w_a a] of three tables with n rows each.

    Each part is normalised first, so the cosine of two joint vectors is the mean of the three
    cosines weighted by w^2. A part of weight 0 is left out. (arXiv 2603.19863 joins failures so;
    its weights are not published, these are ours.)
    """
    if min(weights) < 0 or max(weights) == 0:
        raise InputError(f"weights {weights} must not be negative, and one must be positive")
    parts = {"image": image, "question": question, "answer": answer}
    named = zip(parts.items(), weights, strict=True)
    used = [w * unit_rows(values, f"{name} vectors") for (name, values), w in named if w > 0]
    same_length(**{f"rows_{i}": part for i, part in enumerate(used)})
    return unit_rows(np.concatenate(used, axis=1))


@dataclass(frozen=True, slots=True)
class QualityScale:
    """Centre and spread (d,) of quality features, taken once and used for dev and pool alike."""

    centre: Floats
    spread: Floats


def quality_scale(features: ArrayLike) -> QualityScale:
    """Median and interquartile range / 1.349 of each feature; a constant feature has spread 1."""
    table = as_rows(features, "quality features")
    if len(table) == 0:
        raise InputError("no rows: the scale of quality features needs at least one image")
    low, centre, high = np.quantile(table, (0.25, 0.5, 0.75), axis=0)
    spread = (high - low) / 1.349
    return QualityScale(centre, np.where(spread > 0, spread, 1.0))


def with_quality(
    vectors: ArrayLike, features: ArrayLike, scale: QualityScale, weight: float = 0.5
) -> Floats:
    """Unit vectors (n, d) with ``weight`` times scaled quality features appended, renormalised.

    Encoders of meaning see noise and blur badly, so measured features speak for them. Features are
    squashed by tanh(z / 3) and divided by the root of their number: their part is at most
    ``weight`` long, however far one outlier lies.
    """
    unit, table = unit_rows(vectors), as_rows(features, "quality features")
    same_length(vectors=unit, features=table)
    if table.shape[1] != scale.centre.size:
        raise InputError(
            f"{table.shape[1]} quality features, but the scale has {scale.centre.size}"
        )
    squashed = np.tanh((table - scale.centre) / (3 * scale.spread)) / np.sqrt(table.shape[1])
    return unit_rows(np.concatenate([unit, weight * squashed], axis=1))
