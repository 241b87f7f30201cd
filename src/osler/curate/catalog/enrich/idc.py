"""Imaging Data Commons: patients, series, sizes, licences and shared patients of a collection.

The package idc-index-data (MIT) holds one row for every DICOM series of every collection. Its
Parquet tables are read through DuckDB. A series with an ``analysis_result_id`` was made by others
from the images; it has its own licence and is counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from osler.curate.licences import licence_named

from ..licensing import LACKING, PARTLY, confirmed
from ..merging import changed
from ..record import Dataset
from ..vocabulary import narrower, term
from .package import folder, with_facts

PACKAGE = "idc-index-data"
ANNOTATIONS = frozenset({"SEG", "RTSTRUCT", "SR", "ANN"})
"""DICOM modalities whose series annotate images."""
_SIZES = """
    select collection_id, count(distinct PatientID), count(distinct StudyInstanceUID), count(*),
           round(sum(series_size_MB) / 1000, 2)
    from series group by 1
"""
_MIX = """
    select collection_id, Modality, license_short_name, coalesce(analysis_result_id, ''), count(*)
    from series group by all order by all
"""
_RESULTS = """
    select analysis_result_id, license_short_name, source_DOI, subjects, collections, modalities
    from results
"""
_SHARED = """
    with patient as (select distinct collection_id, PatientID from series)
    select one.collection_id, other.collection_id, count(*)
    from patient one join patient other using (PatientID)
    where one.collection_id <> other.collection_id group by all order by all
"""


def collections(place: Path | None = None) -> dict[str, dict[str, Any]]:
    """Facts of every collection of the index, by its id.

    Parameters
    ----------
    place
        Folder of the Parquet tables; None: the installed package.

    Returns
    -------
    dict
        ``patients``, ``studies``, ``series``, ``size_gb`` (1000 MB); ``modalities`` (series of the
        collection itself by DICOM modality), ``licences`` and ``annotation_licences`` (series by
        SPDX id), ``analysis_results`` (licence and series of each result that others made) and
        ``shares_patients`` (equal PatientIDs with another collection).
    """
    index = _index(place)
    found: dict[str, dict[str, Any]] = {
        name: {"collection": name, "patients": p, "studies": t, "series": s, "size_gb": size}
        for name, p, t, s, size in index.execute(_SIZES).fetchall()
    }
    for name, modality, licence, result, count in index.execute(_MIX).fetchall():
        spdx = licence_named(licence or "").id
        if result:
            made = found[name].setdefault("analysis_results", {}).setdefault(result, {})
            made["licence"] = spdx
            made["series"] = made.get("series", 0) + count
            continue
        kind = "annotation_licences" if modality in ANNOTATIONS else "licences"
        for field, key in (("modalities", modality), (kind, spdx)):
            tally = found[name].setdefault(field, {})
            tally[key] = tally.get(key, 0) + count
    for one, other, count in index.execute(_SHARED).fetchall():
        found[one].setdefault("shares_patients", {})[other] = count
    return found


def results(place: Path | None = None) -> dict[str, dict[str, Any]]:
    """Facts of every analysis result of the index (annotations by others), by its id."""
    return {
        name: {
            "analysis_result": name,
            "annotation_licences": [licence_named(licence or "").id],
            "doi": doi,
            "patients": subjects,
            "collections": _listed(collections_of),
            "modalities": _listed(modalities),
        }
        for name, licence, doi, subjects, collections_of, modalities in _index(place)
        .execute(_RESULTS)
        .fetchall()
    }


def shared_patients(place: Path | None = None) -> list[tuple[str, str, int]]:
    """Pairs of collections with equal PatientIDs, and how many; each pair once."""
    rows = _index(place).execute(_SHARED).fetchall()
    return [(one, other, count) for one, other, count in rows if one < other]


def enriched(records: Sequence[Dataset], key: str) -> tuple[Dataset, ...]:
    """Records with the index's facts; what the index says of licences replaces what it said."""
    by_collection, by_result = collections(), results()
    return tuple(_enriched(one, key, by_collection, by_result) for one in records)


def _enriched(
    record: Dataset,
    key: str,
    by_collection: Mapping[str, Mapping[str, Any]],
    by_result: Mapping[str, Mapping[str, Any]],
) -> Dataset:
    facts = by_collection.get(record.idc_collection or "")
    if facts is not None:
        own = tuple(sorted({**facts.get("licences", {}), **facts.get("annotation_licences", {})}))
        annotations = tuple(sorted(facts.get("annotation_licences", {})))
        source = f"{key} (series of the collection itself)"
        told = with_facts(confirmed(record), key, facts)
        if LACKING in record.flags and not _holds_all(record, facts):
            source = f"{source}, {PARTLY}"
        return replace(
            changed(told, "licences", own), annotation_licences=annotations, licence_source=source
        )
    result = by_result.get(record.id.replace("-", "_"))
    if result is None:
        return record
    images = {
        licence
        for collection in result["collections"]
        for licence in by_collection.get(collection, {}).get("licences", {})
    }
    return replace(
        changed(with_facts(record, key, result), "licences", tuple(sorted(images))),
        annotation_licences=tuple(result["annotation_licences"]),
        licence_source=f"{key} (analysis result; images of the collections it annotates)",
    )


def _holds_all(record: Dataset, facts: Mapping[str, Any]) -> bool:
    """Whether the collection has series of every modality of the record, or of a narrower one."""
    held = facts.get("modalities", {}).keys()
    return all(
        held & {term("modality", code).dicom for code in narrower("modality", claimed)}
        for claimed in record.modalities
    )


def _index(place: Path | None) -> Any:
    """A connection with the views ``series`` and ``results``; one thread, in memory."""
    import duckdb

    root = place or folder("idc_index_data", PACKAGE)
    connection = duckdb.connect(config={"threads": 1})
    for view, file in (("series", "idc_index"), ("results", "analysis_results_index")):
        connection.read_parquet(str(root / f"{file}.parquet")).create_view(view)
    return connection


def _listed(text: str | None) -> list[str]:
    return sorted(part.strip() for part in (text or "").split(",") if part.strip())
