"""Images with the question, the truth, what the model said and what was read in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from osler.core import ImageRef
from osler.evaluate.report.folder import ReadImage, Row
from osler.evaluate.report.markup import Safe, foreign, join, paragraphs, tag
from osler.evaluate.report.numbers import decimal
from osler.evaluate.report.thumbnails import thumbnails


def examples_section(summary: Mapping[str, Any], rows: Sequence[Row], read_blob: ReadImage) -> Safe:
    """One box an item; images are small copies inside the page."""
    by_id = {str(row["item"]): row for row in rows}
    chosen = [(e, by_id[e["id"]]) for e in summary.get("examples") or [] if e["id"] in by_id]
    if not chosen:
        return Safe("")
    refs = [ImageRef(sha) for _, row in chosen for sha in row["images"]]
    images = thumbnails(refs, read_blob)
    intro = "The lowest and the highest scores of each task, of different pictures."
    return join([paragraphs(intro), *[_example(e, row, images) for e, row in chosen]])


def _example(entry: Mapping[str, Any], row: Row, images: Mapping[str, str]) -> Safe:
    tags, answers = row["tags"], row.get("answers") or []
    names = ("A", "B") if len(row["images"]) == 2 else ("",)
    shots = [_shot(name, images.get(sha)) for name, sha in zip(names, row["images"], strict=False)]
    said = answers[0]["text"] if answers else ""
    about = ", ".join(
        str(tags[k]).replace("_", " ")
        for k in ("modality", "concept", "level", "gap")
        if tags.get(k)
    )
    return tag(
        "article",
        tag("p", foreign(row["question"], 400), class_="question"),
        _options(row) if row["options"] else None,
        tag("div", *shots, class_="shots"),
        tag("p", "Model: ", tag("span", "“", foreign(said, 900), "”", class_="reply")),
        None if row["options"] else tag("p", "Truth: ", foreign(row["gold"], 900)),
        tag("p", *_read(row)),
        tag("p", foreign(f"{about}; chosen: {entry['why']}"), class_="place"),
        class_="example",
    )


def _options(row: Row) -> Safe:
    shown = [
        tag(
            "strong" if letter == row["gold"] else "span",
            "✓ " if letter == row["gold"] else "",
            f"{letter} ",
            foreign(text, 160),
        )
        for letter, text in row["options"].items()
    ]
    return tag("p", join(shown, " · "), class_="options")


def _read(row: Row) -> list[object]:
    parts = row["parts"]
    if row["options"]:
        letter = (row.get("answers") or [{}])[0].get("value")
        return [f"Read as {letter or 'no answer'}; robust score {decimal(row['robust'], 2)}."]
    axes = [f"{axis} {decimal(parts[f'{axis}_robust'], 1)} ({decimal(parts[f'{axis}_compat'], 1)})"
            for axis in ("completeness", "preciseness", "consistency", "quality")
            if f"{axis}_robust" in parts]  # fmt: skip
    verdict = parts.get("read_verdict") or "none"
    read = f"Rules read: {parts.get('read_findings')}; verdict {verdict}. "
    return [foreign(read), "Points, robust (compat): " + ", ".join(axes) + "."]


def _shot(name: str, source: str | None) -> Safe:
    what = f"Image {name}".strip()
    if source is None:
        note = "image not found in the data folder, or left out for size"
        picture = tag("div", note, class_="missing")
    else:
        picture = tag("img", src=source, alt=f"{what} of this item", loading="lazy")
    return tag("figure", picture, tag("figcaption", tag("strong", what)), class_="shot")
