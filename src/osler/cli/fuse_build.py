"""``osler fuse lock | fetch | build | run | example``: from files on disk to a merged set."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osler.core import InputError, plain, printable

if TYPE_CHECKING:
    from osler.curate.fuse.run import Ran
    from osler.curate.pool import Executor

Goal = Annotated[Path, typer.Argument(metavar="GOAL", help="The goal, a JSON file.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes of this machine.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Local = Annotated[
    bool,
    typer.Option(
        "--local",
        help="Also store files that must not be passed on (ND, agreements, unknown licences), for "
        "use in this place only.",
    ),
]
_SHOWN = 20


def lock(
    goal: Goal,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="Where the lock goes.")
    ] = Path("lock.json"),
    check: Annotated[
        Path | None,
        typer.Option("--check", metavar="LOCK", help="Compare all files with this lock instead."),
    ] = None,
    jobs: Jobs = 1,
    as_json: JsonFlag = False,
) -> None:
    """Read every case once and write down files, labels, persons, splits and reasons.

    The same goal and files give the same bytes. Stopped, the same command goes on where it was.
    With --check nothing is written: every file is compared with a lock, changed samples are listed,
    and the exit code is 2 when there are any.
    """
    if check is not None:
        _check(goal, check, as_json)
        return
    if out.resolve() == goal.resolve():
        raise InputError(f"{out} is the goal itself; name another file for the lock")
    from osler.curate.fuse.goal import read_goal
    from osler.curate.fuse.lock import lock_goal
    from osler.curate.fuse.lock_file import lock_digest

    with _bar(as_json) as progress:
        made = lock_goal(
            read_goal(goal), goal.resolve().parent, out,
            executor=_executor(jobs), progress=progress,
        )  # fmt: skip
    if as_json:
        _print({"lock": str(out), "sha256": lock_digest(made), "totals": made["totals"]})
        return
    _say_lock(made)
    typer.echo(f"lock written to {out}, sha256 {lock_digest(made)}")


def _check(goal: Path, lock: Path, as_json: bool) -> None:
    from osler.curate.fuse.build import check_lock
    from osler.curate.fuse.lock_file import read_lock

    held = read_lock(lock)
    with _bar(as_json) as progress:
        found = check_lock(held, goal.resolve().parent, progress)
    if as_json:
        _print({"changed": found})
    else:
        for name, changes in found.items():
            _echo(f"changed: {name}: {'; '.join(changes)}")
        count = len(held["cases"]) + len(held["dropped"])
        typer.echo(f"{len(found)} of {count} samples are not what was locked")
    if found:
        raise typer.Exit(2)


def fetch(
    goal: Goal,
    offline: Annotated[bool, typer.Option("--offline", help="Fetch nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Download the sources that the goal gives open addresses for; say how to get the others.

    Each file is checked against its checksum; archives are unpacked with care. Only public hosts,
    never a login: what asks for an account or an agreement stays a recipe in words.
    """
    from osler.curate.catalog import load_catalog
    from osler.curate.fuse.fetch import fetch_goal
    from osler.curate.fuse.goal import read_goal
    from osler.settings import settings

    with _bar(as_json) as progress:
        found = fetch_goal(
            read_goal(goal), goal.resolve().parent, load_catalog(),
            offline=offline or settings().offline, progress=progress,
        )  # fmt: skip
    if as_json:
        _print([plain(one) for one in found])
        return
    for one in found:
        if one.state == "recipe":
            _echo(f"{one.dataset}: to be got by you")
            for number, step in enumerate(one.steps, start=1):
                _echo(f"  {number}. {step}")
        else:
            size = f", {one.bytes / 1e6:.1f} MB" if one.bytes else ""
            _echo(f"{one.dataset}: {one.state} in {one.folder}{size}")
    if not found:
        typer.echo("the goal names nothing to get")


def build(
    lock: Annotated[Path, typer.Argument(metavar="LOCK", help="The lock, a JSON file.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder of the fused set.")
    ],
    base: Annotated[
        Path | None,
        typer.Option(help="Folder of the goal's file, which paths of sources start from."),
    ] = None,
    local: Local = False,
    jobs: Jobs = 1,
    as_json: JsonFlag = False,
) -> None:
    """Verify every file against a lock and write the fused set.

    Pictures are stored under their content, so that a second build copies nothing; a stopped one
    goes on where it was.
    """
    from osler.curate.fuse.build import build_set
    from osler.curate.fuse.lock_file import base_of, read_lock

    held = read_lock(lock)
    with _bar(as_json) as progress:
        built = build_set(
            held, base_of(lock, base), out,
            local=local, executor=_executor(jobs), progress=progress,
        )  # fmt: skip
    if as_json:
        _print(_built_json(built))
        return
    _say_built(built)


