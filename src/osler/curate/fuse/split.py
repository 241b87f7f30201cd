"""Training, validation and test by person: no person in two of them, every stratum in all.

Greedy stratification of groups, after Sechidis, Tsoumakas and Vlahavas, "On the stratification of
multi-label data" (2011): the rarest stratum is dealt out first, each group to the split that still
wants the most of what the group holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence

from osler.core import InputError, derive_seed

SPLITS = ("train", "val", "test")


def split_groups(
    groups: Sequence[str],
    strata: Sequence[Collection[str]],
    fractions: Mapping[str, float],
    seed: object,
    fixed: Mapping[str, str] | None = None,
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

    Raises
    ------
    InputError
        A fraction is negative or they do not add up to 1.
    """
    names = checked_fractions(fractions)
    held: dict[Hashable, Counter[Hashable]] = {}
    for group, kinds in zip(groups, strata, strict=True):
        held.setdefault(group, Counter())[None] += 1  # None: a case, of whatever kind
        held[group].update(set(kinds))
    total: Counter[Hashable] = Counter()
    for counts in held.values():
        total.update(counts)
    wanted = {name: {kind: fractions[name] * n for kind, n in total.items()} for name in names}
    chosen = {group: name for group, name in (fixed or {}).items() if group in held}
    for group, name in chosen.items():
        _take(wanted.get(name, {}), held[group])
    places = {group: derive_seed(seed, "split", group) for group in held}
    rest = held.keys() - chosen.keys()
    for group in sorted(map(str, rest), key=lambda one: _turn(one, held, total, places)):
        wishes = {name: _want(wanted[name], held[group], total) for name in names}
        best = max(names, key=lambda name: (wishes[name], -names.index(name)))
        chosen[group] = best
        _take(wanted[best], held[group])
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
    group: Hashable,
    held: Mapping[Hashable, Counter[Hashable]],
    total: Mapping[Hashable, int],
    places: Mapping[Hashable, int],
) -> tuple[int, int, int]:
    """Large groups first (they are the hardest to place), then the rarest stratum, then by lot."""
    counts = held[group]
    rarest = min(total[kind] for kind in counts)
    return -counts[None], rarest, places[group]


def _want(
    wanted: Mapping[Hashable, float], counts: Counter[Hashable], total: Mapping[Hashable, int]
) -> float:
    """How much a split still lacks of what a group holds, as shares: of cases, and of strata."""
    lacks = [wanted[kind] / total[kind] for kind in counts if kind is not None]
    return wanted[None] / total[None] + (sum(lacks) / len(lacks) if lacks else 0.0)


def _take(wanted: dict[Hashable, float], counts: Counter[Hashable]) -> None:
    for kind, count in counts.items():
        if kind in wanted:
            wanted[kind] -= count
