"""The card of a dataset: everything the catalogue knows of it, in plain lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from osler.curate.licences import known_licences

from .corrections import MADE_BY
from .licensing import SAID
from .load import Catalog
from .merging import row_of
from .record import Dataset
from .relations import OUTSIDE
from .words import ACCESS, FLAGS, RELATIONS, labels, size_in_words

INDENT = 14


def card(record: Dataset, catalog: Catalog) -> str:
    """The card as text: facts, size, access, licence, relations, disagreements, sources."""
    lines = [f"{record.name}  ({record.id})"]
    if record.aliases:
        lines.append(_line("also called", ", ".join(record.aliases)))
    parts = (_content, _access, _licence, _relations, _facts, _doubts)
    for part in parts:
        lines += [_line(name, text) for name, text in part(record, catalog)]
    return "\n".join(lines)


def card_data(record: Dataset, catalog: Catalog) -> dict[str, Any]:
    """The card for machines: the record, and what its codes mean."""
    return {
        **row_of(record),
        "in_words": {
            "size": size_in_words(record),
            "access": ACCESS[record.access],
            "flags": {flag: FLAGS.get(flag, flag) for flag in record.flags},
            "disagreements": [
                {"row": row.id, "line": row.line, **_said(row.says)}
                for row in record.rows
                if _said(row.says)
            ],
            "related": {
                one.other: catalog.by_id()[one.other].name
                for one in record.relations
                if one.other in catalog.by_id()
            },
        },
    }


def _line(name: str, text: str) -> str:
    return f"{'  ' + name:<{INDENT + 2}}{text}"


def _content(record: Dataset, _: Catalog) -> Iterator[tuple[str, str]]:
    detail = f" ({', '.join(record.modality_detail)})" if record.modality_detail else ""
    yield "modality", labels("modality", record.modalities) + detail
    yield "body part", labels("structure", record.structures)
    yield "task", labels("task", record.tasks)
    yield "target", ", ".join(record.targets) or "not stated"
    labelled = "labelled" if record.labelled else "no labels stated"
    dims = ", ".join(record.dims) or "dimension not stated"
    yield "size", f"{size_in_words(record)}, {dims}, {labelled}"
    if record.annotation_objects or record.extra_data:
        yield "comes with", ", ".join((*record.annotation_objects, *record.extra_data))
    yield "year", str(record.year) if record.year else "not stated"


def _access(record: Dataset, _: Catalog) -> Iterator[tuple[str, str]]:
    if record.publisher:
        yield "publisher", record.publisher
    for url in record.urls:
        yield "link", url
    if record.doi:
        yield "DOI", f"https://doi.org/{record.doi}"
    yield "access", f"{ACCESS[record.access]} (inferred from the host {record.host or 'unknown'})"
    if record.idc_collection:
        yield "", f"also in Imaging Data Commons: idc download {record.idc_collection}"
    for key, told in record.facts.items():
        for one in (*told.get("downloads", ()), *told.get("files", ())):
            kind = "sha256" if "sha256" in one else "md5"
            yield "file", f"{one['url']}  {kind} {one[kind]}  [{key}]"


def _licence(record: Dataset, _: Catalog) -> Iterator[tuple[str, str]]:
    yield "licence", f"images: {_named(record.licences)}"
    yield "", f"annotations: {_named(record.annotation_licences)}"
    if record.licence_source:
        yield "", f"rests on {record.licence_source}"
    elif not record.licences:
        yield "", "ask its owners before use; nothing is assumed"
    said = record.facts.get(MADE_BY, {}).get(SAID)
    if said:
        told = ", ".join(
            f"{what} {_named(tuple(said[what]))}"
            for what in ("images", "annotations")
            if said[what]
        )
        yield "", f"unconfirmed, so unknown: {told}: {said['why']}  [{said['source']}]"


def _named(ids: tuple[str, ...]) -> str:
    known = known_licences()
    parts = []
    for one in ids:
        asks = ", ".join(sorted(known[one].constraints)) if one in known else ""
        parts.append(f"{one} (asks {asks})" if asks else one)
    return "; ".join(parts) or "unknown"


def _relations(record: Dataset, catalog: Catalog) -> Iterator[tuple[str, str]]:
    known = catalog.by_id()
    for number, one in enumerate(record.relations):
        other = known[one.other].name if one.other in known else one.other
        if one.other.startswith(OUTSIDE):
            other = f"{one.other.removeprefix(OUTSIDE)} of Imaging Data Commons"
        many = f" ({one.patients} patients)" if one.patients else ""
        yield (
            "" if number else "overlap",
            f"{RELATIONS[one.kind]} {other}{many}  [{one.source}]",
        )


_SHOWN_ELSEWHERE = {"downloads", "files", "loader", "module", "sets", "labels", SAID}


def _facts(record: Dataset, _: Catalog) -> Iterator[tuple[str, str]]:
    for key, told in record.facts.items():
        if "module" in told:
            yield "loader", f"{told['module']}.{told.get('loader', '')}  [{key}]"
        plain = "; ".join(
            f"{name.replace('_', ' ')} {_short(value)}"
            for name, value in told.items()
            if name not in _SHOWN_ELSEWHERE and not name.startswith("corrected ")
        )
        if plain:
            yield "facts", f"{plain}  [{key}]"
        if "labels" in told:
            yield "label ids", f"{_short(told['labels'])}  [{key}]"
        if "sets" in told:
            yield "sets", f"{', '.join(told['sets'])}  [{key}]"


def _short(value: Any, most: int = 12) -> str:
    if isinstance(value, Mapping):
        shown = [f"{name} {_short(one)}" for name, one in list(value.items())[:most]]
    elif isinstance(value, list | tuple):
        shown = [_short(one) for one in list(value)[:most]]
    else:
        return f"{value:,}" if type(value) is int else str(value)
    more = f" and {len(value) - most} more" if len(value) > most else ""
    return ", ".join(shown) + more


def _doubts(record: Dataset, _: Catalog) -> Iterator[tuple[str, str]]:
    for key, told in record.facts.items():
        for name, one in told.items():
            if name.startswith("corrected "):
                was = _short(one["was"]) or "nothing"
                yield "corrected", f"{name[10:]}, was {was}: {one['why']}  [{key}: {one['source']}]"
    for row in record.rows:
        said = _said(row.says)
        if said:
            what = "; ".join(f"{field} {_short(value)}" for field, value in said.items())
            yield "row says", f"{what}  [{row.id}, line {row.line}]"
    for flag in record.flags:
        yield "note", FLAGS.get(flag, flag)
    rows = ", ".join(f"{row.id} (line {row.line})" for row in record.rows)
    yield "source", record.source + (f": {rows}" if rows else "")


def _said(says: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says otherwise; silence, and one link of several, is no disagreement."""
    return {
        field: value
        for field, value in says.items()
        if value not in (None, [], (), "") and field not in {"urls", "host"}
    }
