"""``osler catalog``: which datasets there are, what is in them, how to get them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osler.core import InputError, UnknownNameError, printable, write_json, write_text

from .catalog_search import search

if TYPE_CHECKING:
    from osler.curate.catalog import Catalog, Dataset

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The catalogue of medical imaging datasets: search, show, count, check, export.",
)

app.command()(search)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
OutPath = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write here (else: print).")
]
FORMATS = ("csv", "parquet", "croissant", "datacite")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Id, name or alias.")],
    as_json: JsonFlag = False,
) -> None:
    """All that is known of one dataset: content, size, licence, access, overlaps, doubts.

    A name that is not known is answered with near ones.
    """
    from osler.curate.catalog import load_catalog
    from osler.curate.catalog.card import card, card_data
    from osler.curate.catalog.lookup import dataset_named

    catalog = load_catalog()
    record = dataset_named(catalog, name)
    if as_json:
        _print_json(card_data(record, catalog))
    else:
        typer.echo(printable(card(record, catalog)))


@app.command()
def stats(
    by: Annotated[
        str,
        typer.Option(
            help="One facet: modality, structure, task, target, dimension, labelled, year, "
            "licence, access, publisher."
        ),
    ] = "",
    top: Annotated[int, typer.Option(min=1, help="Values a facet.")] = 12,
    as_json: JsonFlag = False,
) -> None:
    """How many datasets of each kind. "rows" are rows of the source table, copies included."""
    from dataclasses import asdict

    from osler.curate.catalog import load_catalog
    from osler.curate.catalog.stats import FACETS, counted, sizes, summary

    if by and by not in FACETS:
        raise UnknownNameError("facet", by, FACETS)
    catalog = load_catalog()
    facets = {name: counted(catalog, name) for name in ([by] if by else FACETS)}
    totals, amounts = summary(catalog), sizes(catalog.datasets)
    if as_json:
        _print_json(
            {
                "summary": totals,
                "sizes": {unit: asdict(one) for unit, one in amounts.items()},
                "facets": {
                    name: {value: asdict(one) for value, one in found.items()}
                    for name, found in facets.items()
                },
            }
        )
        return
    if not by:
        for name, number in totals.items():
            typer.echo(f"{name.replace('_', ' '):<24}{number:>12}")
        for unit, one in amounts.items():
            text = f"{one.total:,} in {one.datasets} datasets, median {one.median:,.0f}"
            typer.echo(f"{unit + 's':<24}{text}, the five largest hold {one.share_of_five:.0%}")
    for name, found in facets.items():
        typer.echo(f"\n{name:<28}{'datasets':>10}{'rows':>8}")
        for value, number in list(found.items())[:top]:
            typer.echo(f"  {value or '(not stated)':<26}{number.datasets:>10}{number.rows:>8}")
        if len(found) > top:
            typer.echo(f"  ... {len(found) - top} more (--by {name} --top {len(found)})")


@app.command()
def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="New entries (.toml, .json); none: the whole table."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check new entries, or the table: each fault by file and field, with what is allowed.

    Names, links and DOIs that the table has already are told. Exit code 2 if anything is wrong.
    """
    from dataclasses import asdict

    from osler.curate.catalog.checking import wrong_files, wrong_table
    from osler.curate.catalog.load import added_files, load_table

    if files:
        entries = {path.resolve() for path in files}
        catalog = load_table(path for path in added_files() if path.resolve() not in entries)
        wrong = wrong_files(files, catalog)
        checked = f"{len(files)} {'entry' if len(files) == 1 else 'entries'}"
    else:
        table = load_table(())
        wrong = wrong_table(table) + wrong_files(added_files(), table)
        checked = f"{len(table.datasets)} datasets and {len(added_files())} added entries"
    if as_json:
        _print_json({"checked": checked, "problems": [asdict(one) for one in wrong]})
    else:
        for one in wrong:
            where = f"{one.file}: {one.record}" if not files else one.file
            typer.echo(printable(f"{where}: {one.field + ': ' if one.field else ''}{one.what}"))
        typer.echo(f"{checked}: {len(wrong) or 'no'} fault{'' if len(wrong) == 1 else 's'}")
    if wrong:
        raise typer.Exit(2)


