"""A few questions to look at: the clean image, its degraded forms, and what the model said."""

from __future__ import annotations

from typing import Any

from osler.core import content_hash

from .frame import Frame
from .pairs import partners

SHOWN = 8


def example_rows(frame: Frame, shown: int = SHOWN) -> list[dict[str, Any]]:
    """Up to ``shown`` questions, modalities in turn: half lose most, half are picked blindly.

    Only the largest losses would be a lurid selection; the others are drawn by hash, so nobody
    chose them.
    """
    clean, degraded = partners(frame)
    families: dict[int, list[int]] = {}
    for one, other in zip(clean.tolist(), degraded.tolist(), strict=True):
        families.setdefault(one, []).append(other)
    loss = {
        one: max(float(frame.robust[one] - frame.robust[i]) for i in others)
        for one, others in families.items()
    }
    by_loss = sorted(families, key=lambda i: (-loss[i], _luck(frame, i)))
    by_luck = sorted(families, key=lambda i: _luck(frame, i))
    picked: dict[int, str] = {}
    for order, why, most in (
        (by_loss, "largest loss", (shown + 1) // 2),
        (by_luck, "picked by hash", shown),
    ):
        for one in _in_turn(frame, [i for i in order if i not in picked]):
            if len(picked) >= most:
                break
            if why == "largest loss" and loss[one] <= 0:
                continue
            picked[one] = why
    return [_family(frame, one, families[one], why) for one, why in picked.items()]


def _luck(frame: Frame, i: int) -> str:
    return content_hash(["example", frame.cases[i].item.id])


def _in_turn(frame: Frame, order: list[int]) -> list[int]:
    """The same order, but the first of each modality before the second of any."""
    seen: dict[str, int] = {}
    ranks = []
    for place, i in enumerate(order):
        modality = str(frame.tags["modality"][i])
        seen[modality] = seen.get(modality, 0) + 1
        ranks.append((seen[modality], place, i))
    return [i for _, _, i in sorted(ranks)]


def _family(frame: Frame, one: int, others: list[int], why: str) -> dict[str, Any]:
    case = frame.cases[one]
    return {
        "parent": str(frame.tags["parent"][one]),
        "why": why,
        "question": case.item.question,
        "options": dict(case.item.options),
        "gold": case.gold.answer,
        "modality": str(frame.tags["modality"][one]),
        "items": [_item(frame, i) for i in (one, *others)],
    }


def _item(frame: Frame, i: int) -> dict[str, Any]:
    case, score = frame.cases[i], frame.scores[i]
    return {
        "id": case.item.id,
        "level": str(frame.tags["level"][i]),
        "degradation": str(frame.tags["degradation"][i]),
        "image": case.item.images[0].sha256,
        "media_type": case.item.images[0].media_type,
        "answer": score.parts["mode"],
        "votes": score.parts["votes"],
        "robust": score.robust,
        "compat": score.compat,
    }
