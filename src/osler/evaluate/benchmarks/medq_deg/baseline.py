"""Players that do not look at the image. A score means what it is above them.

The text-only prior knows, for each wording of a question, which answer text is most frequent in
*other* groups (patients or images): leave one group out, so it cannot remember an image.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from osler.core import Answer, Case, derive_rng

ABOUT = {
    "always-A": "answers A to everything",
    "majority option": "answers the letter that is right most often in this very set",
    "random": "draws an option at random in every trial (seeded)",
    "text-only": "never sees the image: gives the answer text most frequent for the same wording "
    "in the other patients or images",
}


def baseline_answers(cases: Sequence[Case], trials: int) -> dict[str, list[Answer]]:
    """Answers of every degenerate player, by name, ``trials`` for each case."""
    majority = _most_frequent(Counter(_parents(cases).values()))
    prior = text_prior(cases)
    players: dict[str, list[Answer]] = {name: [] for name in ABOUT}
    for case in cases:
        letters = list(case.item.options)
        drawn = derive_rng("random baseline", case.item.id).integers(0, len(letters), trials)
        fixed = {
            "always-A": letters[0],
            "majority option": majority if majority in case.item.options else letters[0],
            "text-only": prior[case.item.id],
        }
        for trial in range(trials):
            chosen = {**fixed, "random": letters[int(drawn[trial])]}
            for name, letter in chosen.items():
                players[name].append(_answer(case, trial, letter))
    return players


def text_prior(cases: Sequence[Case]) -> dict[str, str]:
    """Letter by item id that the text alone suggests, each from the other groups only."""
    golds: dict[str, dict[str, str]] = defaultdict(dict)  # wording -> (group, parent) -> gold text
    letters: dict[str, str] = {}
    for case in cases:
        key = f"{case.item.group}\x1f{_parent(case)}"
        golds[_wording(case)][key] = case.item.options[case.gold.answer]
        letters[key] = case.gold.answer
    by_text = {w: Counter(_fold(t) for t in found.values()) for w, found in golds.items()}
    own: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for wording, found in golds.items():
        for key, text in found.items():
            own[wording, key.split("\x1f")[0]][_fold(text)] += 1
    by_letter = Counter(letters.values())
    own_letters: dict[str, Counter[str]] = defaultdict(Counter)
    for key, letter in letters.items():
        own_letters[key.split("\x1f")[0]][letter] += 1
    chosen = {}
    for case in cases:
        group, wording = case.item.group, _wording(case)
        others = by_text[wording] - own[wording, group]
        options = case.item.options
        seen = {letter: others[_fold(text)] for letter, text in options.items()}
        if not any(seen.values()):
            elsewhere = by_letter - own_letters[group]
            seen = {letter: elsewhere[letter] for letter in options}
        chosen[case.item.id] = _most_frequent(seen)
    return chosen


def _answer(case: Case, trial: int, letter: str) -> Answer:
    return Answer(case.item.id, trial, "ok", text=letter, value=letter, compat_value=letter)


def _parent(case: Case) -> str:
    return case.item.tags.get("parent", case.item.id)


def _parents(cases: Sequence[Case]) -> dict[str, str]:
    """Right letter by parent question: a question degraded often counts once."""
    return {_parent(case): case.gold.answer for case in cases}


def _most_frequent(counts: Mapping[str, int]) -> str:
    return min(counts, key=lambda key: (-counts[key], key)) if counts else "A"


def _fold(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().casefold()


def _wording(case: Case) -> str:
    """The question without its numbers, so that one template is one wording."""
    return re.sub(r"\d+", "#", _fold(case.item.question))
