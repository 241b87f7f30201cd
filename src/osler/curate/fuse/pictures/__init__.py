"""How the files of strangers are read: paths, tables, JSON, XML, pictures, masks, outlines.

Every reader here takes hostile content: sizes are capped, no path leaves the dataset, XML knows no
entities, nothing is executed. What is wrong becomes a ``LayoutError`` with its code.
"""

from __future__ import annotations

from .documents import json_of, rows_of, xml_of
from .leaks import mark_leaks
from .listing import PICTURES, files_below, find_file, split_named
from .options import check_options, choice_of, flag_of, names_of, number_of, text_of
from .template import Template, patient_from

__all__ = [
    "PICTURES",
    "Template",
    "check_options",
    "choice_of",
    "files_below",
    "find_file",
    "flag_of",
    "json_of",
    "mark_leaks",
    "names_of",
    "number_of",
    "patient_from",
    "rows_of",
    "split_named",
    "text_of",
    "xml_of",
]
