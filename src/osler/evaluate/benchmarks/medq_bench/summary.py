"""summary.json of MedQ-Bench: every table of a run. The schema stands in README.md."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from osler.core import Answer, Case, InputError, Score, plain
from osler.evaluate.scoring import estimates, macro_estimate

from .baseline import ABOUT
from .data import TASKS, WRITTEN
from .examples import example_rows
from .notes import notes
from .rubric import AXES, HIGHEST
from .score import is_written, score_case

Scored = list[tuple[Case, Score]]
ScoreCase = Callable[[Case, Sequence[Answer]], Score]
GROUPINGS = ("level", "modality", "scope", "concept", "gap")
KINDS = ("yes_no", "what", "how")


def summarise(
    cases: Sequence[Case],
    answers: Sequence[Answer],
    baselines: Mapping[str, Sequence[Answer]],
    seed: int,
    score: ScoreCase,
    scorer: str,
) -> dict[str, Any]:
    """All tables of a run over ``cases``; ``score`` is the benchmark's own.

    Raises
    ------
    InputError
        If nothing can be scored.
    """
    scored, unscored, trials = _scored(cases, answers, score)
    if not scored:
        reasons = ", ".join(f"{n} {why}" for why, n in unscored.items()) or "no items"
        raise InputError(f"no item can be scored ({reasons}); resume the run or check the model")
    players = {name: _player(cases, given, scored) for name, given in baselines.items()}
    main = [pair for pair in scored if not is_written(pair[0].item)] or scored
    judged = scorer == "judge" and is_written(main[0][0].item)
    mark = " (scored by rules)" if judged else ""
    tasks = [_task(task, scored, players, seed, scorer) for task in TASKS]
    found = {
        "trials": trials,
        "n_items": len(cases),
        "n_scored": len(scored),
        "coverage": len(scored) / len(cases),
        "unscored": dict(sorted(unscored.items())),
        "status_counts": dict(sorted(Counter(a.status for a in answers).items())),
        "headline": _headline(main, seed, scorer),
        "baselines": [
            {"name": name + mark, "about": ABOUT.get(name, ""), **_forms(_only(player, main), seed)}
            for name, player in players.items()
        ],
        "tasks": [task for task in tasks if task],
        "kinds": _kinds(scored, players, seed),
        "cells": _cells(scored, seed),
        "judging": _judging(cases, answers, scored) if scorer == "judge" else None,
        "examples": example_rows(scored),
    }
    return found | {"notes": notes(found, scored, scorer)}


def _scored(
    cases: Sequence[Case], answers: Sequence[Answer], score: ScoreCase
) -> tuple[Scored, Counter[str], int]:
    given = _by_item(answers)
    trials = max((len(found) for found in given.values()), default=0)
    scored: Scored = []
    unscored: Counter[str] = Counter()
    for case in cases:
        mine = given.get(case.item.id, [])
        if len(mine) < trials or not mine:
            unscored["missing trials" if mine else "not asked"] += 1
            continue
        found = score(case, mine)
        if found.status == "scored":
            scored.append((case, found))
        else:
            unscored[found.status] += 1
    return scored, unscored, trials


def _by_item(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        found[answer.item_id].append(answer)
    return {name: sorted(mine, key=lambda a: a.trial) for name, mine in found.items()}


def _player(cases: Sequence[Case], answers: Sequence[Answer], scored: Scored) -> Scored:
    """A degenerate player on the scored items; its texts are always scored by rules."""
    given = _by_item(answers)
    return [(case, score_case(case, given[case.item.id])) for case, _ in scored]


def _only(player: Scored, items: Scored) -> Scored:
    kept = {case.item.id for case, _ in items}
    return [pair for pair in player if pair[0].item.id in kept]


def _groups(scored: Scored) -> list[str]:
    return [case.item.group or case.item.id for case, _ in scored]


def _forms(scored: Scored, seed: int) -> dict[str, Any]:
    """``n``, ``compat`` and ``robust`` of some items."""
    columns = np.array([[s.compat, s.robust] for _, s in scored], dtype=np.float64)
    compat, robust = estimates(columns, _groups(scored), seed=seed)
    return {"n": len(scored), "compat": plain(compat), "robust": plain(robust)}


def _headline(main: Scored, seed: int, scorer: str) -> dict[str, Any]:
    about = "accuracy over all questions on image quality, micro average, as published"
    if is_written(main[0][0].item):
        about = f"points of the descriptions as a share of {HIGHEST:.0f}, by {_by(scorer)}"
    return {"about": about, **_forms(main, seed)}


def _by(scorer: str) -> str:
    return "a judge" if scorer == "judge" else "rules, without a judge"


def _task(
    task: str, scored: Scored, players: Mapping[str, Scored], seed: int, scorer: str
) -> dict[str, Any] | None:
    mine = [pair for pair in scored if pair[0].item.tags["task"] == task]
    if not mine:
        return None
    found = {"task": task, "scorer": scorer if task in WRITTEN else "options", **_forms(mine, seed)}
    if task in WRITTEN:
        found["axes"] = [{"axis": axis, **_axis(mine, axis, seed)} for axis in AXES]
        found["points"] = _points(mine, seed)
    else:
        strata = [case.item.tags["kind"] for case, _ in mine]
        found["macro"] = {
            form: plain(
                macro_estimate(
                    [getattr(s, form) for _, s in mine], strata, _groups(mine), seed=seed
                )
            )
            for form in ("compat", "robust")
        }
    found["baselines"] = [
        _baseline(name, _only(player, mine), task, seed) for name, player in players.items()
    ]
    return found


def _baseline(name: str, player: Scored, task: str, seed: int) -> dict[str, Any]:
    row = {"name": name, "about": ABOUT.get(name, ""), **_forms(player, seed)}
    return row | ({"points": _points(player, seed)} if task in WRITTEN else {})


def _axis(scored: Scored, axis: str, seed: int) -> dict[str, Any]:
    columns = np.array(
        [[s.parts[f"{axis}_compat"], s.parts[f"{axis}_robust"]] for _, s in scored], np.float64
    )
    found = estimates(columns, _groups(scored), seed=seed, bounds=[(0.0, 2.0)] * 2)
    return dict(zip(("compat", "robust"), map(plain, found), strict=True))


def _points(scored: Scored, seed: int) -> dict[str, Any]:
    columns = np.array([[s.compat, s.robust] for _, s in scored], dtype=np.float64) * HIGHEST
    found = estimates(columns, _groups(scored), seed=seed, bounds=[(0.0, HIGHEST)] * 2)
    return dict(zip(("compat", "robust"), map(plain, found), strict=True))


def _kinds(scored: Scored, players: Mapping[str, Scored], seed: int) -> list[dict[str, Any]]:
    """Accuracy by type of question, each beside its best degenerate player."""
    rows = []
    for kind in KINDS:
        mine = [pair for pair in scored if pair[0].item.tags["kind"] == kind]
        if not mine:
            continue
        others = {name: _forms(_only(player, mine), seed) for name, player in players.items()}
        best = max(others, key=lambda name: others[name]["robust"]["value"])
        rows.append(
            {"kind": kind, **_forms(mine, seed), "baseline": {"name": best, **others[best]}}
        )
    return rows


def _cells(scored: Scored, seed: int) -> list[dict[str, Any]]:
    """One cell for each task, grouping and key."""
    rows = []
    for task in TASKS:
        for by in GROUPINGS:
            cut: dict[str, Scored] = defaultdict(list)
            for case, score in scored:
                if case.item.tags["task"] == task and case.item.tags.get(by):
                    cut[case.item.tags[by]].append((case, score))
            rows += [
                {"task": task, "by": by, "key": key, **_forms(mine, seed)}
                for key, mine in sorted(cut.items())
            ]
    return rows


def _judging(
    cases: Sequence[Case], answers: Sequence[Answer], scored: Scored
) -> dict[str, Any] | None:
    """How steady the judge is, and how far from the rules on the same texts."""
    given = _by_item(answers)
    mine = [(case, s) for case, s in scored if is_written(case.item)]
    asked = sum(is_written(case.item) for case in cases)
    if not mine:
        return None
    rules = [score_case(case, given[case.item.id]) for case, _ in mine]
    both = {
        axis: ([_number(s, axis) for _, s in mine], [_number(r, axis) for r in rules])
        for axis in AXES
    }
    gaps = [
        {
            "axis": axis,
            "judge": float(np.mean(both[axis][0])),
            "rules": float(np.mean(both[axis][1])),
            "difference": float(np.mean([abs(a - b) for a, b in zip(*both[axis], strict=True)])),
        }
        for axis in AXES
    ]  # fmt: skip
    spreads = [float(s.parts["spread"] or 0.0) for _, s in mine]
    return {
        "rounds": int(float(mine[0][1].parts["rounds"] or 1)),
        "asked": asked,
        "scored": len(mine),
        "spread": float(np.mean(spreads)),
        "unsteady": sum(value > 0 for value in spreads),
        "axes": gaps,
    }


def _number(score: Score, axis: str) -> float:
    return float(score.parts[f"{axis}_compat"] or 0.0)
