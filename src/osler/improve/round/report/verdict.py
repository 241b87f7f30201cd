"""What came of a round, in words: the same for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from osler.evaluate.report.numbers import (
    Estimate,
    count,
    interval,
    is_number,
    known,
    p_value,
    percent,
    points,
)
from osler.evaluate.scoring import wilson

from .folder import RoundFolder, Row, mapping, sequence

Tone = Literal["good", "bad", "open"]


WORDS: Mapping[str, tuple[str, Tone]] = {
    "waiting": ("Waiting", "open"),
    "stopped": ("Stopped", "bad"),
    "refused": ("Refused", "bad"),
}
"""Outcomes of a round, or states of a stage, at which it stands still."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``word`` (Accepted, Rolled back, Waiting, Stopped, Not finished) and one ``sentence``."""

    word: str
    sentence: str
    tone: Tone


def verdict(found: RoundFolder) -> Verdict:
    """What the round came to; for one that has not ended, where it stands."""
    outcome = str(found.round.get("outcome") or "").strip()
    decided = mapping(found.decision.get("overall"))
    if decided:
        accepted = bool(found.decision.get("accepted"))
        word = "Accepted" if accepted else "Rolled back"
        return Verdict(word, _decided(decided, accepted), "good" if accepted else "bad")
    said = str(found.round.get("says") or "")
    states = [(outcome, said or f"the round is {outcome}")]
    for name, stage in found.stages.items():
        state = str(stage.get("state") or "")
        states.append((state, str(stage.get("says") or f"stage {name} is {state}")))
    for state, told in states:
        if state in WORDS:
            return Verdict(WORDS[state][0], _capital(told).rstrip(".") + ".", WORDS[state][1])
    done = [name for name, stage in found.stages.items() if stage.get("state") == "done"]
    sentence = f"{len(done)} of {len(found.stages)} stages are done"
    if done:
        says = str(found.stages[done[-1]].get("says") or "").rstrip(".")
        sentence += f"; the last is {done[-1]}" + (f": {says}" if says else "")
    return Verdict("Not finished", sentence + ".", "open")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _decided(overall: Row, accepted: bool) -> str:
    change = mapping(overall.get("change"))
    before, after = overall.get("before"), overall.get("after")
    if not (is_number(before) and is_number(after)):
        return "The new student was judged, but its figures are missing."
    moved = "rose" if after > before else "fell"
    told = f"Accuracy {moved} from {percent(before)} to {percent(after)}"
    if after == before:
        told = f"Accuracy stayed at {percent(after)}"
    if change.get("n") is not None:
        told += f" on {_questions(change)} that neither chose nor trained anything"
    if known(change):
        told += f": {points(change['value'])} points"
    if interval(change):
        told += f" ({_level(change)} % interval {interval(change, as_points=True)})"
    told += (
        f", {count(overall.get('won'))} won and {count(overall.get('lost'))} lost, {_p(overall)}."
    )
    low, high = change.get("low"), change.get("high")
    if is_number(low) and is_number(high) and low <= 0 <= high:
        told += " The interval includes zero: this may be chance."
    return told + ("" if accepted else " The old student stays.")


def _questions(change: Row) -> str:
    n, groups = change.get("n"), change.get("groups")
    told = f"{count(n)} questions"
    return told if groups in (None, n) else f"{told} of {count(groups)} patients"


def _p(row: Row) -> str:
    written = p_value(row.get("p"))
    return f"McNemar's p {written}" if written.startswith("<") else f"McNemar's p = {written}"


def _level(estimate: Estimate) -> int:
    return round(100 * (estimate.get("confidence") or 0.95))


def accuracy(value: object, change: Row, summary: Row) -> dict[str, Any] | None:
    """``value`` of ``overall`` with an interval: that of the gate run where it is the same figure.

    Else Wilson's over the patients: never too narrow, for it counts a patient once.
    """
    if not is_number(value):
        return None
    headline = mapping(mapping(summary.get("headline")).get("robust"))
    if known(headline) and abs(headline["value"] - value) < 5e-5 and interval(headline):
        return dict(headline)
    n = change.get("groups") or change.get("n")
    if not is_number(n) or n < 1:
        return {"value": value}
    low, high = wilson(value * n, n)
    return {"value": value, "low": low, "high": high, "n": change.get("n"), "groups": n}


def notices(found: RoundFolder) -> list[str]:
    """What nobody may miss: simulated people or oracles, a planted weakness."""
    told = []
    annotator = named(found.labelling.get("annotator") or found.plan.get("annotator"))
    if found.labelling.get("simulated") or annotator.startswith("simulated"):
        name = annotator or "error rate not stated"
        told.append(
            f"Labels came from a simulated annotator: {name}. No person has looked at these "
            "images; minutes and agreement are what the simulation assumes."
        )
    oracle = named(found.routing.get("oracle") or found.plan.get("oracle"))
    if "simulated" in oracle.lower():
        too = ", too" if told else ""
        told.append(f"The oracle that drafted labels is simulated{too}: {oracle}.")
    note = str(found.plan.get("note") or "").strip()
    if "planted" in note.lower():
        told.append(
            f"{_capital(note).rstrip('.')}. A gain shows that the loop finds and mends what was "
            "planted, not what it would bring to your model."
        )
    elif note:
        told.append(note)
    return told


def named(thing: object) -> str:
    """A model written as text or as a mapping, in words."""
    if isinstance(thing, Mapping):
        name = thing.get("name") or thing.get("model") or ""
        rest = {k: v for k, v in thing.items() if k not in ("name", "model") and v not in ("", {})}
        return f"{name} ({said(rest)})" if rest and name else str(name) or said(rest)
    text = str(thing or "")
    kind, _, rate = text.partition(":")
    if kind == "simulated" and rate.replace(".", "", 1).isdigit():
        return f"simulated ({100 * float(rate):g} % errors)"
    return text


def said(value: object) -> str:
    """A nested value of a record as one line of text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {said(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(said(v) for v in value)
    return str(value)


def strata(found: RoundFolder) -> list[Row]:
    """The strata of the decision, the largest fall first."""
    rows = [mapping(row) for row in sequence(found.decision.get("strata"))]
    rows = [row for row in rows if is_number(row.get("before")) and is_number(row.get("after"))]
    return sorted(rows, key=lambda row: (row["after"] - row["before"], str(row.get("stratum"))))
