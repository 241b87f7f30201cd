"""One HTML report for every benchmark, and one page that compares runs.

:func:`write_report` draws a run folder; a benchmark adds its own parts through a module
``osler.evaluate.benchmarks.<name>.report`` with
``sections(summary, run, rows, read_blob) -> list[Section]``.
"""

from .comparison import compare_runs
from .comparison_page import write_comparison
from .folder import RunFolder, open_run
from .section import Section
from .write import REPORT, write_report

__all__ = [
    "REPORT",
    "RunFolder",
    "Section",
    "compare_runs",
    "open_run",
    "write_comparison",
    "write_report",
]
