"""Published figures of MedQ-Bench, as context beside a user's model.

Numbers from the README of the benchmark's repository (liujiyaoFDU/MedQ-Bench, commit 20ba2c5,
Apache-2.0) and its dataset card; paper arXiv 2510.01691. They hold for the official test items and
the authors' judge: no score on other data, or by rules, may be compared with them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SOURCE = "MedQ-Bench, arXiv 2510.01691, README of its repository (commit 20ba2c5)"
QUESTIONS = {"yes_no": 558, "what": 258, "how": 489}
"""Official test questions by type, recovered from the printed percentages."""
HUMANS = 0.825
"""Published accuracy of people on the perception questions."""
BY_LEVEL = {"none": 0.72, "mild": 0.56, "severe": 0.67}
"""Published mean accuracy by strength of the degradation."""


@dataclass(frozen=True, slots=True)
class Published:
    """One model on one task: accuracies (fractions) by question type, or points by axis (0 to 2);
    ``overall`` is the accuracy, or the sum of the points (0 to 8).
    """

    task: str
    model: str
    parts: tuple[float, ...]
    overall: float


@cache
def published(task: str) -> tuple[Published, ...]:
    """The models of a task (``perception``, ``description``, ``paired``), best first."""
    place = files(__package__) / "published" / "leaderboard.csv"
    rows = csv.DictReader(place.read_text(encoding="utf-8").splitlines())
    scale = 100.0 if task == "perception" else 1.0
    found = [
        Published(
            task,
            row["model"],
            tuple(float(row[k]) / scale for k in "abcd" if row[k]),
            float(row["overall"]) / scale,
        )
        for row in rows
        if row["task"] == task
    ]
    return tuple(sorted(found, key=lambda row: -row.overall))
