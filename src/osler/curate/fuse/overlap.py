"""Which cases show the same thing: copies within and across datasets, from the surest on.

``same``    equal values in canonical orientation, whatever spacing and file say
``turned``  equal values but for flips, turns, or a constant added (HU + 1024)
``part``    several equal planes: one volume is cut from the other, or a plane from a volume
``near``    planes that lie over each other: re-encoded, resized, cropped, mirrored, brightened

Pictures of one value are never compared. ``near`` is decided by correlation, so it can err; the
others cannot, but for broken data that are equal by chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np

from ..pool.executors import Executor, Here
from .copies import Plane, proposals, score_by_features, score_by_hash
from .groups import Sets
from .looks import Features, Look, features_of, unpacked

Kind = Literal["same", "turned", "part", "near"]
KINDS: tuple[Kind, ...] = ("same", "turned", "part", "near")

LEAST_CORRELATION = 0.97
"""Above the 0.96 that neighbouring slices of 3 mm reach, below the 0.98 of JPEG at quality 30."""

_LEAST_PLANES = 3
_COMMON_PLANE = 64
"""A plane that more cases hold is a template or a test pattern and joins nobody."""

_CHUNK = 256
_FEW = 4


@dataclass(frozen=True, slots=True)
class Link:
    """Two cases, by number, that show the same thing; ``one`` is the smaller number.

    ``value`` is the correlation (near), the share of equal planes of the smaller (part), else 1.
    """

    kind: Kind
    one: int
    two: int
    value: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What is compared of a case; ``person`` is a key of the patient, empty if unknown."""

    pixels: str
    orbit: str
    plain: bool
    planes: tuple[int, ...]
    looks: tuple[Look, ...]
    person: str = ""


def shown_of(told: Mapping[str, Any], person: str = "") -> Shown:
    """What :func:`osler.curate.fuse.reading.read_case` told, ready to be compared."""
    planes = tuple(told["planes"]) or (int(told["orbit"][:16], 16),)
    looks = tuple(unpacked(one) for one in told["looks"])
    return Shown(told["pixels"], told["orbit"], told["plain"], planes, looks, person)


def find_overlaps(
    shown: Sequence[Shown],
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Link]:
    """All links, each pair by its surest kind; sorted.

    Equal cases are each linked with the first of them only. Near copies are not looked for between
    cases of one known person, who stay together anyway.
    """
    sets = Sets(len(shown))
    found: list[Link] = []
    for kind in ("same", "turned"):
        found += _equal(shown, kind, sets)
    parts = _parts(shown, sets)
    sure = {(link.one, link.two) for link in parts}
    found += parts
    found += [
        link
        for link in _near(shown, sets, executor or Here(), progress)
        if (link.one, link.two) not in sure
    ]
    return sorted(found, key=lambda link: (link.one, link.two, KINDS.index(link.kind)))


def _equal(shown: Sequence[Shown], kind: Kind, sets: Sets) -> list[Link]:
    first: dict[str, int] = {}
    found = []
    for number, one in enumerate(shown):
        key = one.pixels if kind == "same" else one.orbit
        other = first.setdefault(key, number)
        if one.plain or other == number or sets.find(other) == sets.find(number):
            continue
        sets.join(other, number)
        found.append(Link(kind, other, number))
    return found


def _parts(shown: Sequence[Shown], sets: Sets) -> list[Link]:
    """Pairs that share planes, by an index from planes to the cases that hold them."""
    holders: dict[int, list[int]] = {}
    for number, case in enumerate(shown):
        if not case.plain:
            for plane in case.planes:
                holders.setdefault(plane, []).append(number)
    shared: Counter[tuple[int, int]] = Counter()
    for cases in holders.values():
        if len(cases) <= _COMMON_PLANE:
            for place, first in enumerate(cases):
                shared.update((first, second) for second in cases[place + 1 :])
    found = []
    for (one, two), count in sorted(shared.items()):
        smaller = min(len(shown[one].planes), len(shown[two].planes))
        if count >= min(smaller, _LEAST_PLANES) and sets.find(one) != sets.find(two):
            found.append(Link("part", one, two, round(count / smaller, 4)))
    return found


