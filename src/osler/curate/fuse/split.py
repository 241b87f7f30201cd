"""Training, validation and test by person: no person in two of them, every stratum in all.

Groups are dealt out one by one, large ones and those of rare strata first, as seats are by the
method of D'Hondt (1878): to the split whose share, divided by what it would then hold, is the
largest; by the geometric mean over all cases and over the strata of the group. So shares are kept
at every step, and what is too rare to be shared out goes to the largest split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from math import log

from osler.core import InputError, derive_seed

SPLITS = ("train", "val", "test")


def split_groups(
    groups: Sequence[str],
    strata: Sequence[Collection[str]],
    fractions: Mapping[str, float],
    seed: object,
    fixed: Mapping[str, str] | None = None,
    sizes: Sequence[int] | None = None,
) -> list[str]:
    """The split of each case, by its group.

    Parameters
    ----------
    groups
        Group of each case; all cases of a group get one split.
    strata
        What each case counts for: its dataset, its classes. Their shares are kept as well as whole
        groups allow.
    fractions
        Share of each split; they add up to 1.
    seed
        Anything; equal seeds give equal splits, in whatever order the cases come.
    fixed
        Splits of groups that are given beforehand.
    sizes
        How many samples each case gives; None: one.

    Raises
    ------
    InputError
        A fraction is negative or they do not add up to 1.
    """
    names = checked_fractions(fractions)
    held: dict[str, Counter[Hashable]] = {}
    for group, kinds, size in zip(groups, strata, sizes or [1] * len(groups), strict=True):
        held.setdefault(group, Counter())[None] += size  # None: a sample, of whatever kind
        held[group].update(dict.fromkeys(kinds, size))
    total: Counter[Hashable] = Counter()
    for counts in held.values():
        total.update(counts)
    placed: dict[str, Counter[Hashable]] = {name: Counter() for name in names}
    chosen = {group: name for group, name in (fixed or {}).items() if group in held}
    for group, name in chosen.items():
        placed.setdefault(name, Counter()).update(held[group])
    places = {group: derive_seed(seed, "split", group) for group in held}
    rest = sorted(held.keys() - chosen.keys(), key=lambda one: _turn(one, held, total, places))
    for group in rest:
        claims = {name: _claim(fractions[name], placed[name], held[group]) for name in names}
        best = max(names, key=lambda name: (claims[name], -names.index(name)))
        chosen[group] = best
        placed[best].update(held[group])
    return [chosen[group] for group in groups]


def checked_fractions(fractions: Mapping[str, float]) -> list[str]:
    """Names of the splits that get anything, in their usual order."""
    if not fractions or min(fractions.values()) < 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        told = ", ".join(f"{name} {share:g}" for name, share in fractions.items()) or "nothing"
        raise InputError(f"the shares of a split add up to 1 and none is negative; got {told}")
    order = {name: place for place, name in enumerate(SPLITS)}
    return sorted(
        (name for name, share in fractions.items() if share > 0),
        key=lambda name: (order.get(name, len(order)), name),
    )


def _turn(
    group: str,
    held: Mapping[str, Counter[Hashable]],
    total: Mapping[Hashable, int],
    places: Mapping[str, int],
) -> tuple[int, int, int]:
    """Large groups first (they are the hardest to place), then the rarest stratum, then by lot."""
    counts = held[group]
    rarest = min(total[kind] for kind in counts)
    return -counts[None], rarest, places[group]


def _claim(share: float, placed: Counter[Hashable], counts: Counter[Hashable]) -> float:
    """Logarithm of what a split may claim of a group: of its cases, and of its strata."""
    quotients = {kind: log(share) - log(placed[kind] + count) for kind, count in counts.items()}
    cases = quotients.pop(None)
    return cases + (sum(quotients.values()) / len(quotients) if quotients else 0.0)
