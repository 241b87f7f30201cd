"""What ``osler eval`` shows: progress on stderr, tables on stdout."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich import progress as bars
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from osler.evaluate.engine import Plan, Progress, RunResult
from osler.evaluate.engine.estimate import RULE

FORMS = ("robust", "compat")


@contextlib.contextmanager
def drawn_progress() -> Iterator[Callable[[Progress], None]]:
    """A progress callback that draws a bar for each role, when stderr is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with bars.Progress(
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[note]}"),
        console=console,
    ) as drawing:
        tasks: dict[str, Any] = {}

        def show(state: Progress) -> None:
            if state.role not in tasks:
                tasks[state.role] = drawing.add_task(state.role, total=state.total, note="")
            drawing.update(tasks[state.role], completed=state.done, note=escape(_note(state)))

        yield show


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """A spinner with ``what`` on stderr, when it is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def _note(state: Progress) -> str:
    cost = "cost unknown" if state.unpriced else f"${state.usd:.4f}"
    notes = [cost] if state.unpriced or state.usd else []
    if state.reused:
        notes.append(f"{state.reused} kept")
    for what, counts in (("again", state.retries), ("failed", state.failed)):
        notes += [f"{what}: {kind} {n}" for kind, n in sorted(counts.items())]
    return ", ".join(notes)


def plan_text(plan: Plan, price_note: str) -> str:
    """A dry run in words."""
    money = f"${plan.usd:.2f} at most" if plan.usd is not None else "cost unknown"
    return (
        f"{plan.calls} calls for {plan.items} items; {plan.images} images, sent "
        f"{plan.images_sent} times\n"
        f"about {plan.tokens_in} tokens in, at most {plan.tokens_out} out ({RULE})\n"
        f"{money} ({price_note})\n"
        "nothing was asked"
    )


def result_tables(result: RunResult) -> Iterator[Table]:
    """Scores, by level, and baselines, with 95 % intervals."""
    summary = result.summary
    model, bench = summary.get("model", {}), summary.get("benchmark", {})
    title = f"{model.get('name')} on {bench.get('name')}, {summary.get('trials')} trials"
    about = str(summary["headline"].get("about", ""))
    table = Table(
        title=escape(title),
        title_justify="left",
        caption=f"headline: {about}" if about else None,
        caption_justify="left",
    )
    for name in ("", "scored", *FORMS):
        table.add_column(name, justify="right" if name else "left", no_wrap=bool(name))
    table.add_row("headline", f"{result.n_scored} / {result.n_items}", *_forms(summary["headline"]))
    for row in summary.get("by_level", []):
        table.add_row(f"level {row['level']}", str(row["n"]), *_forms(row))
    for row in summary.get("baselines", []):
        table.add_row(f"baseline {row['name']}", "", *_forms(row), style="dim")
    yield table


def _forms(row: Mapping[str, Any]) -> list[str]:
    return [_estimate(row.get(form)) for form in FORMS]


def _estimate(value: Any) -> str:
    if value is None:
        return "-"
    if not isinstance(value, Mapping):
        return f"{value:.1%}"
    if value.get("value") is None:
        return "-"
    if value.get("low") is None or value.get("high") is None:
        return f"{value['value']:.1%}"
    return f"{value['value']:.1%} [{value['low']:.1%}, {value['high']:.1%}]"


def print_result(result: RunResult) -> None:
    """The first line says what is missing, then the tables, money and the place of the report."""
    console = Console(file=sys.stdout, soft_wrap=True)
    if result.warning:
        console.print(escape(f"Incomplete: {result.warning}"), style="red")
    for table in result_tables(result):
        console.print(table)
    spent = "unknown" if result.spent_usd is None else f"${result.spent_usd:.4f}"
    console.print(
        f"robust cannot be gamed in the known ways; compat is the paper's. Cost: {spent}."
    )
    if result.report is not None:
        console.print(f"Report: {result.report}", markup=False, highlight=False)
    console.print(f"Run:    {result.run_dir}", markup=False, highlight=False)


def listing(benchmarks: list[Any], models: list[Any]) -> Iterator[Table]:
    """Known benchmarks and model prefixes."""
    table = Table(title="Benchmarks", title_justify="left")
    for name in ("name", "version", "about"):
        table.add_column(name)
    for card in benchmarks:
        table.add_row(escape(card.name), card.version, escape(card.summary or card.title))
    yield table
    table = Table(title="Models", title_justify="left")
    for name in ("prefix", "about"):
        table.add_column(name)
    for entry in models:
        table.add_row(escape(entry.prefix), escape(entry.about))
    yield table
