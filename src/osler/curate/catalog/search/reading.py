"""What a question asks for: its words turned into constraints, each with where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from .lexicon import Sense

Strength = Literal["hard", "soft", "weak"]

SEPARATE: dict[str, Strength] = {
    "animal": "hard",
    "healthy": "hard",
    "fetus": "hard",
    "paediatric": "weak",
    "neonate": "soft",
    "ageing": "weak",
}
"""Targets that say who was imaged: they hold beside a disease, not instead of it."""
GENERIC = frozenset(
    {
        *("cells", "nuclei", "lesion", "vessel", "surgery", "instrument", "multi_organ"),
        *(
            "image_quality",
            "synthetic",
            "radiotherapy",
            "gross_tumour_volume",
            "development",
            "cognition",
        ),
        *("retinal_disease", "thoracic_disease", "heart_disease", "skin_disease", "gi_disease"),
        *("brain_disease", "liver_disease", "spinal_disease", "harmonisation", "radiology_report"),
    }
)
"""Targets that many datasets have: beside a more exact one they only order hits."""
PLACED = frozenset({"cells", "multi_organ", "lesion"})
"""Targets that say little once a body part is named."""
SOFT = GENERIC | {"tumour", "cancer", "capsule"}
"""Targets that may be the one thing missing where nothing has everything."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """One thing a record must, should or must not be.

    Parameters
    ----------
    facet
        modality, structure, task, target, dimension, year, size, licence, access, labelled,
        publisher, detail, name, text or topic.
    senses
        What is asked for: a record answers if it has one of the codes of one of them (of every one
        of them if ``every``). Each sense is a term of the question.
    words
        The words of the question.
    strength
        ``hard``: a record that fails it is no answer. ``soft``: it may be the one thing missing
        where nothing has everything. ``weak``: it only orders hits.
    """

    facet: str
    senses: tuple[Sense, ...]
    words: str
    strength: Strength = "hard"
    negative: bool = False
    every: bool = False
    low: int | None = None
    high: int | None = None
    edge: int | None = None
    unit: str = ""

    def codes(self) -> tuple[str, ...]:
        """The codes of all senses."""
        return tuple(dict.fromkeys(code for one in self.senses for _, code in one.codes))


@dataclass(frozen=True, slots=True)
class ReadQuery:
    """A question as it was understood.

    Parameters
    ----------
    corrections
        Words that were taken for a slip, with what they were read as.
    names
        Rows of the catalogue whose name the question gives, with how like it is (1: the name).
    rest
        Words of no known meaning that some record has in its name or targets.
    unknown
        Words of no known meaning that no record has.
    meaning
        English words for the embedding: the question's own and those of its Chinese terms.
    """

    text: str
    constraints: tuple[Constraint, ...] = ()
    corrections: tuple[tuple[str, str], ...] = ()
    names: dict[int, float] = field(default_factory=dict)
    named: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    meaning: tuple[str, ...] = ()

    def facets(self) -> dict[str, tuple[str, ...]]:
        """Codes asked for, by facet; those of a negation under "not <facet>"."""
        found: dict[str, tuple[str, ...]] = {}
        for one in self.constraints:
            key = f"not {one.facet}" if one.negative else one.facet
            found[key] = tuple(dict.fromkeys((*found.get(key, ()), *one.codes())))
        return found

    def of(self, strength: Iterable[str]) -> tuple[Constraint, ...]:
        """The constraints of some strengths."""
        wanted = set(strength)
        return tuple(one for one in self.constraints if one.strength in wanted)
