"""Balance: how many samples each source may give so that none holds more than its share."""

from __future__ import annotations

from collections.abc import Mapping


def caps_for(counts: Mapping[str, int], max_share: float) -> dict[str, int]:
    """The most samples that each source may give, for those that must give up some.

    The highest level L at which every source larger than L is cut to L, such that
    L <= ``max_share`` * sum(min(n_i, L)). That holds on an interval from 0, since the right side
    is concave in L, so L is found by halving. With fewer sources than 1 / ``max_share`` no level
    does; all are then cut to the smallest, the most even that they can be.

    Examples
    --------
    >>> caps_for({"a": 900, "b": 60, "c": 40}, 0.5)
    {'a': 100}
    >>> caps_for({"a": 10, "b": 10}, 0.5)
    {}
    """
    sizes = [n for n in counts.values() if n > 0]
    if not sizes:
        return {}
    low, high = min(sizes), max(sizes)
    while low < high:
        level = (low + high + 1) // 2
        held = sum(min(n, level) for n in sizes)
        if level <= max_share * held + 1e-9:
            low = level
        else:
            high = level - 1
    return {name: low for name, n in sorted(counts.items()) if n > low}


def attainable(counts: Mapping[str, int], max_share: float) -> bool:
    """Whether there are enough sources for none to hold more than ``max_share``."""
    return sum(1 for n in counts.values() if n > 0) * max_share >= 1 - 1e-9
