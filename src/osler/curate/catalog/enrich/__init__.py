"""Facts about datasets from installed packages: no network, no import of what is read.

Facts stay apart by source, under a key that names the package and its version, so that a reader
sees what is known from where and a newer package can replace its own facts only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from osler.core import InputError, UnknownNameError

from ..record import Dataset
from . import idc, medmnist, torch_em
from .package import installed

Enrich = Callable[[Sequence[Dataset], str], tuple[Dataset, ...]]
SOURCES: Mapping[str, Enrich] = {
    idc.PACKAGE: idc.enriched,
    medmnist.PACKAGE: medmnist.enriched,
    torch_em.PACKAGE: torch_em.enriched,
}
"""Package -> the function that adds its facts; it is given the records and the version."""


@dataclass(frozen=True, slots=True)
class Enriched:
    """Records with facts; for each package its version, and how many records it says something of.

    ``missing`` are the packages that are not installed; their facts stay as they were.
    """

    records: tuple[Dataset, ...]
    versions: Mapping[str, str]
    counts: Mapping[str, int]
    missing: tuple[str, ...]


def enriched(records: Iterable[Dataset], packages: Iterable[str] = ()) -> Enriched:
    """Records with the facts of the installed packages, all or those named.

    Raises
    ------
    UnknownNameError
        No such package is read here.
    InputError
        None of the packages is installed.
    """
    wanted = tuple(packages) or tuple(SOURCES)
    for name in wanted:
        if name not in SOURCES:
            raise UnknownNameError("package with facts", name, SOURCES)
    result = tuple(records)
    versions: dict[str, str] = {}
    counts: dict[str, int] = {}
    for name in wanted:
        version = installed(name)
        if version is None:
            continue
        key = f"{name} {version}"
        result = SOURCES[name](tuple(_without(one, name) for one in result), key)
        versions[name] = version
        counts[name] = sum(key in one.facts for one in result)
    if not versions:
        raise InputError(
            f"none of {', '.join(wanted)} is installed; they hold the facts: "
            f"pip install {' '.join(wanted)}"
        )
    missing = tuple(name for name in wanted if name not in versions)
    return Enriched(result, versions, counts, missing)


def _without(record: Dataset, package: str) -> Dataset:
    """The record without what another version of a package said."""
    kept: dict[str, Any] = {
        key: value for key, value in record.facts.items() if key.split(" ")[0] != package
    }
    return record if len(kept) == len(record.facts) else replace(record, facts=kept)
