"""Do sources that show the same picture say the same of it?

Copies that overlap finds are labelled twice, at no cost: they tell how far two sources agree. A
source whose dictionary is turned round, or whose labels are careless, disagrees with all the
others; it is found here, by name, before it teaches a model the opposite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LIMIT = 0.2
"""Share of contradicted copies that refuses a source: above slips, far below a turned table."""

Z = 1.959964
"""Of a two-sided interval of 95 %."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two sources said the same of pictures that both have."""

    one: str
    two: str
    shared: int
    differing: int


@dataclass(frozen=True, slots=True)
class Conflicts:
    """What copies tell about labels.

    ``refused`` are sources found to be wrong, each with a sentence that says why; ``disputed`` the
    pairs of cases of the other sources that contradict each other; ``undecided`` pairs of sources
    that contradict each other as much as a wrong one would, with nobody to say which is right.
    """

    agreements: tuple[Agreement, ...]
    refused: Mapping[str, str]
    undecided: tuple[tuple[str, str], ...]
    disputed: tuple[tuple[int, int], ...]


def label_conflicts(
    sources: Sequence[str], copies: Iterable[tuple[int, int, bool]], limit: float = LIMIT
) -> Conflicts:
    """Find contradictions among the labels of copies, and the sources that cause them.

    Sources are refused one by one, the worst first: the one of which the lower 95 % bound (Wilson)
    of its share of contradicted copies is highest, as long as that is above ``limit``. What it
    said no longer counts then, so that a good source is not blamed for a bad one's labels. Where
    the two worst are equally bad, as two sources that only contradict each other, none is refused.

    Parameters
    ----------
    sources
        Source of each case.
    copies
        Pairs of cases that show the same picture, and whether they say the same of it. Pairs
        within one source count as disputed, not against other sources.
    limit
        Share of contradicted copies, 0 to 1, above which a source is refused.
    """
    pairs = sorted({(min(a, b), max(a, b), same) for a, b, same in copies})
    between = _counts(sources, pairs)
    refused: dict[str, str] = {}
    undecided: list[tuple[str, str]] = []
    while True:
        bounds = _bounds(between, refused)
        ranked = sorted(bounds, key=lambda name: (-bounds[name], name))
        if not ranked or bounds[ranked[0]] <= limit:
            break
        if len(ranked) > 1 and bounds[ranked[1]] >= bounds[ranked[0]] - 1e-12:
            undecided.append((ranked[0], ranked[1]))
            break
        refused[ranked[0]] = _sentence(ranked[0], between, refused)
    disputed = tuple(
        (a, b)
        for a, b, same in pairs
        if not same and sources[a] not in refused and sources[b] not in refused
    )
    agreements = tuple(Agreement(*names, *counts) for names, counts in sorted(between.items()))
    return Conflicts(agreements, refused, tuple(undecided), disputed)


_Between = dict[tuple[str, str], tuple[int, int]]


def _counts(sources: Sequence[str], pairs: Sequence[tuple[int, int, bool]]) -> _Between:
    found: _Between = {}
    for a, b, same in pairs:
        one, two = sorted((sources[a], sources[b]))
        if one != two:
            shared, differing = found.get((one, two), (0, 0))
            found[one, two] = shared + 1, differing + (not same)
    return found


def _of(name: str, between: _Between, gone: Mapping[str, str]) -> tuple[int, int]:
    """Copies that ``name`` shares with sources that still count, and those contradicted."""
    rows = [
        counts
        for names, counts in between.items()
        if name in names and not any(other in gone for other in names)
    ]
    return sum(shared for shared, _ in rows), sum(differing for _, differing in rows)


def _bounds(between: _Between, gone: Mapping[str, str]) -> dict[str, float]:
    names = {name for pair in between for name in pair} - set(gone)
    counted = {name: _of(name, between, gone) for name in names}
    return {
        name: wilson_lower(differing, shared)
        for name, (shared, differing) in counted.items()
        if shared
    }


def _sentence(name: str, between: _Between, gone: Mapping[str, str]) -> str:
    shared, differing = _of(name, between, gone)
    others = sorted(
        next(other for other in names if other != name)
        for names, counts in between.items()
        if name in names and counts[1] and not any(other in gone for other in names)
    )
    return (
        f"contradicts {', '.join(others)} on {differing} of the {shared} pictures that it shares "
        "with other sources; check its labels (a dictionary turned round?) before it is used"
    )


def wilson_lower(hits: int, n: int) -> float:
    """Lower 95 % bound of a share (Wilson, JASA 1927).

    Examples
    --------
    >>> round(wilson_lower(80, 80), 3), round(wilson_lower(1, 2), 3), wilson_lower(0, 9)
    (0.954, 0.095, 0.0)
    """
    p, z2 = hits / n, Z * Z
    middle = p + z2 / (2 * n)
    half = Z * np.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, float((middle - half) / (1 + z2 / n)))
