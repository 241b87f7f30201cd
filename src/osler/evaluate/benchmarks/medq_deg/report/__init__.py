"""The parts of a report that belong to MedQ-Deg: what degradation does, and does it know?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from osler.evaluate.report.folder import ReadImage, Row
from osler.evaluate.report.section import Section

from .accuracy import levels_section
from .calibration import calibration_section
from .cells import Summary
from .examples import examples_section
from .paired import paired_section
from .where import where_section, worst_section

__all__ = ["sections"]


def sections(
    summary: Summary, run: Mapping[str, Any], rows: Sequence[Row], read_blob: ReadImage
) -> list[Section]:
    """All parts, in reading order; a part without data is left out."""
    made = [
        Section("levels", "Accuracy by level", levels_section(summary)),
        Section("where", "Where it breaks", where_section(summary)),
        Section("confidence", "Does the model know?", calibration_section(summary, rows)),
        Section("paired", "The same questions, clean and degraded", paired_section(summary)),
        Section("worst", "The worst cells", worst_section(summary)),
        Section("examples", "Examples", examples_section(summary, rows, read_blob)),
    ]
    return [section for section in made if section.body]
