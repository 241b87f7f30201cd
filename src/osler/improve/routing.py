"""Who labels what: signals of doubt, and tiers that meet a budget of human review."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from osler.core import InputError, derive_rng

from .budget import allocate
from .vectors import Bools, Floats, nearest, same_length, unit_rows

RHO = 0.18
HELD = -1
SPLIT = (0.6, 0.3, 0.1)
MINUTES: Mapping[int, float] = {HELD: 0.0, 0: 0.0, 1: 0.5, 2: 3.0, 3: 8.0}
"""Minutes of people's time a tier costs: our assumption, to be replaced by measured ones."""

Publisher = Literal["oracle", "expert", "student"]


def trajectory_entropy(logprobs: Sequence[ArrayLike | None]) -> Floats:
    """H_traj: mean over tokens of -log p of the student's own answer (nats), NaN when not given.

    Examples
    --------
    >>> trajectory_entropy([[-1.0, -3.0], None]).tolist()
    [2.0, nan]
    """
    found = np.full(len(logprobs), np.nan)
    for i, row in enumerate(logprobs):
        tokens = np.zeros(0) if row is None else np.asarray(row, dtype=np.float64)
        if tokens.size and not (tokens <= 1e-6).all():
            raise InputError(f"answer {i}: log-probabilities must not be positive or NaN")
        if tokens.size:
            found[i] = -float(tokens.mean())
    return found


def self_consistency(answers: Sequence[Sequence[str | None]]) -> Floats:
    """Share of each item's S answers that give its most frequent one; None agrees with nothing.

    (Wang et al. 2023.) NaN for an item without any answer.
    """
    found = np.full(len(answers), np.nan)
    for i, row in enumerate(answers):
        votes = Counter(a for a in row if a is not None)
        if row:
            found[i] = max(votes.values(), default=0) / len(row)
    return found


def token_f1(first: str, second: str) -> float:
    """F1 of the words two texts share, as in SQuAD (Rajpurkar et al. 2016), case ignored.

    Examples
    --------
    >>> round(token_f1("Mild motion blur.", "severe motion blur"), 4)
    0.6667
    """
    a, b = (Counter(re.findall(r"\w+", t.lower())) for t in (first, second))
    shared = (a & b).total()
    return 1.0 if not a and not b else 2 * shared / (a.total() + b.total())


def answer_agreement(
    student: Sequence[str | None], oracle: Sequence[str | None], *, text: bool = False
) -> Floats:
    """Agreement of student and oracle (n,) in [0, 1]: equality of choices, or F1 of ``text``.

    A missing answer agrees with nothing: 0.
    """
    same_length(student=student, oracle=oracle)
    measure = token_f1 if text else (lambda a, b: float(a == b))
    pairs = zip(student, oracle, strict=True)
    return np.array([0.0 if a is None or b is None else measure(a, b) for a, b in pairs])


def novelty(vectors: ArrayLike, known: ArrayLike) -> Floats:
    """1 - cosine to the nearest known (labelled) image: (n,) in [0, 2]; 1 with none known."""
    mine = unit_rows(vectors)
    if len(np.asarray(known)) == 0:
        return np.ones(len(mine))
    return 1.0 - nearest(mine, unit_rows(known, "known vectors"))[0]


@dataclass(frozen=True, slots=True)
class Signals:
    """Signals of n items; an absent one is None, an unknown value NaN.

    ``entropy`` and ``novelty`` grow with doubt, ``consistency`` and ``agreement`` fall.
    """

    entropy: Floats | None = None
    consistency: Floats | None = None
    agreement: Floats | None = None
    novelty: Floats | None = None


