"""Accuracy by level: overall, averaged both ways, and for each degradation alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from osler.evaluate.report.charts import Series, level_chart
from osler.evaluate.report.markup import Safe, join, paragraphs, tag
from osler.evaluate.report.numbers import count, known, percent
from osler.evaluate.report.tables import Column, figure, table

from .cells import (
    ByLevel,
    Pairs,
    Summary,
    beside,
    cells_by,
    form_key,
    level_name,
    loss,
    paired_by,
    shown,
    words,
)


def levels_section(summary: Summary) -> Safe:
    """Overall chart and table, then one small chart a degradation."""
    levels = summary.get("by_level") or []
    names = [level_name(entry["level"]) for entry in levels]
    series = [
        Series(form, form, tuple(entry.get(form) for entry in levels))
        for form in ("robust", "compat")
    ]
    chart = figure(
        level_chart(
            "Accuracy by level, all degradations", names, series, [beside(e) for e in levels]
        ),
        "L0 is the clean image, L1 mild, L2 hard for a person but still readable. Bars are 95 % "
        "intervals over patients or images.",
    )
    body = [
        [
            name,
            count(entry.get("n")),
            shown(entry.get("robust")),
            shown(entry.get("compat")),
            percent(beside(entry)),
        ]
        for name, entry in zip(names, levels, strict=True)
    ]
    listing = table(
        "Accuracy by level with 95 % intervals; the baseline is the best degenerate player on "
        "the same items.",
        ["Level", "n", "robust", "compat", "baseline"],
        body,
    )
    return join(
        [
            form_key(),
            tag("div", chart, tag("div", listing, averages(summary)), class_="beside"),
            small_multiples(summary),
        ]
    )


def averages(summary: Summary) -> Safe:
    """Micro and macro: where strata differ in size they can rank models differently."""
    rows = [
        [
            name,
            count(forms.get("n")),
            shown(forms.get("robust")),
            shown(forms.get("compat")),
            percent(beside(forms)),
        ]
        for name, forms in _averages(summary)
    ]
    return table(
        "Averages over the degraded items. Micro counts every item once, macro every stratum "
        "once: large strata rule the first, small ones the second, so both are always given.",
        [Column("Average", False), "n", "robust", "compat", "baseline"],
        rows,
    )


def _averages(summary: Summary) -> list[tuple[str, Mapping[str, Any]]]:
    found = [("micro", summary["micro"])]
    found += [
        (f"macro over {forms['strata']} × {words(by)}", forms)
        for by, forms in summary["macro"].items()
    ]
    apart = summary.get("geometric") or {}
    names = ", ".join(words(k) for k in apart.get("keys") or [])
    for part, word in (("without", f"micro without {names}"), ("only", f"only {names}")):
        if names and apart.get(part):
            found.append((word, apart[part]))
    return found


def small_multiples(summary: Summary) -> Safe | None:
    """One chart a degradation, the largest loss first; L0 is the same questions, clean."""
    cells = cells_by(summary, "degradation")
    levels = [str(entry["level"]) for entry in summary["by_level"]]
    drops = paired_by(summary)
    charts: list[tuple[float, Safe]] = []
    for name, by_level in cells.items():
        if name == "clean" or not set(by_level) - {"0"}:
            continue
        clean = by_level.get("0") or _clean_of(name, by_level, drops)
        own = {**by_level, **({"0": clean} if clean else {})}
        series = [
            Series(form, form, tuple((own.get(lv) or {}).get(form) for lv in levels))
            for form in ("robust", "compat")
        ]
        n = ", ".join(count((own.get(lv) or {}).get("n")) for lv in levels if lv != "0")
        chart = level_chart(
            f"Accuracy under {words(name)}",
            [level_name(lv) for lv in levels],
            series,
            [beside(own.get(lv)) for lv in levels],
            (168, 112),
        )
        caption = join([tag("strong", words(name)), tag("span", f"n {n}", class_="under")])
        charts.append((loss(name, own, drops), figure(chart, caption)))
    if not charts:
        return None
    charts.sort(key=lambda pair: -pair[0])
    return join(
        [
            tag("h3", "Each degradation alone"),
            paragraphs(
                "The largest loss first. L0 is the clean form of the same questions, so it differs "
                "from chart to chart; n counts the items of each level above 0."
            ),
            tag("div", *[chart for _, chart in charts], class_="charts small"),
        ]
    )


def _clean_of(name: str, by_level: ByLevel, drops: Pairs) -> Mapping[str, Any] | None:
    """Clean accuracy of the very questions that were degraded: accuracy plus the paired drop."""
    for level, cell in sorted(by_level.items()):
        pair = drops.get(("degradation", name, level))
        # Only where every degraded item has its clean form are both means of the same questions.
        if pair and known(pair["drop"]) and pair["n_pairs"] == cell["n"]:
            value = {
                form: {"value": cell[form]["value"] + pair[drop]["value"], "n": cell["n"]}
                for form, drop in (("robust", "drop"), ("compat", "drop_compat"))
            }
            return {**value, "n": cell["n"], "baseline": cell.get("baseline")}
    return None
