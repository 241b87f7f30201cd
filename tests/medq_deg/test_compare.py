"""Several runs side by side: only what is comparable is compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from osler.core import InputError
from osler.evaluate.benchmarks.medq_deg.compare import compare
from osler.evaluate.benchmarks.medq_deg.summary import summarise


def summary_of(run: Any, **changes: Any) -> dict[str, Any]:
    head = {"benchmark": {"name": "medq-deg", "version": "1"}, "dataset": {"hash": "x"}}
    return head | summarise(run.cases, run.answers, {}, 0) | changes


def overconfident(run: Any) -> Any:
    """The same first answer in every trial: as accurate as one trial, and always sure."""
    first = {a.item_id: a for a in run.answers if a.trial == 0}
    answers = [replace(first[a.item_id], trial=a.trial) for a in run.answers]
    return replace(run, answers=answers)


def test_surer_and_weaker_is_flagged(simulated: Any) -> None:
    good = summary_of(simulated(parents=60, base=0.9))
    poor = summary_of(overconfident(simulated(parents=60, base=0.5)))
    found = compare({"good": good, "poor": poor})
    assert [m["name"] for m in found["models"]] == ["good", "poor"]
    for level in "012":
        assert found["dunning_kruger"][level]["share"] == 1.0
        assert found["dunning_kruger"][level]["pairs"][0]["weaker"] == "poor"
    assert poor["dunning_kruger"]["intra"] is True


def test_unlike_runs_are_refused(simulated: Any) -> None:
    one = summary_of(simulated(parents=10))
    fewer = summary_of(simulated(parents=10, trials=3))
    with pytest.raises(InputError, match="different number of trials"):
        compare({"one": one, "two": fewer})
    with pytest.raises(InputError, match="different data"):
        compare({"one": one, "two": one | {"dataset": {"hash": "y"}}})
    with pytest.raises(InputError, match="two runs"):
        compare({"one": one})
