"""Which examples teach, which measure, and in what order: decided by the seed alone."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from osler.core import derive_rng

from ..training_set import Example

FEWEST_PATIENTS = 10
"""With fewer patients than this nothing is set aside: the figure would be of one or two people."""

SAMPLE = 64
"""Training examples whose loss is measured where no patients are set aside."""


def split_by_patient(
    examples: Sequence[Example], share: float, seed: int
) -> tuple[list[Example], list[Example]]:
    """(to learn, to measure): whole patients are drawn until ``share`` of the examples is reached.

    An example without a patient counts as one of the patient whose first image it shares.
    """
    patients: dict[str, list[Example]] = defaultdict(list)
    for one in examples:
        image = f"image {one.images[0].sha256}" if one.images else f"example {one.id}"
        patients[one.patient or image].append(one)
    if share <= 0 or len(patients) < FEWEST_PATIENTS:
        return list(examples), []
    names = sorted(patients)
    wanted, count = math.ceil(share * len(examples)), 0
    aside: set[str] = set()
    for index in derive_rng("validation", seed).permutation(len(names)):
        if count >= wanted or len(aside) == len(names) - 1:
            break
        aside.add(names[index])
        count += len(patients[names[index]])
    measured = {id(one) for name in aside for one in patients[name]}
    return (
        [one for one in examples if id(one) not in measured],
        [one for one in examples if id(one) in measured],
    )


def watched(learn: Sequence[Example], measure: Sequence[Example], seed: int) -> list[Example]:
    """What the loss before and after is measured on: the examples set aside, else a sample."""
    if measure:
        return list(measure)
    rows = derive_rng("sample", seed).permutation(len(learn))[:SAMPLE]
    return [learn[row] for row in sorted(rows)]


def steps_of_an_epoch(count: int, batch: int) -> int:
    """Batches of ``batch`` in ``count`` examples, the last one smaller."""
    return math.ceil(count / batch)


def batch_of_step(examples: Sequence[Example], batch: int, step: int, seed: int) -> list[Example]:
    """The examples of step ``step`` (from 0): every epoch shuffles anew.

    Within the batch they stand by length, so that rows of one forward pass need little padding;
    which examples share a step does not depend on length.
    """
    each = steps_of_an_epoch(len(examples), batch)
    epoch, place = divmod(step, each)
    rows = derive_rng("epoch", seed, epoch).permutation(len(examples))
    chosen = [examples[row] for row in rows[place * batch : (place + 1) * batch]]
    return by_length(chosen)


def by_length(examples: Sequence[Example]) -> list[Example]:
    """Longest first, so that what does not fit in memory shows itself at once."""
    return sorted(examples, key=lambda one: (-len(one.prompt.text) - len(one.answer), one.id))
