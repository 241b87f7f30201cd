"""Where accuracy is lost: changes against clean by grouping and level, and the worst cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from osler.evaluate.report.charts import strip
from osler.evaluate.report.markup import Safe, foreign, join, paragraphs, tag
from osler.evaluate.report.numbers import Estimate, count, known, percent, points
from osler.evaluate.report.tables import Cell, Column, heat, key, table

from .cells import (
    FEW,
    ByLevel,
    Pairs,
    Summary,
    beside,
    cells_by,
    level_name,
    loss,
    paired_by,
    shown,
    words,
)

GROUPS = {
    "degradation": "Degradation",
    "category": "Category of degradation",
    "modality": "Modality",
    "capability": "Capability",
}


def where_section(summary: Summary) -> Safe:
    """Heat tables: change against clean for each grouping, by level."""
    parts = [heat_table(summary, by, title) for by, title in GROUPS.items()]
    shown_tables = [part for part in parts if part is not None]
    if not shown_tables:
        return Safe("")
    return join(
        [
            paragraphs(
                "Change of robust accuracy against the clean images, in percentage points, on "
                "the same questions where pairs exist. Under it the accuracy itself, versus that "
                "of the degenerate player that is best on the same items, and n. A star marks "
                f"fewer than {FEW} items: too few to conclude anything, so their colour is kept "
                "pale."
            ),
            key(("loss", "worse than clean"), ("gain", "better than clean")),
            tag("div", shown_tables[0], tag("div", *shown_tables[1:]), class_="heatmaps"),
        ]
    )


def heat_table(summary: Summary, by: str, title: str) -> Safe | None:
    """One grouping: rows are its keys, columns the levels, cells the change against clean."""
    cells = cells_by(summary, by)
    cells.pop("clean", None)
    levels = [str(entry["level"]) for entry in summary.get("by_level") or []]
    worse = [level for level in levels if level != "0"]
    if not cells or not worse:
        return None
    drops = paired_by(summary)
    clean = next((e for e in summary["by_level"] if str(e["level"]) == "0"), None)
    has_clean = any("0" in own for own in cells.values())
    rows = []
    for name, own in sorted(cells.items(), key=lambda pair: -_loss_of(by, pair, drops)):
        row: list[object] = [words(name)]
        if has_clean:
            row.append(shown((own.get("0") or {}).get("robust")))
        for level in worse:
            reference = (own.get("0") or clean or {}).get("robust")
            row.append(_heat_cell(own.get(level), drops.get((by, name, level)), reference))
        rows.append(row)
    heads: list[Column | str] = [Column(title, False)]
    heads += ["clean (L0)"] if has_clean else []
    heads += [level_name(level) for level in worse]
    return table(
        f"{title} by level: change against clean.", heads, rows, sortable=True, class_="heatmap"
    )


def _loss_of(
    by: str,
    pair: tuple[str, ByLevel],
    drops: Pairs,
) -> float:
    name, own = pair
    found = drops.get((by, name, max(own)))
    if found and known(found.get("drop")):
        return float(found["drop"]["value"])
    return loss(name, own, {})


def _heat_cell(
    cell: Mapping[str, Any] | None, pair: Mapping[str, Any] | None, reference: Estimate | None
) -> Cell:
    """Change in points (paired if possible), accuracy and n beneath."""
    if not cell or not known(cell.get("robust")):
        return Cell("–", class_="none")
    value = cell["robust"]["value"]
    if pair and known(pair.get("drop")):
        change: float | None = -pair["drop"]["value"]
    else:
        change = value - reference["value"] if known(reference) and reference else None
    n = cell.get("n") or 0
    few = "*" if n < FEW else ""
    base = beside(cell)
    against = f" vs\u00a0{percent(base, 0)}" if base is not None else ""
    under = tag("span", f"{percent(value)}{against}, n\u00a0{count(n)}{few}", class_="n")
    # A few items must not shout: their colour stops at the second of five steps.
    full = 0.3 if n >= FEW or change is None else max(0.3, 2.5 * abs(change))
    return Cell(join([points(change), under]), change, heat(change, full))


def worst_section(summary: Summary) -> Safe:
    """The cells with the lowest robust accuracy, with n and intervals."""
    worst = summary.get("worst") or []
    rows = []
    for cell in worst:
        n = cell.get("n") or 0
        rows.append(
            [
                foreign(words(cell.get("key"))),
                words(cell.get("by")),
                level_name(cell.get("level")),
                Cell(f"{count(n)}{'*' if n < FEW else ''}", n),
                shown(cell.get("robust")),
                shown(cell.get("compat")),
                strip(
                    f"{words(cell.get('key'))}, {level_name(cell.get('level'))}",
                    cell.get("robust"),
                    baseline=beside(cell),
                ),
            ]
        )
    if not rows:
        return Safe("")
    heads: list[Column | str] = [
        Column("Cell", False),
        Column("Grouping", False),
        Column("Level", False),
        "n",
        "robust",
        "compat",
        Column("0 to 100 %", False),
    ]
    return join(
        [
            paragraphs(
                "Where to look first: degraded cells ranked by the upper end of their interval, "
                "so that a small cell with an unlucky answer does not lead. A star marks fewer "
                f"than {FEW} items."
            ),
            key(("robust", "robust"), ("baseline", "best degenerate baseline")),
            table(
                "Degraded cells by robust accuracy, the lowest upper end first.",
                heads,
                rows,
                sortable=True,
            ),
        ]
    )
