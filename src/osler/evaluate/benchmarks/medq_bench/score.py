"""The score of one item over its trials: a hit, or points on four axes as a share of 8.

``compat`` and ``robust`` are fractions in both kinds of task. A refusal, silence and a reply
without a readable answer count as wrong; a call that failed leaves the item unscored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from osler.core import Answer, Case, Item, Reply, Score
from osler.evaluate.scoring import parse_choice, parse_choice_compat

from .data import WRITTEN
from .rubric import AXES, HIGHEST, Axes, Truth, axes
from .rules import Reading, read_text

Parts = dict[str, float | str | None]


def is_written(item: Item) -> bool:
    """Whether the item is answered in free text (a description or a comparison)."""
    return item.tags["task"] in WRITTEN


def answer_of(item: Item, reply: Reply, trial: int) -> Answer:
    """A reply as an answer: an option letter, or the text as it is."""
    if reply.error is not None:
        return Answer(item.id, trial, "model_error", text=reply.error.message)
    text = reply.text
    if is_written(item):
        said = text.strip()
        status = "ok" if said else "unparsed"
        value = said or None
        return Answer(item.id, trial, status, text, value, value, None, reply.logprobs)  # type: ignore[arg-type]
    choice = parse_choice(text, item.options)
    compat = parse_choice_compat(text, "".join(item.options))
    return Answer(
        item.id, trial, choice.status, text, choice.letter, compat, reply.option_probs,
        reply.logprobs,
    )  # fmt: skip


def truth_of(case: Case) -> Truth:
    """What is true of a description's image: the record where there is one, else the reference."""
    known = case.gold.evidence.get("truth")
    if known is None:
        return Truth.of_reference(read_text(case.gold.evidence.get("reference", "")))
    truth = json.loads(known)
    return Truth(
        truth.get("found", {}), frozenset(), truth.get("verdict"), truth.get("better"), closed=True
    )


def failed_score(case: Case, answers: Sequence[Answer]) -> Score | None:
    """The score of a case with failed calls, or None where there are none."""
    failed = sum(a.status == "model_error" for a in answers)
    if not failed and answers:
        return None
    parts: Parts = {"trials": float(len(answers)), "failed": float(failed)}
    status = "model_error" if failed == len(answers) else "partial"
    return Score(case.item.id, status, parts=parts)  # type: ignore[arg-type]


def score_choice(case: Case, answers: Sequence[Answer]) -> Score:
    """Mean correctness of the trials of a question."""
    gold, n = case.gold.answer, len(answers)
    compat = sum(a.compat_value == gold for a in answers) / n
    robust = sum(a.value == gold for a in answers) / n
    return Score(case.item.id, "scored", compat, robust, {**_counts(answers), "gold": gold})


def score_by_rules(case: Case, answers: Sequence[Answer]) -> Score:
    """Mean points of the trials of a description by :mod:`.rubric`, as a share of 8."""
    truth, paired = truth_of(case), case.item.tags["task"] == "paired"
    points = [axes(read_text(answer.value or ""), truth, paired) for answer in answers]
    said = read_text(answers[0].value or "")
    parts = {**_counts(answers), "scorer": "rules", **reading_parts(said)}
    return written_score(case, [p[0] for p in points], [p[1] for p in points], parts)


def written_score(
    case: Case, compat: Sequence[Axes], robust: Sequence[Axes], parts: Parts
) -> Score:
    """The score from the points of each trial; ``parts`` get every axis in both forms."""
    forms = {"compat": mean_axes(compat), "robust": mean_axes(robust)}
    for form, found in forms.items():
        parts |= {f"{axis}_{form}": round(value, 9) for axis, value in found.items()}
    total = {form: sum(found.values()) / HIGHEST for form, found in forms.items()}
    return Score(case.item.id, "scored", total["compat"], total["robust"], parts)


def mean_axes(points: Sequence[Axes]) -> Axes:
    """Mean of every axis over trials."""
    return {axis: sum(p[axis] for p in points) / len(points) for axis in AXES}


def reading_parts(said: Reading) -> Parts:
    """What the rules read in a text, for a person to check."""
    found = ", ".join(f"{s} {n}".strip() for n, s in said.found.items())
    return {
        "read_findings": found or ("nothing wrong" if said.nothing or said.denied else "nothing"),
        "read_verdict": said.better or said.verdict,
    }


def score_case(case: Case, answers: Sequence[Answer]) -> Score:
    """The score without a judge."""
    failed = failed_score(case, answers)
    if failed is not None:
        return failed
    return (score_by_rules if is_written(case.item) else score_choice)(case, answers)


def _counts(answers: Sequence[Answer]) -> Parts:
    counts: Mapping[str, int] = {
        name: sum(a.status == name for a in answers) for name in ("refused", "unparsed")
    }
    return {"trials": float(len(answers)), **{k: float(v) for k, v in counts.items()}}
