"""What is asked, and, apart from it, what must not be seen by whoever answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image by the SHA-256 of its encoded bytes; the bytes lie once in a blob folder."""

    sha256: str
    media_type: str = "image/png"


Part = str | ImageRef


@dataclass(frozen=True, slots=True)
class Item:
    """One question as a model may see it.

    ``options`` maps a letter to its text, in the order shown; empty for open questions.
    ``group`` is the patient or case: the unit of splits and of the bootstrap.
    ``tags`` are for analysis only (level, degradation, modality, capability, ...); a prompt
    builder must not use them, for a tag may be the answer.
    """

    id: str
    question: str
    images: tuple[ImageRef, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gold:
    """What must not be seen by whoever answers: the truth, its other names, its evidence."""

    answer: str
    aliases: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """An item with its gold; only scoring sees both."""

    item: Item
    gold: Gold
