"""``osler catalog search``: parse, call, print."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osler.core import BadFileError, InputError, UnknownNameError, printable

if TYPE_CHECKING:
    from osler.curate.catalog.search import Filters, Found, Hit, Index

LONGEST_LINE = 100_000
"""Characters of a line of a batch that are read before it is refused."""

Several = list[str] | None


def search(
    question: Annotated[
        str | None,
        typer.Argument(metavar="[TEXT]", help="What you look for, in English or Chinese."),
    ] = None,
    modality: Annotated[
        Several, typer.Option(metavar="CODE", help="CT, MR, US, ... or its name. Repeatable.")
    ] = None,
    structure: Annotated[
        Several, typer.Option(help="Body part: liver, retina. Repeatable.")
    ] = None,
    task: Annotated[Several, typer.Option(help="segmentation, detection, ... Repeatable.")] = None,
    dimension: Annotated[Several, typer.Option(help="2D, 3D, 4D or video. Repeatable.")] = None,
    licence: Annotated[
        Several,
        typer.Option(
            metavar="SPDX", help="permissive, unknown, CC-BY-4.0, CC-BY-* ... Repeatable."
        ),
    ] = None,
    access: Annotated[Several, typer.Option(help="anonymous, account, ... Repeatable.")] = None,
    publisher: Annotated[Several, typer.Option(help="Kaggle, TCIA, Zenodo ... Repeatable.")] = None,
    exclude: Annotated[
        Several,
        typer.Option(metavar="FACET:VALUE", help="Leave out, e.g. modality:CT. Repeatable."),
    ] = None,
    since: Annotated[int | None, typer.Option(metavar="YEAR", help="First year.")] = None,
    until: Annotated[int | None, typer.Option(metavar="YEAR", help="Last year.")] = None,
    min_size: Annotated[int | None, typer.Option(min=0, help="Fewest images or volumes.")] = None,
    max_size: Annotated[int | None, typer.Option(min=0, help="Most images or volumes.")] = None,
    labelled: Annotated[
        bool | None, typer.Option("--labelled/--unlabelled", help="With labels, or without.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Hits to print.")] = 10,
    batch: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Questions, one a line ('-': standard input); prints a JSON line for each: "
            "query, hits (name, id, score, why). An empty line is skipped.",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Find datasets by a question in plain words, by limits, or both.

    The question may name modalities, body parts, diseases, tasks, years
    ("since 2020"), sizes ("more than 1000 images"), licences ("for commercial
    use"), access ("no registration"), hosts ("on Zenodo") and what it does
    not want ("not CT", "everything except X and Y"). Slips of the pen are
    mended and said. Limits given as options are hard; a hit that fails one
    thing asked for is marked.
    """
    from osler.curate.catalog.search import cached_index

    if batch and question is not None:
        raise InputError("give a question or --batch FILE, not both")
    index = cached_index()
    filters = _filters(
        index,
        modality=modality,
        structure=structure,
        task=task,
        dimension=dimension,
        licence=licence,
        access=access,
        publisher=publisher,
        exclude=exclude,
        years=(since, until),
        sizes=(min_size, max_size),
        labelled=labelled,
    )
    if batch:
        _answer_all(index, batch, filters, limit)
        return
    from osler.curate.catalog.search import Filters, search

    text = question or ""
    if not text.strip() and filters == Filters():
        raise InputError("what do you look for? give a question, a limit, or --batch FILE")
    found = search(index, text, filters=filters, limit=limit)
    if as_json:
        typer.echo(json.dumps(_as_data(text, found), indent=2, ensure_ascii=False))
    else:
        _tell(text, found, index)


def _filters(
    index: Index,
    *,
    years: tuple[int | None, int | None],
    sizes: tuple[int | None, int | None],
    labelled: bool | None,
    **listed: Several,
) -> Filters:
    """The options as filters; names become codes, unknown values are refused with near ones."""
    from osler.curate.catalog.search import Filters

    for kind, (low, high) in (("year", years), ("size", sizes)):
        if low is not None and high is not None and low > high:
            raise InputError(f"the first {kind} {low} is above the last {high}; swap them")
    return Filters(
        modalities=_codes(index, "modality", listed["modality"]),
        structures=_codes(index, "structure", listed["structure"]),
        tasks=_codes(index, "task", listed["task"]),
        dims=_codes(index, "dimension", listed["dimension"]),
        licences=_licences(listed["licence"]),
        access=_codes(index, "access", listed["access"]),
        publishers=_codes(index, "publisher", listed["publisher"]),
        exclude=tuple(listed["exclude"] or ()),
        years=years,
        min_count=sizes[0],
        max_count=sizes[1],
        labelled=labelled,
    )


