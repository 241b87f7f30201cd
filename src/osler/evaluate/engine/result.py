"""What a finished run hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import CoverageError

COVERAGE_FLOOR = 0.98
"""Least scored share of the items below which a run warns and exits with 3."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run: its folder, its summary (``summary.json``), what it covered and spent.

    ``spent_usd`` is what this folder has paid in all sessions, None when no price is known.
    """

    run_dir: Path
    summary: Mapping[str, Any]
    n_items: int
    n_scored: int
    spent_usd: float | None
    report: Path | None

    @property
    def coverage(self) -> float:
        """Scored share of the items, 0 to 1."""
        return self.n_scored / self.n_items

    @property
    def warning(self) -> str:
        """One sentence when more than 2 % of the items are unscored, else ""."""
        if self.coverage >= COVERAGE_FLOOR:
            return ""
        missing = self.n_items - self.n_scored
        reasons = ", ".join(f"{k} {v}" for k, v in self.summary.get("failures", {}).items())
        return (
            f"{missing} of {self.n_items} items ({1 - self.coverage:.1%}) are unscored"
            + (f" ({reasons})" if reasons else "")
            + "; do not quote these scores; run the same command again to ask what is missing"
        )

    def require_coverage(self) -> None:
        """Raise CoverageError (exit code 3) when more than 2 % of the items are unscored."""
        if self.warning:
            raise CoverageError(self.warning)
