"""Records from their files, checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from osler.core import BadFileError

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
    """The catalogue that ships with Osler: the table, and the entries of ``added/``.

    Raises
    ------
    BadFileError
        An entry is wrong; ``osler catalog check`` tells all that is wrong in it.
    """
    return load_table(added_files())


def load_table(entries: Iterable[Path]) -> Catalog:
    """The shipped table with these entries only.

    Raises
    ------
    BadFileError
        An entry is wrong.
    """
    content = files("osler.curate.catalog").joinpath("records.jsonl").read_bytes()
    records = [dataset_from(json.loads(line)) for line in content.splitlines() if line.strip()]
    more = list(entries)
    if more:
        from .relations import related

        records = list(related([*records, *(_added(path) for path in more)], ()))
        content += b"".join(path.read_bytes() for path in more)
    return Catalog(
        tuple(sorted(records, key=lambda one: one.id)), hashlib.sha256(content).hexdigest()
    )


def read_records(path: Path) -> tuple[Dataset, ...]:
    """Records of another file of the same form as the shipped one.

    Raises
    ------
    BadFileError
        A line is not the JSON object of a record.
    """
    records = []
    for number, line in enumerate(text_lines(path), 1):
        try:
            records.append(dataset_from(json.loads(line)))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise BadFileError(path, f"line {number} is no record ({error})") from None
    return tuple(records)


def text_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 file, ended by line feeds only.

    Raises
    ------
    BadFileError
        It is not UTF-8 text.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise BadFileError(path, "is not UTF-8 text") from None
    return [line for line in text.split("\n") if line.strip()]


def added_files() -> tuple[Path, ...]:
    """The entries that contributors added, one file a dataset, by name."""
    folder = Path(str(files("osler.curate.catalog").joinpath("added")))
    return tuple(sorted(p for p in folder.glob("*") if p.suffix in {".json", ".toml"}))


def _added(path: Path) -> Dataset:
    from .entry import read_entry, record_of, wrong_entry

    row = read_entry(path)
    for field, what in wrong_entry(row):
        raise BadFileError(path, f"{field}: {what}", "osler catalog check tells all of it")
    return record_of(row)


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
