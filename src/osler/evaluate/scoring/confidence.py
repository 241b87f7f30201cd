"""How sure a model is, read from how often it gives the same answer.

Votes of one item are counts over its K options plus ``lost``: trials without a readable answer.
A lost vote prefers no option, so its mass is spread over all K: p_i = (v_i + lost / K) / T.
Without lost votes this is the published p_i = v_i / T.

The plug-in entropy is biased by the number of trials T (for K = 4 and a calibrated sampler of
accuracy .8 the mean confidence is .753 at T = 3, .599 at T = 10, .481 at T = 1000), so figures of
different T are never compared: :func:`same_trials` refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from osler.core import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Votes:
    """Votes of one item: ``counts`` per option, in the order of the options, and ``lost``."""

    counts: tuple[int, ...]
    lost: int = 0

    def __post_init__(self) -> None:
        if len(self.counts) < 2 or min(*self.counts, self.lost) < 0 or self.trials == 0:
            raise InputError(f"votes {self.counts} with {self.lost} lost are no vote over options")

    @property
    def trials(self) -> int:
        """T, all trials."""
        return sum(self.counts) + self.lost

    @property
    def shares(self) -> Array:
        """p (K,), sums to 1."""
        counts = np.asarray(self.counts, dtype=np.float64)
        result: Array = (counts + self.lost / counts.size) / self.trials
        return result

    def smoothed(self, pseudo: float = 0.5) -> Array:
        """Shares with ``pseudo`` extra votes for each option (1/2: Krichevsky and Trofimov 1981).

        A share of exactly 0 would make the negative log-likelihood infinite.
        """
        shares = self.shares * self.trials + pseudo
        result: Array = shares / shares.sum()
        return result


def same_trials(votes: Sequence[Votes]) -> int:
    """The common T of ``votes``.

    Raises
    ------
    InputError
        If there is none: vote confidence at different T means different things.
    """
    found = sorted({v.trials for v in votes})
    if len(found) != 1:
        raise InputError(
            f"items were asked {' and '.join(map(str, found)) or 'no'} times; vote confidence "
            "depends on the number of trials, so complete the run or compare equal trials only"
        )
    return found[0]


def vote_entropy(votes: Votes) -> float:
    """C = 1 - H / ln K with H = -sum p ln p over the K options of this item (arXiv 2603.07769).

    1 for a unanimous vote, 0 for an even one; biased upwards for small T.

    Examples
    --------
    >>> round(vote_entropy(Votes((7, 2, 1, 0))), 5)
    0.42161
    """
    shares = votes.shares
    used = shares[shares > 0]
    return float(np.clip(1.0 + (used * np.log(used)).sum() / log(shares.size), 0.0, 1.0))


def vote_entropy_miller_madow(votes: Votes) -> float:
    """C with the entropy estimate of Miller (1955): H + (m - 1) / 2T, m options with a vote.

    Removes the first-order bias in T; a unanimous vote stays at 1. Clipped to [0, 1].
    """
    k = len(votes.counts)
    seen = max(1, int(np.count_nonzero(votes.counts)))  # a lost vote is a vote for no option
    entropy = (1.0 - vote_entropy(votes)) * log(k) + (seen - 1) / (2 * votes.trials)
    return float(np.clip(1.0 - entropy / log(k), 0.0, 1.0))


def max_vote(votes: Votes) -> float:
    """Share of the most frequent option, in [1/K, 1]: a probability, unlike C."""
    return float(votes.shares.max())


def modal_hit(shares: Array, gold: int) -> float:
    """1 if the option ``gold`` has the largest share, 1/m if m options tie with it, else 0."""
    top = np.flatnonzero(shares >= shares.max() - 1e-12)
    return 1.0 / top.size if gold in top else 0.0


def calibrated_sampler(
    accuracy: float, k: int, trials: int, *, items: int = 20_000, seed: int = 0
) -> tuple[float, float]:
    """(mean C, mean C by Miller-Madow) of a perfectly calibrated sampler.

    Each answer is right with probability ``accuracy``, else uniform over the other ``k`` - 1.
    Shows what C is for a model that is *not* over-confident: for k = 4 at T = 10 it is .164, .326,
    .599, .887 for accuracies .4, .6, .8, .95, so a calibration shift of 0 is no calibration.
    """
    from osler.core import derive_rng

    if not 0 <= accuracy <= 1 or k < 2 or trials < 1 or items < 1:
        raise InputError(f"no sampler has accuracy {accuracy}, {k} options and {trials} trials")
    p = np.full(k, (1.0 - accuracy) / (k - 1))
    p[0] = accuracy
    counts = derive_rng("sampler", seed).multinomial(trials, p, size=items)
    rows, weight = np.unique(np.sort(counts, axis=1), axis=0, return_counts=True)
    votes = [Votes(tuple(int(v) for v in row)) for row in rows]
    plug_in = np.average([vote_entropy(v) for v in votes], weights=weight)
    corrected = np.average([vote_entropy_miller_madow(v) for v in votes], weights=weight)
    return float(plug_in), float(corrected)
