"""A simulated annotator with a stated error rate, for tests and experiments, named as such."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from osler.core import InputError, derive_rng

from .progress import SIMULATED
from .queue import Queue
from .task import Decision, Task

SECONDS_PER_TIER: Mapping[int, float] = {1: 15.0, 2: 60.0, 3: 90.0}
NONE_FITS = "none of the options fits"

Truth = Callable[[Task], str | None]


def answer_queue(
    queue: Queue,
    truth: Truth,
    *,
    error: float,
    seed: int,
    raters: Sequence[str] = (f"{SIMULATED} person 1",),
    seconds_per_tier: Mapping[int, float] = SECONDS_PER_TIER,
    now: float | None = None,
) -> int:
    """Answer all that the queue has for ``raters``, through claim and submit as people do.

    With probability ``error`` an answer is wrong, drawn evenly among the other options; the draw
    depends on seed, task and rater alone. Where ``truth`` is None the task is flagged. In tier 1
    the description and verdict of the draft are taken as they are. How many decisions were made.

    Raises
    ------
    InputError
        A rater whose name does not begin with "simulated", or a task without options.
    """
    if not 0 <= error <= 1:
        raise InputError(f"an error rate of {error} is none; give 0 to 1")
    for name in raters:
        if name.split()[:1] != [SIMULATED]:
            raise InputError(f"a simulated rater must say so: name it '{SIMULATED} {name}'")
    made, active = 0, list(raters)
    with queue.unsynced():
        while active:
            for rater in tuple(active):
                task = queue.claim(rater, now=now)
                if task is None:
                    active.remove(rater)
                    continue
                decision = _decide(task, truth(task), rater, error, seed)
                seconds = seconds_per_tier[task.tier]
                queue.submit(task.id, rater, decision, seconds=seconds, now=now)
                made += 1
                active = list(raters)  # one's vote can make work for others, a dispute say
    return made


def _decide(task: Task, right: str | None, rater: str, error: float, seed: int) -> Decision:
    if right is None:
        return Decision("flag", note=NONE_FITS)
    if right not in task.options:
        raise InputError(
            f"the truth {right!r} of task {task.id!r} is none of its options; "
            "a simulated person can only choose among options"
        )
    rng = derive_rng("simulated person", seed, task.id, rater)
    others = [letter for letter in task.options if letter != right]
    wrong = bool(others) and rng.random() < error
    return Decision(
        "label",
        answer=others[rng.integers(len(others))] if wrong else right,
        verdict=task.draft.get("verdict", ""),  # type: ignore[arg-type]
        description=task.draft.get("description", ""),
    )