def _near(
    shown: Sequence[Shown],
    sets: Sets,
    executor: Executor,
    progress: Callable[[int, int], None] | None,
) -> list[Link]:
    planes = _planes(shown, sets, executor)
    people = [one.person for one in shown]

    def known(one: int, two: int) -> bool:
        return bool(people[one]) and people[one] == people[two]

    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, len(planes))

    by_hash, by_features = proposals(planes, known, step)
    scores: dict[tuple[int, int], float] = {}
    for result in _run(executor, _scored, _chunks(planes, by_hash, score_by_hash)):
        for pair, score in result:
            scores[pair] = max(score, scores.get(pair, -1.0))
    left = [one for one in by_features if scores.get(one[:2], -1.0) < LEAST_CORRELATION]
    for result in _run(executor, _scored, _chunks(planes, left, score_by_features)):
        for pair, score in result:
            scores[pair] = max(score, scores.get(pair, -1.0))
    return _agreed(planes, scores, shown)


def _planes(shown: Sequence[Shown], sets: Sets, executor: Executor) -> list[Plane]:
    """The planes to compare: those of one case of each set of equal ones."""
    wanted = [
        (number, look)
        for number, one in enumerate(shown)
        if not one.plain and sets.find(number) == number
        for look in one.looks
    ]
    chunks = [
        (start, [look for _, look in wanted[start : start + _CHUNK]])
        for start in range(0, len(wanted), _CHUNK)
    ]
    found: dict[int, list[Features]] = dict(_run(executor, _described, chunks))
    features = [one for start in sorted(found) for one in found[start]]
    return [Plane(number, look, one) for (number, look), one in zip(wanted, features, strict=True)]


def _run(executor: Executor, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Any]:
    """Results of the jobs; a few are done here, for processes take longer to start."""
    return (executor if len(jobs) > _FEW else Here()).run(function, jobs)


def _described(job: tuple[int, list[Look]]) -> tuple[int, list[Features]]:
    start, looks = job
    return start, [features_of(look) for look in looks]


_Score = Callable[[Plane, Plane, Any], float]


def _chunks(
    planes: Sequence[Plane], pairs: Sequence[tuple[int, int, Any]], score: _Score
) -> list[tuple[_Score, list[tuple[int, int, Any]], dict[int, Plane]]]:
    """Jobs of some hundred pairs, each with the planes it needs."""
    found = []
    for start in range(0, len(pairs), 4 * _CHUNK):
        some = list(pairs[start : start + 4 * _CHUNK])
        numbers = {number for one, two, _ in some for number in (one, two)}
        found.append((score, some, {number: planes[number] for number in numbers}))
    return found


def _scored(
    job: tuple[_Score, list[tuple[int, int, Any]], dict[int, Plane]],
) -> list[tuple[tuple[int, int], float]]:
    score, pairs, planes = job
    return [((one, two), score(planes[one], planes[two], how)) for one, two, how in pairs]


def _agreed(
    planes: Sequence[Plane], scores: Mapping[tuple[int, int], float], shown: Sequence[Shown]
) -> list[Link]:
    """Pairs of cases whose planes are copies: two planes of them where both are volumes."""
    good = sorted(
        (tuple(sorted((planes[one].owner, planes[two].owner))), one, two, score)
        for (one, two), score in scores.items()
        if score >= LEAST_CORRELATION
    )
    found = []
    for (one, two), rows in groupby(good, key=lambda row: row[0]):
        matched = list(rows)
        needed = 2 if min(len(shown[one].looks), len(shown[two].looks)) > 1 else 1
        seen = min(len({row[1] for row in matched}), len({row[2] for row in matched}))
        if seen >= needed:
            value = float(np.mean(sorted(row[3] for row in matched)[-needed:]))
            found.append(Link("near", one, two, round(min(value, 1.0), 4)))
    return found
