"""Stage label: people decide what was routed to them; the rest keeps the oracle's draft."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import write_json
from osler.curate.annotate import Task

from ...risk import audit
from ..context import Round, read_lines, tidy, write_lines
from ..labelling import (
    Decided,
    agreement,
    alpha_within,
    annotator_name,
    audited_before,
    decide,
    decision_of,
    gold_outcomes,
    gold_tasks,
    ratings,
    task_for,
    task_id,
    truth_of_tasks,
)
from ..stage import Done, Stage, Waiting
from .ask import candidate_items, oracle_name

UNSEEN = "unseen"
"""Status of a label that nobody looked at."""


def _run(round_: Round, folder: Path) -> Done | Waiting:
    items = candidate_items(round_)
    routes = list(read_lines(round_.folder("route") / "routes.jsonl"))
    chosen = {row["id"]: row for row in read_lines(round_.folder("retrieve") / "selection.jsonl")}
    asked = [
        (item, route)
        for item, route in zip(items, routes, strict=True)
        if (route["tier"] > 0 or route["audited"]) and not route["looked_at"]
    ]
    tasks = [_task(round_, item, route, chosen[item.id]) for item, route in asked]
    golden, gold = gold_tasks(round_, len(tasks))
    found = decide(round_, folder, [*tasks, *golden], truth_of_tasks(round_, items, gold))
    if not isinstance(found, Decided):
        return found
    before = audited_before(round_)
    decided = dict(before)
    for item, _ in asked:
        decided[item.id] = decision_of(found.settled[task_id(round_, item.id)])
    labels = [_label(round_, route, decided.get(route["id"])) for route in routes]
    write_lines(folder / "labels.jsonl", labels)
    summary = _summary(round_, routes, found, gold, tasks, before)
    write_json(folder / "labelling.json", tidy(summary))
    states = Counter(row["status"] for row in labels)
    return Done(
        f"{annotator_name(round_)}: {states['settled']} labels in {summary['minutes']:.0f} "
        f"minutes, {states[UNSEEN]} taken unseen",
        ("labels.jsonl", "labelling.json"),
        {"states": dict(sorted(states.items())), "minutes": summary["minutes"]},
    )


def _task(round_: Round, item: Any, route: Mapping[str, Any], row: Mapping[str, Any]) -> Task:
    by_oracle = route["oracle"] is not None
    answer = route["oracle"] if by_oracle else route["student"]
    who = oracle_name(round_) if by_oracle else round_.plan.model
    kind = "answer" if item.options else "description"
    draft = {kind: answer, "by": who} if answer is not None and not route["audited"] else {}
    facts = {"modality": row["modality"], "licence": row["licence"]}
    # An audited label is decided blind: a draft on the screen would be agreed with.
    return task_for(
        round_,
        item,
        tier=2 if route["audited"] else int(route["tier"]),
        priority=float(route["doubt"]),
        draft=draft,
        facts={key: value for key, value in facts.items() if value},
        prototype=row["prototype"],
    )


def _label(
    round_: Round, route: Mapping[str, Any], decided: Mapping[str, Any] | None
) -> dict[str, Any]:
    row: dict[str, Any] = {"id": route["id"], "tier": route["tier"], "audited": route["audited"]}
    if decided is not None:
        who = "person" if round_.plan.simulated_error is None else annotator_name(round_)
        kept = {name: value for name, value in decided.items() if name not in ("id", "wrong")}
        tier = 2 if route["looked_at"] else route["tier"]
        return {**row, "tier": tier, **kept, "labelled_by": who}
    kept = route["tier"] == 0
    by = f"oracle: {oracle_name(round_)}" if kept else ""
    return {
        **row,
        "status": UNSEEN if kept else "held",
        "answer": route["oracle"] if kept else "",
        "verdict": "",
        "description": "",
        "by": [by] if kept else [],
        "labelled_by": by,
        "seconds": 0.0,
    }


def _summary(
    round_: Round,
    routes: Sequence[Mapping[str, Any]],
    found: Decided,
    gold: Mapping[str, str],
    tasks: Sequence[Task],
    before: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    alpha, kappa = agreement(found, round_.plan.seed)
    table, raters = ratings(found)
    seconds = sum(one.seconds for one in found.settled.values())
    seconds += sum(row["seconds"] for row in before.values())
    return {
        "annotator": annotator_name(round_),
        "simulated": round_.plan.simulated_error is not None,
        "oracle": oracle_name(round_),
        "tiers": dict(sorted(Counter(str(task.tier) for task in tasks).items())),
        "minutes": seconds / 60,
        "statuses": dict(sorted(Counter(s.status for s in found.settled.values()).items())),
        "alpha": alpha,
        "alpha_within": alpha_within(found),
        "kappa": kappa,
        "shared_items": int(table.shape[1]),
        "raters": raters,
        "gold": gold_outcomes(found, gold),
        "looked_at_before": len(before),
        "audit": _audit(round_, routes, found),
    }


def _audit(
    round_: Round, routes: Sequence[Mapping[str, Any]], found: Decided
) -> dict[str, Any] | None:
    """How wrong the labels may be that nobody has looked at, from the random ones looked at now.

    Those that stage audit looked at are neither: people's labels have replaced them. None where
    nothing was audited.
    """
    kept = [r for r in routes if r["tier"] == 0 and not r["looked_at"]]
    audited = [r for r in kept if r["audited"]]
    if not audited:
        return None
    bad = sum(_contradicted(round_, route, found) for route in audited)
    checked = audit(len(kept), len(audited), bad)
    return {
        "kept": checked.kept,
        "n": checked.sampled,
        "wrong": checked.wrong,
        "rate": checked.error,
        "left": checked.left,
        "bound": checked.left_bound,
        "confidence": checked.confidence,
        "target": round_.plan.silent_error,
        "bounds": f"share of the {checked.left} labels that nobody looked at which a person, asked "
        "blind, would not confirm (another answer, a flag, no decision); people err, too",
    }


def _contradicted(round_: Round, route: Mapping[str, Any], found: Decided) -> bool:
    one = found.settled[task_id(round_, route["id"])]
    return one.status != "settled" or one.answer != route["oracle"]


LABEL = Stage(
    "label",
    2,
    ("route", "retrieve", "audit"),
    ("review", "annotator", "truth", "overlap", "gold", "raters", "seed"),
    _run,
)
