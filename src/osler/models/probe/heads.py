"""One linear head a family of questions: multinomial logistic regression, kept as plain arrays."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, write_bytes

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Logits of ``classes`` are ``(x @ weight + bias) / temperature``.

    ``sees`` is ``content`` or ``layout``; ``weight`` is (features, classes). ``temperature`` was
    fitted on pictures of subjects that the weights of that moment had not seen.
    """

    family: str
    sees: str
    classes: tuple[str, ...]
    weight: Floats
    bias: Floats
    temperature: float

    def probabilities(self, x: Floats) -> Floats:
        """Probabilities of the classes, (n, classes); rows sum to 1."""
        return softmax((x @ self.weight + self.bias) / self.temperature)


def softmax(logits: NDArray[Any]) -> Floats:
    """Softmax over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def train_head(
    family: str, sees: str, x: Floats, labels: Sequence[str], subjects: Sequence[str]
) -> Head | None:
    """A head for one family, or None where the pictures show fewer than two answers.

    Every class weighs the same, within a class every subject, within a subject every picture.
    """
    classes = tuple(sorted(set(labels)))
    if len(classes) < 2:
        return None
    y = np.array([classes.index(label) for label in labels])
    who = np.array(subjects)
    temperature = _temperature(x, y, who, len(classes))
    weight, bias = _fit(x, y, subject_weights(y, who), len(classes))
    return Head(family, sees, classes, weight, bias, temperature)


def subject_weights(y: NDArray[np.int64], who: NDArray[np.str_]) -> NDArray[np.float64]:
    """Weights (n,) that sum to 1: alike for every class, subject of it, picture of that."""
    weights = np.zeros(len(y))
    for label in np.unique(y):
        of_class = y == label
        for subject in np.unique(who[of_class]):
            one = of_class & (who == subject)
            weights[one] = 1.0 / (len(np.unique(who[of_class])) * one.sum())
    return np.asarray(weights / weights.sum())


_COMPONENTS = 96
_PENALTY = 0.001
"""Of 0.0003 to 0.03, the best at pictures of subjects left out of the training, by and large."""


def _fit(
    x: Floats, y: NDArray[np.int64], weights: NDArray[np.float64], count: int
) -> tuple[Floats, Floats]:
    """Penalised multinomial regression on the first 96 principal components, by L-BFGS."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    mean = x.mean(axis=0, dtype=np.float64)
    scale = x.std(axis=0, dtype=np.float64) + 0.05 * float(x.std())
    z = (x - mean) / scale
    values, vectors = np.linalg.eigh(z @ z.T)
    keep = values > values[-1] * 1e-6
    keep[: max(0, len(values) - _COMPONENTS)] = False
    axes = z.T @ (vectors[:, keep] / np.sqrt(values[keep]))
    axes /= np.sqrt(values[-1] / len(z))
    z = z @ axes
    truth = np.eye(count)[y]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        table = flat.reshape(z.shape[1] + 1, count)
        logs = log_softmax(z @ table[1:] + table[0], axis=1)
        slope = (np.exp(logs) - truth) * weights[:, None]
        value = -(weights[:, None] * truth * logs).sum() + 0.5 * _PENALTY * (table[1:] ** 2).sum()
        return value, np.vstack([slope.sum(axis=0), z.T @ slope + _PENALTY * table[1:]]).ravel()

    start = np.zeros((z.shape[1] + 1) * count)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
    table = found.x.reshape(-1, count)
    weight = (axes @ table[1:]) / scale[:, None]
    return weight.astype(np.float32), (table[0] - mean @ weight).astype(np.float32)


_DEFAULT_TEMPERATURE = 2.0
"""Where no class has two subjects, nothing can be held out: half as sure as the fit says."""


def _temperature(x: Floats, y: NDArray[np.int64], who: NDArray[np.str_], count: int) -> float:
    """The temperature that fits pictures of a subject left out of the training best.

    From 0.5 to 12. A subject counts where each of its classes is also
    shown by another subject.
    """
    held: list[tuple[Floats, NDArray[np.int64], NDArray[np.float64]]] = []
    for subject in np.unique(who):
        out = who == subject
        if set(y[out]) - set(y[~out]) or len(set(y[~out])) < count:
            continue
        weight, bias = _fit(x[~out], y[~out], subject_weights(y[~out], who[~out]), count)
        held.append((x[out] @ weight + bias, y[out], subject_weights(y[out], who[out])))
    if not held:
        return _DEFAULT_TEMPERATURE

    def cost(temperature: float) -> float:
        return sum(
            -float((w * np.log(softmax(logits / temperature)[np.arange(len(t)), t] + 1e-9)).sum())
            for logits, t, w in held
        )

    return min((0.5 * 1.15**step for step in range(24)), key=cost)


def save_heads(path: Path, heads: Mapping[str, Head], facts: Mapping[str, Any]) -> None:
    """Write heads as an ``.npz`` of plain arrays, with their description as JSON text."""
    about = {
        "facts": dict(facts),
        "heads": [
            {"family": h.family, "sees": h.sees, "classes": h.classes, "temperature": h.temperature}
            for h in heads.values()
        ],
    }
    arrays: dict[str, NDArray[Any]] = {
        "about": np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
    }
    for head in heads.values():
        arrays[f"{head.family}.weight"] = head.weight
        arrays[f"{head.family}.bias"] = head.bias
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


BROKEN = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    MemoryError,
    RuntimeError,  # zipfile: encrypted; NotImplementedError: a compression of another day
    TokenError,  # NumPy's reader of headers
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def read_heads(path: Path) -> tuple[dict[str, Head], dict[str, Any]]:
    """Heads and facts written by :func:`save_heads`; nothing in the file is executed.

    Raises
    ------
    BadFileError
        The file is truncated or is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            heads = {
                one["family"]: Head(
                    one["family"],
                    one["sees"],
                    tuple(one["classes"]),
                    arrays[f"{one['family']}.weight"],
                    arrays[f"{one['family']}.bias"],
                    float(one["temperature"]),
                )
                for one in about["heads"]
            }
    except BROKEN as error:
        raise BadFileError(path, "not the heads of osler/probe", "remove it") from error
    return heads, about["facts"]
