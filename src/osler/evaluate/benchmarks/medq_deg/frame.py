"""The scored items of a run as columns: what every table of the summary is cut from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import Answer, Case, InputError, Score, plain
from osler.evaluate.scoring import Votes, estimates, same_trials

from .score import score_case, votes_of

Column = NDArray[np.float64]
Mask = NDArray[np.bool_]

TAGS = (
    "level",
    "degradation",
    "category",
    "modality",
    "capability",
    "dataset",
    "parent",
    "geometric",
    "laterality",
)
NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Scored items, one entry each: numbers as (n,) arrays, tags as text arrays by name.

    ``trials`` is T, the same for all. ``shift`` is published confidence minus compat score;
    ``votes`` are by the robust parser; ``baselines`` (n, players) are the robust scores of the
    degenerate players.
    """

    trials: int
    cases: NDArray[np.object_]
    scores: NDArray[np.object_]
    votes: NDArray[np.object_]
    compat: Column
    robust: Column
    shift: Column
    baselines: Column
    groups: NDArray[np.str_]
    tags: Mapping[str, NDArray[np.str_]]

    def __len__(self) -> int:
        return len(self.cases)

    def where(self, mask: Mask) -> Frame:
        """The items where ``mask`` (n,) holds."""
        cut = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in cut.items():
            if isinstance(value, np.ndarray):
                cut[name] = value[mask]
        cut["tags"] = {name: values[mask] for name, values in self.tags.items()}
        return Frame(**cut)

    def levels(self) -> list[str]:
        """Levels present, rising."""
        return sorted(set(self.tags["level"].tolist()), key=int)

    def at(self, level: str) -> Frame:
        """Items of one level."""
        return self.where(self.tags["level"] == level)

    def degraded(self) -> Frame:
        """Items of any level above 0."""
        return self.where(self.tags["level"] != "0")

    def part(self, name: str) -> Column:
        """A numeric part of the scores; NaN where an item lacks it."""
        found = [score.parts.get(name) for score in self.scores]
        return np.array([np.nan if v is None else float(v) for v in found])


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """All items of a run: the scored ones as a frame, the others by the reason."""

    frame: Frame
    n_items: int
    unscored: Mapping[str, int]
    statuses: Mapping[str, int]


def gather(cases: Sequence[Case], answers: Sequence[Answer]) -> Run:
    """Score every case from all its answers.

    T is the largest number of trials of any item; items with fewer are unscored (``missing
    trials``, ``not asked``), never compared at another T.

    Raises
    ------
    InputError
        An answer to an unknown item, or two answers for one trial of an item.
    """
    by_item: dict[str, dict[int, Answer]] = defaultdict(dict)
    known = {case.item.id for case in cases}
    for answer in answers:
        if answer.item_id not in known:
            raise InputError(f"answer to item {answer.item_id!r}, which is not in this dataset")
        if answer.trial in by_item[answer.item_id]:
            raise InputError(f"item {answer.item_id} has two answers for trial {answer.trial}")
        by_item[answer.item_id][answer.trial] = answer
    trials = max((len(found) for found in by_item.values()), default=0)
    kept: list[tuple[Case, Score, Votes]] = []
    unscored: Counter[str] = Counter()
    for case in sorted(cases, key=_place):  # sums of floats must not depend on the order given
        mine = [a for _, a in sorted(by_item.get(case.item.id, {}).items())]
        if len(mine) < trials or not mine:
            unscored["missing trials" if mine else "not asked"] += 1
            continue
        score = score_case(case, mine)
        if score.status != "scored":
            unscored[score.status] += 1
            continue
        kept.append((case, score, votes_of(list(case.item.options), [a.value for a in mine])))
    statuses: Counter[str] = Counter(answer.status for answer in answers)
    return Run(_columns(kept, trials), len(cases), dict(sorted(unscored.items())), dict(statuses))


def _place(case: Case) -> tuple[str, ...]:
    """Questions together, clean before degraded, levels rising."""
    tags = case.item.tags
    kind = tags.get("degradation", "") if tags.get("level") != "0" else ""
    return tags.get("parent", ""), kind, tags.get("level", ""), case.item.id


def _columns(kept: Sequence[tuple[Case, Score, Votes]], trials: int) -> Frame:
    if kept:
        same_trials([votes for _, _, votes in kept])
    cases = [case for case, _, _ in kept]
    scores = [score for _, score, _ in kept]
    compat = np.array([score.compat for score in scores], dtype=np.float64)
    confidence = np.array([score.parts["entropy_confidence"] for score in scores], np.float64)
    return Frame(
        trials=trials,
        cases=_objects(cases),
        scores=_objects(scores),
        votes=_objects([votes for _, _, votes in kept]),
        compat=compat,
        robust=np.array([score.robust for score in scores], dtype=np.float64),
        shift=confidence - compat,
        baselines=np.zeros((len(kept), 0)),
        groups=np.array([case.item.group or case.item.id for case in cases], dtype=str),
        tags={
            name: np.array([case.item.tags.get(name) or NOT_STATED for case in cases], dtype=str)
            for name in TAGS
        },
    )


def _objects(values: Sequence[object]) -> NDArray[np.object_]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def measures(frame: Frame, seed: int, *, shift: bool = True) -> dict[str, Any]:
    """``n``, the estimates ``compat``, ``robust`` and (for T > 1) ``shift``, and ``baseline``.

    ``baseline`` is the accuracy of the best degenerate player on these very items, None without
    any. The best of several is a little too good on few items: that errs against the model.
    """
    columns = [frame.compat, frame.robust]
    bounds = [(0.0, 1.0), (0.0, 1.0)]
    if shift and frame.trials > 1:
        columns.append(frame.shift)
        bounds.append((-1.0, 1.0))
    found = estimates(np.stack(columns, 1), frame.groups.tolist(), seed=seed, bounds=bounds)
    named = dict(zip(("compat", "robust", "shift"), map(plain, found), strict=False))
    blank = {"shift": None} if shift else {}
    return {"n": len(frame), **blank, **named, "baseline": baseline_accuracy(frame)}


def baseline_accuracy(frame: Frame) -> float | None:
    """Accuracy of the degenerate player that is best on these items, None without players."""
    return float(frame.baselines.mean(0).max()) if frame.baselines.size else None
