"""Where the student failed, and what kinds of failure there are, in pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from osler.core import ImageRef
from osler.evaluate.report.markup import Safe, foreign, join, paragraphs, tag
from osler.evaluate.report.numbers import count, decimal, is_number, percent, with_interval
from osler.evaluate.report.tables import Cell, Column, key, table
from osler.evaluate.report.thumbnails import thumbnails

from .charts import lines, part_bar, percent_scale, rate_line
from .folder import RoundFolder, Row, first_image, mapping, sequence

MOST_ROWS = 12
MEMBERS = 4
RETRIEVED = 5
SIDE = 192


def weakness_section(found: RoundFolder) -> Safe | None:
    """Failure rate and share of the budget, stratum by stratum, the weakest first."""
    rows = [r for r in found.weakness if is_number(mapping(r.get("rate")).get("value"))]
    if not rows:
        return None
    rows.sort(key=lambda r: (-r["rate"]["value"], str(r.get("stratum"))))
    chart = [
        (foreign(r.get("stratum"), 120), rate_line(str(r.get("stratum")), r["rate"]), _counts(r))
        for r in rows
    ]
    body = [
        [
            foreign(r.get("stratum"), 120),
            Cell(count(r.get("items")), r.get("items")),
            Cell(count(r.get("failures")), r.get("failures")),
            Cell(with_interval(r["rate"]), r["rate"]["value"]),
            Cell(percent(r.get("share")), r.get("share")),
            part_bar(f"share of the budget for {r.get('stratum')}", r.get("share")),
        ]
        for r in rows
    ]
    heads: list[Column | str] = [Column("Stratum", False), "items", "failures", "rate"]
    heads += ["budget", Column("share of the budget", False)]
    return join(
        [
            paragraphs(
                "A failure is an item that the student gets wrong persistently, not once by "
                "chance. Rates are shrunk towards the overall rate, so that a small stratum does "
                "not lead by luck; intervals count patients, not items."
            ),
            key(("weak", "failures among the items"), ("whisker-ink", "95 % interval")),
            lines(chart, percent_scale()),
            table(
                "Weakness per stratum and the part of the budget it was given.",
                heads,
                body,
                sortable=True,
            ),
        ]
    )


def _counts(row: Row) -> Safe:
    return join([with_interval(row["rate"]), tag("br"), _of(row)])


def _of(row: Row) -> Safe:
    words = f"{count(row.get('failures'))} of {count(row.get('items'))}"
    return tag("span", words, class_="quiet")


def prototypes_section(found: RoundFolder) -> Safe | None:
    """One row a kind of failure: what fails, and what the pool has that looks like it."""
    if not found.prototypes:
        return None
    kinds = sorted(found.prototypes, key=lambda p: (-_number(p.get("weight")), str(p.get("name"))))
    shown = kinds[:MOST_ROWS]
    items = {str(row.get("id")): row for row in found.items}
    taken = _taken(found.selection)
    labels = {str(row.get("id")): row for row in found.labels}
    rows = [_row_of(one, items, taken.get(str(one.get("name")), [])) for one in shown]
    refs = [ref for fails, pool in rows for _, ref in (*fails, *pool) if ref is not None]
    images = thumbnails(refs, found.read, side=SIDE)
    left = len(found.prototypes) - len(shown)
    parts = [
        _prototype(one, fails, pool, images, labels, _why_none(one, found))
        for one, (fails, pool) in zip(shown, rows, strict=True)
    ]
    note = f"{left} more kinds of failure are in find/prototypes.json." if left > 0 else ""
    return join(
        [
            paragraphs(
                "One box a kind of failure, that of most weight first. Left: the most typical "
                "failure (a real image, marked) and others of its kind. Right: what the pool had "
                "near it, best first, with the label it was given."
            ),
            *parts,
            paragraphs(note, class_="quiet"),
        ]
    )


Shown = list[tuple[Row, ImageRef | None]]


def _taken(selection: Sequence[Row]) -> dict[str, list[Row]]:
    """Selected pool images by the prototype they stand for, best first."""
    by_name: dict[str, list[Row]] = {}
    for row in selection:
        by_name.setdefault(str(row.get("prototype")), []).append(row)
    for rows in by_name.values():
        rows.sort(key=lambda r: (-_number(r.get("score")), str(r.get("id"))))
    return by_name


def _why_none(one: Row, found: RoundFolder) -> str:
    """Why no image of the pool stands for a kind of failure."""
    if not found.retrieval:
        return "The pool was not searched yet."
    for row in map(mapping, sequence(found.retrieval.get("prototypes"))):
        if row.get("name") == one.get("name") and row.get("available"):
            return "Its part of the budget came to no image."
    return "Nothing in the pool was near enough to this kind that is not a test image."


def _number(value: object) -> float:
    return float(value) if is_number(value) else float("-inf")


def _row_of(one: Row, items: Mapping[str, Row], pool: Sequence[Row]) -> tuple[Shown, Shown]:
    medoid = str(one.get("medoid"))
    others = [str(m) for m in sequence(one.get("members")) if str(m) != medoid][:MEMBERS]
    fails = [items[m] for m in (medoid, *others) if m in items]
    return (
        [(row, first_image(row)) for row in fails],
        [(row, first_image(row)) for row in pool[:RETRIEVED]],
    )


def _prototype(
    one: Row,
    fails: Shown,
    pool: Shown,
    images: Mapping[str, str],
    labels: Mapping[str, Row],
    none: str,
) -> Safe:
    medoid = str(one.get("medoid"))
    n = len(sequence(one.get("members")))
    title = join(
        [
            foreign(one.get("name"), 120),
            tag("span", f" {count(n)} failure{'' if n == 1 else 's'}", class_="quiet"),
        ]
    )
    left = [
        _shot(row, ref, images, _failed(row, str(row.get("id")) == medoid)) for row, ref in fails
    ]
    right = [_shot(row, ref, images, _found(row, labels)) for row, ref in pool]
    return tag(
        "article",
        tag("h3", title),
        tag("p", meaning(one), class_="place"),
        tag(
            "div",
            tag("div", *left, class_="shots fails"),
            tag("div", "→", class_="to", role="img", aria_label="led to"),
            tag("div", *right, class_="shots pool") if right else tag("p", none, class_="quiet"),
            class_="pair",
        ),
        class_="example prototype",
    )


def meaning(one: Row) -> Safe:
    """How far the kinds of this stratum may be read as kinds, in words, with the two figures."""
    stratum, share = foreign(one.get("stratum"), 120), percent(one.get("share"))
    apart, stable = one.get("silhouette"), one.get("stability")
    figures = f"silhouette {decimal(apart, 2)}, stability {decimal(stable, 2)}"
    lead = join([stratum, f"; {share} of all failures. "])
    if not is_number(apart):
        return join([lead, "The only group of its stratum: nothing to compare it with."])
    if apart < 0.25 or (is_number(stable) and stable < 0.5):
        words = tag("strong", "Do not read meaning into this group")
        return join([lead, words, f": the failures do not fall into clear kinds ({figures})."])
    if apart < 0.5 or not is_number(stable) or stable < 0.75:
        return join([lead, f"A loose group: a hint, not a finding ({figures})."])
    return join([lead, f"A clear and stable group ({figures})."])


def _shot(row: Row, ref: ImageRef | None, images: Mapping[str, str], caption: Safe) -> Safe:
    source = images.get(ref.sha256) if ref is not None else None
    if source is None:
        picture = tag(
            "div", "image not in the round's folder, or left out for size", class_="missing"
        )
    else:
        words = f"image of {row.get('id')}"
        picture = tag("img", src=source, alt=words[:200], loading="lazy")
    return tag("figure", picture, tag("figcaption", caption), class_="shot")


def _failed(row: Row, is_medoid: bool) -> Safe:
    wrong, scored = row.get("wrong"), row.get("scored")
    mark = tag("strong", "most typical", class_="mixed") if is_medoid else None
    said = " ".join(sorted({str(a) for a in sequence(row.get("answers")) if a}))
    options = mapping(row.get("options"))
    gold = str(row.get("gold") or "")
    truth = f"{gold} {options.get(gold, '')}".strip()
    return join(
        [
            join([mark, tag("br")]) if mark is not None else None,
            foreign(row.get("question"), 90),
            tag("br"),
            tag("span", f"wrong {count(wrong)} of {count(scored)}", class_="bad"),
            join([": said ", foreign(said, 40)]) if said else None,
            join([tag("br"), tag("span", "truth: ", foreign(truth, 60), class_="ok")])
            if truth
            else None,
        ]
    )


def _found(row: Row, labels: Mapping[str, Row]) -> Safe:
    label = labels.get(str(row.get("id")), {})
    options = mapping(row.get("options"))
    answer = str(label.get("answer") or "")
    text = f"{answer} {options.get(answer, '')}".strip()
    told: Safe = tag("span", "no label yet", class_="quiet")
    if text:
        name = "label, unseen: " if label.get("status") == "unseen" else "label: "
        told = join([tag("span", name, class_="quiet"), foreign(text, 60)])
    elif label.get("status"):
        told = tag("span", "no label: ", foreign(label["status"], 40), class_="quiet")
    return join(
        [told, tag("br"), tag("span", f"closeness {decimal(row.get('cosine'), 2)}", class_="quiet")]
    )
