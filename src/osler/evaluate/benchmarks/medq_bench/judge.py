"""Judging descriptions on the four axes by a model that sees two texts and no image.

One call an axis and round. Candidate and reference stand in fences (:mod:`osler.evaluate.scoring.
judges`); the rubric stands outside, before them. A reply that cannot be read beyond doubt is a
failure: the item stays unscored and is asked again when the run is resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from statistics import fmean

from osler.core import Answer, Case, Prompt, Reply, Score
from osler.evaluate.scoring.judges import fence, fill, parse_scale, parse_scale_compat

from .rubric import AXES, Axes, axes
from .rules import read_text
from .score import Parts, failed_score, reading_parts, truth_of, written_score

SUBJECT = {"description": "one medical image", "paired": "two medical images, A and B"}
AXIS = {
    "completeness": "completeness",
    "preciseness": "preciseness",
    "consistency": "consistency",
    "quality": "quality accuracy",
}
_OWN = {("paired", "consistency"): "consistency_paired", ("paired", "quality"): "quality_paired"}


@cache
def prompt_file(name: str) -> str:
    """Text of ``prompts/<name>.md``."""
    return (files(__package__) / "prompts" / f"{name}.md").read_text(encoding="utf-8").strip()


def rubric(task: str, axis: str) -> str:
    """The levels of an axis, as the judge reads them."""
    return prompt_file(_OWN.get((task, axis), axis))


def judged_answers(answers: Sequence[Answer]) -> list[Answer]:
    """The answers a judge is asked about: those with a text."""
    return [answer for answer in answers if answer.value]


def judge_prompts(case: Case, answers: Sequence[Answer], rounds: int) -> list[Prompt]:
    """The calls for one case: answer by answer, axis by axis, round by round."""
    return [
        _prompt(case, answer, axis, turn)
        for answer in judged_answers(answers)
        for axis in AXES
        for turn in range(rounds)
    ]


def _prompt(case: Case, answer: Answer, axis: str, turn: int) -> Prompt:
    task = case.item.tags["task"]
    keys = (case.item.id, answer.trial, axis, turn)  # another round is another call: another mark
    values = {
        "subject": SUBJECT[task],
        "axis": AXIS[axis],
        "rubric": rubric(task, axis),
        "reference": fence(case.gold.evidence["reference"], "reference", answer.value, *keys),
        "candidate": fence(answer.value or "", "candidate", *keys),
    }
    return Prompt((fill(prompt_file("judge"), values),))


def readable(prompt: Prompt, text: str) -> bool:
    """Whether a judge's reply gives a score of the scale that ``prompt`` asks for."""
    value = parse_scale(text, 0, 2)
    two_or_none = rubric("paired", "quality") in prompt.text.partition("<<<DATA")[0]
    return value is not None and not (two_or_none and value == 1)


def score_judged(
    case: Case, answers: Sequence[Answer], replies: Sequence[Reply] | None, rounds: int
) -> Score:
    """The score of a description from the judge's replies (order of :func:`judge_prompts`).

    ``compat``: the judge's points, mean over rounds. ``robust``: completeness is worth no more than
    preciseness (a list of everything is complete), consistency is 0 without a verdict or with a
    preciseness of 0 (a false text may agree with itself), and the verdict is compared by rule, the
    same or nothing, where both verdicts can be read.
    """
    failed = failed_score(case, answers)
    if failed is not None:
        return failed
    asked = judged_answers(answers)
    parts: Parts = {"scorer": "judge", "trials": float(len(answers)), "rounds": float(rounds)}
    parts["unparsed"] = float(len(answers) - len(asked))
    prompts = judge_prompts(case, answers, rounds)
    given = list(replies or ())
    lost = len(prompts) - len(given) + sum(
        reply.error is not None or not readable(prompt, reply.text)
        for prompt, reply in zip(prompts, given, strict=False)
    )  # fmt: skip
    if lost:
        parts["unread"] = float(lost)
        return Score(case.item.id, "judge_error", parts=parts)
    compat, robust, spreads = [], [], []
    turns = iter(given)
    for answer in answers:
        if answer not in asked:
            compat.append(dict.fromkeys(AXES, 0.0))
            robust.append(dict.fromkeys(AXES, 0.0))
            continue
        texts = {axis: [next(turns).text for _ in range(rounds)] for axis in AXES}
        strict = {a: [parse_scale(t, 0, 2) or 0 for t in found] for a, found in texts.items()}
        loose = {a: [parse_scale_compat(t, 0, 2) or 0 for t in found] for a, found in texts.items()}
        compat.append({axis: fmean(values) for axis, values in loose.items()})
        means = {axis: fmean(values) for axis, values in strict.items()}
        robust.append(_guarded(case, answer, means))
        spreads.append(fmean(max(v) - min(v) for v in strict.values()))
    parts["spread"] = round(fmean(spreads), 9) if spreads else 0.0
    said = read_text(answers[0].value or "")
    return written_score(case, compat, robust, parts | reading_parts(said))


def _guarded(case: Case, answer: Answer, points: Axes) -> Axes:
    """The judge's points with the known ways of gaming them closed."""
    paired = case.item.tags["task"] == "paired"
    said, truth = read_text(answer.value or ""), truth_of(case)
    own, true = (said.better, truth.better) if paired else (said.verdict, truth.verdict)
    quality = axes(said, truth, paired)[1]["quality"] if own and true else points["quality"]
    return {
        "completeness": min(points["completeness"], points["preciseness"]),
        "preciseness": points["preciseness"],
        "consistency": points["consistency"] if own and points["preciseness"] else 0.0,
        "quality": quality if own else 0.0,
    }
