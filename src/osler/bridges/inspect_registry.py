"""What Inspect finds when it looks for ``osler/...``: one task for each benchmark.

Named by the entry point of group ``inspect_ai``; imported by Inspect, by nothing of Osler. Listing
reads the benchmarks' cards; a benchmark is imported when its task is made.
"""

from __future__ import annotations

from typing import Any

from inspect_ai import Task, task

from osler.core import Sampling
from osler.evaluate.benchmarks import Card, list_benchmarks, load_benchmark

from .inspect_tasks import as_task


def _task_of(card: Card) -> Any:
    """``inspect eval osler/<card.name> -T data=... -T trials=...``."""

    def make(
        data: str = card.default_data,
        trials: int = card.trials,
        temperature: float = card.temperature,
        top_p: float = 1.0,
        max_tokens: int = card.max_tokens,
        seed: int = 0,
        logprobs: int = 0,
        data_options: dict[str, Any] | None = None,
    ) -> Task:
        benchmark = load_benchmark(card.name, data, **(data_options or {}))
        sampling = Sampling(
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            seed=seed,
            logprobs=logprobs,
        )
        return as_task(benchmark, trials=trials, sampling=sampling)

    make.__name__ = make.__qualname__ = task_name(card.name)
    make.__doc__ = card.summary or card.title
    return task(make)


def task_name(benchmark: str) -> str:
    """A benchmark's name as Inspect wants it: ``medq-deg`` is ``osler/medq_deg``."""
    return benchmark.replace("-", "_")


TASKS = {task_name(card.name): _task_of(card) for card in list_benchmarks()}
"""The registered tasks by name, also attributes of this module."""

globals().update(TASKS)
