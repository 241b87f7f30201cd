"""``osler fuse``: from a goal to one checked, merged set of samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osler.cli import fuse_build, fuse_export
from osler.core import InputError, plain

if TYPE_CHECKING:
    from osler.curate.fuse.goal import Goal

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="From a goal to one checked, merged set: plan, check, lock, build, export.",
)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Layout = Annotated[str, typer.Option(help="Layout of the folder; else it is recognised.")]


@app.command()
def plan(
    goal: Annotated[
        Path | None, typer.Argument(metavar="GOAL", help="The goal, a JSON file.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the plan here.")
    ] = None,
    example: Annotated[
        str, typer.Option("--example", metavar="NAME", help="Print an example goal: paper, own.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Say what a goal comes to: datasets and why, sums, overlaps, licences, how to get the files.

    No file of a dataset is read; folders that the goal names are looked at.
    """
    if example:
        typer.echo(_example(example))
        return
    if goal is None:
        raise InputError("name the goal's file; osler fuse plan --example paper prints one")
    from osler.curate.catalog import load_catalog
    from osler.curate.fuse.goal import read_goal
    from osler.curate.fuse.plan import plan_for, plan_json
    from osler.curate.fuse.plan_file import write_plan

    wanted: Goal = read_goal(goal)
    made = plan_for(wanted, load_catalog(), goal.resolve().parent)
    if made.problems:
        raise InputError("; ".join(made.problems))
    if out is not None:
        write_plan(out, made)
    if as_json:
        typer.echo(json.dumps(plan_json(made), ensure_ascii=False))
        return
    from osler.cli.fuse_tables import show_plan

    show_plan(made)
    if out is not None:
        typer.echo(f"plan written to {out}")


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan's file.")],
    b: Annotated[Path, typer.Argument(metavar="PLAN", help="Another plan's file.")],
    as_json: JsonFlag = False,
) -> None:
    """Say what differs between two plans, and why."""
    from osler.curate.fuse.compare import compare_plans
    from osler.curate.fuse.plan_file import read_plan

    found = compare_plans(read_plan(a), read_plan(b))
    if as_json:
        typer.echo(json.dumps({"equal": found.equal, **plain(found)}, ensure_ascii=False))
        return
    from osler.cli.fuse_tables import show_comparison

    show_comparison(found)


@app.command()
def layouts(as_json: JsonFlag = False) -> None:
    """List the layouts that can be read."""
    from osler.curate.fuse.layouts import LAYOUTS, layout_named

    found = {name: layout_named(name).TITLE for name in LAYOUTS}
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for name, title in found.items():
        typer.echo(f"{name:15} {title}")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of one dataset.")],
    layout: Layout = "",
    modality: Annotated[str, typer.Option(help="Modality, where no file states it.")] = "",
    dataset: Annotated[
        str, typer.Option(help="Its identifier in the catalogue, for its label table.")
    ] = "checked",
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=JSON", help="A setting of the layout.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Read every case of a dataset on disk and list every fault with its code.

    Exit code 2 when there is any.
    """
    from osler.cli.fuse_tables import reading_bar, show_checked
    from osler.curate.fuse.check import check_folder

    with reading_bar(quiet=as_json) as progress:
        found = check_folder(
            folder,
            layout.replace("-", "_"),
            dataset=dataset,
            modality=_modality(modality),
            options=dict(_option(one) for one in option or ()),
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(plain(found), ensure_ascii=False))
    else:
        show_checked(found)
    if found.faults:
        raise typer.Exit(2)


def _modality(name: str) -> str:
    from osler.curate.fuse.goal_values import code

    return str(code("modality")("--modality", name)) if name else ""


def _option(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise InputError(f"--option {text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _example(name: str) -> str:
    from osler.core import UnknownNameError
    from osler.curate.fuse.examples import EXAMPLES

    if name not in EXAMPLES:
        raise UnknownNameError("example", name, EXAMPLES)
    return json.dumps(EXAMPLES[name], indent=2)


for _command in (
    fuse_build.fetch,
    fuse_build.lock,
    fuse_build.build,
    fuse_build.run,
    fuse_build.example,
    fuse_export.formats,
    fuse_export.export,
):
    app.command()(_command)
