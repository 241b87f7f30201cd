"""From a run folder to ``report.html``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from osler.core import write_text

from .folder import RunFolder, blob_reader, open_run
from .headline import baseline_table, headline, named
from .markup import foreign, tag
from .page import page
from .provenance import provenance
from .section import Section

REPORT = "report.html"


def write_report(run_dir: str | Path, out: str | Path | None = None) -> Path:
    """Write the report of a finished run and return its path (``RUN_DIR/report.html``).

    Drawn from run.json, summary.json, scores.parquet and the images of the run's data folder
    alone; the same folder gives the same bytes.

    Raises
    ------
    InputError
        If ``run_dir`` is no run folder or has no summary yet; nothing is written.
    """
    run = open_run(run_dir)
    target = Path(out) if out is not None else run.path / REPORT
    write_text(target, render(run))
    return target


def render(run: RunFolder) -> str:
    """The whole page as text."""
    model = named(run.summary.get("model") or run.run.get("model"))
    parts = [
        *benchmark_sections(run),
        Section("baselines", "Beside players that do not look", baseline_table(run.summary)),
        *_notes(run),
        Section("repeat", "How to repeat this", provenance(run.run, run.summary)),
    ]
    footer = tag(
        "p",
        "Written by Osler ",
        foreign(run.run.get("osler") or run.run.get("version") or ""),
        ". This page asks nothing of any other host.",
    )
    title = f"{model} on {run.benchmark}: Osler report"
    return page(title, headline(run.run, run.summary), parts, footer)


def benchmark_sections(run: RunFolder) -> list[Section]:
    """The benchmark's own parts: ``sections`` of its module ``report``, when it has one."""
    name = run.benchmark.replace("-", "_")
    if not name.isidentifier():
        return []
    module_name = f"osler.evaluate.benchmarks.{name}.report"
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            return []
        raise
    found: list[Section] = module.sections(run.summary, run.run, run.rows, blob_reader(run))
    return found


def _notes(run: RunFolder) -> list[Section]:
    notes = run.summary.get("notes") or []
    if not notes:
        return []
    body = tag("ul", *[tag("li", foreign(note, 2000)) for note in notes])
    return [Section("notes", "Read with care", body)]
