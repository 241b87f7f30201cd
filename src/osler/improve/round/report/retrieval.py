"""What the pool was asked for, what it gave, and what was kept out of reach of training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from osler.evaluate.report.markup import Safe, foreign, join, paragraphs
from osler.evaluate.report.numbers import count, decimal, is_number
from osler.evaluate.report.tables import Cell, Column, details, facts, table

from .folder import RoundFolder, Row, mapping, sequence

MOST_LEAKS = 200

PRIVATE = "patient"
"""Kind of leak whose other side is a patient's key: that does not belong on a page."""


def retrieval_section(found: RoundFolder) -> Safe | None:
    """Quota, available and taken per prototype; leaks by kind, listed; licences."""
    told = found.retrieval
    if not told:
        return None
    return join(
        [
            facts(
                [
                    ("Images in the pool", count(told.get("rows"))),
                    ("Budget", count(told.get("budget"))),
                    ("Taken", count(told.get("taken"))),
                    ("Short of the budget", count(told.get("shortfall"))),
                ]
            ),
            _short(told),
            _quotas(found),
            _leaks(found),
            _licences(found),
        ]
    )


def _short(told: Row) -> Safe | None:
    lack = told.get("shortfall")
    if not is_number(lack) or lack <= 0:
        return None
    return paragraphs(
        f"The search stopped {count(lack)} images short: nothing else in the pool is near enough "
        "to a failure. Other images were not taken in their place."
    )


def _quotas(found: RoundFolder) -> Safe:
    taken = Counter(str(row.get("prototype")) for row in found.selection)
    body = []
    for row in map(mapping, sequence(found.retrieval.get("prototypes"))):
        name = str(row.get("name"))
        mine = row.get("taken", taken.get(name, 0))
        values = [row.get("quota"), row.get("available"), mine]
        body.append(
            [
                foreign(name, 120),
                *[Cell(count(v), v if is_number(v) else None) for v in values],
                Cell(decimal(row.get("tail"), 2), row.get("tail")),
            ]
        )
    heads: list[Column | str] = [
        Column("Kind of failure", False),
        Column("quota", about="its part"),
    ]
    heads += [
        Column("available", about="pool images above the threshold, leaks left out"),
        "taken",
        Column("farthest", about="least cosine taken"),
    ]
    caption = "Per kind of failure: what it was due, what the pool has near it, what was taken."
    return table(caption, heads, body, sortable=True)


def _leaks(found: RoundFolder) -> Safe:
    kinds: Mapping[str, object] = mapping(found.retrieval.get("leaks"))
    if not kinds and not found.leaks:
        return paragraphs("Nothing in the pool was near a development or gate item: no removals.")
    by_kind = kinds or Counter(str(row.get("kind")) for row in found.leaks)
    body = [[foreign(k, 60), count(n)] for k, n in sorted(by_kind.items())]
    rows = [_leak(row) for row in found.leaks[:MOST_LEAKS]]
    left = len(found.leaks) - len(rows)
    listing = table(
        "Removed pool images."
        + (f" {count(left)} more are in retrieve/leaks.jsonl." if left > 0 else ""),
        [Column("Image", False), Column("why", False), Column("near", False), "measure"],
        rows,
        sortable=True,
    )
    return join(
        [
            table(
                "Pool images kept out because they are, or may be, test images. One image can have "
                "several reasons.",
                [Column("Reason", False), "removed"],
                body,
            ),
            details(f"The list of removals ({count(len(found.leaks))})", listing)
            if found.leaks
            else None,
        ]
    )


def _leak(row: Row) -> list[object]:
    kind = str(row.get("kind"))
    other = "a patient of the test items" if kind == PRIVATE else row.get("other")
    value = row.get("value")
    return [
        foreign(row.get("path") or row.get("row"), 160),
        foreign(kind, 60),
        foreign(other, 120),
        Cell(decimal(value, 3).removesuffix(".000"), value if is_number(value) else None),
    ]


def _licences(found: RoundFolder) -> Safe | None:
    if not found.selection:
        return None
    counts = Counter(str(row.get("licence") or "not stated") for row in found.selection)
    body = [[foreign(name, 120), count(n)] for name, n in sorted(counts.items())]
    return table("Licences of the images taken.", [Column("Licence", False), "images"], body)
