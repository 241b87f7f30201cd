"""Example images, clean and degraded, with what the model answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from osler.core import ImageRef
from osler.evaluate.report.folder import ReadImage, Row
from osler.evaluate.report.markup import Safe, foreign, join, paragraphs, tag
from osler.evaluate.report.thumbnails import thumbnails

from .cells import Summary, words

MOST = 12
"""Questions shown; each with its clean image and all its degraded ones."""


def examples_section(summary: Summary, rows: Sequence[Row], read_blob: ReadImage) -> Safe:
    """A grid for each example question; images are small copies inside the page."""
    by_id = {str(row["item"]): row for row in rows}
    groups: list[list[Row]] = []
    reasons: list[str] = []
    for entry in (summary.get("examples") or [])[:MOST]:
        found = [by_id[item["id"]] for item in entry["items"] if item["id"] in by_id]
        if found:
            groups.append(sorted(found, key=_order))
            reasons.append(str(entry.get("why", "")))
    if not groups:
        return Safe("")
    refs = [ImageRef(name) for group in groups for row in group for name in row["images"][:1]]
    images = thumbnails(refs, read_blob)
    return join(
        [
            paragraphs(
                "One box a question, the correct option ticked: the clean image first, then its "
                "degraded forms. Correct and wrong are counted over all trials by the robust "
                "parser; under it the votes of each letter, and a reply as the model wrote it. "
                "Images are small copies of what the model saw."
            ),
            *[_example(g, why, images) for g, why in zip(groups, reasons, strict=True)],
        ]
    )


def _order(row: Row) -> tuple[bool, str, str]:
    tags = row["tags"]
    return (tags.get("level") != "0", tags.get("degradation", ""), tags.get("level", ""))


def _example(group: Sequence[Row], why: str, images: Mapping[str, str]) -> Safe:
    first = group[0]
    options = [
        tag(
            "strong" if letter == first["gold"] else "span",
            "✓ " if letter == first["gold"] else "",
            f"{letter} ",
            foreign(text, 160),
        )
        for letter, text in first["options"].items()
    ]
    tags = first["tags"]
    place = ", ".join(words(tags[k]) for k in ("modality", "capability", "dataset") if tags.get(k))
    place += f"; chosen: {why}" if why else ""
    return tag(
        "article",
        tag("p", foreign(first["question"], 400), class_="question"),
        tag("p", join(options, " · "), class_="options"),
        tag("div", *[_shot(row, images) for row in group], class_="shots"),
        tag("p", foreign(place), class_="place") if place else None,
        class_="example",
    )


def _shot(row: Row, images: Mapping[str, str]) -> Safe:
    name = f"L{row['tags'].get('level', '')} {words(row['tags'].get('degradation', ''))}"
    source = images.get(row["images"][0]) if row["images"] else None
    if source is None:
        note = "image not found in the data folder, or left out for size"
        picture = tag("div", note, class_="missing")
    else:
        picture = tag("img", src=source, alt=f"{name}: image of this question", loading="lazy")
    return tag(
        "figure",
        picture,
        tag("figcaption", tag("strong", foreign(name)), tag("br"), verdict(row)),
        class_="shot",
    )


def verdict(row: Row) -> Safe:
    """Correct or wrong in a word and a sign, the votes, and one reply as it was written."""
    answers: Sequence[Mapping[str, Any]] = row.get("answers") or []
    if row["status"] != "scored" or row["robust"] is None:
        return tag("span", f"unscored ({words(row['status'])})", class_="bad")
    votes = Counter(str(a["value"] or "no answer") for a in answers)
    counts = ", ".join(f"{k} {n}/{len(answers)}" for k, n in sorted(votes.items()))
    right = row["robust"]
    if right >= 1:
        mark = tag("span", "✓ correct", class_="ok")
    elif right <= 0:
        mark = tag("span", "✗ wrong", class_="bad")
    else:
        mark = tag("span", f"◐ correct in {100 * right:.0f} %", class_="mixed")
    said = next((a["text"] for a in answers if a["text"]), "")
    reply = join([tag("br"), tag("span", "“", foreign(said, 72), "”", class_="reply")])
    return join([mark, tag("br"), foreign(counts), reply if said else None])
