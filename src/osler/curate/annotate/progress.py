"""How far a queue is: counts, time, cost, how well people agree, how they did on gold items."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from osler.core import Estimate

from .agreement import Level, Weights, alpha_estimate, cohen_kappa
from .gold import GoldResult, gold_results
from .outcome import STATUSES, Recorded, Settled
from .task import VERDICTS

SIMULATED = "simulated"
"""First word of the name of every simulated rater."""


@dataclass(frozen=True, slots=True)
class RaterFigures:
    """One rater: decisions that stand, time, and how often others chose the same answer.

    ``minutes`` include undone decisions; ``same`` of ``shared`` are answers equal to another
    rater's on the same task, gold items left out.
    """

    rater: str
    labels: int
    skips: int
    flags: int
    rulings: int
    minutes: float
    seconds_median: float
    same: int
    shared: int
    simulated: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a queue is. Agreement is None where nothing can be said yet.

    ``alpha`` (Krippendorff, nominal) and ``kappa`` (Cohen, mean of pairs of raters weighted by
    their common tasks) are of the answers; ``verdict_alpha`` (ordinal) and ``verdict_kappa``
    (quadratic weights) of the quality verdicts. All use votes made before any adjudication, gold
    items left out. ``reasons`` count the notes of skips and flags, ``gold`` must not be shown to
    raters. ``adjudicated`` counts disputes that were ruled on.
    """

    tasks: int
    decisions: int
    status: Mapping[str, int]
    tiers: Mapping[int, Mapping[str, int]]
    minutes: float
    cost_usd: float
    adjudicated: int
    overlap: int
    alpha: Estimate | None
    kappa: float | None
    verdict_alpha: Estimate | None
    verdict_kappa: float | None
    reasons: Mapping[str, Mapping[str, int]]
    raters: tuple[RaterFigures, ...]
    gold: tuple[GoldResult, ...]

    @property
    def done(self) -> int:
        """Tasks that need nobody any more."""
        return sum(self.status[name] for name in ("settled", "skipped", "flagged"))

    @property
    def simulated(self) -> bool:
        """Whether any decision was made by a simulated rater."""
        return any(figures.simulated for figures in self.raters)


def measure(
    labels: Sequence[Settled], made: Sequence[Recorded], cost: float, *, draws: int = 200
) -> Progress:
    """Figures of a queue from what holds and from every decision; ``cost`` in USD a minute."""
    live = [one for one in made if not one.undone]
    gold = {one.task.id: one.task.gold for one in labels if one.task.gold}
    votes = [d for d in live if d.role == "rater" and d.decision.action == "label"]
    ordinary = [d for d in votes if d.task_id not in gold]
    options = {one.task.id: one.task.options for one in labels}
    answers = {
        (d.task_id, d.rater): _answer(d, options[d.task_id]) for d in ordinary if d.decision.answer
    }
    verdicts = {(d.task_id, d.rater): d.decision.verdict for d in ordinary if d.decision.verdict}
    per_task = Counter(task for task, _ in answers)
    minutes = sum(d.seconds for d in made) / 60
    on_gold = [d for d in live if d.task_id in gold and d.decision.action != "skip"]
    right = [d.decision.answer == gold[d.task_id] for d in on_gold]
    return Progress(
        tasks=len(labels),
        decisions=len(live),
        status=_counts(labels),
        tiers={t: _counts([s for s in labels if s.task.tier == t]) for t in _tiers(labels)},
        minutes=minutes,
        cost_usd=minutes * cost,
        adjudicated=sum(one.adjudicated for one in labels),
        overlap=sum(n > 1 for n in per_task.values()),
        alpha=_alpha(answers, sorted(set(answers.values())), "nominal", draws),
        kappa=_kappa(answers, sorted(set(answers.values())), "none"),
        verdict_alpha=_alpha(verdicts, VERDICTS, "ordinal", draws),
        verdict_kappa=_kappa(verdicts, VERDICTS, "quadratic"),
        reasons={kind: _reasons(live, kind) for kind in ("skip", "flag")},
        raters=tuple(_figures(who, made, answers) for who in sorted({d.rater for d in made})),
        gold=tuple(gold_results([d.rater for d in on_gold], right)),
    )


Ratings = Mapping[tuple[str, str], str]
"""(task, rater) -> value."""


def _answer(one: Recorded, options: Mapping[str, str]) -> str:
    """The text of the option, for a letter means something else in every question."""
    text = options.get(one.decision.answer, one.decision.answer)
    return " ".join(text.casefold().split())


def _counts(labels: Sequence[Settled]) -> dict[str, int]:
    counts = Counter(one.status for one in labels)
    return {name: counts[name] for name in STATUSES}


def _tiers(labels: Sequence[Settled]) -> list[int]:
    return sorted({one.task.tier for one in labels})


def _reasons(live: Sequence[Recorded], action: str) -> dict[str, int]:
    notes = [d.decision.note or "no reason given" for d in live if d.decision.action == action]
    return dict(Counter(notes).most_common())


def _table(ratings: Ratings, order: Sequence[str]) -> np.ndarray | None:
    """(raters, tasks) as places in ``order``, NaN for gaps; None without a task rated twice."""
    twice = {task for task, n in Counter(task for task, _ in ratings).items() if n > 1}
    if not twice:
        return None
    tasks = {task: i for i, task in enumerate(sorted(twice))}
    raters = {rater: i for i, rater in enumerate(sorted({rater for _, rater in ratings}))}
    place = {value: i for i, value in enumerate(order)}
    table = np.full((len(raters), len(tasks)), np.nan)
    for (task, rater), value in ratings.items():
        if task in tasks:
            table[raters[rater], tasks[task]] = place[value]
    return table


def _alpha(ratings: Ratings, order: Sequence[str], level: Level, draws: int) -> Estimate | None:
    table = _table(ratings, order)
    found = alpha_estimate(table, level, draws=draws) if table is not None else None
    return None if found is None or math.isnan(found.value) else found


def _kappa(ratings: Ratings, order: Sequence[str], weights: Weights) -> float | None:
    table = _table(ratings, order)
    if table is None:
        return None
    total, n = 0.0, 0
    for a, b in combinations(table, 2):
        both = ~(np.isnan(a) | np.isnan(b))
        value = cohen_kappa(a[both], b[both], weights) if both.any() else math.nan
        if not math.isnan(value):
            total, n = total + value * int(both.sum()), n + int(both.sum())
    return total / n if n else None


def _figures(rater: str, made: Sequence[Recorded], answers: Ratings) -> RaterFigures:
    mine = [d for d in made if d.rater == rater]
    live = [d for d in mine if not d.undone]
    counts = Counter(d.decision.action for d in live if d.role == "rater")
    pairs = [
        value == answers[task, rater]
        for (task, who), value in answers.items()
        if who != rater and (task, rater) in answers
    ]
    return RaterFigures(
        rater=rater,
        labels=counts["label"],
        skips=counts["skip"],
        flags=counts["flag"],
        rulings=sum(d.role == "adjudicator" and d.decision.action != "skip" for d in live),
        minutes=sum(d.seconds for d in mine) / 60,
        seconds_median=statistics.median([d.seconds for d in live]) if live else 0.0,
        same=sum(pairs),
        shared=len(pairs),
        simulated=rater.split()[0] == SIMULATED,
    )
