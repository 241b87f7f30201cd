"""Records from their files, checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

from .record import Dataset, Relation, SourceRow


@dataclass(frozen=True, slots=True)
class Catalog:
    """All records, in the order of their ids, and the SHA-256 of what they were read from."""

    datasets: tuple[Dataset, ...]
    digest: str

    def by_id(self) -> dict[str, Dataset]:
        """Record of each id."""
        return {one.id: one for one in self.datasets}


@cache
def load_catalog() -> Catalog:
    """The catalogue that ships with Osler."""
    content = files("osler.curate.catalog").joinpath("records.jsonl").read_bytes()
    records = [dataset_from(json.loads(line)) for line in content.splitlines() if line.strip()]
    return Catalog(
        tuple(sorted(records, key=lambda one: one.id)), hashlib.sha256(content).hexdigest()
    )


_NAMES = frozenset(one.name for one in fields(Dataset))


def dataset_from(row: Mapping[str, Any]) -> Dataset:
    """A record from its JSON object."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in row.items()
        if name in _NAMES
    }
    values["rows"] = tuple(SourceRow(**one) for one in row.get("rows", ()))
    values["relations"] = tuple(Relation(**one) for one in row.get("relations", ()))
    return Dataset(**values)
