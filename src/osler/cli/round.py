"""``osler round``: parse, call, print."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osler.core import InputError

if TYPE_CHECKING:
    from osler.curate.pool import Executor
    from osler.improve.round import RoundPlan, RoundResult
    from osler.improve.round.context import Progress

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="One round: evaluate a model, find where it fails, retrieve images that would help, "
    "decide who labels what, train, and prove that it helped.",
)

Jobs = Annotated[
    int | None, typer.Option(min=1, help="Processes for work on the pool (default: all cores).")
]
RayFlag = Annotated[
    str, typer.Option("--ray", metavar="ADDRESS", help="Work on this Ray cluster (or: local).")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Folder = Annotated[Path, typer.Argument(metavar="ROUND", help="Folder of the round.")]

RUN_HELP = (
    "Run a round, or go on with it.\n\n"
    "The plan comes from a TOML file (--plan), from options, or both; options win. Everything is "
    "looked at before anybody is asked. Every stage leaves files and a record; the same command "
    "again goes on after the last finished stage. Where people label, the round ends as "
    '"waiting": serve the questions with osler serve ROUND, then go on with osler round resume '
    "ROUND.\n\n"
    "Example: osler round run --mini --out runs/round\n\n"
    "Example: osler round run --benchmark medq-bench --data dev --gate gate --pool pool --model "
    "osler/probe --oracle openai/gpt-4o --out runs/round\n\n"
    "Exit codes: 0 accepted, rolled back or waiting (--json says which); 2 wrong input, nothing to "
    "mend, raters who disagree; 3 more than 2 % of the items unscored; 130 interrupted."
)


@app.command(help=RUN_HELP)
def run(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the round.")],
    plan: Annotated[Path | None, typer.Option(help="TOML file with fields of the plan.")] = None,
    mini: Annotated[
        bool,
        typer.Option("--mini", help="Real images inside installed packages, a planted weakness."),
    ] = False,
    benchmark: Annotated[str | None, typer.Option(help="What the model is tested on.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Items that choose the data (in a plan: dev).")
    ] = None,
    gate: Annotated[
        str | None, typer.Option(help="Items that judge the result (default: half of --data).")
    ] = None,
    pool: Annotated[str | None, typer.Option(help="Pool of images; see osler pool.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="The student.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="Option of the student, NAME=VALUE. Repeatable.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Field of the plan, NAME=VALUE (lists by comma). Repeatable."),
    ] = None,
    oracle: Annotated[
        str | None, typer.Option(help="Model that drafts labels, or simulated:RATE.")
    ] = None,
    annotator: Annotated[str | None, typer.Option(help="people, or simulated:RATE.")] = None,
    truth: Annotated[
        str | None, typer.Option(help="Known truths, for what is simulated (JSON lines).")
    ] = None,
    budget: Annotated[int | None, typer.Option(help="Images to choose (default: 400).")] = None,
    rho: Annotated[
        float | None, typer.Option(help="Share of them that people see (default: 0.18).")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", "-s", help="Fixes everything random.")
    ] = None,
    jobs: Jobs = None,
    ray: RayFlag = "",
    as_json: JsonFlag = False,
) -> None:
    from osler.improve.round import run_round

    named = {
        "benchmark": benchmark, "dev": data, "gate": gate, "pool": pool, "model": model,
        "oracle": oracle, "annotator": annotator, "truth": truth, "budget": budget, "rho": rho,
        "seed": seed,
    }  # fmt: skip
    given: dict[str, Any] = {k: v for k, v in named.items() if v is not None}
    if option:
        given["options"] = _pairs("--option", option)
    given |= _settings(setting or [])
    with _ended(), _shown(as_json) as progress:
        wanted = _plan(plan, given, out, mini, progress)
        result = run_round(wanted, out, progress, _executor(jobs, ray))
    _tell(result, as_json)


@app.command()
def resume(folder: Folder, jobs: Jobs = None, ray: RayFlag = "", as_json: JsonFlag = False) -> None:
    """Go on with a round by the plan in its folder."""
    from osler.improve.round import resume_round

    with _ended(), _shown(as_json) as progress:
        result = resume_round(folder, progress, _executor(jobs, ray))
    _tell(result, as_json)


@app.command()
def status(folder: Folder, as_json: JsonFlag = False) -> None:
    """Say which stages are done, what they found, and what is waited for."""
    from osler.improve.round import read_round, stage_states
    from osler.improve.round.context import Round

    held = read_round(folder)
    stages = stage_states(Round(folder, held["plan"]))
    if as_json:
        told = {k: held[k] for k in ("outcome", "says", "student")}
        typer.echo(json.dumps({**told, "stages": stages}, indent=2, ensure_ascii=False))
        return
    for name, stage in stages.items():
        seconds = f"{stage['seconds']:.0f} s" if "seconds" in stage else ""
        typer.echo(f"{name:9} {stage['state']:13} {seconds:>6}  {stage['says']}".rstrip())
    typer.echo(f"{held['outcome']}: {held['says']}" if held["says"] else held["outcome"])


def _executor(jobs: int | None, ray: str) -> Executor:
    import os

    from osler.cli.pool import executor

    return executor(jobs or os.cpu_count() or 1, ray)


def _plan(
    path: Path | None, given: dict[str, Any], out: Path, mini: bool, progress: Progress
) -> RoundPlan:
    """The plan of a file or of the mini world, with what the options say instead."""
    from osler.improve.round.plan import checked, located, plan_of, read_plan

    if path is not None and mini:
        raise InputError("--plan and --mini are two plans; give one")
    if path is None and not mini:
        return located(plan_of(given, "the command line"), Path.cwd())
    if path is not None:
        base = read_plan(path)
    else:
        from osler.improve.round.mini import mini_plan

        base = mini_plan(out.with_name(f"{out.name}-world"), progress=progress)
    options = {**base.options, **given.pop("options", {})}
    return located(checked(replace(base, options=options, **given)), Path.cwd())


def _settings(texts: list[str]) -> dict[str, Any]:
    """Fields of the plan from NAME=VALUE, each in its kind."""
    from osler.core import UnknownNameError
    from osler.improve.round import RoundPlan

    kinds = {f.name: str(f.type) for f in fields(RoundPlan)}
    found: dict[str, Any] = {}
    for name, text in _pairs("--set", texts).items():
        if name not in kinds:
            raise UnknownNameError("field of a round's plan", name, kinds)
        found[name] = _value(name, kinds[name], text)
    return found


def _value(name: str, kind: str, text: str) -> Any:
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        if kind.startswith("tuple[int"):
            return tuple(int(part) for part in text.split(",") if part)
        if kind.startswith("tuple"):
            return tuple(part for part in text.split(",") if part)
    except ValueError as error:
        raise InputError(f"--set {name}={text}: {error}") from error
    if kind.startswith("Mapping"):
        return _pairs(f"--set {name}", [part for part in text.split(",") if part])
    return text


def _pairs(flag: str, texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{flag} {text!r} must be written NAME=VALUE")
        pairs[name.strip()] = value
    return pairs


@contextlib.contextmanager
def _ended() -> Iterator[None]:
    """Ctrl-C costs a sentence."""
    try:
        yield
    except KeyboardInterrupt as error:
        from osler.evaluate.engine.control import Interrupted

        raise Interrupted("interrupted; run the same command again to go on") from error


@contextlib.contextmanager
def _shown(quiet: bool) -> Iterator[Progress]:
    """A bar for what is being done, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield _lines() if not quiet else (lambda *_: None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show


def _lines() -> Progress:
    """Without a terminal: one line on stderr for each new thing that is done."""
    seen: set[str] = set()

    def show(what: str, done: int, total: int) -> None:
        if what not in seen:
            seen.add(what)
            sys.stderr.write(f"{what}...\n")
            sys.stderr.flush()

    return show


def _tell(result: RoundResult, as_json: bool) -> None:
    if as_json:
        body = {"outcome": result.outcome, "says": result.says, "round": str(result.path),
                "student": {"model": result.model, "options": result.options},
                "report": str(result.report) if result.report else None}  # fmt: skip
        typer.echo(json.dumps(body, indent=2, ensure_ascii=False))
        return
    _print_tables(result.path)
    typer.echo(f"{result.outcome}: {result.says}")
    if result.report is not None:
        typer.echo(f"Report: {result.report}")
    typer.echo(f"Round:  {result.path}")


def _print_tables(path: Path) -> None:
    """Stages, and accuracy before and after in each stratum."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from osler.improve.round.report import round_summary

    told = round_summary(path)
    console = Console(soft_wrap=True)
    for notice in told["notices"]:
        console.print(escape(str(notice)), style="yellow")
    stages = Table(title="Stages", title_justify="left")
    for name in ("stage", "state", "seconds", "what it found"):
        stages.add_column(name, justify="right" if name == "seconds" else "left")
    for row in told["stages"]:
        seconds = row["seconds"]
        shown = "" if seconds is None else f"{seconds:.1f}"
        stages.add_row(row["stage"], row["state"], shown, escape(str(row["says"] or "")))
    console.print(stages)
    if told["strata"]:
        strata = Table(title="Gate: accuracy before and after", title_justify="left")
        for name in ("stratum", "before", "after", "change [95 %]"):
            strata.add_column(name, justify="left" if name == "stratum" else "right")
        for row in told["strata"]:
            strata.add_row(escape(row["stratum"]), *_changed(row))
        console.print(strata)
    if told["efficiency"]:
        console.print(escape(told["efficiency"]))


def _changed(row: dict[str, Any]) -> tuple[str, str, str]:
    change = f"{row['change']:+.1%} [{row['low']:+.1%}, {row['high']:+.1%}]"
    return f"{row['before']:.1%}", f"{row['after']:.1%}", change
