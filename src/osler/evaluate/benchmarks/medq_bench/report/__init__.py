"""The parts of a report that belong to MedQ-Bench: what a model sees, and what it can say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from osler.evaluate.report.folder import ReadImage, Row
from osler.evaluate.report.section import Section

from .examples import examples_section
from .perception import perception_section
from .strata import strata_section
from .written import judging_section, written_section

__all__ = ["sections"]


def sections(
    summary: Mapping[str, Any], run: Mapping[str, Any], rows: Sequence[Row], read_blob: ReadImage
) -> list[Section]:
    """All parts, in reading order; a part without data is left out."""
    asked = "Questions: is it there, what is it, how strong"
    made = [
        Section("perception", asked, perception_section(summary)),
        Section("description", "Describing one image", written_section(summary, "description")),
        Section("paired", "Comparing two images", written_section(summary, "paired")),
        Section("judging", "The judge", judging_section(summary)),
        Section("strata", "Where it fails", strata_section(summary)),
        Section("examples", "Examples", examples_section(summary, rows, read_blob)),
    ]
    return [section for section in made if section.body]
