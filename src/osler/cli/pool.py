"""``osler pool``: a pool of images by the million."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osler.core import InputError

if TYPE_CHECKING:
    from osler.curate.pool import Executor

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="A pool of images by the million: hashes, quality features and vectors in a folder of "
    "shards; exact search, near-duplicates, overlap with test images, export.",
)

PoolPath = Annotated[Path, typer.Argument(metavar="POOL", help="Folder of the pool.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes of this machine.")]
RayFlag = Annotated[
    str, typer.Option("--ray", metavar="ADDRESS", help="Work on this Ray cluster (or: local).")
]


@app.command()
def add(
    pool: PoolPath,
    sources: Annotated[
        list[str], typer.Argument(help="Folders, TSV or CSV tables, DICOMDIRs, image files.")
    ],
    modality: Annotated[str, typer.Option(help="Modality of all of them.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of all of them.")] = "",
    source: Annotated[str, typer.Option(help="Where they come from, in a word or two.")] = "",
    patient_from: Annotated[
        str, typer.Option(help="Patient key: none, folder, column (of the table), dicom.")
    ] = "none",
    encoder: Annotated[
        str, typer.Option(help="Encoder of a new pool: a name, or package.module:function.")
    ] = "",
    jobs: Jobs = 1,
    ray: RayFlag = "",
    as_json: JsonFlag = False,
) -> None:
    """Add images; the pool is made if it is not there.

    Files that the pool has (by SHA-256) are passed over, broken ones are skipped and listed in
    errors.jsonl. Killed in the middle, the same command goes on: finished shards are kept.
    """
    from osler.curate.pool import Stated
    from osler.curate.pool import add as add_images
    from osler.physics.memory import keep_freed_memory

    keep_freed_memory()
    stated = Stated(modality, licence, source, patient_from)  # type: ignore[arg-type]
    with _bar("adding", sources) as progress:
        done = add_images(
            pool,
            sources,
            stated=stated,
            encoder=encoder,
            executor=executor(jobs, ray),
            progress=progress,
        )
    if done.broken and not done.added and not done.duplicates:
        raise InputError(
            f"none of the {done.broken} files could be read as an image; see {pool}/errors.jsonl"
        )
    if as_json:
        _print_json(
            {
                "added": done.added,
                "duplicates": done.duplicates,
                "broken": done.broken,
                "shards": done.shards,
                "seconds": round(done.seconds, 3),
                "images_per_second": round(done.rate, 1),
            }
        )
        return
    typer.echo(
        f"{done.added} added in {done.seconds:.1f} s ({done.rate:.0f} a second), "
        f"{done.duplicates} already there"
    )
    if done.broken:
        typer.echo(f"{done.broken} could not be read; see {pool / 'errors.jsonl'}")


@app.command()
def stats(
    pool: PoolPath,
    check: Annotated[
        bool, typer.Option("--check", help="Also compare every shard with its checksum.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say what is in a pool: images, encoder, modalities, licences, sources, quality."""
    from osler.curate.pool import open_pool
    from osler.curate.pool.summary import summarise

    found = summarise(open_pool(pool), check=check)
    if as_json:
        _print_json(found)
    else:
        typer.echo(f"{found['rows']} images in {found['shards']} shards, {found['bytes']:,} bytes")
        typer.echo(f"vectors of {found['encoder']}, dim {found['dim']}")
        typer.echo(f"{found['patients']} patients named, {found['skipped']} files were skipped")
        for name in ("modality", "licence", "source"):
            shown = ", ".join(f"{key or 'not stated'} {n}" for key, n in found[name].items())
            typer.echo(f"{name}: {shown or 'none'}")
        for name, (low, middle, high) in found["features"].items():
            typer.echo(f"{name:>14}: {middle:.4g} ({low:.4g} to {high:.4g}, 5 to 95 %)")
        for name in found["broken"]:
            typer.echo(f"broken: {name}")
    if found["broken"]:
        raise typer.Exit(2)


@app.command()
def search(
    pool: PoolPath,
    query: Annotated[str, typer.Argument(help="An image file, or words.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many to show.")] = 10,
    above: Annotated[
        float | None, typer.Option(help="Show all with a cosine above this, not the nearest K.")
    ] = None,
    jobs: Jobs = 1,
    ray: RayFlag = "",
    as_json: JsonFlag = False,
) -> None:
    """Find images like an image, or by words.

    An image is compared by cosine with every vector: exact. Words are compared by the encoder if
    it has a text side; the embedded one has none, and words are then looked for in path, modality,
    source, licence and patient (all of them, in any case of letters).
    """
    from osler.curate.pool import open_pool
    from osler.curate.pool.lookup import look_up

    found = look_up(open_pool(pool), query, k=k, above=above, executor=executor(jobs, ray))
    if as_json:
        _print_json({"by": found.by, "hits": list(found.hits)})
        return
    typer.echo(found.by, err=True)
    for hit in found.hits:
        cos = f"{hit['cos']:.4f}  " if hit["cos"] is not None else ""
        typer.echo(f"{cos}{hit['path']}  {hit['modality']}")


