"""Heads that were taught: any multiple-choice question about one image, known by its wording.

All heads share one basis (principal components of the network's features, and the measures of
image quality as they are), so that a wording with few examples has few numbers to learn. A head is
a penalised multinomial regression; its classes are the texts of the options.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.images.quality import FEATURES, measure

from .features import CONTENT, LAYOUT
from .heads import Floats, softmax, subject_weights

VERSION = "1"
"""Raise it when :func:`sight` changes: stored features are then of no use any more."""

WIDTH = CONTENT + LAYOUT + len(FEATURES)
COMPONENTS = 128
PENALTY = 1.0
FOLDS = 5
_ROWS = 1024
_DEFAULT_TEMPERATURE = 2.0
"""Where no patient can be held out: half as sure as the fit says."""


def normal(text: str) -> str:
    """``text`` as heads compare it: one blank between words, no case, no full stop at the end.

    Examples
    --------
    >>> normal(" Does this image show  Blur? ")
    'does this image show blur?'
    """
    return re.sub(r"\s+", " ", text).strip().rstrip(".").casefold()


def quality_of(planes: Sequence[NDArray[np.uint8]]) -> Floats:
    """The measures of :data:`osler.images.quality.FEATURES` of 8-bit planes: (n, 10)."""
    found = [list(measure(_grey(plane)).values()) for plane in planes]
    return np.array(found, np.float32).reshape(len(planes), len(FEATURES))


def _grey(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    return plane if plane.ndim == 2 else np.asarray(cv2.cvtColor(plane, cv2.COLOR_RGB2GRAY))


def sight(content: Floats, layout: Floats, quality: Floats) -> Floats:
    """All that a taught head sees of n pictures: (n, WIDTH) float32."""
    return np.hstack([content, layout, quality]).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What :func:`sight` becomes: ``(x - mean) / scale`` on ``axes`` (features, components),
    then the quality measures, each by its own centre and spread."""

    mean: Floats
    scale: Floats
    axes: Floats

    def of(self, seen: Floats) -> NDArray[np.float64]:
        """Coordinates (n, components + quality) of ``seen`` (n, WIDTH)."""
        z = (_squashed(seen) - self.mean) / self.scale
        cut = CONTENT + LAYOUT
        found = np.hstack([z[:, :cut] @ self.axes, np.clip(z[:, cut:], -4.0, 4.0)])
        return np.asarray(found, np.float64)


def _squashed(seen: Floats) -> Floats:
    """Measures of quality have long tails: they are taken as sign(v) log(1 + |v|)."""
    found = np.array(seen, np.float32)
    tail = found[:, CONTENT + LAYOUT :]
    found[:, CONTENT + LAYOUT :] = np.sign(tail) * np.log1p(np.abs(tail))
    return found


