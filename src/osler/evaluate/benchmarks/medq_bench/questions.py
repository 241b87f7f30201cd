"""Questions and reference descriptions from what was done to an image: our own templates.

Truth is the record of the degradation: key, level, modality. Level 0 is ``none``, 1 ``mild``,
2 ``moderate`` (only in pairs with a fine gap), 3 ``severe``. The clean picture is taken as free of
degradation: what it shows by itself is not in the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from osler.core import derive_rng
from osler.degrade import degradation_named, degradations
from osler.images import Modality

from .vocabulary import VERDICT_OF, Concept, concept_of

STRENGTH = {0: "none", 1: "mild", 2: "moderate", 3: "severe"}
ASKED = (0, 1, 3)
"""Levels of single images."""
GAPS = {"coarse": (0, 3), "fine": (1, 2)}
"""Pairs of levels of the same image: far apart, and next to each other."""

DESCRIBE = "Describe the quality of this image."
COMPARE = "Compare the quality of these two images of the same subject."

_EFFECT = {
    "mild": (
        "Fine detail suffers a little, yet everything can still be recognised.",
        "It is visible on a close look and hides little.",
    ),
    "moderate": (
        "Fine detail is partly lost.",
        "It is plain to see and gets in the way of small structures.",
    ),
    "severe": (
        "Much of the detail is lost and structures are hard to judge.",
        "It dominates the picture and hides what a reader needs.",
    ),
}
_CLOSING = {
    "good": "Overall the image is good.",
    "usable": "Overall the image is usable.",
    "reject": "Overall the verdict is to reject the image.",
}
LETTERS = "ABCD"


def suitable(modality: Modality) -> list[str]:
    """Degradations that suit ``modality``, without those that move anatomy, sorted."""
    return [k for k, d in degradations().items() if modality in d.modalities and not d.geometric]


def scope_of(key: str) -> str:
    """``specific`` for a degradation of at most three modalities, else ``general``."""
    return "specific" if len(degradation_named(key).modalities) <= 3 else "general"


def choose(picture: str, modality: Modality, count: int, seed: int) -> tuple[str, ...]:
    """``count`` degradations of different concepts, specific and general ones in turn."""
    rng = derive_rng("medq-bench degradations", seed, picture)
    pools: dict[str, list[str]] = {"specific": [], "general": []}
    for key in rng.permutation(suitable(modality)).tolist():
        pools[scope_of(key)].append(key)
    chosen: list[str] = []
    while len(chosen) < count and any(pools.values()):
        for pool in pools.values():
            used = {concept_of(key).name for key in chosen}
            fresh = next((key for key in pool if concept_of(key).name not in used), None)
            pool[:] = [key for key in pool if key != fresh] if fresh else []
            if fresh and len(chosen) < count:
                chosen.append(fresh)
    return tuple(chosen)


def others(key: str, modality: Modality, count: int, *keys: object) -> list[Concept]:
    """Concepts other than that of ``key`` that this modality could show, drawn by ``keys``."""
    own = concept_of(key).name
    pool = {c.name: c for c in map(concept_of, suitable(modality)) if c.name != own}
    order = derive_rng("medq-bench others", *keys).permutation(sorted(pool))
    return [pool[str(name)] for name in order[:count]]


def yes_no(concept: Concept, present: bool, index: str, seed: int) -> dict[str, Any]:
    """Is this degradation visible?"""
    question = f"Does this image show {concept.title}?"
    return _choice(question, ("Yes", "No"), "Yes" if present else "No", index, seed)


def what(key: str, modality: Modality, place: int, index: str, seed: int) -> dict[str, Any]:
    """Which degradation is it? Three others that this modality could show are offered.

    ``place`` counts the questions of a set: the right answer takes each letter in turn.
    """
    right = concept_of(key).title
    wrong = [c.title for c in others(key, modality, 3, index, seed)]
    question = "Which degradation affects the quality of this image most?"
    return _choice(question, (right, *wrong), right, index, seed, place)


def how(concept: Concept, level: int, place: int, index: str, seed: int) -> dict[str, Any]:
    """How strong is it?"""
    texts = {0: "Not visible", 1: "Mild", 3: "Severe"}
    question = f"How strong is {concept.title} in this image?"
    return _choice(question, tuple(texts.values()), texts[level], index, seed, place)


def _choice(
    question: str, texts: Sequence[str], right: str, index: str, seed: int, place: int | None = None
) -> dict[str, Any]:
    drawn = derive_rng("medq-bench options", index, seed).permutation(len(texts))
    order = [texts[int(j)] for j in drawn]
    if place is not None:
        order.remove(right)
        order.insert(place % len(texts), right)
    options = dict(zip(LETTERS, order, strict=False))
    answer = next(letter for letter, text in options.items() if text == right)
    return {"question": question, "options": options, "answer": answer}


def description(key: str, level: int, index: str, seed: int) -> dict[str, Any]:
    """Reference text and truth of one image."""
    strength = STRENGTH[level]
    verdict = VERDICT_OF[strength]
    if level == 0:
        text = (
            "The image shows no degradation: there is no noise and no blur beyond what its kind of "
            f"acquisition brings, and no artefact. {_CLOSING[verdict]}"
        )
        return _written(DESCRIBE, text, {"found": {}, "verdict": verdict})
    concept = concept_of(key)
    turn = int(derive_rng("medq-bench words", index, seed).integers(2))
    text = (
        f"The image shows {strength} {concept.title}. {_EFFECT[strength][turn]} "
        f"Nothing else disturbs it. {_CLOSING[verdict]}"
    )
    return _written(DESCRIBE, text, {"found": {concept.name: strength}, "verdict": verdict})


def comparison(key: str, levels: tuple[int, int], index: str, seed: int) -> dict[str, Any]:
    """Reference text and truth of images A and B, degraded at ``levels``."""
    concept = concept_of(key)
    better, worse = ("A", "B") if levels[0] < levels[1] else ("B", "A")
    low, high = STRENGTH[min(levels)], STRENGTH[max(levels)]
    turn = int(derive_rng("medq-bench words", index, seed).integers(2))
    first = (
        f"Image {better} shows no {concept.title}"
        if low == "none"
        else f"Image {better} shows {low} {concept.title}"
    )
    text = (
        f"{first}. Image {worse} shows {high} {concept.title}. {_EFFECT[high][turn]} "
        f"Both show the same subject and nothing else differs. Image {better} is better."
    )
    return _written(COMPARE, text, {"found": {concept.name: high}, "better": better})


def _written(question: str, reference: str, truth: Mapping[str, Any]) -> dict[str, Any]:
    return {"question": question, "reference": reference, "truth": dict(truth)}
