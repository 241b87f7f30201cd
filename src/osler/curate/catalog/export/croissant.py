"""Croissant 1.1 (docs.mlcommons.org/croissant): one dataset, or the catalogue as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from osler.core import sha256_hex
from osler.curate.licences import known_licences

from ..load import Catalog
from ..record import Dataset
from ..relations import OUTSIDE
from ..vocabulary import Kind, term
from ..words import ACCESS, labels, size_in_words
from .table import BETWEEN, COLUMNS, csv_text

CONFORMS = "http://mlcommons.org/croissant/1.1"
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The JSON-LD context of Croissant 1.1."""

TABLE = "datasets.csv"
"""Name of the table's file, beside its description."""
_TABLE_DATE = "2026-04-03"  # of the commit of the source table
_TYPES = {"BIGINT": "sc:Integer", "INTEGER": "sc:Integer", "BOOLEAN": "sc:Boolean"}
_ENCODINGS = {
    ".zip": "application/zip",
    ".tar": "application/x-tar",
    ".gz": "application/gzip",
    ".npz": "application/x-npz",
    ".csv": "text/csv",
    ".json": "application/json",
}


def dataset_croissant(record: Dataset, catalog: Catalog) -> dict[str, Any]:
    """One dataset: what it holds, licence, access, relations, and the files that are known.

    Files are those with a checksum that an installed package vouches for; a dataset without such
    files has an empty distribution, because a link to a page is no file.
    """
    known = catalog.by_id()
    told: dict[str, Any] = {
        **_head(record.name, _description(record)),
        "alternateName": list(record.aliases),
        "url": record.urls[0] if record.urls else None,
        "identifier": f"https://doi.org/{record.doi}" if record.doi else record.id,
        "license": _licences(record.licences),
        "creator": _organisation(record.publisher or record.host or "unknown"),
        "datePublished": str(record.year) if record.year else None,
        "keywords": _keywords(record),
        "conditionsOfAccess": f"{ACCESS[record.access]} (inferred from the host)",
        "sdLicense": "https://spdx.org/licenses/MIT.html",
        "distribution": _files(record),
        "recordSet": [],
    }
    for kind, field in _BASIS.items():
        others = [one.other for one in record.relations if one.kind == kind]
        if others:
            told[field] = [_work(one, known) for one in others]
    return {name: value for name, value in told.items() if value is not None}


def table_croissant(records: Sequence[Dataset]) -> dict[str, Any]:
    """The catalogue as a dataset of its own: one record a row of ``datasets.csv``."""
    content = csv_text(records).encode()
    file = {
        "@type": "cr:FileObject",
        "@id": TABLE,
        "name": TABLE,
        "contentUrl": TABLE,
        "contentSize": f"{len(content)} B",
        "encodingFormat": "text/csv",
        "sha256": sha256_hex(content),
    }
    description = (
        f"{len(records)} medical imaging datasets: what each holds, its size, licence, access, "
        "overlaps with others, and where each fact comes from."
    )
    return {
        **_head("Osler catalogue of medical imaging datasets", description),
        "url": "https://github.com/uni-medical/Project-Imaging-X",
        "license": "https://spdx.org/licenses/MIT.html",
        "creator": _organisation("Osler"),
        "datePublished": _TABLE_DATE,
        "version": "1.0.0",
        "citeAs": "Project Imaging-X, arXiv:2603.27460 (source table, MIT)",
        "distribution": [file],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "datasets",
                "name": "datasets",
                "key": {"@id": "datasets/id"},
                "field": [_field(name, kind) for name, kind in COLUMNS.items()],
            }
        ],
    }


def _head(name: str, description: str) -> dict[str, Any]:
    return {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": name,
        "description": description,
    }


def _field(name: str, kind: str) -> dict[str, Any]:
    source: dict[str, Any] = {"fileObject": {"@id": TABLE}, "extract": {"column": name}}
    field = {
        "@type": "cr:Field",
        "@id": f"datasets/{name}",
        "name": name,
        "dataType": _TYPES.get(kind, "sc:Text"),
    }
    if kind.endswith("[]"):
        field["description"] = f"values with {BETWEEN!r} between them"
    return {**field, "source": source}


def _description(record: Dataset) -> str:
    """One sentence of ours from the record's facts."""
    return (
        f"{labels('modality', record.modalities)}; body part: "
        f"{labels('structure', record.structures)}; task: {labels('task', record.tasks)}; "
        f"target: {', '.join(record.targets) or 'not stated'}; {size_in_words(record)}, "
        f"{', '.join(record.dims)}. Facts from {record.source}."
    )


def _keywords(record: Dataset) -> list[str]:
    kinds: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("modality", record.modalities),
        ("structure", record.structures),
        ("task", record.tasks),
    )
    named = [term(kind, code).label for kind, codes in kinds for code in codes]
    return list(dict.fromkeys([*named, *record.targets, *record.dims]))


def _licences(ids: Sequence[str]) -> str | list[str]:
    known = known_licences()
    urls = [known[one].url or one if one in known else one for one in ids]
    if not urls:
        return "unknown"
    return urls[0] if len(urls) == 1 else urls


def _organisation(name: str) -> dict[str, str]:
    return {"@type": "sc:Organization", "name": name}


_BASIS = {"part_of": "isPartOf", "contains": "hasPart", "derived_from": "isBasedOn"}


def _work(other: str, known: Mapping[str, Dataset]) -> dict[str, str]:
    record = known.get(other)
    work = {"@type": "sc:Dataset", "name": record.name if record else other.removeprefix(OUTSIDE)}
    return {**work, "url": record.urls[0]} if record and record.urls else work


def _files(record: Dataset) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = []
    for told in record.facts.values():
        for one in (*told.get("downloads", ()), *told.get("files", ())):
            name = one["url"].partition("?")[0].rsplit("/", 1)[-1] or "file"
            ending = "." + name.rsplit(".", 1)[-1].lower()
            kind = "sha256" if "sha256" in one else "md5"
            file = {
                "@type": "cr:FileObject",
                "@id": f"{len(files)}-{name}",
                "name": name,
                "contentUrl": one["url"],
                "encodingFormat": _ENCODINGS.get(ending, "application/octet-stream"),
                kind: one[kind],
            }
            files.append(file)
    return files
