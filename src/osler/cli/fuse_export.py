"""``osler fuse export`` and ``osler fuse formats``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from osler.core import plain


def formats(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """List the formats that a fused set can be exported to."""
    from osler.curate.fuse.export import FORMATS, format_named

    found = {name.replace("_", "-"): format_named(name).TITLE for name in FORMATS}
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for name, title in found.items():
        typer.echo(f"{name:15} {title}")


def export(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder of a built set.")],
    format: Annotated[str, typer.Argument(metavar="FORMAT", help="See: osler fuse formats.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="A new folder.")],
    own_use: Annotated[
        bool, typer.Option("--own-use", help="Also files that may not be passed on, for here only.")
    ] = False,
    modality: Annotated[str, typer.Option(help="Samples of this modality only.")] = "",
    reader: Annotated[str, typer.Option(help="Annotations of this reader, if several.")] = "",
    classes: Annotated[
        str, typer.Option(help="nnU-Net, COCO: only these classes, with commas between.")
    ] = "",
    number: Annotated[int, typer.Option(help="nnU-Net: number of the dataset.")] = 501,
    shard_mb: Annotated[int, typer.Option(help="Shards of about this many MB.")] = 256,
    creator: Annotated[str, typer.Option(help="Croissant: who made the set.")] = "",
    url: Annotated[str, typer.Option(help="Croissant: where the set will be.")] = "",
    date: Annotated[str, typer.Option(help="Croissant: when it was made; else today.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Write a fused set in the format of a training program, into a new folder.

    Files whose licences do not allow passing them on stay out: manifest.jsonl says how to find
    them.
    """
    from osler.cli.fuse_build import _bar as stage_bar
    from osler.curate.fuse.export import Options, export_set
    from osler.curate.fuse.fused import open_set
    from osler.curate.fuse.goal_values import code

    wanted: dict[str, Any] = {"date": date} if date else {}
    named = str(code("modality")("--modality", modality)) if modality else ""
    chosen = tuple(one.strip() for one in classes.split(",") if one.strip())
    options = Options(own_use, named, reader, chosen, number, shard_mb, creator, url, **wanted)
    with stage_bar(as_json) as progress:
        done = export_set(open_set(folder), format, out, options, progress)
    if as_json:
        typer.echo(json.dumps(plain(done), ensure_ascii=False))
        return
    typer.echo(f"{done.samples} samples, {done.files} files, {done.size_mb:.1f} MB in {out}")
    for reason, n in done.left_out.items():
        typer.echo(f"{n} left out: {reason}")
    if done.withheld:
        typer.echo(f"{done.withheld} withheld by their licence; see {out / 'manifest.jsonl'}")
    for note in done.notes:
        typer.echo(f"note: {note}")
