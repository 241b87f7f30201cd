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
    annotator_name,
    decide,
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
        if route["tier"] > 0 or route["audited"]
    ]
    tasks = [_task(round_, item, route, chosen[item.id]) for item, route in asked]
    golden, gold = gold_tasks(round_, len(tasks))
    found = decide(round_, folder, [*tasks, *golden], truth_of_tasks(round_, items, gold))
    if not isinstance(found, Decided):
        return found
    labels = [_label(round_, route, found) for route in routes]
    write_lines(folder / "labels.jsonl", labels)
    summary = _summary(round_, routes, found, gold, tasks)
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
    draft = {"answer": answer, "by": who} if answer is not None and not route["audited"] else {}
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


def _label(round_: Round, route: Mapping[str, Any], found: Decided) -> dict[str, Any]:
    row: dict[str, Any] = {"id": route["id"], "tier": route["tier"], "audited": route["audited"]}
    one = found.settled.get(task_id(round_, route["id"]))
    if one is not None:
        who = "person" if round_.plan.simulated_error is None else annotator_name(round_)
        return {
            **row,
            "status": one.status,
            "answer": one.answer,
            "verdict": one.verdict,
            "description": one.description,
            "by": list(one.by),
            "labelled_by": who,
            "seconds": one.seconds,
        }
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
) -> dict[str, Any]:
    alpha, kappa = agreement(found, round_.plan.seed)
    audited = [r for r in routes if r["audited"]]
    bad = sum(_contradicted(round_, route, found) for route in audited)
    kept = sum(r["tier"] == 0 for r in routes)
    checked = audit(kept, len(audited), bad) if audited else None
    table, raters = ratings(found)
    return {
        "annotator": annotator_name(round_),
        "simulated": round_.plan.simulated_error is not None,
        "oracle": oracle_name(round_),
        "tiers": dict(sorted(Counter(str(task.tier) for task in tasks).items())),
        "minutes": sum(one.seconds for one in found.settled.values()) / 60,
        "statuses": dict(sorted(Counter(s.status for s in found.settled.values()).items())),
        "alpha": alpha,
        "kappa": kappa,
        "shared_items": int(table.shape[1]),
        "raters": raters,
        "gold": gold_outcomes(found, gold),
        "audit": None
        if checked is None
        else {"kept": kept, "n": checked.sampled, "wrong": checked.wrong, "rate": checked.error,
              "bound": checked.bound, "confidence": checked.confidence,
              "target": round_.plan.silent_error},
    }  # fmt: skip


def _contradicted(round_: Round, route: Mapping[str, Any], found: Decided) -> bool:
    one = found.settled[task_id(round_, route["id"])]
    return one.status != "settled" or one.answer != route["oracle"]


LABEL = Stage(
    "label",
    1,
    ("route", "retrieve"),
    ("annotator", "truth", "overlap", "gold", "raters", "seed"),
    _run,
)
