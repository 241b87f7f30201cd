"""Published figures of MedQ-Deg, to stand beside a user's model.

Numbers of the paper (arXiv 2603.07769): accuracy of 40 models by level, and confidence and
calibration shift of 19 models read from its figure (reading error about 0.003). They were measured
on the official items with the published parser: compare only a ``compat`` score on those same
items (the official files), and calibration only at T = 10. On any other data they are context.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from osler.evaluate.scoring import Standing, macro, micro

SOURCE = "MedQ-Deg, arXiv 2603.07769 (8 March 2026), tables 2, 3 and 6 and the calibration figure"
TRIALS = {"accuracy": 3, "calibration": 10}
ITEMS = {"0": 4306, "1": 10294, "2": 10294}


@dataclass(frozen=True, slots=True)
class PublishedAccuracy:
    """Accuracy (fractions) of one model by level; ``macro`` averages six tasks over levels 1-2."""

    model: str
    group: str
    levels: Mapping[str, float]
    macro: float

    @property
    def micro(self) -> float:
        """Mean over the degraded items: levels 1 and 2 are of equal size."""
        return micro([self.levels["1"], self.levels["2"]])


@dataclass(frozen=True, slots=True)
class PublishedCalibration:
    """Accuracy, vote-entropy confidence and shift by level; None where the figure hides it."""

    model: str
    accuracy: Mapping[str, float]
    confidence: Mapping[str, float | None]
    shift: Mapping[str, float | None]

    def standing(self, level: str) -> Standing | None:
        """For the Dunning-Kruger flags; None where the shift is hidden."""
        shift = self.shift[level]
        if shift is None:
            return None
        return Standing(self.accuracy[level], shift, TRIALS["calibration"])


@cache
def published_accuracy() -> tuple[PublishedAccuracy, ...]:
    """The 40 models, best mean over degraded items first."""
    rows = [
        PublishedAccuracy(
            r["model"],
            r["group"],
            {level: float(r[f"level_{level}"]) / 100 for level in "012"},
            float(r["macro"]) / 100,
        )
        for r in _table("accuracy.csv")
    ]
    return tuple(sorted(rows, key=lambda row: -row.micro))


@cache
def published_calibration() -> tuple[PublishedCalibration, ...]:
    """The 19 models of the calibration figure, by name."""
    return tuple(
        PublishedCalibration(
            r["model"],
            {level: float(r[f"accuracy_{level}"]) for level in "012"},
            {level: _number(r[f"confidence_{level}"]) for level in "012"},
            {level: _number(r[f"shift_{level}"]) for level in "012"},
        )
        for r in _table("calibration.csv")
    )


def published_mean(level: str) -> float:
    """Mean accuracy of the 40 models at a level."""
    rows = published_accuracy()
    return macro([row.levels[level] for row in rows], [row.model for row in rows])


def _number(text: str) -> float | None:
    return float(text) if text else None


def _table(name: str) -> list[dict[str, str]]:
    place = files(__package__) / "published" / name
    return list(csv.DictReader(place.read_text(encoding="utf-8").splitlines()))
