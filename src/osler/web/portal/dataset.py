"""One dataset as its page shows it: facts, sources, doubts, relations, how to get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from osler.curate.catalog import Catalog
from osler.curate.catalog.record import Dataset
from osler.curate.catalog.words import ACCESS, FLAGS, RELATIONS
from osler.curate.fuse.access import how_to_get

from .holdings import licence_class
from .selection import Selection
from .similar import Likeness
from .words import SERIOUS, safe_link, size, word

INVERSE = {
    "part_of": "contains",
    "contains": "part_of",
    "derived_from": "source_of",
    "source_of": "derived_from",
}
MANY = 12


@dataclass(frozen=True, slots=True)
class Link:
    """A word that leads to the datasets that share it."""

    label: str
    query: str


@dataclass(frozen=True, slots=True)
class Related:
    """Another dataset, how it is related, and where that is known from."""

    words: str
    id: str
    name: str
    source: str
    patients: int | None = None


class Neighbours:
    """What the records say of each other, found from both sides."""

    def __init__(self, catalog: Catalog) -> None:
        self.records = catalog.by_id()
        self.likeness = Likeness(catalog.datasets)
        self._inverse: dict[str, list[tuple[str, str, str, int | None]]] = {}
        self._by_address: dict[str, list[str]] = {}
        for one in catalog.datasets:
            for relation in one.relations:
                row = (
                    INVERSE.get(relation.kind, relation.kind),
                    one.id,
                    relation.source,
                    relation.patients,
                )
                self._inverse.setdefault(relation.other, []).append(row)
            for address in one.urls:
                self._by_address.setdefault(address.rstrip("/"), []).append(one.id)

    def related(self, one: Dataset) -> list[Related]:
        """Every dataset that overlaps, each kind of relation once."""
        rows: list[tuple[str, str, str, int | None]] = [
            (r.kind, r.other, r.source, r.patients) for r in one.relations
        ]
        rows += self._inverse.get(one.id, [])
        found: dict[tuple[str, str], Related] = {}
        for kind, other, source, patients in rows:
            name = self.records[other].name if other in self.records else other.removeprefix("idc:")
            known = other if other in self.records else ""
            related = Related(_sentence(RELATIONS.get(kind, kind)), known, name, source, patients)
            found.setdefault((kind, other), related)
        return sorted(found.values(), key=lambda one: (one.words, one.name.lower()))

    def same_address(self, one: Dataset) -> list[Dataset]:
        """Datasets with one of its addresses: parts of a challenge, or the same data."""
        ids = {other for address in one.urls for other in self._by_address[address.rstrip("/")]} - {
            one.id
        }
        return sorted((self.records[other] for other in ids), key=lambda d: d.name.lower())


def dataset_page(one: Dataset, near: Neighbours) -> dict[str, Any]:
    """What the template of a dataset shows."""
    shared = near.same_address(one)
    return {
        "one": one,
        "modalities": _links("modality", one.modalities),
        "structures": _links("structure", one.structures),
        "tasks": _links("task", one.tasks),
        "dims": _links("dim", one.dims),
        "size": size(one.count, one.count_unit, one.count_exact),
        "links": [(address, safe_link(address)) for address in one.urls],
        "doi": safe_link(f"https://doi.org/{one.doi}") if one.doi else "",
        "licence_class": licence_class(one.licences),
        "access": word("access", one.access),
        "steps": how_to_get(one).steps,
        "access_long": _sentence(ACCESS.get(one.access, one.access)) + ".",
        "flags": [
            (_sentence(FLAGS.get(flag, flag.replace("_", " "))) + ".", flag in SERIOUS)
            for flag in one.flags
        ],
        "rows": [(row, [(key, _said(key, row.says[key])) for key in row.says]) for row in one.rows],
        "facts": [(source, _flat(facts)) for source, facts in one.facts.items()],
        "related": near.related(one),
        "shared": shared[:MANY],
        "shared_more": max(0, len(shared) - MANY),
        "similar": [near.records[other] for other, _ in near.likeness.nearest(one.id)],
    }


def _links(name: str, values: tuple[str, ...]) -> list[Link]:
    return [Link(word(name, v), Selection().toggled(name, v).query()) for v in values]


def _said(key: str, value: Any) -> str:
    field = {"modalities": "modality", "structures": "structure", "tasks": "task", "dims": "dim"}
    if isinstance(value, list | tuple):
        return ", ".join(word(field.get(key, ""), str(v)) for v in value) or "nothing"
    return "nothing" if value is None else str(value)


def _flat(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key.replace("_", " "), _text(value)) for key, value in facts.items()]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, list | tuple):
        if len(value) > MANY or any(isinstance(one, Mapping) for one in value):
            return f"{len(value)}, in the record"
        return ", ".join(_text(v) for v in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_text(v)}" for k, v in value.items())
    return str(value)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
