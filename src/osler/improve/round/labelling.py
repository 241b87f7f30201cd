"""Put questions before people, real or simulated, and read what they decided."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from osler.core import Case, Estimate, Item, content_hash, derive_rng
from osler.curate.annotate import Task, open_queue

from ..vectors import Floats
from .context import Round, read_lines
from .stage import Waiting
from .truth import Truths

if TYPE_CHECKING:
    from osler.curate.annotate import Recorded, Settled

QUEUE = "queue.sqlite"


@dataclass(frozen=True, slots=True)
class Decided:
    """What people decided: by task id, and every single decision."""

    settled: Mapping[str, Settled]
    made: Sequence[Recorded]


def annotator_name(round_: Round) -> str:
    """Who labels, as every report names it."""
    rate = round_.plan.simulated_error
    return "people" if rate is None else f"simulated person ({rate:.0%} errors)"


def task_id(round_: Round, item_id: str) -> str:
    """An id that tells nobody whether the item is a gold item."""
    return content_hash(["task", round_.plan.seed, item_id], 12)


def decide(
    round_: Round, folder: Path, tasks: Sequence[Task], truth: Callable[[Task], str | None]
) -> Decided | Waiting:
    """Queue ``tasks`` in ``folder``; when all are decided, read what holds.

    A simulated annotator decides at once, from ``truth``; people do so through ``osler serve``,
    and until they have, the stage waits.
    """
    from osler.curate.annotate import answer_queue

    rate = round_.plan.simulated_error
    shared = round_.plan.overlap if round_.plan.raters > 1 else 0.0
    with open_queue(folder / QUEUE) as queue:
        queue.add(tasks, overlap=shared, seed=round_.plan.seed)
        if rate is not None:
            people = 3 if round_.plan.raters > 1 else 1  # the third rules where two differ
            names = [f"simulated person {n + 1}" for n in range(people)]
            answer_queue(queue, truth, error=rate, seed=round_.plan.seed, raters=names)
        settled = {one.task.id: one for one in queue.labels()}
        made = queue.decisions()
    left = [one for one in settled.values() if one.status in ("open", "disputed")]
    if left and rate is None:
        said = f"{len(left)} of {len(settled)} questions wait for people{_whom(left, made)}"
        place = shlex.quote(str(round_.path))
        return Waiting(
            f"{said}; serve them with `osler serve {place}`, then `osler round resume {place}`"
        )
    return Decided(settled, made)


def _whom(left: Sequence[Settled], made: Sequence[Recorded]) -> str:
    """For whom questions wait that somebody has decided already."""
    begun = {one.task_id for one in made if not one.undone and one.decision.action == "label"}
    second = sum(one.status == "open" and one.task.id in begun for one in left)
    disputed = sum(one.status == "disputed" for one in left)
    said = f", {second} of them for a second person" if second else ""
    return said + (f", {disputed} of them for a third who rules" if disputed else "")


def decision_of(one: Settled) -> dict[str, Any]:
    """What people decided on one task, as the files of a round keep it."""
    return {
        "status": one.status,
        "answer": one.answer,
        "verdict": one.verdict,
        "description": one.description,
        "by": list(one.by),
        "seconds": one.seconds,
    }


def audited_before(round_: Round) -> dict[str, dict[str, Any]]:
    """What people decided in stage audit, by item; nothing where no promise was asked for."""
    if round_.plan.review == "budget":
        return {}
    rows = read_lines(round_.folder("audit") / "audited.jsonl")
    return {row["id"]: row for row in rows}


def task_for(
    round_: Round,
    item: Item,
    *,
    tier: int,
    priority: float,
    draft: Mapping[str, str] | None = None,
    gold: str = "",
    facts: Mapping[str, str] | None = None,
    prototype: str = "",
) -> Task:
    """The task that asks a person an item."""
    alone = round_.plan.raters == 1
    kept = min(tier, 2) if alone else tier
    return Task(
        task_id(round_, item.id),
        item.question,
        dict(item.options),
        item.images,
        dict(draft or {}),
        prototype=prototype,
        tier=kept,
        priority=priority,
        raters=2 if kept == 3 else 1,
        gold=gold,
        facts=dict(facts or {}),
    )


def gold_tasks(round_: Round, count: int) -> tuple[list[Task], dict[str, str]]:
    """Dev items whose answer is known, to be mixed in; and the answers by task id."""
    wanted = math.ceil(round_.plan.gold * count)
    cases = [c for c in round_.dev.cases() if c.item.options and c.gold.answer in c.item.options]
    if not wanted or not cases:
        return [], {}
    drawn = derive_rng("gold items", round_.plan.seed).permutation(len(cases))[:wanted]
    chosen = [cases[int(i)] for i in drawn]
    round_.keep_images_of(chosen, round_.dev.read_blob())
    tasks = [_gold_task(round_, case, n / len(chosen)) for n, case in enumerate(chosen)]
    return tasks, {task.id: task.gold for task in tasks}


def _gold_task(round_: Round, case: Case, priority: float) -> Task:
    facts = {"modality": case.item.tags.get("modality", "")}
    return task_for(
        round_, case.item, tier=2, priority=priority, gold=case.gold.answer, facts=facts
    )


def truth_of_tasks(
    round_: Round, items: Sequence[Item], gold: Mapping[str, str]
) -> Callable[[Task], str | None]:
    """What a simulated annotator knows of each task."""
    if round_.plan.simulated_error is None:
        return lambda _: None
    truths = Truths(round_.plan.truth, round_.plan.benchmark)
    rows = read_lines(round_.folder("retrieve") / "selection.jsonl")
    sha = {task_id(round_, row["id"]): row["sha256"] for row in rows}

    def answer(task: Task) -> str | None:
        if task.id in gold:
            return gold[task.id]
        return truths.answer(sha[task.id], task.question, task.options)

    return answer


def ratings(decided: Decided) -> tuple[Floats, list[str]]:
    """Answers as numbers (raters, tasks), NaN where a rater gave none; only tasks of two or more.

    The number stands for the text of the option: letters mean something else in every question.
    Where people write, it stands for their verdict: no two write the same. Rulings of adjudicators
    are left out, for they have seen the others, and gold items, for they train nothing.
    """
    shared = _shared_votes(decided)
    raters = sorted({who for given in shared.values() for who in given})
    words = sorted({text for given in shared.values() for text in given.values()})
    code = {text: float(i) for i, text in enumerate(words)}
    table = np.full((len(raters), len(shared)), np.nan)
    for j, given in enumerate(shared.values()):
        for who, text in given.items():
            table[raters.index(who), j] = code[text]
    return table, raters


def _shared_votes(decided: Decided) -> dict[str, dict[str, str]]:
    """What each rater said of each task that two or more of them decided."""
    votes: dict[str, dict[str, str]] = {}
    for one in decided.made:
        task = decided.settled[one.task_id].task
        if task.gold or one.role != "rater" or one.undone or one.decision.action != "label":
            continue
        said = one.decision.answer if task.options else one.decision.verdict
        if said:
            text = task.options.get(said, said)
            votes.setdefault(one.task_id, {})[one.rater] = text
    return {key: given for key, given in votes.items() if len(given) > 1}


def alpha_within(decided: Decided, least: int = 10) -> float | None:
    """Alpha with chance taken among tasks of the same options, where these are ``least`` or more.

    Over all tasks together, to know which question was asked counts as agreement: raters who answer
    two questions of other words at random, with one answer in five the rarer, reach 0.53 instead of
    0. None where no options have so many shared tasks, or all answers to them are the same.
    """
    from osler.curate.annotate.agreement import krippendorff_alpha

    table, _ = ratings(decided)
    kinds = [
        tuple(sorted(decided.settled[key].task.options.values())) for key in _shared_votes(decided)
    ]
    seen = chance = 0.0
    for kind in dict.fromkeys(kinds):
        part = table[:, [j for j, other in enumerate(kinds) if other == kind]]
        known = part[~np.isnan(part)]
        counts = np.unique(known, return_counts=True)[1]
        if part.shape[1] < least or counts.size < 2:
            continue
        expected = known.size - float((counts * (counts - 1)).sum()) / (known.size - 1)
        seen += (1 - krippendorff_alpha(part)) * expected
        chance += expected
    return 1 - seen / chance if chance else None


def agreement(decided: Decided, seed: int) -> tuple[Estimate | None, float | None]:
    """Krippendorff's alpha with its interval, and the mean Cohen kappa of pairs of raters."""
    from osler.curate.annotate.agreement import alpha_estimate, cohen_kappa

    table, raters = ratings(decided)
    if table.shape[1] < 2 or np.unique(table[~np.isnan(table)]).size < 2:
        return None, None
    alpha = alpha_estimate(table, seed=seed)
    kappas = []
    for i in range(len(raters)):
        for j in range(i + 1, len(raters)):
            both = ~np.isnan(table[i]) & ~np.isnan(table[j])
            if both.sum() >= 2:
                kappas.append(cohen_kappa(table[i][both], table[j][both]))
    known = [k for k in kappas if not np.isnan(k)]
    return (None if np.isnan(alpha.value) else alpha), (float(np.mean(known)) if known else None)


def gold_outcomes(decided: Decided, gold: Mapping[str, str]) -> list[Any]:
    """Each rater's accuracy on the gold items, lowest first."""
    from ..quality import gold_results

    made = [
        (one.rater, one.decision.answer == gold[one.task_id])
        for one in decided.made
        if one.task_id in gold and one.role == "rater" and not one.undone
        and one.decision.action == "label"
    ]  # fmt: skip
    return list(gold_results([who for who, _ in made], [ok for _, ok in made])) if made else []
