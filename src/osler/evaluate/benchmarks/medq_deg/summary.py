"""summary.json: every table of a run. The schema stands in README.md of this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from osler.core import Answer, Case, InputError, plain
from osler.evaluate.scoring import Standing, estimates, intra_model, macro, macro_estimate

from .baseline import ABOUT
from .confidence_tables import calibration_rows
from .examples import example_rows
from .frame import Frame, Run, gather, measures
from .notes import notes
from .pairs import paired_rows

GROUPINGS = ("degradation", "category", "modality", "capability")
WORST_SHOWN = 10
WORST_LEAST_N = 5


def summarise(
    cases: Sequence[Case],
    answers: Sequence[Answer],
    baselines: Mapping[str, Sequence[Answer]],
    seed: int,
) -> dict[str, Any]:
    """All tables of a run over ``cases``, from the raw ``answers`` of the model.

    Raises
    ------
    InputError
        If there is nothing to score, or the answers do not belong to the cases.
    """
    run = gather(cases, answers)
    frame = run.frame
    counts = {
        "trials": frame.trials,
        "n_items": run.n_items,
        "n_scored": len(frame),
        "coverage": len(frame) / run.n_items if run.n_items else 0.0,
        "unscored": run.unscored,
        "status_counts": run.statuses,
    }
    if len(frame) == 0:
        reasons = ", ".join(f"{n} {why}" for why, n in run.unscored.items()) or "no items"
        raise InputError(f"no item can be scored ({reasons}); resume the run or check the model")
    played = [baseline_row(name, a, headline_items(frame), seed) for name, a in baselines.items()]
    beside = [baseline_scores(frame, answers)[:, 1] for answers in baselines.values()]
    frame = replace(frame, baselines=np.stack(beside, 1)) if beside else frame
    main = headline_items(frame)
    cells = cell_rows(frame, seed)
    calibration = calibration_rows(frame, seed)
    flags: dict[str, Any] = {"intra": intra_flag(calibration, frame.trials), "inter": []}
    return {
        **counts,
        "headline": headline(frame, main, seed),
        "by_level": [{"level": v, **measures(frame.at(v), seed)} for v in frame.levels()],
        "cells": cells,
        "micro": {"level": _level_word(frame), **measures(main, seed)},
        "macro": {by: macro_row(main, by, seed) for by in GROUPINGS},
        "macro_by_level": [
            {"by": by, "level": level, **macro_row(frame.at(level), by, seed)}
            for by in ("modality", "capability")
            for level in frame.levels()
        ],
        "geometric": geometric(frame, seed),
        "calibration": calibration,
        "paired": paired_rows(frame, GROUPINGS, seed),
        "dunning_kruger": flags,
        "baselines": played,
        "worst": worst(cells),
        "notes": notes(run, main, cells, calibration),
        "examples": example_rows(frame),
    }


def headline_items(frame: Frame) -> Frame:
    """The degraded items, as published; all items where none is degraded."""
    degraded = frame.degraded()
    return degraded if len(degraded) else frame


def _level_word(frame: Frame) -> str:
    return "degraded" if len(frame.degraded()) else "all"


def headline(frame: Frame, main: Frame, seed: int) -> dict[str, Any]:
    """Accuracy over the degraded items, the clean one beside it, and the bare counts."""
    about = (
        "accuracy over all degraded items (micro average of the levels above 0, as published)"
        if _level_word(frame) == "degraded"
        else "accuracy over all items; none is degraded"
    )
    clean = frame.at("0")
    row = measures(main, seed)
    found = {"about": about, "compat": row["compat"], "robust": row["robust"]}
    if len(clean) and main is not frame:
        found["clean"] = measures(clean, seed, shift=False)
    return found


def cell_rows(frame: Frame, seed: int) -> list[dict[str, Any]]:
    """One cell for each grouping, key and level; degradation and category have no clean cell."""
    rows = []
    for by in GROUPINGS:
        for level in frame.levels():
            if by in ("degradation", "category") and level == "0":
                continue
            here = frame.at(level)
            for key in sorted(set(here.tags[by].tolist())):
                cut = here.where(here.tags[by] == key)
                row = {"by": by, "key": key, "level": level, **measures(cut, seed)}
                if by == "degradation":
                    row["geometric"] = bool((cut.tags["geometric"] == "1").all())
                rows.append(row)
    return rows


def macro_row(frame: Frame, by: str, seed: int) -> dict[str, Any]:
    """Unweighted mean over the keys of one grouping."""
    strata, groups = frame.tags[by].tolist(), frame.groups.tolist()
    found = {
        name: plain(macro_estimate(getattr(frame, name), strata, groups, seed=seed))
        for name in ("compat", "robust")
    }
    beside = max((macro(player, strata) for player in frame.baselines.T), default=None)
    return {"n": len(frame), "strata": len(set(strata)), **found, "baseline": beside}


def geometric(frame: Frame, seed: int) -> dict[str, Any]:
    """Degradations that move anatomy, apart: they change what "left" means, not only quality."""
    moved = (frame.tags["geometric"] == "1") & (frame.tags["level"] != "0")
    side = moved & (frame.tags["laterality"] == "1")
    still = ~moved & (frame.tags["level"] != "0")
    return {
        "keys": sorted(set(frame.tags["degradation"][moved].tolist())),
        "only": measures(frame.where(moved), seed) if moved.any() else None,
        "without": measures(frame.where(still), seed) if still.any() else None,
        "laterality": measures(frame.where(side), seed) if side.any() else None,
    }


def intra_flag(calibration: Sequence[Mapping[str, Any]], trials: int) -> bool | None:
    """Dunning-Kruger within the model, clean against the hardest level; None where unknown."""
    rows = {r["level"]: r for r in calibration if r["confidence"] == "vote_entropy"}
    hard = max((int(level) for level in rows), default=0)
    if "0" not in rows or hard == 0:
        return None
    clean, worse = (
        Standing(rows[level]["accuracy"], rows[level]["shift"]["value"], trials)
        for level in ("0", str(hard))
    )
    return intra_model(clean, worse)


def baseline_scores(frame: Frame, answers: Sequence[Answer]) -> np.ndarray:
    """Score (n, 2) of a degenerate player on each item, compat and robust, mean over trials."""
    place = {case.item.id: i for i, case in enumerate(frame.cases)}
    gold = [case.gold.answer for case in frame.cases]
    hits, asked = np.zeros((len(frame), 2)), np.zeros(len(frame))
    for answer in answers:
        i = place.get(answer.item_id)
        if i is not None:
            hits[i] += answer.compat_value == gold[i], answer.value == gold[i]
            asked[i] += 1
    scores: np.ndarray = hits / np.maximum(asked, 1)[:, None]
    return scores


def baseline_row(name: str, answers: Sequence[Answer], main: Frame, seed: int) -> dict[str, Any]:
    """A degenerate player on the very items of the headline.

    ``gain`` (and ``gain_compat``) is what the model scores above it, paired item by item.
    """
    scores = baseline_scores(main, answers)
    gains = np.stack([main.compat, main.robust], 1) - scores
    bounds = [(0.0, 1.0)] * 2 + [(-1.0, 1.0)] * 2
    columns = np.concatenate([scores, gains], 1)
    found = estimates(columns, main.groups.tolist(), seed=seed, bounds=bounds)
    named = zip(("compat", "robust", "gain_compat", "gain"), map(plain, found), strict=True)
    return {"name": name, "about": ABOUT.get(name, ""), **dict(named)}


def worst(cells: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Degraded cells whose robust accuracy is low beyond doubt: by the upper end of the interval.

    By the raw value the smallest cells would always come first.
    """
    found = [c for c in cells if c["level"] != "0" and c["n"] >= WORST_LEAST_N]
    return sorted(found, key=lambda c: (c["robust"]["high"], c["robust"]["value"]))[:WORST_SHOWN]


__all__ = ["GROUPINGS", "Run", "summarise"]
