"""``osler build``: a benchmark's data from your own images and questions."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Build a benchmark's data from your own images and questions.",
)


@app.callback()
def _build() -> None:
    """Build a benchmark's data from your own images and questions."""


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _numbers(text: str, option: str) -> tuple[int, ...]:
    from osler.core import InputError

    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InputError(f"{option} {text!r} is no list of whole numbers such as 1,2") from error


Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the dataset; new or empty.")]
Images = Annotated[
    Path | None,
    typer.Option(help="Folder that image paths start from (default: that of the table)."),
]
Seed = Annotated[int, typer.Option("--seed", "-s", help="Fixes every choice and all noise.")]


@app.command("medq-deg")
def medq_deg(
    data: Annotated[
        list[str],
        typer.Option(
            "--data",
            help="Table of questions (.tsv, .csv, .jsonl, .json), or the word mini. Give it twice "
            "for tables that belong together, such as the official good and simulate files.",
        ),
    ],
    out: Out,
    images: Images = None,
    seed: Seed = 0,
    review: Annotated[
        Path | None,
        typer.Option(help="Reviewers' decisions: columns index, degradation, keep, reason."),
    ] = None,
    per_item: Annotated[
        str, typer.Option(help="Least and greatest number of degradations of a question.")
    ] = "1,3",
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            "-k",
            help="Choose among these degradations only (default: all that fit the modality; see "
            "osler degrade list). Repeatable.",
        ),
    ] = None,
    level: Annotated[
        list[int] | None,
        typer.Option(
            "--level", "-l", help="Levels of every degradation (default: 1 and 2). Repeatable."
        ),
    ] = None,
    modality: Annotated[
        str | None,
        typer.Option("--modality", help="Modality of all images, where the table states none."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use the first questions only.")] = None,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave bad rows out and list them, instead of refusing."),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="Worker processes (default: one a core, at most 8)."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Degrade clean image-question pairs into paired clean, mild and severe items.

    Each question keeps its clean image and gets 1 to 3 degradations that make sense for its
    modality, each at every level. The same data, seed and options give the same bytes; an
    interrupted build is resumed by the same command. Bad input is refused before anything is
    written.

    Example: osler build medq-deg --data questions.tsv --images pictures -o data/mine
    """
    from osler.core import InputError
    from osler.evaluate.benchmarks.medq_deg.sources import build

    span = _numbers(per_item, "--per-item")
    if len(span) == 1:
        span *= 2
    if len(span) != 2:
        raise InputError(f"--per-item {per_item!r} is no range; give two numbers such as 1,3")
    with _bar("Degrading images") as advance:
        dataset = build(
            data,
            out,
            images=images,
            seed=seed,
            review=review,
            per_item=(span[0], span[1]),
            keys=kind or None,
            levels=level or (1, 2),
            modality=modality,
            limit=limit,
            skip_bad=skip_bad,
            jobs=jobs or min(os.cpu_count() or 1, 8),
            progress=advance,
        )
    if as_json:
        typer.echo(json.dumps({"folder": str(dataset.folder), **dataset.info}, indent=2))
        return
    counts = dataset.info["counts"]
    left = dataset.info["left_out"]
    typer.echo(
        f"{counts['items']} items from {counts['questions']} questions "
        f"({counts['degradations_per_question']:.2f} degradations each) in {counts['images']} "
        f"images of {counts['groups']} patients (where stated, else source images), "
        f"in {dataset.folder}"
    )
    by_level = ", ".join(f"L{level} {n}" for level, n in counts["by_level"].items())
    typer.echo(f"By level: {by_level}")
    for what, found in left.items():
        if found and isinstance(found, list):
            typer.echo(f"Left out, {what.replace('_', ' ')}: {len(found)} (see dataset.json)")
    typer.echo(f"Next: osler eval medq-deg --data {dataset.folder} --model MODEL")


@app.command("medq-bench")
def medq_bench(
    data: Annotated[
        list[str],
        typer.Option(
            "--data",
            help="Table of clean pictures (.tsv, .csv, .jsonl), the word mini, or the official "
            "tables (each by its own --data, or their folder).",
        ),
    ],
    out: Out,
    images: Images = None,
    seed: Seed = 0,
    per_picture: Annotated[int, typer.Option(min=1, max=8, help="Degradations a picture.")] = 2,
    modality: Annotated[
        str | None, typer.Option(help="Modality of all images, where the table states none.")
    ] = None,
    split: Annotated[
        str, typer.Option(help="Of a folder of official tables: test or dev.")
    ] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Ask about the quality of pictures that were degraded on purpose, so that the truth is known.

    A table has the columns image_path and modality and, if known, patient and licence. Each
    picture gets yes/no, what and how questions, reference descriptions, and pairs of the same
    picture at two levels. Official tables are taken as they are.

    Example: osler build medq-bench --data pictures.tsv -o data/quality
    """
    from osler.evaluate.benchmarks.medq_bench.sources import build

    with _bar("Degrading pictures") as advance:
        dataset = build(
            data,
            out,
            images=images,
            seed=seed,
            per_picture=per_picture,
            modality=modality,
            split=split,
            progress=advance,
        )
    if as_json:
        typer.echo(json.dumps({"folder": str(dataset.folder), **dataset.info}, indent=2))
        return
    counts = dataset.info["counts"]
    tasks = ", ".join(f"{n} {task}" for task, n in counts["by_task"].items())
    typer.echo(
        f"{counts['items']} items ({tasks}) on {counts['images']} images of {counts['groups']} "
        f"patients (where stated, else source images), in {dataset.folder}"
    )
    typer.echo(f"Next: osler eval medq-bench --data {dataset.folder} --model MODEL")
