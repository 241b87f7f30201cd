"""What a reader must know before believing the numbers of this run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from osler.core import Case, Score

from .score import is_written


def notes(found: Mapping[str, Any], scored: list[tuple[Case, Score]], scorer: str) -> list[str]:
    """Plain sentences, the most important first."""
    texts = [case for case, _ in scored if is_written(case.item)]
    said = []
    if found["n_scored"] < found["n_items"]:
        said.append(
            f"{found['n_items'] - found['n_scored']} of {found['n_items']} items are unscored and "
            "left out of every mean; run the same command again to ask them."
        )
    if texts and scorer == "rules":
        said.append(
            "Descriptions are scored by rules: a vocabulary of degradations, strengths and "
            "verdicts with negation, against the known truth. Nobody judged the texts; what a text "
            "says in other words is not seen. Points by rules and points by a judge are different "
            "measures and must not be compared."
        )
    if texts and scorer == "judge":
        said.append(
            "Descriptions are graded by a judge that saw texts only. The robust form gives no more "
            "for completeness than for preciseness and compares verdicts by rule. The degenerate "
            "players are scored by rules, since nobody asked the judge about them."
        )
    if any("truth" in case.gold.evidence for case in texts):
        said.append(
            "The truth is the record of what was done to the image. The clean picture is taken as "
            "free of degradation; a flaw of its own that a model names counts against it."
        )
    lost = sum(found["status_counts"].get(name, 0) for name in ("refused", "unparsed"))
    if lost:
        total = sum(found["status_counts"].values())
        said.append(
            f"{lost} of {total} replies were refused, empty or had no readable answer; they count "
            "as wrong, as published."
        )
    groups = len({case.item.group for case, _ in scored})
    said.append(
        f"Intervals are 95 % cluster bootstraps over {groups} patients or images, not over "
        f"{len(scored)} items."
    )
    return said
