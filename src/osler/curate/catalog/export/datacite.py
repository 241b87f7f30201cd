"""DataCite metadata, schema 4 (https://schema.datacite.org), as JSON."""

from __future__ import annotations

from typing import Any

from osler.curate.licences import known_licences

from ..load import Catalog
from ..record import Dataset
from ..vocabulary import Kind, term
from ..words import ACCESS, size_in_words

_SCHEMES = {
    "SCT": ("SNOMED CT", "http://snomed.info/sct"),
    "DCM": ("DICOM", "http://dicom.nema.org/resources/ontology/DCM"),
    "RADLEX": ("RadLex", "http://radlex.org"),
}
_TYPES = {
    "same": "IsIdenticalTo",
    "part_of": "IsPartOf",
    "contains": "HasPart",
    "derived_from": "IsDerivedFrom",
    "source_of": "IsSourceOf",
}


def datacite(record: Dataset, catalog: Catalog) -> dict[str, Any]:
    """One dataset as DataCite JSON; what is not stated takes the schema's own word for it."""
    page = record.urls[0] if record.urls else ""
    told: dict[str, Any] = {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Medical image dataset"},
        "identifiers": [
            {"identifier": record.doi, "identifierType": "DOI"}
            if record.doi
            else {"identifier": page or record.id, "identifierType": "URL" if page else "Osler"}
        ],
        "creators": [{"name": ":unav", "nameType": "Organizational"}],
        "titles": [
            {"title": record.name},
            *({"title": one, "titleType": "AlternativeTitle"} for one in record.aliases),
        ],
        "publisher": {"name": record.publisher or record.host or ":unav"},
        "publicationYear": str(record.year) if record.year else ":unav",
        "subjects": _subjects(record),
        "sizes": [size_in_words(record)] if record.count is not None else [],
        "rightsList": _rights(record),
        "relatedIdentifiers": _related(record, catalog),
        "alternateIdentifiers": [
            {"alternateIdentifier": record.id, "alternateIdentifierType": "Osler catalogue"},
            *(
                {"alternateIdentifier": one, "alternateIdentifierType": "URL"}
                for one in record.urls
            ),
        ],
        "descriptions": [
            {
                "description": f"Access: {ACCESS[record.access]}. Facts from {record.source}.",
                "descriptionType": "TechnicalInfo",
                "lang": "en",
            }
        ],
    }
    return told


def _subjects(record: Dataset) -> list[dict[str, str]]:
    kinds: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("modality", record.modalities),
        ("structure", record.structures),
        ("task", record.tasks),
    )
    found: list[dict[str, str]] = []
    for kind, codes in kinds:
        for code in codes:
            one = term(kind, code)
            subject = {"subject": one.label, "lang": "en"}
            if one.concept:
                scheme, number, _ = one.concept
                name, uri = _SCHEMES[scheme]
                subject |= {
                    "subjectScheme": name,
                    "schemeUri": uri,
                    "classificationCode": number,
                }
            found.append(subject)
    return found + [{"subject": one, "lang": "en"} for one in record.targets]


def _rights(record: Dataset) -> list[dict[str, str]]:
    known = known_licences()
    found = []
    for what, ids in (("images", record.licences), ("annotations", record.annotation_licences)):
        for one in ids:
            licence = known.get(one)
            found.append(
                {
                    "rights": f"{licence.name if licence else one} ({what})",
                    "rightsUri": licence.url if licence else "",
                    "rightsIdentifier": one,
                    "rightsIdentifierScheme": "SPDX",
                    "schemeUri": "https://spdx.org/licenses/",
                }
            )
    return found


def _related(record: Dataset, catalog: Catalog) -> list[dict[str, str]]:
    """Related datasets that have a DOI or a link; DataCite has no relation for shared patients."""
    known = catalog.by_id()
    found = []
    for one in record.relations:
        other = known.get(one.other)
        if one.kind not in _TYPES or other is None or not (other.doi or other.urls):
            continue
        found.append(
            {
                "relatedIdentifier": other.doi or other.urls[0],
                "relatedIdentifierType": "DOI" if other.doi else "URL",
                "relationType": _TYPES[one.kind],
                "resourceTypeGeneral": "Dataset",
            }
        )
    return found