def run(
    goal: Goal,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder of the fused set.")
    ],
    export: Annotated[
        str, typer.Option(metavar="FORMAT", help="Also export: nnunet, coco, webdataset, ...")
    ] = "",
    local: Local = False,
    jobs: Jobs = 1,
    as_json: JsonFlag = False,
) -> None:
    """Plan, lock and build in one go, and export if asked: from a goal to a merged set."""
    from osler.curate.fuse.run import run_goal

    started = time.monotonic()
    with _bar(as_json) as progress:
        ran = run_goal(
            goal, out, export=export, local=local, executor=_executor(jobs), progress=progress
        )
    if as_json:
        _print(_ran_json(ran))
        return
    _say_lock(ran.lock)
    _say_built(ran.built)
    if ran.exported:
        _echo(f"exported to {ran.exported}")
    typer.echo(f"{time.monotonic() - started:.1f} s")


def example(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    seed: Annotated[int, typer.Option(help="Other seeds draw other sources.")] = 0,
) -> None:
    """Write a goal with five small sources to try, two of them with copies of others."""
    from osler.curate.fuse.example import make_example

    goal = make_example(folder, seed)
    _echo(f"written to {folder}; now run: osler fuse run {goal} -o {folder}-fused")


def _executor(jobs: int) -> Executor:
    from osler.curate.pool import executor_for

    return executor_for(jobs)


@contextmanager
def _bar(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """One line a stage on standard error; nothing where it is no terminal or JSON is asked for."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        stages: dict[str, Any] = {}

        def progress(stage: str, done: int, of: int) -> None:
            if stage not in stages:
                stages[stage] = bar.add_task(printable(stage), total=of)
            bar.update(stages[stage], completed=done, total=of)

        yield progress


def _say_lock(lock: Any) -> None:
    totals = lock["totals"]
    typer.echo(
        f"{totals['kept']} of {totals['found']} cases are kept, of {totals['patients']} persons: "
        + _listed(totals["splits"])
    )
    if totals["slices"]:
        typer.echo(
            f"{totals['volumes_as_slices']} of them are volumes that give {totals['slices']} axial "
            f"slices; {totals['samples']} samples in all"
        )
    _echo(f"sources: {_listed(totals['datasets'])}; modalities: {_listed(totals['modalities'])}")
    kinds: dict[str, int] = {}
    for link in lock["overlaps"]:
        kinds[link["kind"]] = kinds.get(link["kind"], 0) + 1
    if kinds:
        differ = sum(link["labels_agree"] is False for link in lock["overlaps"])
        says = f"; labels differ in {differ}" if differ else ""
        typer.echo(f"copies found: {_listed(kinds)}{says}")
    for one in lock["refused"]:
        _echo(f"refused: {one['dataset']}: {one['reason']}")
    if totals["dropped"]:
        typer.echo(f"left out: {_listed(totals['dropped'])}")
        seen: set[tuple[str, str]] = set()
        for row in lock["dropped"]:
            if (row["code"], row["dataset"]) not in seen and len(seen) < _SHOWN:
                seen.add((row["code"], row["dataset"]))
                _echo(f"  {row['dataset']}/{row['case']}: {row['reason']}")
    verdict = lock["verdict"]
    terms = f" under {verdict['one_licence']}" if verdict["one_licence"] else ""
    typer.echo(f"terms: {verdict['form']}{terms}")


def _say_built(built: Any) -> None:
    there = built.samples - built.made
    typer.echo(
        f"{built.samples} samples in {built.folder} ({built.made} made, {there} were there), "
        f"{built.bytes / 1e6:.1f} MB"
    )
    if built.recipes:
        typer.echo(
            f"{built.recipes} of them without files: their licence lets nobody pass them on "
            "(--local stores them for use here only)"
        )
    typer.echo(
        f"report: {built.folder / 'report.html'}, credits: {built.folder / 'attribution.md'}"
    )


def _built_json(built: Any) -> dict[str, Any]:
    return {
        "folder": str(built.folder),
        "samples": built.samples,
        "slices": built.slices,
        "made": built.made,
        "recipes": built.recipes,
        "bytes": built.bytes,
    }


def _ran_json(ran: Ran) -> dict[str, Any]:
    from osler.curate.fuse.lock_file import lock_digest

    return {
        "sha256": lock_digest(ran.lock),
        "totals": ran.lock["totals"],
        **_built_json(ran.built),
        "exported": None if ran.exported is None else str(ran.exported),
    }


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name or 'not stated'} {count:,}" for name, count in counts.items())


def _print(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


def _echo(text: str) -> None:
    """Names of files and datasets are other people's: shown, never obeyed."""
    typer.echo(printable(text))