@app.command()
def dedup(
    pool: PoolPath,
    max_distance: Annotated[int, typer.Option(min=0, max=31, help="Bits of pHash.")] = 6,
    min_cos: Annotated[
        float, typer.Option(min=-1, max=1, help="Also ask for this cosine; -1 asks for none.")
    ] = 0.9,
    as_json: JsonFlag = False,
) -> None:
    """List groups of near-duplicates; of each group the first added is the one to keep.

    Nothing is removed: osler pool export --without FILE leaves out what this lists with --json.
    """
    from osler.curate.pool import open_pool
    from osler.curate.pool.duplicates import duplicate_groups

    opened = open_pool(pool)
    groups = duplicate_groups(opened, max_distance=max_distance, min_cos=min_cos)
    rows = [row for group in groups for row in group]
    path = dict(zip(rows, opened.columns("path", rows=rows)["path"], strict=True))
    surplus = [row for group in groups for row in group[1:]]
    if as_json:
        _print_json(
            {
                "groups": [[{"row": r, "path": path[r]} for r in group] for group in groups],
                "rows": surplus,
            }
        )
        return
    for group in groups:
        typer.echo(path[group[0]])
        for row in group[1:]:
            typer.echo(f"  = {path[row]}")
    typer.echo(f"{len(surplus)} of {len(opened)} images are near-duplicates of an earlier one")


@app.command()
def overlap(
    pool: PoolPath,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Test images: files, folders or tables.")
    ] = None,
    patients: Annotated[
        Path | None, typer.Option(help="Text file with a patient key a line, none may be in.")
    ] = None,
    patient_from: Annotated[
        str, typer.Option(help="Patients of the test images: none, folder, column, dicom.")
    ] = "none",
    max_distance: Annotated[int, typer.Option(min=0, max=31, help="Bits of pHash.")] = 6,
    min_cos: Annotated[float, typer.Option(min=-1, max=1, help="Cosine of vectors.")] = 0.98,
    crops: Annotated[
        int, typer.Option(min=0, help="Nearest rows to test as crops, a view; 0: no test.")
    ] = 20,
    jobs: Jobs = 1,
    ray: RayFlag = "",
    as_json: JsonFlag = False,
) -> None:
    """List every overlap with test images: copies, re-encodings, crops, and equal patients.

    Nothing is removed: osler pool export --without FILE leaves out what this lists with --json.
    """
    from osler.curate.pool import open_pool, read_shown
    from osler.curate.pool import overlap as overlaps
    from osler.curate.pool.sources import Stated, candidates

    stated = Stated(patient_from=patient_from)  # type: ignore[arg-type]
    tests = list(candidates(files, stated)) if files else []
    named = [one.path for one in tests]
    keys = {one.patient for one in tests} | set(_lines_of(patients) if patients else ())
    if patient_from == "dicom":
        keys |= {read_shown(path).patient for path in named}
    opened = open_pool(pool)
    with _bar("comparing", total=len(named)) as progress:
        done = overlaps(
            opened,
            named,
            patients=keys,
            max_distance=max_distance,
            min_cos=min_cos,
            crops=crops,
            executor=executor(jobs, ray),
            progress=progress,
        )
    path = dict(zip(done.rows, opened.columns("path", rows=done.rows)["path"], strict=True))
    found = [
        {"row": o.row, "path": path[o.row], "kind": o.kind, "other": o.other, "value": o.value}
        for o in done.found
    ]
    if as_json:
        _print_json({"rows": done.rows, "overlaps": found, "unread": list(done.unread)})
        return
    for one in found:
        typer.echo(f"{one['path']}  {one['kind']} {one['value']:g}  {one['other']}")
    typer.echo(f"{len(done.rows)} of {len(opened)} images overlap")
    if done.unread:
        typer.echo(f"{len(done.unread)} files of the pool could not be tested as crops")


@app.command()
def export(
    pool: PoolPath,
    out: Annotated[Path, typer.Argument(help="New folder.")],
    rows: Annotated[
        Path | None, typer.Option(help="JSON with the rows to write; all without it.")
    ] = None,
    without: Annotated[
        list[Path] | None,
        typer.Option(help="JSON with rows to leave out, as dedup and overlap print it; repeat."),
    ] = None,
    files: Annotated[
        bool, typer.Option("--files", help="Copy the image files as well, each checked.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write rows as images.tsv and vectors.npy, and if asked the files, to a new folder."""
    from osler.curate.pool import export as export_rows
    from osler.curate.pool import open_pool

    left = [row for path in without or () for row in _rows_of(path)]
    done = export_rows(
        open_pool(pool), out, rows=_rows_of(rows) if rows else None, without=left, files=files
    )
    if as_json:
        _print_json({"rows": done.rows, "skipped": list(done.skipped)})
        return
    typer.echo(f"{done.rows} images in {out / 'images.tsv'}")
    for line in done.skipped:
        typer.echo(f"left out: {line}")


def _lines_of(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text ({error}); give a text file") from error


def executor(jobs: int, ray: str) -> Executor:
    """Where work on a pool is done: here, in processes, or on a Ray cluster."""
    from osler.curate.pool import executor_for

    if not ray:
        return executor_for(jobs)
    from osler.bridges.ray import RayExecutor

    return RayExecutor(None if ray == "local" else ray, jobs)


@contextmanager
def _bar(
    verb: str, sources: list[str] | None = None, total: int = 0
) -> Iterator[Callable[[int], None]]:
    """Progress with rate and remaining time on a terminal's error stream.

    What is in ``sources`` is counted first, on terminals only.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda count: None
        return
    if sources is not None:
        from osler.curate.pool.sources import Stated, candidates

        with console.status("counting files"):
            total = sum(1 for _ in candidates(sources, Stated()))
    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), rate, Remaining())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(verb, total=total, rate="")

        def advance(count: int) -> None:
            speed = progress.tasks[0].speed
            progress.update(task, advance=count, rate=f"{speed:.0f}/s" if speed else "")

        yield advance


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _rows_of(path: Path) -> list[int]:
    """Row numbers from a JSON list, or an object with "rows", as dedup and overlap print it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as JSON ({error}); give what dedup or overlap "
            "printed with --json"
        ) from error
    rows = found.get("rows") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, int) for row in rows):
        raise InputError(f'{path} holds no list of row numbers, nor an object with "rows"')
    return rows
