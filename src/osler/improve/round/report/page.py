"""From a round folder to ``report.html``: what came of the round, and on what grounds."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from osler.core import write_text
from osler.evaluate.report import Section
from osler.evaluate.report.markup import tag
from osler.evaluate.report.page import page

from .curve import curve_section
from .failures import prototypes_section, weakness_section
from .folder import RoundFolder, open_round
from .gate import changes_section, head
from .labels import labels_section
from .people import people_section
from .repeat import repeat_section, stages_table
from .retrieval import retrieval_section
from .verdict import verdict

REPORT = "report.html"


def write_round_report(round_dir: str | Path) -> Path:
    """Write the report of a round, finished or not, and return its path (``ROUND/report.html``).

    Drawn from the files of the round folder alone: the same folder gives the same bytes. Parts
    whose files are not there yet are left out, and the top says where the round stands.

    Raises
    ------
    InputError
        If ``round_dir`` is no round folder, or one of its files is damaged; nothing is written.
    """
    found = open_round(round_dir)
    target = found.path / REPORT
    write_text(target, render(found))
    return target


def render(found: RoundFolder) -> str:
    """The whole page as text."""
    came = verdict(found)
    ended = bool(found.decision)
    parts = [
        ("stages", "Where the round stands", None if ended else stages_table(found)),
        ("changes", "Before and after", changes_section(found)),
        ("weakness", "Where it failed", weakness_section(found)),
        ("prototypes", "Kinds of failure", prototypes_section(found)),
        ("retrieval", "What the pool gave", retrieval_section(found)),
        ("people", "What people review", people_section(found)),
        ("labels", "Are the labels sound?", labels_section(found)),
        ("curve", "Against chance", curve_section(found)),
        ("repeat", "How to repeat this", repeat_section(found)),
    ]
    sections = [Section(key, title, body) for key, title, body in parts if body]
    footer = tag("p", "Written by Osler. This page asks nothing of any other host.")
    style = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    title = f"{came.word}: {found.student}, Osler round report"
    return page(title, head(found), sections, footer, style)
