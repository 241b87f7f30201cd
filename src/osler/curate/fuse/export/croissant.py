"""Croissant 1.1: the set's own table and files, described for catalogues and loaders.

Format: Croissant 1.1 and its vocabulary for responsible AI (MLCommons). Loaders of it read no
NIfTI: volumes are a FileSet with their media type, and the table names each sample's file. The
records are the rows of ``samples.parquet``, in the same order and with the same columns. Facts that
nobody stated are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from osler.core import sha256_hex, write_json
from osler.curate.licences import Licence, licences_named

from ..fused import write_samples
from ..lock_file import lock_digest
from ..sample import Mark, Sample
from ..storing import MEDIA
from .contents import Work
from .croissant_context import CONTEXT, DESCRIPTIONS

NAME = "croissant"
TITLE = "Croissant 1.1: the table, the files and their description"


def write(work: Work) -> None:
    """Write ``croissant.json`` beside a copy of the set; what is withheld is rows without files."""
    free = {one.sample_id: one for one in work.samples}
    rows = [free.get(one.sample_id) or _without_files(one) for one in work.fused.samples
            if work.options.modality in ("", one.modality)]  # fmt: skip
    done: set[str] = set()
    for sample in free.values():
        for uri, digest in _files(sample):
            if uri not in done:
                work.put(uri, digest, work.folder / uri)
                done.add(uri)
        work.wrote(sample)
    write_samples(work.folder / "samples.parquet", rows)
    work.written += [one.sample_id for one in rows if one.sample_id not in free]
    write_json(work.folder / "croissant.json", describe(work, rows))


def _without_files(sample: Sample) -> Sample:
    """The row of a sample whose files stay out."""
    marks = tuple(_bare(one) for one in sample.marks)
    image = replace(sample.image, uri="", sha256="")
    flags = tuple(dict.fromkeys((*sample.flags, "recipe")))
    return replace(sample, image=image, marks=marks, flags=flags)


def _bare(mark: Mark) -> Mark:
    return replace(mark, value=None, uri="", sha256="")


def _files(sample: Sample) -> list[tuple[str, str]]:
    found = [(sample.image.uri, sample.image.sha256)]
    return found + [(one.uri, one.sha256) for one in sample.marks if one.uri]


def describe(work: Work, rows: list[Sample]) -> dict[str, Any]:
    """The JSON-LD of a set whose files lie in ``work.folder``."""
    lock = work.fused.lock
    sources = [one for one in lock["sources"] if any(row.dataset == one["dataset"] for row in rows)]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": work.name,
        "description": _description(rows, sources),
        "url": work.options.url or f"urn:sha256:{lock_digest(lock)}",
        "license": _licences(work, rows),
        "creator": [{"@type": "Organization", "name": work.options.creator or "not stated"}],
        "datePublished": work.options.date,
        "version": f"1.0.0+{lock_digest(lock)[:12]}",
        "citeAs": _cite(sources),
        "isBasedOn": [url for one in sources for url in _addresses(one)],
        **_responsible(rows, work),
        "distribution": _distribution(work.folder, rows),
        "recordSet": [_record_set()],
    }


def _description(rows: list[Sample], sources: list[Mapping[str, Any]]) -> str:
    names = ", ".join(_name(one) for one in sources)
    kinds = ", ".join(sorted({one.modality for one in rows}))
    return (
        f"{len(rows)} samples ({kinds}) fused from {names}. Every sample and every annotation has "
        "a licence of its own; see the column licence, the field licence of marks, and "
        "attribution.md."
    )


def _name(source: Mapping[str, Any]) -> str:
    return str(source.get("name") or source["dataset"])


def _addresses(source: Mapping[str, Any]) -> list[str]:
    doi = [f"https://doi.org/{source['doi']}"] if source.get("doi") else []
    return doi or list(source.get("urls", ()))[:1]


def _cite(sources: list[Mapping[str, Any]]) -> str:
    parts = []
    for one in sources:
        year = f" ({one['year']})" if one.get("year") else ""
        address = "".join(f" {url}" for url in _addresses(one))
        parts.append(f"{_name(one)}{year}.{address}")
    return "Cite every source that you use: " + "; ".join(parts)


def _licences(work: Work, rows: list[Sample]) -> list[str]:
    """The one licence of the set, or every licence in it; its address where there is one."""
    one = work.fused.lock["verdict"].get("one_licence")
    if one:
        return [_address(licence) for licence in licences_named(one)]
    texts = {row.licence for row in rows} | {m.licence for row in rows for m in row.marks}
    found = {_address(licence) for text in texts for licence in licences_named(text)}
    return sorted(found)


def _address(licence: Licence) -> str:
    return licence.url or licence.id


def _responsible(rows: list[Sample], work: Work) -> dict[str, Any]:
    """Fields of the RAI vocabulary, those of which something is known."""
    found = {
        "rai:dataCollection": "Fused from existing datasets; nothing was collected anew.",
        "rai:dataPreprocessingProtocol": (
            "Volumes brought to RAS+ axes in mm without resampling; labels mapped to the classes "
            "of label_maps.json; equal pictures kept once; splits by patient group."
        ),
    }
    shares = Counter(one.dataset for one in rows)
    name, n = shares.most_common(1)[0]
    if len(shares) > 1 and n / len(rows) > 0.5:
        found["rai:dataBiases"] = f"{n / len(rows):.0%} of the samples are from {name}."
    limits = []
    partial = sum(any(m.completeness == "partial" for m in one.marks) for one in rows)
    if partial:
        limits.append(
            f"In {partial} samples some classes were not looked for; there they are not annotated, "
            "which does not mean absent."
        )
    withheld = sum(not one.image.uri for one in rows)
    if withheld:
        limits.append(f"{withheld} samples are rows without files; manifest.jsonl says why.")
    if limits:
        found["rai:dataLimitations"] = " ".join(limits)
    personal = sorted({key for one in rows for key in one.demographics})
    if personal:
        found["rai:personalSensitiveInformation"] = (
            f"{', '.join(personal)} of some patients; keys of patients are salted hashes."
        )
    return found


def _distribution(folder: Path, rows: Iterable[Sample]) -> list[dict[str, Any]]:
    found = [_file_object(folder / "samples.parquet", "application/x-parquet")]
    endings = {
        (part, ending)
        for one in rows
        for part, uri in (
            ("images", one.image.uri), *(("masks", mark.uri) for mark in one.marks)
        )
        for ending in MEDIA
        if uri.endswith(ending)
    }  # fmt: skip
    for part, ending in sorted(endings):
        found.append(
            {
                "@type": "cr:FileSet",
                "@id": f"{part}{ending.replace('.', '-')}",
                "name": f"{part}{ending.replace('.', '-')}",
                "description": f"Files of {part}, named by the SHA-256 of their content.",
                "encodingFormat": MEDIA[ending],
                "includes": f"{part}/*/*{ending}",
            }
        )
    return found


def _file_object(path: Path, media: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": media,
        "sha256": sha256_hex(path.read_bytes()),
    }


def _record_set() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": "One record a sample; nested values are JSON text.",
        "key": {"@id": "samples/sample_id"},
        "field": [_field(one.name) for one in fields(Sample)],
    }


def _field(name: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"samples/{name}",
        "name": name,
        "description": DESCRIPTIONS[name],
        "dataType": "sc:Integer" if name == "frame" else "sc:Text",
        "source": {"fileObject": {"@id": "samples.parquet"}, "extract": {"column": name}},
    }
