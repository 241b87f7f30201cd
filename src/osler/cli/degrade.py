"""``osler degrade``: degrade files, list what there is, calibrate levels, replay a record."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class RunByDefault(TyperGroup):
    """``osler degrade IN ...`` means ``osler degrade run IN ...``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # Options may stand before the input; a group would take them for its own.
        known = {"-h", "--help", *self.commands}
        if args and args[0].startswith("-") and args[0] not in known:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=RunByDefault,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Degrade images the way scanners, optics and patients do.\n\n"
    "`osler degrade IN -o OUT --kind K --level L --seed S` degrades a file, folder or volume; "
    "its options: `osler degrade run --help`.\n\n"
    "The input must not carry the name of a command below; write ./list for such a file.",
)

Kind = Annotated[
    list[str],
    typer.Option("--kind", "-k", help="Degradation; see: osler degrade list. Repeatable."),
]
Levels = Annotated[
    list[int], typer.Option("--level", "-l", help="0 clean, 1 mild, 2 hard, 3 severe. Repeatable.")
]
ModalityOption = Annotated[
    str,
    typer.Option(
        "--modality", "-m", help="Of all inputs (ct, mri, xray, ...); default: what a file states."
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def run(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Files or folders.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File (for one file) or folder.")],
    kind: Kind,
    level: Levels,
    seed: Annotated[int, typer.Option("--seed", "-s", help="Fixes all randomness.")] = 0,
    modality: ModalityOption = "",
    params: Annotated[
        str,
        typer.Option(
            "--params",
            help='JSON object that replaces parameters of the level, as {"sigma": 0.1}; '
            "`osler degrade list --json` names them.",
        ),
    ] = "",
    levels: Annotated[
        Path | None,
        typer.Option(
            "--levels",
            help="Table made by osler degrade calibrate (default: the published levels).",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Even where it makes no physical sense.")
    ] = False,
    series: Annotated[
        bool, typer.Option("--series", help="Each folder is one DICOM series.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Worker processes.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Degrade a file, a folder or a volume; writes the images and a record of what was done.

    One file into one file writes OUT and OUT.record.json. Everything else goes into the folder
    OUT with one records.jsonl; a second run makes only what is missing. Files that cannot be read
    or degraded are listed, and the exit code is then 2.
    """
    from osler.core import plain
    from osler.degrade.files import degrade_file, degrade_files
    from osler.degrade.levels import load_levels
    from osler.physics.memory import keep_freed_memory

    from .main import say_error

    keep_freed_memory()
    table = load_levels(levels) if levels else {}
    given = _parameters(params)
    one = len(inputs) == 1 and (inputs[0].is_file() or (series and inputs[0].is_dir()))
    if one and len(kind) == len(level) == 1 and out.suffix and not out.is_dir():
        record = degrade_file(
            inputs[0],
            out,
            key=kind[0],
            level=level[0],
            seed=seed,
            modality=modality or None,
            params=given,
            table=table,
            force=force,
        )
        _say(plain(record) if as_json else f"{out}  {record.key} level {record.level}")
        return
    with _progress() as progress:
        report = degrade_files(
            inputs,
            out,
            keys=kind,
            levels=level,
            seed=seed,
            modality=modality or None,
            params=given,
            table=table,
            force=force,
            series=series,
            jobs=jobs,
            progress=progress,
        )
    for name, problem in report.failures:
        say_error(problem if name in problem else f"{name}: {problem}")
    summary = {
        "written": report.written,
        "skipped": report.skipped,
        "failed": len(report.failures),
        "records": str(report.records) if report.records.exists() else None,
    }
    text = (
        f"{report.written} written, {report.skipped} already there, {len(report.failures)} failed"
    )
    where = f"; {report.records}" if summary["records"] else ""
    _say(summary if as_json else text + where)
    if report.failures:
        raise typer.Exit(2)


@app.command("list")
def list_(
    modality: Annotated[
        str | None, typer.Option("--modality", "-m", help="Only those for it.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the degradations with their modalities, levels and sources."""
    from osler.core import plain
    from osler.degrade import degradations
    from osler.images import MODALITIES, modality_named

    named = modality_named(modality) if modality else None
    entries = [e for e in degradations().values() if named is None or named in e.modalities]
    if as_json:
        rows = []
        for entry in entries:
            row = {name: getattr(entry, name) for name in _LISTED}
            row["levels"] = {str(n): entry.params(n, named) for n in entry.levels}
            rows.append(plain(row))
        _say(rows)
        return
    for entry in entries:
        every = set(entry.modalities) >= set(MODALITIES)
        kinds = "any" if every else ", ".join(entry.modalities)
        moves = "  (moves anatomy)" if entry.geometric else ""
        typer.echo(f"{entry.key:22} {entry.category:10} {kinds:28} {entry.summary}{moves}")


_LISTED = (
    "key",
    "category",
    "modalities",
    "by_modality",
    "geometric",
    "aliases",
    "version",
    "summary",
    "source",
)


@app.command()
def calibrate(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Your own clean images.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="JSON table for --levels.")],
    kind: Kind,
    target: Annotated[
        list[str],
        typer.Option(
            "--target",
            "-t",
            help="LEVEL:METRIC=LOW..HIGH, as 1:psnr=28..30 or 2:ssim=0.5..0.6. "
            "Repeatable, once a level.",
        ),
    ],
    modality: ModalityOption = "",
    seed: Annotated[int, typer.Option("--seed", "-s", help="Fixes all randomness.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Even where it makes no physical sense.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Fit the levels to a band of PSNR (dB) or SSIM on your own images.

    PSNR and SSIM are against the clean image at its full scale or window. The table goes to
    osler degrade IN ... --levels TABLE.
    """
    from osler.core import plain, write_json
    from osler.degrade.calibrate import Target, calibrate_levels
    from osler.degrade.levels import levels_document
    from osler.images import find_images, read
    from osler.physics.memory import keep_freed_memory

    keep_freed_memory()
    targets = {}
    for text in target:
        level, metric, low, high = _target(text)
        targets[level] = Target(metric, low, high)
    images = [read(path) for root in inputs for path in find_images(root)]
    table: dict[str, Any] = {}
    fits = []
    for key in kind:
        found = calibrate_levels(
            images, key, targets, modality=modality or None, seed=seed, force=force
        )
        rows = {fit.level: fit.params for fit in found}
        table[found[0].key] = {found[0].modality or "*": rows}
        fits += [plain(fit) for fit in found]
    document = levels_document(table, fits)
    write_json(out, plain(document))
    if as_json:
        _say(plain(document))
        return
    for fit in fits:
        typer.echo(
            f"{fit['key']} level {fit['level']}: {fit['metric']} {fit['reached']:.4g} "
            f"({fit['lowest']:.4g} to {fit['highest']:.4g}, {fit['n']} planes)  {fit['params']}"
        )
    typer.echo(f"written to {out}")


@app.command()
def replay(
    record: Annotated[
        Path,
        typer.Argument(metavar="RECORD", help="A record.json, or a records.jsonl with --output."),
    ],
    source: Annotated[Path, typer.Argument(metavar="IN", help="The clean original.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output", help="Which line of records.jsonl, by the output it names (degraded file)."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Do again exactly what a record says; the pixels are checked against its hashes."""
    from osler.core import plain
    from osler.degrade.apply import replay as again
    from osler.degrade.records import read_record
    from osler.images import read, write

    found = read_record(record, output)
    image = read(source)
    if found.modality is not None:  # as it was stated then, for formats that keep it
        image = replace(image, modality=found.modality)
    write(again(image, found), out)
    text = f"{out}  {found.key} level {found.level}, as recorded"
    _say({"out": str(out), "record": plain(found)} if as_json else text)


def _say(value: Any) -> None:
    if not isinstance(value, str):
        value = json.dumps(value, indent=2, ensure_ascii=False)
    typer.echo(value)


def _parameters(text: str) -> dict[str, Any]:
    from osler.core import InputError

    if not text:
        return {}
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f'--params is no JSON ({error}); write it as {{"sigma": 0.1}}') from error
    if not isinstance(value, dict):
        raise InputError('--params must be a JSON object, as {"sigma": 0.1}')
    return value


def _target(text: str) -> tuple[int, Any, float, float]:
    from osler.core import InputError

    try:
        level, rest = text.split(":", 1)
        metric, band = rest.split("=", 1)
        low, high = (float(part) for part in band.split(".."))
        if metric not in ("psnr", "ssim") or low > high or int(level) not in (1, 2, 3):
            raise ValueError
    except ValueError:
        raise InputError(
            f"--target {text!r} is not LEVEL:METRIC=LOW..HIGH; write 1:psnr=28..30 or "
            "2:ssim=0.5..0.6, levels 1 to 3"
        ) from None
    return int(level), metric, low, high


@contextmanager
def _progress() -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("degrading")

        def update(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=name[-40:])

        yield update
