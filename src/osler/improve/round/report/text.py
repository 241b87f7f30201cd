"""A round in a few rows, for the terminal and for machines: plain data, no markup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .curve import efficiency
from .folder import RoundFolder, Row, mapping, open_round
from .page import REPORT
from .verdict import notices, strata, verdict


def round_summary(round_dir: str | Path) -> dict[str, Any]:
    """What came of a round, as JSON-able data.

    ``word`` (Accepted, Rolled back, Waiting, Stopped, Not finished) and ``sentence``; ``notices``
    that must be shown (simulated people, planted weakness); ``stages`` and ``strata`` as rows, the
    first stratum being all of them; ``review`` (counts per tier, rate, minutes); ``efficiency``, a
    sentence or empty; ``report``, the path of the page if it is there. Accuracies and changes lie
    in [0, 1] and [-1, 1]. Text comes from files and is not escaped for a terminal.

    Raises
    ------
    InputError
        If ``round_dir`` is no round folder, or one of its files is damaged.
    """
    found = open_round(round_dir)
    came = verdict(found)
    page = found.path / REPORT
    return {
        "folder": str(found.path),
        "word": came.word,
        "sentence": came.sentence,
        "notices": notices(found),
        "stages": _stages(found),
        "strata": _strata(found),
        "review": _review(found),
        "efficiency": efficiency(mapping(found.curve.get("efficiency"))) if found.curve else "",
        "report": str(page) if page.is_file() else None,
    }


def _stages(found: RoundFolder) -> list[dict[str, Any]]:
    return [
        {"stage": name, **{key: stage.get(key) for key in ("state", "seconds", "says")}}
        for name, stage in found.stages.items()
    ]


def _strata(found: RoundFolder) -> list[dict[str, Any]]:
    overall = mapping(found.decision.get("overall"))
    rows = ([{**overall, "stratum": "all"}] if overall else []) + [dict(r) for r in strata(found)]
    return [_stratum(row) for row in rows]


def _stratum(row: Row) -> dict[str, Any]:
    change = mapping(row.get("change"))
    return {
        "stratum": str(row.get("stratum")),
        "n": change.get("n"),
        "before": row.get("before"),
        "after": row.get("after"),
        "change": change.get("value"),
        "low": change.get("low"),
        "high": change.get("high"),
        "lost": row.get("lost"),
        "won": row.get("won"),
        "p": row.get("p"),
        "state": row.get("state"),
    }


def _review(found: RoundFolder) -> dict[str, Any]:
    if not found.routing and not found.labelling:
        return {}
    minutes = found.labelling.get("minutes", found.routing.get("minutes"))
    return {
        "tiers": dict(mapping(found.routing.get("tiers"))),
        "rate": found.routing.get("review_rate"),
        "minutes": minutes,
        "annotator": found.labelling.get("annotator"),
        "simulated": bool(found.labelling.get("simulated")),
        "audit": dict(mapping(found.labelling.get("audit"))),
    }
