"""What the checks found in the labels before anything trained on them."""

from __future__ import annotations

from collections import Counter

from osler.evaluate.report.markup import Safe, foreign, join, tag
from osler.evaluate.report.numbers import count, is_number, percent
from osler.evaluate.report.tables import Cell, Column, details, facts, table

from .charts import part_bar
from .folder import RoundFolder, Row, mapping, sequence

MOST = 100


def labels_section(found: RoundFolder) -> Safe | None:
    """Kept and dropped, findings by check, the findings themselves, class balance."""
    told = found.checks
    if not told and not found.findings:
        return None
    return join(
        [
            facts(
                [
                    ("Labels given", count(told.get("given"))),
                    ("Kept for training", count(told.get("kept"))),
                ]
            ),
            _by_check(found),
            _listed(found),
            _balance(mapping(told.get("balance"))),
        ]
    )


def _by_check(found: RoundFolder) -> Safe:
    dropped = mapping(found.checks.get("dropped"))
    counted: Counter[tuple[str, str]] = Counter(
        (str(row.get("check")), str(row.get("severity"))) for row in found.findings
    )
    names = sorted({check for check, _ in counted} | {str(k) for k in dropped})
    body = [
        [
            foreign(name, 60),
            count(counted[name, "error"]),
            count(counted[name, "warning"]),
            count(dropped.get(name, 0)),
        ]
        for name in names
    ]
    if not body:
        return tag("p", "No check found anything.")
    caption = "Findings by check. An error bars a label from training, a warning is shown only."
    return table(caption, [Column("Check", False), "errors", "warnings", "dropped"], body)


def _listed(found: RoundFolder) -> Safe | None:
    if not found.findings:
        return None
    rank = {"error": 0, "warning": 1}
    rows = sorted(
        found.findings,
        key=lambda r: (rank.get(str(r.get("severity")), 2), str(r.get("check")), _item(r)),
    )
    body = [
        [
            foreign(_item(row), 80),
            foreign(row.get("check"), 60),
            tag("span", foreign(row.get("severity"), 20), class_=_class(row)),
            foreign(row.get("message"), 300),
        ]
        for row in rows[:MOST]
    ]
    left = len(rows) - len(body)
    caption = "Findings, errors first."
    caption += f" {count(left)} more are in check/findings.jsonl." if left > 0 else ""
    heads = [Column(name, False) for name in ("Item", "check", "severity", "what")]
    return details(f"The findings ({count(len(rows))})", table(caption, heads, body, sortable=True))


def _item(row: Row) -> str:
    return str(row.get("item_id") or row.get("id") or "all")


def _class(row: Row) -> str:
    return "bad" if row.get("severity") == "error" else "mixed"


def _balance(balance: Row) -> Safe | None:
    """Counts of the classes, which may stand in groups (per question), and what is wrong."""
    counts = mapping(balance.get("counts")) or {k: v for k, v in balance.items() if is_number(v)}
    counts = {str(k): v for k, v in counts.items() if is_number(v)}
    total = sum(counts.values())
    warnings = [
        tag("p", foreign(told), class_="mixed") for told in sequence(balance.get("findings"))
    ]
    if not total:
        return join(warnings) if warnings else None
    body = [
        [
            foreign(name, 100),
            Cell(count(n), n),
            Cell(percent(n / total), n / total),
            part_bar(f"share of {name}", n / total),
        ]
        for name, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    heads: list[Column | str] = [Column("Class", False), "labels", "share"]
    heads.append(Column("share of all", False))
    caption = "Class balance of the labels kept."
    return join([tag("h3", "Class balance"), *warnings, table(caption, heads, body, sortable=True)])
