"""``osler report``: write the report of a run again, or compare several runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def report(
    run_dirs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN_DIR...", help="One run folder, or several to compare."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write. Default: RUN_DIR/report.html, for several runs comparison.html.",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print JSON for machines: what was written, and the comparison."
        ),
    ] = False,
) -> None:
    """Write the report of a run again, or a page that compares several runs.

    One RUN_DIR: rewrites its report.html from run.json, summary.json, scores.parquet and the
    images of its data folder; no model is asked.

    Several: a leaderboard with paired differences. Runs of different benchmarks, data or numbers
    of trials are refused, for such scores do not compare.
    """
    from osler.evaluate.report import compare_runs, write_comparison, write_report

    result: dict[str, object] = {}
    if len(run_dirs) == 1:
        written = write_report(run_dirs[0], out)
    else:
        result["comparison"] = compare_runs(run_dirs)
        written = write_comparison(run_dirs, out or Path("comparison.html"))
    result["report"] = str(written)
    typer.echo(json.dumps(result, indent=2, ensure_ascii=False) if as_json else str(written))
