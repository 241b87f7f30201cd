"""One process's share of a run: ask the model, ask the judge, parse and score."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from osler.core import Answer, Benchmark, Case, JudgedBenchmark, Model, Reply, Sampling, Score

from .cache import ReplyCache
from .control import Progress, Stop, stopping_on_interrupt
from .cost import Ledger, Price, price_of
from .journal import Journal
from .limits import Limits
from .plan import Plan, judge_calls, model_calls
from .readable import readable_judge
from .runner import Runner
from .scores import score_row

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scored:
    """Cases with their answers and scores; ``failures`` counts calls without a reply by kind."""

    benchmark: Benchmark
    cases: list[Case]
    answers: list[list[Answer]]
    scores: list[Score]
    failures: Counter[str]

    def rows(self) -> list[dict[str, Any]]:
        """The rows of ``scores.parquet``, in the order of the cases."""
        return [
            score_row(case, answers, score)
            for case, answers, score in zip(self.cases, self.answers, self.scores, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Session:
    """One process's share of a run."""

    benchmark: Benchmark
    roles: Mapping[str, Model]
    trials: int
    sampling: Sampling
    seed: int
    limit: int | None
    limits: Limits
    prices: Mapping[str, Price]
    journal: Journal
    plan: Plan

    async def ask(
        self, cache_path: str | Path | None, progress: Callable[[Progress], None]
    ) -> Scored:
        """Ask the model, then the judge; score.

        Raises
        ------
        OslerError
            Whatever ended the run early; replies so far are in the journal.
        """
        stop = Stop()
        cache = ReplyCache(cache_path) if cache_path else None
        ledger = Ledger.of(self.journal.accounts(spent_only=True))
        todo = "the replies are kept, run the same command again to go on"

        def runner(role: str) -> Runner:
            model = self.roles[role]
            if role == "judge":
                model = readable_judge(self.benchmark, model)
            return Runner(
                model,
                self.benchmark.read_blob(),
                self.journal,
                ledger,
                limits=self.limits,
                price=price_of(model, self.prices),
                stop=stop,
                seed=self.seed,
                cache=None if model.capabilities.local else cache,
                progress=progress,
            )

        try:
            with stopping_on_interrupt(stop, todo):
                calls = model_calls(
                    self.benchmark, self.roles["model"], self.trials, self.sampling, self.limit
                )
                await runner("model").run("model", self.plan.calls, calls)
                _raise(stop)
                cases = list(islice(self.benchmark.cases(), self.limit))
                answers, failures = self._answers(cases)
                benchmark = self.benchmark
                if isinstance(benchmark, JudgedBenchmark):
                    prompts = [
                        (case, benchmark.judge_prompts(case, given))
                        for case, given in zip(cases, answers, strict=True)
                    ]
                    asked = list(
                        judge_calls(
                            benchmark, self.roles["judge"], benchmark.judge_sampling, prompts
                        )
                    )
                    await runner("judge").run("judge", len(asked), asked)
                    _raise(stop)
                    benchmark = benchmark.with_judgements(
                        {
                            case.item.id: self._replies("judge", case, len(parts), failures)
                            for case, parts in prompts
                        }
                    )
        finally:
            for model in self.roles.values():
                await model.close()
            if cache is not None:
                cache.close()
        scores = [benchmark.score(case, given) for case, given in zip(cases, answers, strict=True)]
        return Scored(benchmark, cases, answers, scores, failures)

    def _answers(self, cases: Sequence[Case]) -> tuple[list[list[Answer]], Counter[str]]:
        failures: Counter[str] = Counter()
        answers = []
        for case in cases:
            replies = self._replies("model", case, self.trials, failures)
            answers.append(
                [self.benchmark.parse(case.item, reply, t) for t, reply in enumerate(replies)]
            )
        return answers, failures

    def _replies(self, role: str, case: Case, count: int, failures: Counter[str]) -> list[Reply]:
        replies = self.journal.replies(role, case.item.id, count)
        failures.update(reply.error.kind for reply in replies if reply.error is not None)
        return replies


def _raise(stop: Stop) -> None:
    if stop.reason is not None:
        raise stop.reason


def run_now(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also inside a notebook whose loop is already running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    outcome: list[T] = []
    errors: list[BaseException] = []

    def inner() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=inner)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return outcome[0]
