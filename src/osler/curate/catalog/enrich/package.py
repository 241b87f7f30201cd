"""Where an installed package lies and what version it is, without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from osler.core import MissingError

from ..record import Dataset


def installed(distribution: str) -> str | None:
    """The version of a distribution; None: it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def folder(module: str, distribution: str) -> Path:
    """The folder of a top-level module.

    Raises
    ------
    MissingError
        It is not installed, or has no folder.
    """
    found = find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise MissingError(f"{distribution} is not installed; pip install {distribution}")
    return Path(next(iter(found.submodule_search_locations)))


def with_facts(record: Dataset, key: str, facts: Mapping[str, Any]) -> Dataset:
    """The record with facts of one source; empty facts are left out."""
    told = {name: value for name, value in facts.items() if value not in (None, "", [], {})}
    return replace(record, facts={**record.facts, key: told}) if told else record
