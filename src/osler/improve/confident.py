"""Labels that are probably wrong: confident learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from osler.core import InputError

from .vectors import Bools, Floats, Ints, as_rows


@dataclass(frozen=True, slots=True)
class LabelIssues:
    """Suspected label errors among n labels.

    ``suspect`` (n,); ``suggested`` (n,) the class the model is confident of (the given one
    otherwise); ``quality`` (n,) the model's probability of the given label, lowest first to look
    at; ``joint`` (K, K) estimated counts of given (rows) x true (columns) classes.
    """

    suspect: Bools
    suggested: Ints
    quality: Floats
    joint: Floats


def confident_learning(labels: ArrayLike, probs: ArrayLike) -> LabelIssues:
    """Suspect labels from out-of-sample class probabilities (Northcutt, Jiang & Chuang 2021).

    A class's threshold is the mean probability of it among items labelled so. An item counts in
    the confident joint under its likeliest class among those whose threshold it reaches; off the
    diagonal it is a suspect. The joint is scaled to the label counts. ``probs`` (n, K) must come
    from models that did not train on the item (cross-validation), else errors are memorised.

    Raises
    ------
    InputError
        Labels outside 0..K-1, or a class without any label (it has no threshold).
    """
    given = np.asarray(labels, dtype=np.int64)
    table = as_rows(probs, "class probabilities")
    n, k = table.shape
    if given.shape != (n,) or n == 0 or given.min() < 0 or given.max() >= k:
        raise InputError(f"{given.size} labels do not fit probabilities of shape {table.shape}")
    counts = np.bincount(given, minlength=k)
    if (counts == 0).any():
        raise InputError(f"class {int(np.argmin(counts))} has no label, so it has no threshold")
    own = table[np.arange(n), given]
    thresholds = np.bincount(given, own, minlength=k) / counts
    reached = table >= thresholds - 1e-12
    sure = reached.any(axis=1)
    likely = np.where(reached, table, -1.0).argmax(axis=1)
    suggested: Ints = np.where(sure, likely, given)
    joint = np.zeros((k, k))
    np.add.at(joint, (given[sure], likely[sure]), 1.0)
    rows = joint.sum(axis=1, keepdims=True)
    joint = np.where(rows > 0, joint / np.maximum(rows, 1), np.eye(k)) * counts[:, None]
    return LabelIssues(suggested != given, suggested, own, joint)