def _codes(index: Index, facet: str, given: Several) -> tuple[str, ...]:
    """Values of a facet as records carry them, whatever their case; terms of the vocabularies."""
    from osler.curate.catalog.vocabulary import code_named, codes

    values = index.facets[facet][0]
    by_lower = {one.lower(): one for one in values}
    made = []
    for one in given or ():
        code = by_lower.get(one.lower())
        if code is None and facet == "modality":
            code = code_named("modality", one)
        elif code is None and facet == "structure":
            code = code_named("structure", one)
        elif code is None and facet == "task":
            code = code_named("task", one)
        if code is None:
            known = set(values)
            if facet in ("modality", "structure", "task"):
                known |= codes(facet)  # type: ignore[arg-type]
            raise UnknownNameError(facet, one, known, "osler catalog stats")
        made.append(code)
    return tuple(made)


def _licences(given: Several) -> tuple[str, ...]:
    from osler.curate.licences import UNKNOWN, licence_named

    made = []
    for one in given or ():
        if one in ("permissive", "unknown", "known") or one.endswith("*"):
            made.append(one)
            continue
        licence = licence_named(one)
        if licence == UNKNOWN:
            raise InputError(
                f"licence {one!r} is not known; give an SPDX identifier such as CC-BY-4.0, a "
                "family such as CC-BY-*, or permissive"
            )
        made.append(licence.id)
    return tuple(made)


def _answer_all(index: Index, batch: str, filters: Filters, limit: int) -> None:
    """A JSON line for each line of a file that is not empty."""
    from osler.curate.catalog.search import search

    for line in _lines(batch):
        found = search(index, line, filters=filters, limit=limit)
        hits = [_hit(one) for one in found.hits]
        typer.echo(json.dumps({"query": line, "hits": hits}, ensure_ascii=False))


def _lines(batch: str) -> Iterator[str]:
    if batch == "-":
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
        yield from _clean(sys.stdin, "standard input")
        return
    place = Path(batch)
    if not place.is_file():
        raise BadFileError(batch, "is not a file", "give a text file with one question a line")
    with place.open(encoding="utf-8-sig", errors="replace", newline=None) as handle:
        yield from _clean(handle, batch)


def _clean(handle: Any, name: str) -> Iterator[str]:
    number = 0
    while line := handle.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise BadFileError(name, f"line {number} is longer than {LONGEST_LINE:,} characters")
        if "\0" in line:
            raise BadFileError(name, f"line {number} is no text", "give one question a line")
        text = line.rstrip("\r\n")
        if text.strip():
            yield text


def _hit(one: Hit) -> dict[str, Any]:
    why = [*one.why, *(f"fails {what}" for what in one.failed)]
    return {"name": one.name, "id": one.id, "score": one.score, "why": why}


def _as_data(text: str, found: Found) -> dict[str, Any]:
    query = found.query
    constraints = [
        {
            "facet": one.facet,
            "asked": list(one.codes()),
            "words": one.words,
            "strength": one.strength,
            "negative": one.negative,
            **({"low": one.low} if one.low is not None else {}),
            **({"high": one.high} if one.high is not None else {}),
        }
        for one in query.constraints
    ]
    return {
        "query": text,
        "read": {
            "constraints": constraints,
            "corrections": dict(query.corrections),
            "names": list(query.named),
            "other_words": [*query.rest, *query.unknown],
        },
        "total": found.total,
        "hits": [
            {"name": h.name, "id": h.id, "score": h.score, "why": h.why, "failed": h.failed}
            for h in found.hits
        ],
        "drop": list(found.drop),
    }


def _tell(text: str, found: Found, index: Index) -> None:
    """Hits for people: name, facts, why."""
    query = found.query
    said = [
        f"{'not ' if one.negative else ''}{one.facet}: {one.words}"
        for one in query.constraints
        if one.strength != "weak"
    ]
    if said:
        typer.echo(printable("read as  " + "; ".join(said)))
    for wrong, right in query.corrections:
        typer.echo(printable(f"took {wrong} for {right}"))
    if query.unknown and found.hits:
        typer.echo(printable(f"not known: {', '.join(query.unknown)}"))
    if not found.hits:
        typer.echo(
            "nothing answers all of it" if text.strip() else "nothing is within these limits"
        )
        for one in found.drop:
            typer.echo(printable(f"  drop {one}"))
        return
    records = index.catalog.by_id()
    for place, hit in enumerate(found.hits, 1):
        record = records[hit.id]
        count = (
            f"{record.count:,} {record.count_unit or 'item'}s" if record.count else "size unknown"
        )
        facts = [
            "/".join(record.modalities),
            "/".join(record.structures),
            count,
            str(record.year or "year unknown"),
            ", ".join(record.licences) or "licence unknown",
        ]
        typer.echo(printable(f"{place:>3}  {hit.name}  ({hit.id})"))
        typer.echo(printable(f"     {' · '.join(one for one in facts if one)}"))
        if hit.why:
            typer.echo(printable(f"     {'; '.join(hit.why)}"))
        for one in hit.failed:
            typer.echo(printable(f"     fails {one}"))
    if found.total > len(found.hits):
        typer.echo(f"{found.total - len(found.hits)} more; raise --limit to see them")
