"""The JSON-LD context of Croissant 1.1, and what the columns of ``samples.parquet`` hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CR = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field",
    "fileProperty", "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset",
    "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip

CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
    **{name: f"cr:{name}" for name in _CR},
}

DESCRIPTIONS: Mapping[str, str] = {
    "sample_id": "Hash of the sample's content.",
    "dataset": "Identifier of the source.",
    "dataset_version": "Version of the source, where it states one.",
    "case": "Name of the case in its source.",
    "patient_key": "Salted hash of source and patient.",
    "patient_group": "Patients that are one person, in one or several sources.",
    "split": "Train, val or test, by patient group.",
    "source_split": "The split that the source itself makes.",
    "image": "File, hashes, shape, axes, spacing, affine, unit and channels of the picture.",
    "modality": "Code of the modality: CT, MR, CFP and so on.",
    "licence": "SPDX expression of the picture's licence.",
    "study_key": "Salted hash of the study.",
    "series_key": "Salted hash of the series.",
    "frame": "Number of the frame in its series or video.",
    "detail": "Sequence, tracer, contrast phase, view.",
    "body_structures": "Coded structures that the picture shows.",
    "marks": "Annotations: kind, value or mask file, what was looked for, reader, licence.",
    "demographics": "Age band and sex, where the source states them.",
    "constraints": "What the licences ask for.",
    "provenance": "Steps from the source's files to this sample.",
    "flags": "What to know before use.",
}
