"""Planted students and oracles: what routing does when their errors are shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osler.core import InputError, derive_rng

from .vectors import Floats, Ints


@dataclass(frozen=True, slots=True)
class Annotators:
    """Simulated answers (n,) as option numbers, and the student's entropy; ``truth`` is known."""

    truth: Ints
    student: Ints
    oracle: Ints
    entropy: Floats


def annotators(
    n: int,
    *,
    student_error: float = 0.4,
    oracle_error: float = 0.35,
    shared: float = 0.0,
    signal: float = 1.0,
    options: int = 4,
    seed: int = 0,
) -> Annotators:
    """A student and an oracle with planted error rates over ``n`` multiple-choice items.

    Of the oracle's errors, the part ``shared`` is repeated by the student with the confidence of a
    right answer: such errors pass every check that compares the two. Otherwise the student errs
    independently with ``student_error``, and its entropy is standard normal, higher by ``signal``
    when it is wrong (shifted to be positive). Wrong options are equally likely.
    """
    if not all(0 <= p <= 1 for p in (student_error, oracle_error, shared)) or options < 2:
        raise InputError("error rates and the shared part must be in [0, 1], options at least 2")
    rng = derive_rng("annotators", seed)
    truth = rng.integers(0, options, n)
    oracle = _err(truth, rng.random(n) < oracle_error, rng.integers(1, options, n), options)
    wrong = rng.random(n) < student_error
    student = _err(truth, wrong, rng.integers(1, options, n), options)
    copied = (oracle != truth) & (rng.random(n) < shared)
    student = np.where(copied, oracle, student)
    entropy = 5 + rng.normal(size=n) + signal * (wrong & ~copied)
    return Annotators(truth, student, oracle, entropy)


def _err(truth: Ints, wrong: np.ndarray, shift: Ints, options: int) -> Ints:
    found: Ints = np.where(wrong, (truth + shift) % options, truth)
    return found
