"""What people had to look at, how well they agreed, and how wrong the unseen labels may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from osler.core import ImageRef
from osler.evaluate.report.charts import strip
from osler.evaluate.report.markup import Safe, foreign, join, paragraphs, tag
from osler.evaluate.report.numbers import (
    count,
    decimal,
    is_number,
    known,
    percent,
    with_interval,
)
from osler.evaluate.report.tables import Cell, Column, facts, figure, key, table
from osler.evaluate.report.thumbnails import thumbnails

from .charts import doubt_histogram
from .folder import RoundFolder, Row, first_image, mapping, sequence
from .verdict import named

TIERS: Mapping[int, tuple[str, str]] = {
    -1: ("held back", "neither to be trusted nor affordable: trains nothing"),
    0: ("0: taken unseen", "student and oracle agree, and the oracle was measured to be right"),
    1: ("1: a person checks", "the oracle's draft is shown"),
    2: ("2: a person writes", "the draft is hidden"),
    3: ("3: two experts write", "hidden from each other; adjudicated if they differ"),
}
EXAMPLES = 8


def people_section(found: RoundFolder) -> Safe | None:
    """Tiers, minutes, doubt, the hardest examples, agreement, gold items, the audit."""
    if not found.routing and not found.labelling:
        return None
    simulated = bool(found.labelling.get("simulated"))
    minutes = found.labelling.get("minutes", found.routing.get("minutes"))
    lead = "What a person would have had to review. " if simulated else ""
    lead += "The images of most doubt go to people, within a budget; the rest is taken unseen only "
    lead += "where it may be trusted, and held back otherwise."
    return join(
        [
            paragraphs(lead),
            facts(
                [
                    ("Seen by people", percent(found.routing.get("review_rate"))),
                    ("Review budget", percent(found.routing.get("rho"))),
                    ("Promise", _promise(found)),
                    (
                        "Time" if found.labelling else "Time expected",
                        f"{minutes:,.0f} min" if is_number(minutes) else None,
                    ),
                    ("Who labels", foreign(named(found.labelling.get("annotator")) or "people")),
                    ("Who drafts", foreign(named(found.routing.get("oracle")) or "nobody")),
                ]
            ),
            tag("div", _tiers(found), _doubt(found), class_="heatmaps"),
            _trusted(found),
            _examples(found),
            _audit(found),
            _agreement(found),
            _gold(found),
        ]
    )


def _promise(found: RoundFolder) -> str | None:
    """What routing to a promise promises; nothing where it went by a budget."""
    bound, how = found.routing.get("promise"), found.routing.get("review")
    if not is_number(bound):
        return None
    words = "on average" if how == "conformal" else "with confidence"
    return f"at most {percent(bound)} of the labels wrong, {words}"


def _tiers(found: RoundFolder) -> Safe:
    counts = {str(k): v for k, v in mapping(found.routing.get("tiers")).items()}
    counts = counts or {str(k): v for k, v in Counter(r.get("tier") for r in found.routes).items()}
    # Without an oracle every item was once held or reviewed: only tiers that exist are shown.
    audited = sum(bool(row.get("audited")) for row in found.routes)
    body = [
        [join([name, tag("span", about, class_="under")]), count(counts.get(str(tier), 0))]
        for tier, (name, about) in TIERS.items()
    ]
    note = f" {count(audited)} of those taken unseen were audited by a person." if audited else ""
    return table(f"Who decides.{note}", [Column("Tier", False), "images"], body, class_="tiers")


def _doubt(found: RoundFolder) -> Safe | None:
    doubts = [
        (float(row["doubt"]), is_number(row.get("tier")) and row["tier"] > 0)
        for row in found.routes
        if is_number(row.get("doubt"))
    ]
    if not doubts:
        return None
    caption = join(
        [
            key(("seen", "seen by people"), ("count", "not seen")),
            "Doubt is the mean rank of the signals, so it compares images of this round only.",
        ]
    )
    return figure(doubt_histogram(doubts), caption)


def _trusted(found: RoundFolder) -> Safe | None:
    marks = mapping(found.routing.get("trusted"))
    if not marks:
        return None
    yes = sorted(str(k) for k, v in marks.items() if v)
    no = sorted(str(k) for k, v in marks.items() if not v)
    parts = [
        f"The oracle was measured to be right often enough in {len(yes)} of {len(marks)} strata"
    ]
    parts.append(": " if yes else ". ")
    return tag(
        "p",
        *parts,
        foreign(", ".join(yes) + ".", 900) if yes else None,
        join([" Not in ", foreign(", ".join(no), 900), ": there nothing is taken unseen."])
        if no
        else None,
    )


def _examples(found: RoundFolder) -> Safe | None:
    """The most doubtful images that a person must write about."""
    by_id = {str(row.get("id")): row for row in found.selection}
    hard = [
        row
        for row in found.routes
        if row.get("tier") in (2, 3) and is_number(row.get("doubt")) and str(row.get("id")) in by_id
    ]
    hard.sort(key=lambda r: (-r["tier"], -r["doubt"], str(r.get("id"))))
    # Both tiers are shown, each by its most doubtful.
    chosen = [r for t in (3, 2) for r in [r for r in hard if r["tier"] == t][: EXAMPLES // 2]]
    if not chosen:
        return None
    rows = [(route, by_id[str(route["id"])]) for route in chosen]
    refs = [ref for _, row in rows if (ref := first_image(row)) is not None]
    images = thumbnails(refs, found.read, budget=400_000, side=192)
    labels = {str(row.get("id")): row for row in found.labels}
    shots = [_shot(route, row, first_image(row), images, labels) for route, row in rows]
    return join(
        [
            tag("h3", "The hardest of them"),
            tag("div", *shots, class_="shots hard"),
        ]
    )


def _shot(
    route: Row,
    row: Row,
    ref: ImageRef | None,
    images: Mapping[str, str],
    labels: Mapping[str, Row],
) -> Safe:
    source = images.get(ref.sha256) if ref is not None else None
    picture = (
        tag("div", "image not in the round's folder, or left out for size", class_="missing")
        if source is None
        else tag("img", src=source, alt=f"image of {row.get('id')}"[:200], loading="lazy")
    )
    label = mapping(labels.get(str(route.get("id"))))
    said = [
        f"{who} {route[name]}"
        for who, name in (("student", "student"), ("oracle", "oracle"))
        if route.get(name)
    ]
    if label.get("answer"):
        said.append(f"label {label['answer']}")
    caption = join(
        [
            tag("strong", f"tier {route['tier']}"),
            f", doubt {decimal(route.get('doubt'), 2)}",
            tag("br"),
            foreign(row.get("question"), 80),
            tag("br"),
            tag("span", foreign(", ".join(said), 120), class_="quiet"),
        ]
    )
    return tag("figure", picture, tag("figcaption", caption), class_="shot")


def _audit(found: RoundFolder) -> Safe | None:
    audit = mapping(found.labelling.get("audit"))
    n, wrong, bound = (audit.get(k) for k in ("n", "wrong", "bound"))
    if not is_number(n):
        return None
    head = tag("h3", "How wrong are the labels that nobody saw?")
    if n == 0:
        words = "None of the labels taken unseen was checked, so nothing can be said about them."
        return join([head, paragraphs(words)])
    level = round(100 * (audit.get("confidence") or 0.95))
    told = f"{count(wrong)} of {count(n)} randomly checked labels were wrong"
    told += f" ({percent(audit.get('rate'))}). " if is_number(audit.get("rate")) else ". "
    left = audit.get("left")
    rest = f"the {count(left)} that nobody looked at" if is_number(left) else "them"
    told += f"With {level} % confidence at most {percent(bound)} of {rest} are wrong. "
    told += "Wrong is what a person, asked blind, would not confirm; people err, too. "
    target = audit.get("target", found.routing.get("silent_bound_target"))
    word: Safe | None = None
    if is_number(target) and is_number(bound):
        held = bound <= target
        text = f"The target was {percent(target)}: {'met' if held else 'not shown to be met'}."
        word = tag("span", text, class_="ok" if held else "bad")
    return join([head, tag("p", told, word)])


def _agreement(found: RoundFolder) -> Safe | None:
    alpha, kappa = found.labelling.get("alpha"), found.labelling.get("kappa")
    alpha = mapping(alpha) if not is_number(alpha) else {"value": alpha}
    if not known(alpha) and not is_number(kappa):
        return None
    bounds = ""
    if is_number(alpha.get("low")) and is_number(alpha.get("high")):
        bounds = f" (95 % interval {decimal(alpha['low'], 2)} to {decimal(alpha['high'], 2)})"
    limit = found.plan.get("agreement", 0.7)
    told = (
        f"Krippendorff's alpha {decimal(alpha.get('value'), 2)}{bounds}; 1 is perfect, 0 is chance."
    )
    if is_number(kappa):
        told += f" Cohen's kappa {decimal(kappa, 2)}."
    if is_number(limit) and known(alpha):
        told += f" Below {decimal(limit, 2)} a round is refused."
    chart = (
        strip("Krippendorff's alpha", alpha, baseline=limit, width=230) if known(alpha) else None
    )
    return join([tag("h3", "Do the raters agree?"), paragraphs(told), chart])


def _gold(found: RoundFolder) -> Safe | None:
    rows = []
    for row in map(mapping, sequence(found.labelling.get("gold"))):
        share = row.get("accuracy")
        estimate = mapping(share) if not is_number(share) else {"value": share}
        word = str(row.get("verdict") or "")
        kind = {"passed": "ok", "failed": "bad"}.get(word, "quiet")
        cell = Cell(with_interval(estimate), estimate.get("value"))
        rows.append(
            [foreign(row.get("rater"), 80), cell, tag("span", foreign(word, 40), class_=kind)]
        )
    if not rows:
        return None
    caption = "Each rater on gold items: images whose answer was known beforehand and hidden."
    return table(caption, [Column("Rater", False), "right", Column("verdict", False)], rows)
