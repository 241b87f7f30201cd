"""The report as one page: no script, no outside host, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

SPLIT_COLOURS = {"train": "#2b6cb0", "val": "#dd9b20", "test": "#2f855a"}
_OTHER = "#718096"
_WIDTH, _BAR, _GAP = 560, 22, 8


def report_page(report: Mapping[str, Any]) -> str:
    """The page of a report of :func:`osler.curate.fuse.report.report_of`."""
    return str(_template().render(report=report, bars=_bars(report), coverage=_coverage(report)))


@cache
def _template() -> Any:
    import jinja2

    source = files("osler.curate.fuse").joinpath("report.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)


def _bars(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bars of samples by source and modality, each cut into its splits; lengths in pixels."""
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for row in report["table"]:
        rows.setdefault((row["dataset"], row["modality"]), {})[row["split"]] = row["samples"]
    most = max((sum(counts.values()) for counts in rows.values()), default=1)
    bars = []
    for place, ((dataset, modality), counts) in enumerate(rows.items()):
        bars.append(
            {
                "label": f"{dataset}, {modality or 'no modality'}",
                "total": sum(counts.values()),
                "y": place * (_BAR + _GAP),
                "parts": _parts(counts, most),
            }
        )
    return bars


def _parts(counts: Mapping[str, int], most: int) -> list[dict[str, Any]]:
    parts, x = [], 0.0
    order: Sequence[str] = [*SPLIT_COLOURS, *sorted(set(counts) - set(SPLIT_COLOURS))]
    for split in order:
        if split in counts:
            width = counts[split] / most * _WIDTH
            colour = SPLIT_COLOURS.get(split, _OTHER)
            parts.append(
                {"split": split, "n": counts[split], "x": x, "width": width, "colour": colour}
            )
            x += width
    return parts


def _coverage(report: Mapping[str, Any]) -> dict[str, Any]:
    """The matrix of targets and sources: what was looked for, what was found."""
    names = [one["dataset"] for one in report["sources"] if one["kept"]]
    rows = [
        {
            "family": "in the image" if one["family"] == "pixel" else "of the image",
            "target": one["target"],
            "cells": [_cell(one["sources"][name]) for name in names],
        }
        for one in report["labels"]
        if _looked_for(one)
    ]
    never = [one["target"] for one in report["labels"] if not _looked_for(one)]
    return {"names": names, "rows": rows, "never": never}


def _looked_for(row: Mapping[str, Any]) -> bool:
    return any(one["annotated"] or one["present"] for one in row["sources"].values())


def _cell(counts: Mapping[str, int]) -> dict[str, str]:
    if not counts["annotated"] and not counts["present"]:
        return {"kind": "none", "text": "not annotated"}
    whole = counts["annotated"] == counts["samples"]
    told = f"{counts['present']} of {counts['annotated']}"
    if not counts["annotated"]:
        return {"kind": "part", "text": f"found in {counts['present']}, never complete"}
    return {"kind": "full" if whole else "part", "text": told}
