"""Players that do not look at the image, on every task. A score means what it is above them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from osler.core import Answer, Case, Reply

from ..medq_deg.baseline import text_prior
from .prompting import prompt_for
from .score import answer_of, is_written
from .vocabulary import CONCEPTS

ABOUT = {
    "always good": "finds nothing wrong: No, not visible, good; of two images it prefers A",
    "everything bad": "lists every artefact as severe and rejects; Yes, severe; prefers B",
    "always usable": "hedges: mild, usable, some noise and blur; prefers A",
    "copied prompt": "repeats what it was asked",
    "another image": "the reference or answer of an image of another patient for the same wording",
    "silence": "says nothing",
}
_GOOD = (
    "The image shows no degradation: there is no noise, no blur and no artefact. Overall the image "
    "is good."
)
_BAD = "The image shows severe {all}. Overall the verdict is to reject the image."
_HEDGE = "The image shows mild noise and mild blur. Overall the image is usable."
_PREFER = "Image A shows less noise. Image A is better."
_PREFER_B = "Image A shows severe {all}. Image B is better."


def baseline_answers(cases: Sequence[Case], trials: int) -> dict[str, list[Answer]]:
    """Answers of every player, by name, ``trials`` for each case."""
    everything = ", ".join(concept.title for concept in CONCEPTS)
    elsewhere = _other_references(cases)
    prior = text_prior([case for case in cases if not is_written(case.item)])
    texts: Mapping[str, Callable[[Case], str]] = {
        "always good": lambda c: _fixed(c, ("no", "not visible", "none"), _GOOD, _PREFER),
        "everything bad": lambda c: _fixed(
            c, ("yes", "severe"), _BAD.format(all=everything), _PREFER_B.format(all=everything)
        ),
        "always usable": lambda c: _fixed(c, ("mild", "yes"), _HEDGE, _PREFER),
        "copied prompt": lambda c: prompt_for(c.item).text,
        "another image": lambda c: elsewhere.get(c.item.id) or prior.get(c.item.id, ""),
        "silence": lambda c: "",
    }
    return {
        name: [
            answer_of(case.item, Reply(text=said), trial)
            for case in cases
            for said in (say(case),)
            for trial in range(trials)
        ]
        for name, say in texts.items()
    }


def _fixed(case: Case, words: Sequence[str], alone: str, paired: str) -> str:
    if is_written(case.item):
        return paired if case.item.tags["task"] == "paired" else alone
    for letter, text in case.item.options.items():
        if text.strip(" .").lower() in words:
            return letter
    return next(iter(case.item.options))


def _other_references(cases: Sequence[Case]) -> dict[str, str]:
    """For each description the next reference of the same task that is of another group."""
    found: dict[str, str] = {}
    for task in ("description", "paired"):
        mine = [case for case in cases if case.item.tags["task"] == task]
        for i, case in enumerate(mine):
            turned = mine[i + 1 :] + mine[:i]
            other = next((c for c in turned if c.item.group != case.item.group), None)
            if other is not None:
                found[case.item.id] = other.gold.evidence["reference"]
    return found
