"""Checks of the labels of a round before anything trains on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from osler.core import InputError
from osler.curate.annotate.gold import GoldResult, gold_results

from .lint import contradictions, incoherence

__all__ = [
    "VERDICTS",
    "Balance",
    "Finding",
    "GoldResult",
    "Label",
    "Verdict",
    "check_label",
    "class_balance",
    "gold_results",
]

Verdict = Literal["good", "usable", "reject"]
VERDICTS: tuple[str, ...] = ("good", "usable", "reject")


@dataclass(frozen=True, slots=True)
class Label:
    """What was decided about one image.

    ``options`` letter -> text (empty for open questions), ``answer`` a letter or text, ``verdict``
    the quality verdict, ``description`` the low-level appearance in sentences, ``rater`` who.
    """

    item_id: str
    answer: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    verdict: str = ""
    description: str = ""
    rater: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a label: an ``error`` bars it from training, a ``warning`` is shown."""

    item_id: str
    check: str
    severity: Literal["error", "warning"]
    message: str


def check_label(label: Label) -> list[Finding]:
    """Schema, verdict coherence and contradictions of one label; empty when nothing is wrong."""
    found = [Finding(label.item_id, "schema", "error", m) for m in _schema(label)]
    if label.description and label.verdict in VERDICTS:
        told = incoherence(label.verdict, label.description)
        found += [Finding(label.item_id, "verdict", "warning", m) for m in told]
    told = contradictions(label.description)
    return found + [Finding(label.item_id, "contradiction", "warning", m) for m in told]


def _schema(label: Label) -> list[str]:
    wrong = []
    if not label.item_id:
        wrong.append("the label names no item")
    if not (label.answer or label.verdict or label.description):
        wrong.append("the label decides nothing: no answer, verdict or description")
    if label.options and label.answer and label.answer not in label.options:
        wrong.append(f"answer {label.answer!r} is none of the options {', '.join(label.options)}")
    if label.options and len({t.strip().lower() for t in label.options.values()}) < len(
        label.options
    ):
        wrong.append("two options have the same text")
    if label.verdict and label.verdict not in VERDICTS:
        wrong.append(f"verdict {label.verdict!r} is none of {', '.join(VERDICTS)}")
    return wrong


@dataclass(frozen=True, slots=True)
class Balance:
    """Counts of each class, the share of the largest, and what is wrong with them."""

    counts: Mapping[str, int]
    majority: float
    findings: tuple[str, ...]


def class_balance(
    classes: Sequence[str], known: Sequence[str] = (), *, limit: float = 0.8
) -> Balance:
    """Whether one class dominates (share above ``limit``) or a ``known`` one is missing."""
    if not classes:
        raise InputError("no labels: class balance needs at least one")
    counts = Counter(classes)
    name, most = counts.most_common(1)[0]
    share = most / len(classes)
    told = [f"class {c} has no label" for c in known if not counts[c]]
    if share > limit:
        told.append(f"{share:.0%} of the labels are {name}: a constant answer would be as right")
    return Balance(dict(sorted(counts.items())), share, tuple(told))
