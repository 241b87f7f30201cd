"""Ask a model the items of a stage through the engine, and read the outcome of every trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from osler.core import Answer, Benchmark, Case, CoverageError, Model, Sampling
from osler.evaluate.engine import Journal, evaluate
from osler.evaluate.engine.control import Progress as EngineProgress

from ..vectors import Floats
from .context import Round

REPORT = "osler.evaluate.report:write_report"


@dataclass(frozen=True, slots=True)
class Asked:
    """Cases with all answers of each, by trial."""

    cases: tuple[Case, ...]
    answers: tuple[tuple[Answer, ...], ...]


def ask(
    round_: Round,
    what: str,
    benchmark: Benchmark,
    model: Model,
    out: Path,
    *,
    trials: int,
    temperature: float,
    report: bool = True,
) -> Asked:
    """Ask every item ``trials`` times; a run that was interrupted goes on where it ended.

    Raises
    ------
    CoverageError
        More than 2 % of the items got no answer: a round on half a picture would mislead.
    OslerError
        As :func:`osler.evaluate.engine.evaluate`.
    """

    def shown(state: EngineProgress) -> None:
        round_.progress(what, state.done, state.total)

    wants = 1 if model.capabilities.logprobs else 0
    result = evaluate(
        benchmark,
        model,
        out,
        trials=trials,
        sampling=Sampling(temperature, max_tokens=round_.max_tokens, logprobs=wants),
        seed=round_.plan.seed,
        progress=shown,
        report=REPORT if report else None,
    )
    if result.warning:
        raise CoverageError(f"{what}: {result.warning}")
    return read_run(benchmark, out, trials)


def read_run(benchmark: Benchmark, out: Path, trials: int) -> Asked:
    """The answers in the journal of a finished run."""
    cases = tuple(benchmark.cases())
    with Journal(out / "journal.sqlite") as journal:
        answers = tuple(
            tuple(
                benchmark.parse(case.item, reply, trial)
                for trial, reply in enumerate(journal.replies("model", case.item.id, trials))
            )
            for case in cases
        )
    return Asked(cases, answers)


def wrong_trials(benchmark: Benchmark, asked: Asked) -> Floats:
    """1 wrong, 0 right, NaN unscored for every trial: (items, trials).

    A trial is right when its robust score alone is at least one half.
    """
    rows = [
        [_wrong(benchmark, case, answer) for answer in given]
        for case, given in zip(asked.cases, asked.answers, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(asked.cases), -1)


def _wrong(benchmark: Benchmark, case: Case, answer: Answer) -> float:
    score = benchmark.score(case, [answer])
    if score.status != "scored" or score.robust is None:
        return float("nan")
    return float(score.robust < 0.5)


def values(answers: Sequence[Answer]) -> list[str | None]:
    """The parsed answers of one item."""
    return [answer.value for answer in answers]
