"""What differs between two plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .plan import Plan
from .totals import Total


@dataclass(frozen=True, slots=True)
class Change:
    """One value in both plans."""

    what: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class Moved:
    """A dataset that only one plan selects, and why the other does not."""

    id: str
    name: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between plan a and plan b.

    ``added`` are selected by b only, ``removed`` by a only; ``why`` is from the plan that leaves
    the dataset out. ``totals`` are by modality; ``same_catalogue`` is false when the plans were
    made from other catalogues.
    """

    same_catalogue: bool
    goal: tuple[Change, ...]
    added: tuple[Moved, ...]
    removed: tuple[Moved, ...]
    kept: int
    totals: tuple[Change, ...]
    verdict: tuple[Change, ...]
    warnings_gone: tuple[str, ...]
    warnings_new: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        parts = (self.goal, self.added, self.removed, self.totals, self.verdict)
        return self.same_catalogue and not any(parts)


def compare_plans(a: Plan, b: Plan) -> Comparison:
    """What differs between ``a`` and ``b``."""
    ids_a, ids_b = ({one.id for one in plan.selected} for plan in (a, b))
    return Comparison(
        a.catalog_digest == b.catalog_digest,
        tuple(_goals("", a.goal, b.goal)),
        _moved(b, a, ids_b - ids_a),
        _moved(a, b, ids_a - ids_b),
        len(ids_a & ids_b),
        _totals(a, b),
        tuple(
            Change(key, getattr(a.verdict, key), getattr(b.verdict, key))
            for key in ("form", "one_licence", "constraints")
            if getattr(a.verdict, key) != getattr(b.verdict, key)
        ),
        tuple(one for one in a.warnings if one not in b.warnings),
        tuple(one for one in b.warnings if one not in a.warnings),
    )


def _goals(prefix: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    found: list[Change] = []
    for key in sorted({*a, *b}):
        left, right = a.get(key), b.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            found += _goals(f"{prefix}{key}.", left, right)
        elif left != right:
            found.append(Change(f"{prefix}{key}", left, right))
    return found


def _moved(having: Plan, lacking: Plan, ids: set[str]) -> tuple[Moved, ...]:
    reasons = {one.id: tuple(each.says for each in one.failed) for one in lacking.left_out}
    return tuple(
        Moved(one.id, one.name, reasons.get(one.id, ("it was not considered",)))
        for one in having.selected
        if one.id in ids
    )


def _totals(a: Plan, b: Plan) -> tuple[Change, ...]:
    left = {one.modality: one for one in (*a.totals, a.total)}
    right = {one.modality: one for one in (*b.totals, b.total)}
    order = list(dict.fromkeys((*left, *right)))
    return tuple(
        Change(code, _brief(left.get(code)), _brief(right.get(code)))
        for code in order
        if _brief(left.get(code)) != _brief(right.get(code))
    )


def _brief(total: Total | None) -> dict[str, Any] | None:
    if total is None:
        return None
    counts = {f"{unit}s": n for unit, n in total.distinct.items()}
    return {"datasets": total.datasets, **counts, "publishers": total.publishers}
