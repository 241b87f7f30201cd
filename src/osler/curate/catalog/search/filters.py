"""Limits given beside the text: on the command line or in the address of a page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osler.core import InputError, UnknownNameError

from .index import FACETS, Index
from .judging import Flags, licence_fits


@dataclass(frozen=True, slots=True)
class Filters:
    """Hard limits; several values of one facet are alternatives, facets must all hold.

    Parameters
    ----------
    modalities, structures, tasks, dims, access, publishers
        Values as records carry them (a record must carry one of them itself: nothing near it
        counts, so that a count beside a filter is the number of records it leaves).
    licences
        SPDX identifiers (``CC-BY-*``: any version), ``permissive`` or ``unknown``.
    years
        (first, last), inclusive; None: open.
    exclude
        ``facet:value`` that a record must not carry, for instance ``modality:CT``.
    """

    modalities: tuple[str, ...] = ()
    structures: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    dims: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    years: tuple[int | None, int | None] = (None, None)
    min_count: int | None = None
    max_count: int | None = None
    labelled: bool | None = None
    publishers: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def allowed(index: Index, filters: Filters) -> Flags:
    """(records,) whether a record is within the filters.

    Raises
    ------
    InputError
        An ``exclude`` is not ``facet:value``; an unknown facet is an UnknownNameError.
    """
    keep = np.ones(index.size, bool)
    for facet, wanted in (
        ("modality", filters.modalities),
        ("structure", filters.structures),
        ("task", filters.tasks),
        ("dimension", filters.dims),
        ("access", filters.access),
        ("publisher", filters.publishers),
    ):
        if wanted:
            keep &= _carries(index, facet, set(wanted))
    if filters.licences:
        values = index.facets["licence"][0]
        good = {one for one in values if any(licence_fits(code, one) for code in filters.licences)}
        keep &= ~_carries(index, "licence", set(values) - good)
    first, last = filters.years
    if first is not None:
        keep &= index.years >= first
    if last is not None:
        keep &= (index.years > 0) & (index.years <= last)
    if filters.min_count is not None:
        keep &= index.counts >= filters.min_count
    if filters.max_count is not None:
        keep &= (index.counts >= 0) & (index.counts <= filters.max_count)
    if filters.labelled is not None:
        keep &= _carries(index, "labelled", {"yes" if filters.labelled else "no"})
    for one in filters.exclude:
        facet, colon, value = one.partition(":")
        if not colon or not value:
            raise InputError(f"exclude {one!r} is not FACET:VALUE, such as modality:CT")
        if facet not in FACETS:
            raise UnknownNameError("facet", facet, FACETS)
        keep &= ~_carries(index, facet, {value})
    return keep


def _carries(index: Index, facet: str, wanted: set[str]) -> Flags:
    values, rows, which = index.facets[facet]
    good = np.array([one in wanted for one in values], bool)
    flags = np.zeros(index.size, bool)
    if len(rows):
        flags[rows[good[which]]] = True
    return flags
