"""Items to ask: part of a benchmark, or pool images with the questions of failed items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import (
    Answer,
    Benchmark,
    Case,
    Gold,
    InputError,
    Item,
    JudgedBenchmark,
    Prompt,
    ReadBlob,
    Reply,
    Score,
    derive_rng,
)


class Subset:
    """Some cases of a benchmark, asked, read and scored as it does."""

    def __init__(self, whole: Benchmark, cases: Sequence[Case]) -> None:
        self.whole = whole
        self.name, self.version = whole.name, whole.version
        self._cases = tuple(cases)

    @property
    def data_folder(self) -> Path | None:
        """Where the report finds the images."""
        return getattr(self.whole, "data_folder", None)

    @property
    def data_info(self) -> Mapping[str, Any] | None:
        """The description of the whole dataset."""
        return getattr(self.whole, "data_info", None)

    def cases(self) -> Sequence[Case]:
        """The chosen cases, in the order of the whole."""
        return self._cases

    def read_blob(self) -> ReadBlob:
        """As the whole."""
        return self.whole.read_blob()

    def prompt(self, item: Item) -> Prompt:
        """As the whole."""
        return self.whole.prompt(item)

    def parse(self, item: Item, reply: Reply, trial: int) -> Answer:
        """As the whole."""
        return self.whole.parse(item, reply, trial)

    def score(self, case: Case, answers: Sequence[Answer]) -> Score:
        """As the whole."""
        return self.whole.score(case, answers)

    def baselines(self, cases: Sequence[Case], trials: int) -> Mapping[str, list[Answer]]:
        """As the whole."""
        return self.whole.baselines(cases, trials)

    def summarise(
        self,
        cases: Sequence[Case],
        answers: Sequence[Answer],
        baselines: Mapping[str, Sequence[Answer]],
        seed: int,
    ) -> Mapping[str, Any]:
        """As the whole."""
        return self.whole.summarise(cases, answers, baselines, seed)


def split_by_group(whole: Benchmark, seed: int) -> tuple[Benchmark, Benchmark]:
    """Two halves without a common patient; of each modality's patients half where that goes.

    Raises
    ------
    InputError
        The benchmark needs a judge (its failures cannot be told trial by trial), or has fewer
        than two patients.
    """
    if isinstance(whole, JudgedBenchmark):
        raise InputError(
            f"{whole.name} with a judge cannot drive a round; choose its scoring by rules"
        )
    cases = list(whole.cases())
    modality = {c.item.group: c.item.tags.get("modality", "") for c in cases}
    groups = sorted(modality)
    order = [groups[int(i)] for i in derive_rng("round split", seed).permutation(len(groups))]
    order.sort(key=lambda g: modality[g])
    second = set(order[1::2])
    if not second:
        raise InputError(
            f"the data of {whole.name} are of one patient, so nobody is left to judge the new "
            "model; name other data with --gate"
        )
    return (
        Subset(whole, [c for c in cases if c.item.group not in second]),
        Subset(whole, [c for c in cases if c.item.group in second]),
    )


class Candidates:
    """Pool images with questions: nobody knows the answers, so nothing is scored but readability.

    Prompts and parsing are those of the benchmark whose items they are modelled on.
    """

    def __init__(self, like: Benchmark, items: Sequence[Item], read: ReadBlob) -> None:
        self.like, self.items, self._read = like, tuple(items), read
        self.name, self.version = f"{like.name} candidates", like.version

    def cases(self) -> Sequence[Case]:
        """The items, without an answer."""
        return [Case(item, Gold("")) for item in self.items]

    def read_blob(self) -> ReadBlob:
        """Reads the images that the round keeps."""
        return self._read

    def prompt(self, item: Item) -> Prompt:
        """As the benchmark."""
        return self.like.prompt(item)

    def parse(self, item: Item, reply: Reply, trial: int) -> Answer:
        """As the benchmark."""
        return self.like.parse(item, reply, trial)

    def score(self, case: Case, answers: Sequence[Answer]) -> Score:
        """The share of replies that could be read."""
        if any(a.status == "model_error" for a in answers):
            failed = all(a.status == "model_error" for a in answers)
            return Score(case.item.id, "model_error" if failed else "partial")
        share = sum(a.value is not None for a in answers) / max(len(answers), 1)
        return Score(case.item.id, "scored", share, share)

    def baselines(self, cases: Sequence[Case], trials: int) -> Mapping[str, list[Answer]]:
        """None: there is nothing to be right about."""
        return {}

    def summarise(
        self,
        cases: Sequence[Case],
        answers: Sequence[Answer],
        baselines: Mapping[str, Sequence[Answer]],
        seed: int,
    ) -> Mapping[str, Any]:
        """How many replies could be read."""
        by_item: dict[str, list[Answer]] = {case.item.id: [] for case in cases}
        for answer in answers:
            by_item[answer.item_id].append(answer)
        scores = [self.score(case, by_item[case.item.id]) for case in cases]
        done = [s.robust for s in scores if s.status == "scored" and s.robust is not None]
        readable = sum(done) / len(done) if done else None
        return {
            "n_items": len(cases),
            "n_scored": len(done),
            "coverage": len(done) / max(len(cases), 1),
            "headline": {"about": "share of replies that could be read", "robust": readable,
                         "compat": readable},
            "baselines": [],
        }  # fmt: skip
