"""The four axes of a description, by rules: no judge, the same every time, and labelled so.

Each axis is 0 to 2. ``compat`` follows the published wording of the axes; ``robust`` closes the
ways in which a text that looked at nothing scores there (a list of every artefact, a hedge, a bare
verdict, silence).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .rules import Reading
from .vocabulary import VERDICT_OF, VERDICTS

AXES = ("completeness", "preciseness", "consistency", "quality")
HIGHEST = 8.0
"""Greatest sum over the axes."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of the image (or the pair).

    ``closed`` says that ``found`` is all there is (made from a record of what was done), so naming
    something else is wrong; else only what the reference denies is known to be absent.
    """

    found: Mapping[str, str]
    denied: frozenset[str] = frozenset()
    verdict: str | None = None
    better: str | None = None
    closed: bool = False

    @classmethod
    def of_reference(cls, said: Reading) -> Truth:
        """The truth as a reference text states it, read by the same rules."""
        return cls(said.found, said.denied, said.verdict, said.better, closed=False)


Axes = dict[str, float]


def axes(said: Reading, truth: Truth, paired: bool) -> tuple[Axes, Axes]:
    """(compat, robust) points of every axis."""
    hits = {name for name in said.found if name in truth.found}
    wrong = contradictions(said, truth)
    consistent, consistent_robust = _consistency(said, paired)
    quality, quality_robust = _quality(said, truth, paired)
    precision = _precision(hits, wrong, said, truth)
    compat = {
        "completeness": _completeness(hits, said, truth),
        "preciseness": float(max(0, 2 - len(wrong))),
        "consistency": consistent,
        "quality": quality,
    }
    robust = {
        "completeness": 2.0 * _overlap(hits, said, truth),
        "preciseness": 2.0 * precision,
        # A text that is wrong throughout may well agree with itself; that is worth nothing.
        "consistency": consistent_robust if precision > 0 else 0.0,
        "quality": quality_robust,
    }
    return compat, robust


def contradictions(said: Reading, truth: Truth) -> set[str]:
    """Concepts on which the text says the contrary of the truth."""
    wrong = {name for name in said.denied if name in truth.found}
    if said.nothing:
        wrong |= set(truth.found)
    if truth.closed:
        return wrong | {name for name in said.found if name not in truth.found}
    return wrong | {name for name in said.found if name in truth.denied}


def _completeness(hits: set[str], said: Reading, truth: Truth) -> float:
    """Published: all 2, some 1, none 0; on a clean image, saying that something is absent."""
    if not truth.found:
        return 2.0 if said.nothing or said.denied else 0.0
    share = len(hits) / len(truth.found)
    return 2.0 if share == 1 else 1.0 if share > 0 else 0.0


def _overlap(hits: set[str], said: Reading, truth: Truth) -> float:
    """F1 of the findings, each hit worth 1 with the right strength, 1/2 with another or none."""
    if not truth.found:
        return 1.0 if not said.found and (said.nothing or said.denied) else 0.0
    worth = sum(_worth(said.found[name], truth.found[name]) for name in hits)
    return 2 * worth / (len(said.found) + len(truth.found))


def _precision(hits: set[str], wrong: set[str], said: Reading, truth: Truth) -> float:
    """Right statements among all that can be checked; nothing stated is nothing right.

    Against a record, denials count only on a clean image, and once: most artefacts are absent
    from most images, so a list of denials costs nothing.
    """
    right = sum(_worth(said.found[name], truth.found[name]) for name in hits)
    if truth.closed:
        denials = int(not truth.found and bool(said.nothing or said.denied))
    else:
        denials = len(said.denied & truth.denied)
    made = len(hits) + len(wrong) + denials
    return (right + denials) / made if made else 0.0


def _worth(said: str, true: str) -> float:
    return 1.0 if said == true or not true else 0.5


def _consistency(said: Reading, paired: bool) -> tuple[float, float]:
    """Do the findings support the verdict of the same text?"""
    if paired:
        if said.better is None:
            return 0.0, 0.0
        a, b = said.by_image.get("A"), said.by_image.get("B")
        if (a is None and b is None) or (a or 0) == (b or 0):
            return 1.0, 0.0
        implied = "A" if (a or 0) < (b or 0) else "B"
        return (2.0, 2.0) if implied == said.better else (0.0, 0.0)
    if said.verdict is None:
        return 0.0, 0.0
    points = float(2 - _distance(VERDICT_OF[said.worst], said.verdict))
    spoke = bool(said.found or said.denied or said.nothing)
    return points, points if spoke else 0.0


def _quality(said: Reading, truth: Truth, paired: bool) -> tuple[float, float]:
    """The verdict against the true one; robust gives nothing for the middle as a hedge."""
    if paired:
        points = 2.0 if said.better is not None and said.better == truth.better else 0.0
        return points, points
    if said.verdict is None or truth.verdict is None:
        return 0.0, 0.0
    away = _distance(said.verdict, truth.verdict)
    return float(2 - away), 2.0 if away == 0 else 0.0


def _distance(one: str, other: str) -> int:
    return abs(VERDICTS.index(one) - VERDICTS.index(other))


__all__ = ["AXES", "HIGHEST", "Truth", "axes", "contradictions"]
