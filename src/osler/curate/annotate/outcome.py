"""From single decisions to what holds: agreed, disputed, ruled on, skipped, flagged, open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from .task import Decision, Role, Task, Verdict, needed

Status = Literal["settled", "disputed", "skipped", "flagged", "open"]
STATUSES: tuple[Status, ...] = ("settled", "disputed", "skipped", "flagged", "open")
Value = TypeVar("Value", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One decision as the queue keeps it: who, in which role, how long, when (Unix seconds)."""

    number: int
    task_id: str
    rater: str
    role: Role
    decision: Decision
    seconds: float
    at: float
    undone: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What holds for a task. Only ``settled`` ones have an answer that may train.

    ``by`` names everybody whose decision counts, the adjudicator last; ``seconds`` is the time of
    all people on it, skips and undone decisions included; ``notes`` are reasons of skips and flags.
    """

    task: Task
    status: Status
    answer: str = ""
    verdict: Verdict = ""
    description: str = ""
    by: tuple[str, ...] = ()
    adjudicated: bool = False
    seconds: float = 0.0
    axes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def settle(task: Task, made: Sequence[Recorded], known: Collection[str] = ()) -> Settled:
    """What the decisions ``made`` on ``task`` amount to; ``known`` are all raters of the queue.

    A ruling of an adjudicator holds. Otherwise, once as many people have decided as are needed
    (a skip is no decision), more than half must agree on the answer, or on the flag, and more than
    half of those who gave a verdict on the verdict; else the task is disputed. With two people
    that means both. A gold item is never disputed: its answer is known. A task that every known
    rater has skipped is skipped.
    """
    seconds = sum(d.seconds for d in made)
    live = [d for d in made if not d.undone]
    notes = tuple(d.decision.note for d in live if d.decision.note)
    votes = [d for d in live if d.role == "rater" and d.decision.action != "skip"]
    rulings = [d for d in live if d.role == "adjudicator" and d.decision.action != "skip"]
    people = tuple(dict.fromkeys(d.rater for d in (*votes, *rulings)))
    if rulings:
        return _as_decided(task, rulings[:1], people, seconds, notes, adjudicated=True)
    if len(votes) < needed(task):
        skipped = {d.rater for d in live if d.decision.action == "skip"}
        all_skipped = bool(skipped) and not votes and skipped >= set(known)
        status: Status = "skipped" if all_skipped else "open"
        return Settled(task, status, by=people, seconds=seconds, notes=notes)
    choice = _most([_choice(d.decision) for d in votes])
    agreeing = [d for d in votes if _choice(d.decision) == choice]
    verdict = _most([d.decision.verdict for d in agreeing if d.decision.verdict], "")
    if not task.gold and (choice is None or verdict is None):
        return Settled(task, "disputed", by=people, seconds=seconds, notes=notes)
    return _as_decided(task, agreeing or votes, people, seconds, notes, verdict=verdict)


def _as_decided(
    task: Task,
    decided: Sequence[Recorded],
    people: tuple[str, ...],
    seconds: float,
    notes: tuple[str, ...],
    *,
    verdict: str | None = None,
    adjudicated: bool = False,
) -> Settled:
    first = decided[0].decision
    flagged = first.action == "flag"
    return Settled(
        task,
        "flagged" if flagged else "settled",
        answer="" if flagged else (task.gold or first.answer),
        verdict=verdict or first.verdict,  # type: ignore[arg-type]
        description=_first(d.decision.description for d in decided),
        by=people,
        adjudicated=adjudicated,
        seconds=seconds,
        axes=first.axes,
        notes=notes,
    )


def standing(task: Task, made: Sequence[Recorded]) -> tuple[str, int]:
    """Whether a task still needs somebody (``open``, ``disputed``, ``done``), and its votes."""
    status = settle(task, made).status
    votes = [d for d in made if not d.undone and d.role == "rater" and d.decision.action != "skip"]
    place = {"settled": "done", "flagged": "done", "disputed": "disputed"}
    return place.get(status, "open"), len(votes)


def _choice(decision: Decision) -> tuple[str, str]:
    text = " ".join(decision.answer.casefold().split())
    return (decision.action, text if decision.action == "label" else "")


def _most(values: Sequence[Value], none: Value | None = None) -> Value | None:
    """The value of more than half; ``none`` when there are no values."""
    if not values:
        return none
    value, count = Counter(values).most_common(1)[0]
    return value if 2 * count > len(values) else None


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")
