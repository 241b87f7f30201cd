"""One dataset of the catalogue: facts, each with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Dimension = Literal["2D", "3D", "4D", "video"]
CountUnit = Literal["image", "volume", "sample"]
Access = Literal[
    "anonymous",
    "mostly_anonymous",
    "anonymous_or_account",
    "anonymous_or_gated",
    "account",
    "account_or_credentialed",
    "application",
    "landing_page",
    "unknown",
]
"""How files are got; inferred from the host (see SOURCES), never a statement of the dataset."""

Kind = Literal["same", "part_of", "contains", "derived_from", "source_of", "shares_patients"]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Where a record was read: the row of a source table, and what that row alone says.

    ``says`` holds only the fields in which this row differs from the merged record, so that a
    disagreement stays visible.
    """

    id: str
    line: int
    section: str
    says: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Relation:
    """Overlap with another dataset: images or patients of one are in the other.

    ``kind`` is ``same`` (one dataset under two names), ``part_of`` (all of this is in ``other``),
    ``contains``, ``derived_from`` (images of ``other``, changed or annotated anew), ``source_of``
    (its inverse), or ``shares_patients``. ``source`` is where that is known from. An ``other`` of
    the form ``idc:<collection>`` is a collection of Imaging Data Commons without a record here.
    """

    kind: Kind
    other: str
    source: str
    patients: int | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset as the catalogue knows it.

    Parameters
    ----------
    id
        Stable key: lower case, digits and hyphens.
    modalities, structures, tasks
        Codes of the vocabularies (:mod:`osler.curate.catalog.vocabulary`); empty: not stated.
    targets
        Words for diseases and objects, lower case.
    count, count_unit, count_exact
        Size as the source gives it; None: not stated. A rounded count has ``count_exact`` false.
    licences, annotation_licences
        SPDX identifiers, of the images and of the annotations. Several: parts of the dataset have
        different ones. Empty: not known. What they rest on is in ``licence_source``.
    rows
        Every source row that was merged into this record.
    facts
        Further facts by source: ``{"idc-index-data 25.0.5": {"patients": 20, ...}, ...}``.
    """

    id: str
    name: str
    year: int | None = None
    dims: tuple[Dimension, ...] = ()
    modalities: tuple[str, ...] = ()
    modality_detail: tuple[str, ...] = ()
    structures: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    count: int | None = None
    count_unit: CountUnit | None = None
    count_exact: bool = True
    labelled: bool = True
    annotation_objects: tuple[str, ...] = ()
    extra_data: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    doi: str | None = None
    host: str | None = None
    publisher: str | None = None
    access: Access = "unknown"
    licences: tuple[str, ...] = ()
    annotation_licences: tuple[str, ...] = ()
    licence_source: str = ""
    idc_collection: str | None = None
    aliases: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    rows: tuple[SourceRow, ...] = ()
    flags: tuple[str, ...] = ()
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    source: str = ""