@app.command()
def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help=", ".join(FORMATS) + ".")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="These datasets only.")
    ] = None,
    out: OutPath = None,
    as_json: JsonFlag = False,
) -> None:
    """The catalogue, or some datasets of it, as CSV, Parquet, Croissant 1.1 or DataCite 4.

    Croissant of one dataset describes that dataset; of several or all it describes the table, and
    with --out the table is written beside it as datasets.csv.
    """
    from osler.curate.catalog import load_catalog
    from osler.curate.catalog.lookup import dataset_named

    if form not in FORMATS:
        raise UnknownNameError("format", form, FORMATS)
    catalog = load_catalog()
    chosen = [dataset_named(catalog, one) for one in names or ()] or list(catalog.datasets)
    written = _export(form, chosen, catalog, out, one=len(names or ()) == 1)
    if out is not None and as_json:
        _print_json({"format": form, "datasets": len(chosen), "files": [str(p) for p in written]})
    elif out is not None:
        typer.echo(f"{len(chosen)} dataset(s) in {', '.join(str(path) for path in written)}")


def _export(
    form: str, chosen: list[Dataset], catalog: Catalog, out: Path | None, *, one: bool
) -> list[Path]:
    from osler.curate.catalog import export as formats
    from osler.curate.catalog.export.croissant import TABLE

    if form == "parquet":
        if out is None:
            raise InputError("Parquet is not text; give a file with --out")
        formats.write_parquet(chosen, out)
        return [out]
    if form == "csv":
        text = formats.csv_text(chosen)
        if out is None:
            typer.echo(text, nl=False)
            return []
        write_text(out, text)
        return [out]
    beside: list[Path] = []
    if form == "datacite":
        found = [formats.datacite(record, catalog) for record in chosen]
        told: Any = found[0] if one else found
    elif one:
        told = formats.dataset_croissant(chosen[0], catalog)
    else:
        told = formats.table_croissant(chosen)
        if out is not None:
            beside = [out.parent / TABLE]
            write_text(beside[0], formats.csv_text(chosen))
    if out is None:
        _print_json(told)
        return []
    write_json(out, told)
    return [out, *beside]


@app.command()
def build(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Normalised source table.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Records to write.")],
    as_json: JsonFlag = False,
) -> None:
    """Build the records from the source table: rows merged, corrected, related.

    The same table gives the same bytes. Facts of packages are added by "osler catalog enrich".
    """
    from osler.curate.catalog.building import build as built
    from osler.curate.catalog.merging import jsonl

    records = built(source)
    write_text(out, jsonl(records))
    told = {
        "rows": sum(len(one.rows) for one in records),
        "datasets": len(records),
        "listed_several_times": sum(len(one.rows) > 1 for one in records),
        "file": str(out),
    }
    if as_json:
        _print_json(told)
    else:
        typer.echo(
            f"{told['rows']} rows, {told['datasets']} datasets, "
            f"{told['listed_several_times']} of them listed several times: {out}"
        )


@app.command()
def enrich(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Records to write.")],
    records: Annotated[
        Path | None,
        typer.Option("--records", metavar="FILE", help="Records to start from (else: shipped)."),
    ] = None,
    package: Annotated[
        list[str] | None, typer.Option(help="Only this package (idc-index-data, medmnist, ...).")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Refresh facts from installed packages: Imaging Data Commons, MedMNIST, torch-em.

    No network; nothing of the packages is run. What is not installed keeps its old facts.
    """
    from osler.curate.catalog.enrich import enriched
    from osler.curate.catalog.load import load_table, read_records
    from osler.curate.catalog.merging import jsonl

    start = load_table(()).datasets if records is None else read_records(records)
    done = enriched(start, package or ())
    write_text(out, jsonl(done.records))
    if as_json:
        told = {"versions": dict(done.versions), "counts": dict(done.counts)}
        _print_json({**told, "missing": list(done.missing), "file": str(out)})
        return
    for name, version in done.versions.items():
        typer.echo(f"{name} {version}: facts of {done.counts[name]} datasets")
    for name in done.missing:
        typer.echo(f"{name} is not installed; its facts stay as they were (pip install {name})")
    typer.echo(f"{len(done.records)} datasets: {out}")


def _print_json(told: Any) -> None:
    typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
