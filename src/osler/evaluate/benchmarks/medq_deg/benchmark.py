"""MedQ-Deg as a benchmark: cases, prompt, parsing, scores, baselines, summary. All pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from osler.core import Answer, Case, Item, Prompt, Reply, Score
from osler.evaluate.benchmarks import benchmark_card
from osler.evaluate.scoring import parse_choice, parse_choice_compat

from ..folder import OverDataset
from .baseline import baseline_answers
from .data import open_dataset
from .score import score_case
from .summary import summarise

NAME = "medq-deg"


@cache
def prompt_template() -> str:
    """Text of ``prompts/answer.md``; ``{question}`` and ``{options}`` are filled in."""
    return (files(__package__) / "prompts" / "answer.md").read_text(encoding="utf-8").strip()


class MedQDeg(OverDataset):
    """The benchmark over one dataset; see README.md of this folder."""

    name = NAME

    def prompt(self, item: Item) -> Prompt:
        """The image, then question and lettered options, asking for the letter only."""
        options = "\n".join(f"{letter}. {text}" for letter, text in item.options.items())
        before, _, rest = prompt_template().partition("{question}")
        middle, _, after = rest.partition("{options}")
        text = f"{before}{item.question}{middle}{options}{after}"
        return Prompt(parts=(*item.images, text))

    def parse(self, item: Item, reply: Reply, trial: int) -> Answer:
        """``value`` by the robust parser, ``compat_value`` by the published one."""
        if reply.error is not None:
            return Answer(item.id, trial, "model_error", text=reply.error.message)
        choice = parse_choice(reply.text, item.options)
        return Answer(
            item.id,
            trial,
            choice.status,
            text=reply.text,
            value=choice.letter,
            compat_value=parse_choice_compat(reply.text, "".join(item.options)),
            probs=reply.option_probs,
            logprobs=reply.logprobs,
        )

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
        card = benchmark_card(NAME)
        head = {
            "benchmark": {"name": NAME, "version": self.version, "title": card.title},
            "dataset": {
                key: self.dataset.info.get(key)
                for key in ("name", "version", "hash", "smoke", "seed", "counts", "licences")
            },
        }
        return {**head, **summarise(cases, answers, baselines, seed)}


def load(data: str, **options: Any) -> MedQDeg:
    """The benchmark on ``data``: a dataset folder, a TSV/JSONL/JSON table, or ``mini``.

    A table or ``mini`` is composed first, into ``data_dir`` (default: Osler's cache, under the
    hash of its plan, so a second run finds it there). Options: see
    :func:`.sources.dataset_for`.
    """
    if Path(data).is_dir() and not options:
        return MedQDeg(open_dataset(data))
    from .sources import dataset_for

    return MedQDeg(open_dataset(dataset_for(data, **options)))
