"""Stage ask: what student and oracle say about the chosen images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from osler.core import Answer, ImageRef, Item, write_json

from ...routing import self_consistency, trajectory_entropy
from ..asking import Asked, ask, wrong_trials
from ..context import Round, read_lines, write_lines
from ..items import Candidates
from ..plan import simulated_rate
from ..stage import Done, Stage
from ..truth import Truths, mistaken


def candidate_items(round_: Round) -> list[Item]:
    """The chosen pool images as items; tags are presumed from the failure they look like."""
    wanted = {"task", *round_.plan.strata, *round_.plan.trust}
    return [
        Item(
            row["id"],
            row["question"],
            (ImageRef(**row["image"]),),
            row["options"],
            row["patient"] or row["id"],
            {k: v for k, v in row["tags"].items() if k in wanted},
        )
        for row in read_lines(round_.folder("retrieve") / "selection.jsonl")
    ]


def _run(round_: Round, folder: Path) -> Done:
    plan = round_.plan
    items = candidate_items(round_)
    some = Candidates(round_.dev, items, round_.read_image)
    student = ask(
        round_, "student on candidates", some, round_.model(), folder / "student",
        trials=plan.trials, temperature=plan.temperature, report=False,
    )  # fmt: skip
    oracle, correct = _oracle(round_, some, items, folder)
    write_lines(folder / "answers.jsonl", _rows(student, oracle))
    write_json(folder / "oracle.json", {"name": oracle_name(round_), "dev": correct})
    right = float(np.mean([c["right"] for c in correct])) if correct else None
    said = f"{len(items)} candidates asked; student {plan.trials} times"
    if right is not None:
        said += f", {oracle_name(round_)} once ({right:.1%} right on dev)"
    facts = {"candidates": len(items), "oracle_accuracy": right}
    return Done(said, ("answers.jsonl", "oracle.json"), facts)


def oracle_name(round_: Round) -> str:
    """The oracle as reports name it."""
    rate = simulated_rate(round_.plan.oracle)
    return f"simulated oracle ({rate:.0%} errors)" if rate is not None else round_.plan.oracle


def _oracle(
    round_: Round, some: Candidates, items: Sequence[Item], folder: Path
) -> tuple[list[str | None], list[dict[str, Any]]]:
    """The oracle's answer to each candidate, and whether it was right on each dev item."""
    plan = round_.plan
    if not plan.oracle:
        return [None] * len(items), []
    rate = simulated_rate(plan.oracle)
    if rate is not None:
        return _simulated(round_, items, rate)
    said: list[Asked] = []
    for what, benchmark in (("candidates", some), ("dev", round_.dev)):
        model = round_.load(plan.oracle, plan.oracle_options)
        said.append(
            ask(round_, f"oracle on {what}", benchmark, model, folder / f"oracle-{what}",
                trials=1, temperature=0.0, report=False)
        )  # fmt: skip
    wrong = wrong_trials(round_.dev, said[1])[:, 0]
    strata = round_.strata([case.item for case in said[1].cases], plan.trust)
    correct = [
        {"id": case.item.id, "stratum": stratum, "right": bool(w == 0)}
        for case, stratum, w in zip(said[1].cases, strata, wrong, strict=True)
        if not np.isnan(w)
    ]
    return [given[0].value for given in said[0].answers], correct


def _simulated(
    round_: Round, items: Sequence[Item], rate: float
) -> tuple[list[str | None], list[dict[str, Any]]]:
    """As a model would: it errs at ``rate``, and where no option fits it chooses one all the same.

    To say nothing there would tell the router what only the truths know.
    """
    truths, seed = Truths(round_.plan.truth, round_.plan.benchmark), round_.plan.seed
    rows = list(read_lines(round_.folder("retrieve") / "selection.jsonl"))
    answers = []
    for row, item in zip(rows, items, strict=True):
        true = truths.answer(row["sha256"], item.question, item.options)
        errs = 1.0 if true is None else rate
        answers.append(mistaken(true, item.options, errs, item.id, seed))
    cases = list(round_.dev.cases())
    strata = round_.strata([case.item for case in cases], round_.plan.trust)
    correct = []
    for case, stratum in zip(cases, strata, strict=True):
        said = mistaken(case.gold.answer, case.item.options, rate, case.item.id, seed)
        right = said == case.gold.answer
        correct.append({"id": case.item.id, "stratum": stratum, "right": right})
    return answers, correct


def _rows(student: Asked, oracle: Sequence[str | None]) -> list[dict[str, Any]]:
    said = [[answer.value for answer in given] for given in student.answers]
    consistency = self_consistency(said)
    rows = []
    for i, (case, given) in enumerate(zip(student.cases, student.answers, strict=True)):
        rows.append(
            {
                "id": case.item.id,
                "said": said[i],
                "student": majority(said[i]),
                "entropy": mean_entropy(given),
                "consistency": float(consistency[i]),
                "oracle": oracle[i],
                "probs": _mean_probs(given),
            }
        )
    return rows


def majority(said: Sequence[str | None]) -> str | None:
    """The most frequent answer, the earliest of equals; None where nothing could be read."""
    votes = Counter(value for value in said if value is not None)
    return votes.most_common(1)[0][0] if votes else None


def mean_entropy(answers: Sequence[Answer]) -> float:
    """Mean over trials of -log p a token (nats); NaN without log-probabilities."""
    each = trajectory_entropy([answer.logprobs for answer in answers])
    known = each[~np.isnan(each)]
    return float(known.mean()) if known.size else float("nan")


def _mean_probs(answers: Sequence[Answer]) -> Mapping[str, float] | None:
    given = [answer.probs for answer in answers if answer.probs]
    if not given:
        return None
    return {k: float(np.mean([p.get(k, 0.0) for p in given])) for k in given[0]}


ASK = Stage(
    "ask",
    2,
    ("retrieve",),
    ("model", "options", "oracle", "oracle_options", "trials", "temperature", "trust", "truth",
     "dev", "seed"),
    _run,
)  # fmt: skip