def fit_basis(seen: Floats, components: int = COMPONENTS) -> Basis:
    """Principal components of at most 1,024 rows of ``seen``, spread evenly over it."""
    from scipy.linalg import eigh

    rows = np.unique(np.linspace(0, len(seen) - 1, min(len(seen), _ROWS)).round().astype(int))
    x = _squashed(seen[rows])
    mean = x.mean(axis=0, dtype=np.float64)
    cut = CONTENT + LAYOUT
    spread = x.std(axis=0, dtype=np.float64)
    floor = np.where(np.arange(WIDTH) < cut, 0.05 * float(x[:, :cut].std()) + 1e-6, 1e-3)
    scale = spread + floor
    z = ((x - mean) / scale)[:, :cut]
    count = min(components, len(z))
    values, vectors = eigh(z @ z.T, subset_by_index=[len(z) - count, len(z) - 1])
    keep = values > max(float(values[-1]) * 1e-6, 1e-12)
    axes = z.T @ (vectors[:, keep] / np.sqrt(values[keep]))
    if keep.any():
        axes /= np.sqrt(values[-1] / len(z))
    return Basis(mean.astype(np.float32), scale.astype(np.float32), axes.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class TaughtHead:
    """Logits of ``classes`` are ``(x @ weight + bias) / temperature``, x by the shared basis.

    ``accuracy`` is that at patients left out of the training (None where none could be).
    """

    wording: str
    classes: tuple[str, ...]
    weight: Floats
    bias: Floats
    temperature: float
    examples: int
    accuracy: float | None

    def probabilities(self, x: NDArray[np.float64]) -> Floats:
        """Probabilities of the classes, (n, classes)."""
        return softmax((x @ self.weight + self.bias) / self.temperature)

    def of_options(self, x: NDArray[np.float64], texts: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities of options by their texts, (n, options); rows sum to 1.

        An option that no example showed gets what Laplace's rule of succession leaves to it,
        1 / (examples + classes): seen often and never so answered, it is unlikely.
        """
        table = self.probabilities(x).astype(np.float64)
        at = {name: i for i, name in enumerate(self.classes)}
        unseen = np.full(len(table), 1.0 / (self.examples + len(self.classes)))
        columns = [table[:, at[t]] if t in at else unseen for t in map(normal, texts)]
        shares = np.maximum(np.stack(columns, axis=1), 1e-9)
        found: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
        return found


def teach(
    wording: str,
    x: NDArray[np.float64],
    labels: Sequence[str],
    patients: Sequence[str],
    *,
    penalty: float = PENALTY,
    held_out: bool = True,
) -> TaughtHead:
    """A head for one wording from coordinates ``x`` (n, d) of :meth:`Basis.of`.

    Every class weighs the same, within it every patient, within a patient every picture.
    ``penalty`` is that of a sum over examples: it weighs less the more there are. The temperature
    is fitted and the accuracy measured on patients left out, in at most five groups;
    ``held_out=False`` leaves both out.
    """
    classes = tuple(sorted(set(labels)))
    y = np.array([classes.index(label) for label in labels], np.int64)
    who = np.array(patients, dtype=str)
    strength = penalty / len(y)
    temperature, accuracy = _DEFAULT_TEMPERATURE, None
    if len(classes) > 1 and held_out:
        temperature, accuracy = _held_out(x, y, who, len(classes), strength)
    weight, bias = fit(x, y, subject_weights(y, who), len(classes), strength)
    return TaughtHead(wording, classes, weight, bias, temperature, len(y), accuracy)


def fit(
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    weights: NDArray[np.float64],
    count: int,
    penalty: float,
) -> tuple[Floats, Floats]:
    """Weight (d, count) and bias (count,) of a penalised multinomial regression, by L-BFGS."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    if count < 2:
        return np.zeros((x.shape[1], count), np.float32), np.zeros(count, np.float32)
    truth = np.eye(count)[y]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        table = flat.reshape(x.shape[1] + 1, count)
        logs = log_softmax(x @ table[1:] + table[0], axis=1)
        slope = (np.exp(logs) - truth) * weights[:, None]
        value = -(weights[:, None] * truth * logs).sum() + 0.5 * penalty * (table[1:] ** 2).sum()
        return value, np.vstack([slope.sum(axis=0), x.T @ slope + penalty * table[1:]]).ravel()

    start = np.zeros((x.shape[1] + 1) * count)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    table = found.x.reshape(-1, count)
    return table[1:].astype(np.float32), table[0].astype(np.float32)


def _held_out(
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    who: NDArray[np.str_],
    count: int,
    penalty: float,
) -> tuple[float, float | None]:
    """Temperature and accuracy on patients left out; (default, None) where none can be."""
    names = np.unique(who)
    groups = {name: i % FOLDS for i, name in enumerate(names)}
    fold = np.array([groups[name] for name in who])
    logits, truth, weights = [], [], []
    for part in range(min(FOLDS, len(names))):
        out = fold == part
        if len(set(y[~out])) < count:
            continue
        weight, bias = fit(x[~out], y[~out], subject_weights(y[~out], who[~out]), count, penalty)
        logits.append(x[out] @ weight + bias)
        truth.append(y[out])
        weights.append(subject_weights(y[out], who[out]))
    if not logits:
        return _DEFAULT_TEMPERATURE, None
    scores, right, share = np.concatenate(logits), np.concatenate(truth), np.concatenate(weights)
    share = share / share.sum()
    rows = np.arange(len(right))

    def cost(temperature: float) -> float:
        return -float((share * np.log(softmax(scores / temperature)[rows, right] + 1e-9)).sum())

    best = min((0.5 * 1.15**step for step in range(24)), key=cost)
    return best, float((scores.argmax(axis=1) == right).mean())


def teach_all(
    seen: Floats,
    rows: Sequence[int],
    wordings: Sequence[str],
    labels: Sequence[str],
    patients: Sequence[str],
    *,
    penalty: float = PENALTY,
    basis: Basis | None = None,
    held_out: bool = True,
) -> tuple[Basis, dict[str, TaughtHead]]:
    """The shared basis and a head for each wording.

    Parameters
    ----------
    seen
        Features of the images, (images, WIDTH), each once.
    rows, wordings, labels, patients
        One entry an example: its row of ``seen``, its question, the text of the right option, the
        patient shown ("" for unknown: the image then stands for a patient of its own).
    basis
        A basis to keep; by default one is fitted to ``seen``.
    """
    basis = fit_basis(seen) if basis is None else basis
    table = basis.of(seen)
    at = np.asarray(rows, np.int64)
    who = [p or f"image {r}" for p, r in zip(patients, rows, strict=True)]
    grouped: dict[str, list[int]] = {}
    for i, wording in enumerate(wordings):
        grouped.setdefault(normal(wording), []).append(i)
    heads = {
        wording: teach(
            wording,
            table[at[mine]],
            [normal(labels[i]) for i in mine],
            [who[i] for i in mine],
            penalty=penalty,
            held_out=held_out,
        )
        for wording, mine in sorted(grouped.items())
    }
    return basis, heads


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """Heads by wording with the basis they share; ``sha256`` is that of their file."""

    basis: Basis
    heads: Mapping[str, TaughtHead]
    facts: Mapping[str, Any]
    sha256: str = ""

    def head_for(self, question: str) -> TaughtHead | None:
        """The head of a question by its wording."""
        return self.heads.get(normal(question))
