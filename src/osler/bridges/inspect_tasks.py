"""A benchmark of Osler as an Inspect task: same prompts, same parsing, same scores.

Samples carry ``med://<sha256>`` instead of pictures. A resolver turns that address into bytes
when a sample starts, and the same addresses stand in the sample's metadata, so that a log written
with ``--no-log-images`` stays small and still says which image was shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from osler.core import (
    Answer,
    Benchmark,
    Case,
    Failure,
    InputError,
    JudgedBenchmark,
    MissingError,
    ReadBlob,
    Reply,
    Sampling,
    plain,
)

from .inspect_records import SCHEME, data_uri, image_ref, image_uri, messages, reply_of

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.dataset import Sample

_SHELVES: dict[str, tuple[ReadBlob, str]] = {}
"""Image hash -> how to read it and its media type, for every task made in this process."""

_RESOLVING: list[AbstractContextManager[None]] = []
"""Entered resolvers; a reference keeps them open as long as the process lives."""


def as_task(benchmark: Benchmark, *, trials: int = 1, sampling: Sampling | None = None) -> Task:
    """The benchmark as a task of Inspect AI.

    Parameters
    ----------
    benchmark
        Anything with the protocol of :class:`osler.core.Benchmark`.
    trials
        Replies to each item; they are the task's epochs. The score of an item over its trials is
        the benchmark's own, as in Osler's engine; an item of which a trial failed is unscored.
    sampling
        Temperature, longest reply and so on; a trial's seed is ``seed`` + its number.

    Raises
    ------
    MissingError
        Inspect is not installed.
    InputError
        ``trials`` is below 1, ids repeat, or the benchmark needs a judge.
    """
    try:
        from inspect_ai import Epochs, Task
        from inspect_ai.dataset import MemoryDataset
        from inspect_ai.model import GenerateConfig
    except ImportError as error:
        raise MissingError(
            f"tasks for Inspect need inspect-ai ({error}); install it with: "
            "pip install 'osler[inspect]'"
        ) from error
    if trials < 1:
        raise InputError(f"trials must be 1 or more, not {trials}")
    if isinstance(benchmark, JudgedBenchmark):
        raise InputError(f"{benchmark.name} needs a judge, which only `osler eval` can ask")
    sampling = sampling or Sampling()
    cases = _by_id(benchmark.cases(), benchmark.name)
    _show_images(benchmark, cases.values())
    return Task(
        dataset=MemoryDataset(
            [_sample(benchmark, case) for case in cases.values()], name=benchmark.name
        ),
        solver=_asking(sampling),
        scorer=[_scoring(benchmark, cases, form) for form in ("compat", "robust")],
        epochs=Epochs(trials, _over_trials(benchmark, cases, trials)),
        config=GenerateConfig(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop_seqs=list(sampling.stop) or None,
            logprobs=True if sampling.logprobs else None,
            top_logprobs=sampling.logprobs or None,
        ),
        fail_on_error=False,
        score_on_error=True,
        name=benchmark.name,
        version=benchmark.version,
        metadata={"osler": {"benchmark": benchmark.name, "version": benchmark.version}},
    )


def _by_id(cases: Iterable[Case], name: str) -> dict[str, Case]:
    found: dict[str, Case] = {}
    for case in cases:
        if case.item.id in found:
            raise InputError(f"{name}: two items have the id {case.item.id!r}")
        found[case.item.id] = case
    return found


def _sample(benchmark: Benchmark, case: Case) -> Sample:
    from inspect_ai.dataset import Sample

    item, prompt = case.item, benchmark.prompt(case.item)
    return Sample(
        id=item.id,
        input=messages(prompt),
        target=case.gold.answer,
        metadata={
            "images": [image_uri(ref) for ref in prompt.images],
            "options": dict(item.options),
            "group": item.group or item.id,
            "tags": dict(item.tags),
        },
    )


def _show_images(benchmark: Benchmark, cases: Iterable[Case]) -> None:
    """Make ``med://`` addresses of these cases resolvable from here on."""
    from inspect_ai.util import media_resolver

    read = benchmark.read_blob()
    for case in cases:
        for ref in benchmark.prompt(case.item).images:
            _SHELVES[ref.sha256] = (read, ref.media_type)
    resolving = media_resolver(SCHEME, _resolve)
    resolving.__enter__()
    _RESOLVING.append(resolving)


async def _resolve(uri: str) -> str:
    ref = image_ref(uri)
    if ref.sha256 not in _SHELVES:
        raise InputError(f"{uri} belongs to no task of this process")
    read, media_type = _SHELVES[ref.sha256]
    return data_uri(image_ref(uri, media_type), read)


def _asking(sampling: Sampling) -> Any:
    from inspect_ai.solver import Generate, TaskState, solver

    @solver(name="osler_ask")  # type: ignore[untyped-decorator]
    def ask() -> Any:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            # A server that honours the seed must still give another reply for each trial.
            return await generate(state, seed=(sampling.seed + state.epoch - 1) % (1 << 31))

        return solve

    return ask()


def _scoring(benchmark: Benchmark, cases: Mapping[str, Case], form: str) -> Any:
    """One trial's score; its parsed answer travels in the metadata for the other trials."""
    from inspect_ai.scorer import Target, mean, scorer, stderr
    from inspect_ai.solver import TaskState

    @scorer(metrics=[mean(), stderr(cluster="group")], name=f"osler_{form}")  # type: ignore[untyped-decorator]
    def scoring() -> Any:
        async def score(state: TaskState, target: Target) -> Any:
            case = cases[str(state.sample_id)]
            reply = reply_of(state.output, case.item.options)
            if not state.output.choices:
                reply = Reply(error=Failure("missing", "the call failed; see the sample's error"))
            answer = benchmark.parse(case.item, reply, state.epoch - 1)
            return _score(benchmark, case, [answer], form)

        return score

    return scoring()


def _over_trials(benchmark: Benchmark, cases: Mapping[str, Case], trials: int) -> Any:
    from inspect_ai.scorer import Score, score_reducer

    @score_reducer(name="osler_trials")  # type: ignore[untyped-decorator]
    def over_trials() -> Any:
        def reduce(scores: list[Score]) -> Score:
            noted = [score.metadata or {} for score in scores]
            answers = [Answer(**answer) for one in noted for answer in one["answers"]]
            case = cases[answers[0].item_id]
            return _score(benchmark, case, sorted(answers, key=_trial), noted[0]["form"])

        return reduce

    return over_trials()


def _trial(answer: Answer) -> int:
    return answer.trial


def _score(benchmark: Benchmark, case: Case, answers: Sequence[Answer], form: str) -> Any:
    """The benchmark's own score as Inspect's; without a value it is unscored, never 0."""
    from inspect_ai.scorer import Score

    found = benchmark.score(case, answers)
    value = found.compat if form == "compat" else found.robust
    noted = {"form": form, "answers": plain(list(answers)), "parts": plain(found.parts)}
    said = answers[-1].compat_value if form == "compat" else answers[-1].value
    if value is None or not math.isfinite(value):
        return Score.unscored(reason=found.status, answer=said, metadata=noted)
    return Score(value=value, answer=said, metadata=noted)
