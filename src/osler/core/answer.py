"""A reply as the benchmark understood it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

AnswerStatus = Literal["ok", "refused", "unparsed", "model_error"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One trial of one item.

    ``value`` is the parsed answer (an option letter, a text, JSON as text) or None;
    ``compat_value`` is what the published parser reads, where the paper has its own.
    ``probs`` is a distribution over options where the model gives one.
    """

    item_id: str
    trial: int
    status: AnswerStatus
    text: str = ""
    value: str | None = None
    compat_value: str | None = None
    probs: Mapping[str, float] | None = None
    logprobs: tuple[float, ...] | None = None
