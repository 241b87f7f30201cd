"""What a plan must tell besides its numbers, one sentence each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .balance import attainable
from .candidates import Failed
from .goal import Goal, Selection

if TYPE_CHECKING:
    from .plan import Plan


def warnings(
    goal: Goal, plan: Plan, conflicts: Mapping[str, tuple[Failed, ...]]
) -> tuple[str, ...]:
    """Everything that a reader of ``plan`` could otherwise take for granted.

    ``conflicts`` are the wishes that a source named by the goal does not meet.
    """
    return (
        *_of_sources(plan, conflicts),
        *_of_counts(goal, plan),
        *_of_largest(goal, plan),
        *_of_licences(goal, plan),
        *_of_selection(goal, plan),
    )


def some(names: Sequence[str], shown: int = 3) -> str:
    """Some of many names: "a, b, c and 4 more"."""
    listed = ", ".join(names[:shown])
    return f"{listed} and {len(names) - shown} more" if len(names) > shown else listed


def _of_sources(plan: Plan, conflicts: Mapping[str, tuple[Failed, ...]]) -> list[str]:
    found = [
        f"{name} is taken because the goal names it, though {one.says} ({one.key})"
        for name, failed in sorted(conflicts.items())
        for one in failed
        if one.key != "min_valid_image_n_per_dataset"
    ]
    own = [one.dataset for one in plan.sources if not one.in_catalogue]
    if own:
        found.append(f"not in the catalogue, so nothing is known beyond the goal: {some(own)}")
    return found


def _of_counts(goal: Goal, plan: Plan) -> list[str]:
    found = []
    slices = [one.id for one in plan.selected if any("taken as slices" in x for x in one.why)]
    if slices:
        found.append(
            f"{len(slices)} datasets have volumes that are taken as slices; they count as volumes, "
            f"for nobody states the number of slices: {some(slices)}"
        )
    if plan.total.no_count:
        found.append(
            f"{len(plan.total.no_count)} datasets state no size and add nothing to the sums: "
            f"{some(plan.total.no_count)}"
        )
    if plan.total.rounded:
        found.append(f"{plan.total.rounded} of the sizes are rounded by their source")
    if plan.total.shared:
        found.append(
            f"{len(plan.total.shared)} datasets count under several modalities and once in the "
            f"whole: {some(plan.total.shared)}"
        )
    again = sum(plan.total.counts.values()) - sum(plan.total.distinct.values())
    if again:
        found.append(f"{again:,} listed samples lie in another selected dataset as well")
    return found


def _of_largest(goal: Goal, plan: Plan) -> list[str]:
    found = [
        f"{total.modality}: {top.dataset} holds {top.share:.1%} of the {top.unit}s"
        for total in plan.totals
        for top in total.largest
        if top.flagged and total.datasets > 1
    ]
    if goal.balance is not None:
        for total in plan.totals:
            named = {one.id: one.count or 0 for one in plan.selected}
            held = {
                one.id: named[one.id] for one in plan.selected if total.modality in one.modalities
            }
            if any(held.values()) and not attainable(held, goal.balance.max_share):
                found.append(
                    f"{total.modality}: too few datasets for none to hold more than "
                    f"{goal.balance.max_share:.0%}; all are cut to the smallest"
                )
    return found


def _of_licences(goal: Goal, plan: Plan) -> list[str]:
    refused = [
        one.id
        for one in plan.selected
        if "unknown" in (one.licence, one.annotation_licence)
        and one.id not in goal.accept_unknown_licence
    ]
    found = []
    if refused:
        found.append(
            f"the licence of {len(refused)} datasets is unknown: {some(refused)}; read their terms "
            "and state them, or name them in accept_unknown_licence"
        )
    needless = [
        one.id
        for one in plan.selected
        if one.id in goal.accept_unknown_licence
        and "unknown" not in (one.licence, one.annotation_licence)
    ]
    if needless:
        found.append(f"accepted as unknown, but the licence is known: {some(needless)}")
    return found


def _of_selection(goal: Goal, plan: Plan) -> list[str]:
    found = []
    if goal.selection != Selection() and not goal.selection.enable:
        found.append("selection.enable is false, so the other keys of selection do nothing")
    elif goal.selection.storage_budget_gb is not None and plan.unknown_gb:
        found.append(
            f"{plan.known_gb:,.1f} GB of the {goal.selection.storage_budget_gb:,.1f} GB are known "
            f"to be needed; {len(plan.unknown_gb)} datasets are of unknown size on top of that: "
            f"{some(plan.unknown_gb)}"
        )
    return found
