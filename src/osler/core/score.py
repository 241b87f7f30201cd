"""A score is a value or the reason why there is none; it is never both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ScoreStatus = Literal["scored", "model_error", "judge_error", "partial"]


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one item over its trials.

    ``compat`` reproduces the paper's arithmetic, ``robust`` cannot be gamed in the known ways;
    both are None unless ``status`` is ``scored`` (``partial``: some trials failed, so the item is
    counted as unscored until a resume completes it). ``parts`` are what they were made of.
    """

    item_id: str
    status: ScoreStatus
    compat: float | None = None
    robust: float | None = None
    parts: Mapping[str, float | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval: ``low`` and ``high`` bound the stated ``confidence``.

    ``n`` counts what was averaged, ``groups`` the independent units (patients) behind it.
    """

    value: float
    low: float
    high: float
    n: int
    groups: int
    confidence: float = 0.95
