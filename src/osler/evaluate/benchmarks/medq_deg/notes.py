"""What a reader must know before believing the numbers of this run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .frame import Frame, Run

SMALL = 10


def notes(
    run: Run,
    main: Frame,
    cells: Sequence[Mapping[str, Any]],
    calibration: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Plain sentences, the most important first."""
    frame, found = run.frame, []
    if len(frame) < run.n_items:
        found.append(
            f"{run.n_items - len(frame)} of {run.n_items} items are unscored and left out of every "
            "mean; if calls fail more often on hard items, the scores are too high."
        )
    found += _about_votes(frame, calibration)
    small = [c for c in cells if c["n"] < SMALL]
    if small:
        found.append(
            f"{len(small)} of {len(cells)} cells hold fewer than {SMALL} items; their values can "
            "swing by tens of points. The worst cells are ranked by the upper end of their "
            "interval."
        )
    groups = len(set(main.groups.tolist()))
    found.append(
        f"Intervals are 95 % cluster bootstraps (2,000 draws) over {groups} patients or images, "
        f"not over {len(main)} items, widened to Wilson's interval (effective number of answers, "
        "Student's t) because a bootstrap over few of them is too narrow."
    )
    lost = run.statuses.get("refused", 0) + run.statuses.get("unparsed", 0)
    if lost:
        found.append(
            f"{lost} of {sum(run.statuses.values())} replies were refused or had no readable "
            "answer; they count as wrong, as published, and their vote is spread over all options."
        )
    moved = frame.tags["geometric"] == "1"
    if moved.any():
        side = int((moved & (frame.tags["laterality"] == "1")).sum())
        found.append(
            f"{int(moved.sum())} items move the anatomy (rotation); the headline holds them, as "
            f"published; the averages also give them apart. {side} of them ask for a side or a "
            "direction, whose right answer such a change may turn over."
        )
    sizes = sorted({len(case.item.options) for case in frame.cases})
    if len(sizes) > 1:
        found.append(
            f"Items have {' to '.join(map(str, (sizes[0], sizes[-1])))} options; accuracies of "
            "strata with different numbers of options are not comparable without their baselines."
        )
    return found


def _about_votes(frame: Frame, calibration: Sequence[Mapping[str, Any]]) -> list[str]:
    if frame.trials == 1:
        return [
            "One trial: vote confidence is 1 for every item by construction, so calibration shift "
            "and Dunning-Kruger flags are not given. Run with --trials 3 or more."
        ]
    found = [
        f"T = {frame.trials} trials. Vote entropy is a plug-in estimate, biased towards confidence "
        "at small T: compare it only with runs at the same T."
    ]
    if bool(np.all(frame.part("max_vote") >= 1.0 - 1e-9)):
        found.append(
            "All trials of every item agree: the model (or its sampling) is deterministic, so vote "
            "confidence says nothing about what it knows."
        )
    rows = [r for r in calibration if r["confidence"] == "vote_entropy"]
    if rows:
        hard = rows[-1]
        expected = hard["calibrated_sampler"]
        found.append(
            "A calibration shift of 0 is not calibration: a perfectly calibrated sampler with "
            f"{expected['options']} options, T = {frame.trials} and the accuracy measured at level "
            f"{hard['level']} ({hard['accuracy']:.3f}) has mean confidence "
            f"{expected['mean_confidence']:.3f}, a shift of {expected['shift']:+.3f}."
        )
    return found