def doubt(signals: Signals, weights: tuple[float, float, float, float] = (1, 1, 1, 1)) -> Floats:
    """One doubt (n,) in [0, 1]: the weighted mean of the signals' mid-ranks.

    Ranks make signals of any scale comparable and no single one decides: low entropy is fluency,
    not correctness. An unknown value counts as the greatest doubt.
    """
    from scipy.stats import rankdata

    fall = (False, True, True, False)
    columns = (signals.entropy, signals.consistency, signals.agreement, signals.novelty)
    used = [
        (-np.asarray(c) if f else np.asarray(c), w)
        for c, f, w in zip(columns, fall, weights, strict=True)
        if c is not None and w > 0 and not np.isnan(c).all()
    ]
    if not used:
        raise InputError("no signal of doubt was given; routing needs at least one")
    same_length(**{f"signal_{i}": column for i, (column, _) in enumerate(used)})
    total = np.zeros(len(used[0][0]))
    for column, weight in used:
        known = ~np.isnan(column)
        rank = np.ones(column.size)
        rank[known] = (rankdata(column[known]) - 0.5) / known.sum()
        total += weight * rank
    mean: Floats = total / sum(weight for _, weight in used)
    return mean


@dataclass(frozen=True, slots=True)
class Routes:
    """``tier`` (n,) of each item; ``threshold``: the least doubt that is reviewed.

    0: student and oracle agree and doubt is low, the label is taken as it is; 1: a person checks
    the oracle's draft; 2: an expert writes; 3: two experts write and are adjudicated; ``HELD``
    (-1): neither to be trusted nor affordable, not used for training.
    """

    tier: NDArray[np.int8]
    doubt: Floats
    threshold: float

    @property
    def review_rate(self) -> float:
        """Share of items that a person sees."""
        return float((self.tier > 0).mean()) if self.tier.size else 0.0

    def minutes(self, cost: Mapping[int, float] = MINUTES) -> float:
        """People's time over all items."""
        return sum(cost[int(t)] for t in self.tier)


def route(
    doubts: ArrayLike,
    rho: float = RHO,
    *,
    agree: ArrayLike | None = None,
    trusted: ArrayLike | None = None,
    split: tuple[float, float, float] = SPLIT,
    seed: int = 0,
) -> Routes:
    """Tiers so that the share ``rho`` of the items, those of most doubt, is seen by people.

    Within it, ``split`` parts tiers 1 to 3 by rising doubt. Of the others, those where student and
    oracle ``agree`` (n,) and whose stratum's oracle is ``trusted`` (n,) are tier 0; the rest is
    held back. Equal doubts are split at random by ``seed``: the rate is met to one item.
    """
    values = np.asarray(doubts, dtype=np.float64)
    n = values.size
    if not 0 <= rho <= 1 or np.isnan(values).any():
        raise InputError(f"rho = {rho} must be in [0, 1] and no doubt may be NaN")
    passed = _marks(agree, n, "agree") & _marks(trusted, n, "trusted")
    order = np.lexsort((derive_rng("route ties", seed).permutation(n), values))
    reviewed = order[n - round(rho * n) :] if rho > 0 else order[:0]
    tier = np.where(passed, 0, HELD).astype(np.int8)
    sizes = allocate(split, reviewed.size)
    tier[reviewed] = np.repeat(np.array([1, 2, 3], dtype=np.int8), sizes)
    least = float(values[reviewed].min()) if reviewed.size else float("inf")
    return Routes(tier, values, least)


def _marks(given: ArrayLike | None, n: int, name: str) -> Bools:
    marks = np.ones(n, dtype=bool) if given is None else np.asarray(given, dtype=bool)
    if marks.shape != (n,):
        raise InputError(f"{name} has {marks.size} marks for {n} items")
    return marks


def route_compat(
    entropy: ArrayLike, agreement: ArrayLike, tau_entropy: float, tau_agreement: float
) -> list[Publisher]:
    """The published rule (arXiv 2603.19863, second hand): whose label each item gets.

    H >= tau_H: the oracle's; else, agreement < tau_ann: a human expert's; else the student's. Note
    what it does: where the student is unsure, the oracle labels and nobody looks. Neither threshold
    is published.
    """
    h, r = np.asarray(entropy, dtype=np.float64), np.asarray(agreement, dtype=np.float64)
    same_length(entropy=h, agreement=r)
    if np.isnan(h).any() or np.isnan(r).any():
        raise InputError("the published rule needs the entropy and agreement of every item")
    expert = r < tau_agreement
    return [
        "oracle" if unsure else "expert" if ask else "student"
        for unsure, ask in zip(h >= tau_entropy, expert, strict=True)
    ]
