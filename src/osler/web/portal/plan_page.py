"""A plan as its page shows it, and two of them side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from osler.curate.catalog.record import Dataset
from osler.curate.fuse.plan import Candidate, LeftOut, Plan
from osler.curate.fuse.totals import Total

from .holdings import licence_class
from .words import UNITS, size, word

NEAR_MOST = 100
SELECTED_MOST = 300
GET_MOST = 100
FORMS = {
    "merged": ("May be merged under one licence", "good"),
    "collection": ("May be given on as a collection, each sample under its own licence", "fair"),
    "recipe": ("Only a recipe may be given on, no files", "fair"),
    "refused": ("Refused as it stands", "bad"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One modality of the totals."""

    label: str
    datasets: int
    counts: str
    distinct: str
    publishers: int
    labelled: str
    largest: tuple[tuple[str, str, str, bool], ...]


def plan_values(plan: Plan, records: Mapping[str, Dataset]) -> dict[str, Any]:
    """What the template of a plan shows."""
    near = [one for one in plan.left_out if one.near]
    reasons = Counter(failed.key for one in plan.left_out for failed in one.failed)
    form, tone = FORMS[plan.verdict.form]
    return {
        "plan": plan,
        "selected": [_row(one) for one in plan.selected[:SELECTED_MOST]],
        "selected_more": max(0, len(plan.selected) - SELECTED_MOST),
        "lines": [_line(one, records) for one in plan.totals if one.datasets],
        "total": _line(plan.total, records),
        "verdict": form,
        "tone": tone,
        "near": [_left(one) for one in near[:NEAR_MOST]],
        "near_count": len(near),
        "reasons": reasons.most_common(),
        "to_get": plan.to_get[:GET_MOST],
        "to_get_more": max(0, len(plan.to_get) - GET_MOST),
        "names": {one.id: one.name for one in plan.selected},
    }


def comparison(a: Plan, b: Plan, records: Mapping[str, Dataset]) -> dict[str, Any]:
    """Two plans side by side: what their goals ask otherwise, and what differs for it."""
    ids = [{one.id: one.name for one in plan.selected} for plan in (a, b)]
    keys = sorted({*a.goal, *b.goal})
    asked = [
        (key, _asked(a.goal.get(key)), _asked(b.goal.get(key)))
        for key in keys
        if a.goal.get(key) != b.goal.get(key)
    ]
    lines = [{one.modality: one for one in plan.totals if one.datasets} for plan in (a, b)]
    codes = sorted({*lines[0], *lines[1]})
    return {
        "asked": asked,
        "modalities": [
            (word("modality", code), *(_cell(side.get(code)) for side in lines)) for code in codes
        ],
        "totals": [_line(plan.total, records) for plan in (a, b)],
        "verdicts": [FORMS[plan.verdict.form] for plan in (a, b)],
        "licences": [plan.verdict.one_licence or "" for plan in (a, b)],
        "warnings": [plan.warnings for plan in (a, b)],
        "only_a": _named(ids[0], ids[1]),
        "only_b": _named(ids[1], ids[0]),
        "both": sorted(
            ((one, ids[0][one]) for one in ids[0].keys() & ids[1].keys()),
            key=lambda pair: pair[1].lower(),
        ),
    }


def _named(mine: Mapping[str, str], other: Mapping[str, str]) -> list[tuple[str, str]]:
    only = ((one, name) for one, name in mine.items() if one not in other)
    return sorted(only, key=lambda pair: pair[1].lower())


def _cell(total: Total | None) -> str:
    return f"{total.datasets} datasets, {amounts(total.distinct)}" if total else "–"


def _asked(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_asked(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_asked, value[:40])) or "any"
    return str(value)


def amounts(counts: Mapping[str, int]) -> str:
    """Counts by unit in words.

    Examples
    --------
    >>> amounts({"image": 12000, "volume": 1})
    '12,000 images, 1 volume'
    """
    return ", ".join(size(count, unit) for unit, count in counts.items()) or "no size stated"


def _line(one: Total, records: Mapping[str, Dataset]) -> Line:
    largest = tuple(
        (
            top.dataset,
            records[top.dataset].name if top.dataset in records else top.dataset,
            f"{top.share:.0%} of the {UNITS.get(top.unit, 'samples')}",
            top.flagged and one.datasets > 1,
        )
        for top in one.largest
    )
    label = {"all": "All, none twice", "not stated": "not stated"}.get(one.modality)
    return Line(
        label or word("modality", one.modality),
        one.datasets,
        amounts(one.counts),
        amounts(one.distinct),
        one.publishers,
        f"{one.labelled:.0%}",
        largest,
    )


def _row(one: Candidate) -> dict[str, Any]:
    licences = () if one.licence == "unknown" else tuple(one.licence.split(" AND "))
    shown = "not known" if one.licence == "unknown" else one.licence
    if one.annotation_licence:
        shown += f"; annotations {one.annotation_licence}"
    return {
        "id": one.id,
        "name": one.name,
        "year": one.year,
        "modalities": ", ".join(one.modalities),
        "size": size(one.count, one.count_unit, one.count_exact),
        "licence": shown,
        "licence_class": licence_class(licences),
        "form": one.form,
        "access": word("access", one.access),
        "why": one.why,
        "own": one.on_disk,
    }


def _left(one: LeftOut) -> dict[str, Any]:
    says: Sequence[str] = [failed.says for failed in one.failed]
    return {"id": one.id, "name": one.name, "says": "; ".join(says)}
