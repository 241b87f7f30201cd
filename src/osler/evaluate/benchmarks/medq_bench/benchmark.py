"""MedQ-Bench as a benchmark, scored by rules or, on request, by a judge. All pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from osler.core import (
    Answer,
    Case,
    InputError,
    Item,
    Prompt,
    Reply,
    Sampling,
    Score,
    UnknownNameError,
)
from osler.evaluate.benchmarks import benchmark_card

from ..folder import Dataset, OverDataset
from .baseline import baseline_answers
from .data import TASKS, open_dataset
from .judge import judge_prompts, readable, score_judged
from .prompting import prompt_for
from .score import answer_of, is_written, score_case
from .summary import summarise

NAME = "medq-bench"
SCORERS = ("rules", "judge")


class MedQBench(OverDataset):
    """The benchmark over one dataset; descriptions are scored by rules. See README.md."""

    name = NAME
    scorer = "rules"

    def prompt(self, item: Item) -> Prompt:
        """See :func:`.prompting.prompt_for`."""
        return prompt_for(item)

    def parse(self, item: Item, reply: Reply, trial: int) -> Answer:
        """See :func:`.score.answer_of`."""
        return answer_of(item, reply, trial)

    def score(self, case: Case, answers: Sequence[Answer]) -> Score:
        """See :func:`.score.score_case`."""
        return score_case(case, answers)

    def baselines(self, cases: Sequence[Case], trials: int) -> Mapping[str, list[Answer]]:
        """See :mod:`.baseline`."""
        return baseline_answers(cases, trials)

    def summarise(
        self,
        cases: Sequence[Case],
        answers: Sequence[Answer],
        baselines: Mapping[str, Sequence[Answer]],
        seed: int,
    ) -> Mapping[str, Any]:
        """All tables of a run; the schema stands in README.md."""
        info = self.dataset.info
        head = {
            "benchmark": {
                "name": NAME,
                "version": self.version,
                "title": benchmark_card(NAME).title,
            },
            "dataset": {
                key: info.get(key)
                for key in ("name", "version", "hash", "smoke", "seed", "counts", "licences")
            },
            "scorer": self.scorer,
        }
        return {**head, **summarise(cases, answers, baselines, seed, self.score, self.scorer)}


class JudgedMedQBench(MedQBench):
    """The same with descriptions graded by a judge on four axes, ``rounds`` times each."""

    scorer = "judge"
    judge_sampling = Sampling(temperature=0.0, max_tokens=64)

    def __init__(
        self,
        dataset: Dataset,
        rounds: int = 1,
        judgements: Mapping[str, Sequence[Reply]] | None = None,
    ) -> None:
        super().__init__(dataset)
        self.rounds = rounds
        self.judgements = judgements or {}

    def judge_prompts(self, case: Case, answers: Sequence[Answer]) -> Sequence[Prompt]:
        """Four prompts an answer and round for a description; none for a question."""
        return judge_prompts(case, answers, self.rounds) if is_written(case.item) else ()

    def judge_accepts(self, prompt: Prompt, text: str) -> bool:
        """Whether a reply is a score; the engine counts another as a failed call."""
        return readable(prompt, text)

    def with_judgements(self, judgements: Mapping[str, Sequence[Reply]]) -> JudgedMedQBench:
        """The same benchmark with the judge's replies by item id."""
        return JudgedMedQBench(self.dataset, self.rounds, judgements)

    def score(self, case: Case, answers: Sequence[Answer]) -> Score:
        """Questions as without a judge; see :func:`.judge.score_judged` for descriptions."""
        if not is_written(case.item):
            return score_case(case, answers)
        return score_judged(case, answers, self.judgements.get(case.item.id), self.rounds)


def load(data: str, **options: Any) -> MedQBench:
    """The benchmark on ``data``.

    Parameters
    ----------
    data
        ``mini``, a dataset folder, a table of pictures, official tables (or their folder).
    options
        ``scoring``: ``rules`` (default) or ``judge`` (a judge must be named); ``rounds``: how often
        the judge is asked (default 1); ``tasks``: only these, by comma (a model that only chooses
        needs ``perception``); others as :func:`.sources.dataset_for`.
    """
    tasks = options.pop("tasks", None)
    scoring = str(options.pop("scoring", "rules"))
    rounds = options.pop("rounds", None)
    if scoring not in SCORERS:
        raise InputError(f"scoring {scoring!r} is not known; use rules or judge")
    if rounds is not None and scoring != "judge":
        raise InputError("rounds are for a judge; add scoring=judge")
    if rounds is not None and not (str(rounds).isdigit() and 1 <= int(rounds) <= 9):
        raise InputError(f"rounds {rounds!r} is out of range; use 1 to 9")
    if (Path(data) / "dataset.json").is_file() and not options:
        dataset = open_dataset(data)
    else:
        from .sources import dataset_for

        dataset = open_dataset(dataset_for(data, **options))
    dataset = _only(dataset, tasks)
    return JudgedMedQBench(dataset, int(rounds or 1)) if scoring == "judge" else MedQBench(dataset)


def _only(dataset: Dataset, tasks: str | None) -> Dataset:
    """The cases of some tasks."""
    if tasks is None:
        return dataset
    wanted = {name.strip() for name in str(tasks).split(",")}
    unknown = sorted(wanted - set(TASKS))
    if unknown:
        raise UnknownNameError("task of medq-bench", unknown[0], TASKS)
    kept = tuple(case for case in dataset.cases if case.item.tags["task"] in wanted)
    if not kept:
        raise InputError(f"{dataset.folder} holds no {' or '.join(sorted(wanted))} items")
    return replace(dataset, cases=kept)
