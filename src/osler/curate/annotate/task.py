"""What is asked of a person, and what a person may answer."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from osler.core import ImageRef, InputError

Action = Literal["label", "skip", "flag"]
Verdict = Literal["", "good", "usable", "reject"]
Role = Literal["rater", "adjudicator"]

VERDICTS: tuple[str, ...] = ("good", "usable", "reject")
"""Quality verdicts from best to worst."""

AXES: tuple[str, ...] = ("completeness", "preciseness", "consistency", "quality")
"""What the description of a draft is graded on, each 0, 1 or 2."""

DRAFT_KEYS: tuple[str, ...] = ("answer", "description", "verdict", "by")
LONGEST = {"answer": 2000, "description": 20_000, "note": 2000}
"""Characters that a text of a decision may have."""

_HEX = re.compile("[0-9a-f]{64}")
_NAME = re.compile(r"[^\W_](?:[\w .@'+-]{0,62}[\w.])?")


@dataclass(frozen=True, slots=True)
class Task:
    """One question about one or more images that somebody must decide.

    ``draft`` is the oracle's proposal (answer, description, verdict, by) and may be empty.
    ``tier`` 1: a person checks the draft; 2: a person writes, the draft hidden; 3: two experts
    write, and a third person decides where they differ. ``priority`` is the doubt, the largest
    first. ``raters`` is how many different people must decide. ``gold`` is the known answer of a
    gold item and never leaves the server. ``facts`` are shown beside the image; ``stratum`` and
    ``prototype`` are not, for they may be the answer.
    """

    id: str
    question: str
    options: Mapping[str, str] = field(default_factory=dict)
    images: tuple[ImageRef, ...] = ()
    draft: Mapping[str, str] = field(default_factory=dict)
    stratum: str = ""
    prototype: str = ""
    tier: int = 1
    priority: float = 0.0
    raters: int = 1
    gold: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What one person decided: a label, or that they cannot (skip), or that it is wrong (flag).

    ``axes`` grade the description of the draft, each of :data:`AXES` 0, 1 or 2. ``note`` is the
    reason of a skip or flag.
    """

    action: Action
    answer: str = ""
    verdict: Verdict = ""
    description: str = ""
    axes: Mapping[str, int] = field(default_factory=dict)
    note: str = ""


def needed(task: Task) -> int:
    """How many different people must decide: two at least in tier 3."""
    return max(task.raters, 2) if task.tier == 3 else task.raters


def check_task(task: Task) -> None:
    """Raise InputError for a task that nobody could decide."""
    where = f"task {task.id!r}"
    if not task.id or not task.question.strip():
        raise InputError(f"{where} has no id or no question; a task needs both")
    if task.tier not in (1, 2, 3) or isinstance(task.tier, bool):
        raise InputError(f"{where} has tier {task.tier}; people decide tiers 1, 2 and 3")
    if task.raters < 1 or not math.isfinite(task.priority):
        raise InputError(f"{where}: raters must be 1 or more and the priority a finite number")
    for ref in task.images:
        if not _HEX.fullmatch(ref.sha256):
            raise InputError(f"{where}: {ref.sha256!r} is no SHA-256 in lower-case digits")
    if task.gold and task.options and task.gold not in task.options:
        raise InputError(f"{where}: the gold answer is none of {', '.join(task.options)}")
    unknown = sorted(set(task.draft) - set(DRAFT_KEYS))
    if unknown:
        raise InputError(f"{where}: a draft has {', '.join(DRAFT_KEYS)}, not {unknown[0]!r}")
    for text in (task.id, task.question, *task.options.values(), *task.draft.values()):
        if not isinstance(text, str):
            raise InputError(f"{where}: {text!r} is no text")


def check_rater(name: str) -> str:
    """The name of a rater without outer blanks, or InputError."""
    tidy = unicodedata.normalize("NFC", str(name)).strip()
    if not _NAME.fullmatch(tidy):
        raise InputError(
            f"{str(name)[:80]!r} is no name of a rater; use 1 to 64 letters, digits, blanks "
            "or . @ ' + - _, beginning with a letter or digit"
        )
    return tidy


def check_decision(task: Task, decision: Decision) -> Decision:
    """``decision`` with tidy texts, or InputError where it does not answer ``task``."""
    if decision.action not in get_args(Action):
        raise InputError(f"action {decision.action!r} is none of {', '.join(get_args(Action))}")
    texts = {name: _text(name, getattr(decision, name)) for name in LONGEST}
    if decision.verdict not in get_args(Verdict):
        raise InputError(f"verdict {decision.verdict!r} is none of {', '.join(VERDICTS)}")
    axes = {name: decision.axes[name] for name in AXES if name in decision.axes}
    if len(axes) < len(decision.axes):
        raise InputError(f"axes are {', '.join(AXES)}, not {', '.join(map(str, decision.axes))}")
    if any(isinstance(v, bool) or v not in (0, 1, 2) for v in axes.values()):
        raise InputError("each axis is graded 0, 1 or 2")
    if decision.action == "flag" and not texts["note"]:
        raise InputError("a flag needs a note: say in a few words what is wrong")
    if decision.action == "label":
        if task.options and texts["answer"] not in task.options:
            raise InputError(
                f"answer {texts['answer']!r} is none of the options {', '.join(task.options)}"
            )
        if not (texts["answer"] or texts["description"] or decision.verdict):
            raise InputError("nothing is decided: give an answer, a description or a verdict")
    return Decision(decision.action, verdict=decision.verdict, axes=axes, **texts)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"the {name} must be text, not {type(value).__name__}")
    clean = value.encode("utf-8", "replace").decode().replace("\x00", "").strip()
    if len(clean) > LONGEST[name]:
        raise InputError(
            f"the {name} has {len(clean):,} characters; at most {LONGEST[name]:,} are kept"
        )
    return clean


def task_from(body: Mapping[str, Any]) -> Task:
    """The inverse of :func:`osler.core.plain` for a task."""
    images = tuple(ImageRef(**ref) for ref in body["images"])
    return Task(**{**body, "images": images})


def decision_from(body: Mapping[str, Any]) -> Decision:
    """A decision from parsed JSON.

    Raises
    ------
    InputError
        A key or a kind of value that no decision has.
    """
    names = Decision.__slots__
    unknown = sorted(set(body) - set(names))
    if unknown or "action" not in body:
        raise InputError(f"a decision has {', '.join(names)}, with an action")
    axes = body.get("axes", {})
    if not isinstance(axes, Mapping):
        raise InputError("axes must be an object of grades")
    return Decision(**{**body, "axes": axes})
