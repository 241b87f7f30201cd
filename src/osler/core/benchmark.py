"""What a benchmark must offer. Everything here is pure: no network, clock or global state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from .answer import Answer
from .item import Case, Item
from .model import Prompt, ReadBlob, Reply, Sampling
from .score import Score


@runtime_checkable
class Benchmark(Protocol):
    """A set of cases with the way to ask and the way to score.

    ``version`` changes whenever a prompt, a parser or a score changes; it is part of the cache
    key and of every record.
    """

    name: str
    version: str

    def cases(self) -> Iterable[Case]:
        """All cases; ids are unique and stable, the order does not matter for any score."""
        ...

    def read_blob(self) -> ReadBlob:
        """How to read the bytes of the images that the items refer to."""
        ...

    def prompt(self, item: Item) -> Prompt:
        """The prompt for an item; it sees no gold."""
        ...

    def parse(self, item: Item, reply: Reply, trial: int) -> Answer:
        """A reply as an answer; a reply with an error becomes status ``model_error``."""
        ...

    def score(self, case: Case, answers: Sequence[Answer]) -> Score:
        """The score of one case over its trials."""
        ...

    def baselines(self, cases: Sequence[Case], trials: int) -> Mapping[str, list[Answer]]:
        """Answers of degenerate players on the same cases, by the player's name."""
        ...

    def summarise(
        self,
        cases: Sequence[Case],
        answers: Sequence[Answer],
        baselines: Mapping[str, Sequence[Answer]],
        seed: int,
    ) -> Mapping[str, Any]:
        """All tables of the run as JSON-able data; the report is drawn from nothing else.

        Holds at least ``n_items``, ``n_scored``, ``coverage``, ``headline`` (compat and robust
        estimates) and ``baselines``; the rest is the benchmark's own (see its README).
        """
        ...


@runtime_checkable
class JudgedBenchmark(Benchmark, Protocol):
    """A benchmark whose scores need a judge: a model in the role ``judge``.

    The engine asks the judge once the answers are there and hands its replies back; scoring stays
    pure. A benchmark of this kind cannot run without a judge.

    It may offer ``judge_accepts(prompt, text) -> bool``: a reply that it refuses then counts as a
    failed call (kind ``unreadable``), which a resumed run asks again.
    """

    judge_sampling: Sampling

    def judge_prompts(self, case: Case, answers: Sequence[Answer]) -> Sequence[Prompt]:
        """What the judge is asked about one case; candidate text enters only as quoted data."""
        ...

    def with_judgements(self, judgements: Mapping[str, Sequence[Reply]]) -> Benchmark:
        """The same benchmark with the judge's replies by item id, in the order of the prompts.

        A reply with an error makes the score of its case ``judge_error``.
        """
        ...
