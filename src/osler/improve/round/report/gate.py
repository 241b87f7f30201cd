"""The top of the page, and what changed: before and after, stratum by stratum."""

from __future__ import annotations

from osler.evaluate.report.charts import strip
from osler.evaluate.report.markup import Safe, foreign, join, tag
from osler.evaluate.report.numbers import (
    Estimate,
    count,
    interval,
    is_number,
    known,
    p_value,
    percent,
    points,
    with_interval,
)
from osler.evaluate.report.tables import Cell, Column, facts, key, table

from .charts import change_line, lines, percent_scale
from .folder import RoundFolder, Row, mapping, sequence
from .verdict import accuracy, named, notices, strata, verdict

WORDS = {
    "not worse": ("not worse", "ok"),
    "worse": ("worse", "bad"),
    "open": ("open", "quiet"),
}


def head(found: RoundFolder) -> Safe:
    """Verdict, warnings, the two accuracies and their change, the facts asked first."""
    came = verdict(found)
    return join(
        [
            tag("p", "Osler round report", class_="eyebrow"),
            tag(
                "h1",
                tag("span", came.word, class_=f"word {came.tone}"),
                ": ",
                foreign(found.student),
            ),
            tag("p", foreign(came.sentence, 1200), class_="lede verdict-line"),
            *[
                tag("p", foreign(told, 900), class_="notice", role="note")
                for told in notices(found)
            ],
            tag("p", tag("span", "For research use only.", class_="quiet"), class_="labels"),
            _scores(found),
            _facts(found),
        ]
    )


def _scores(found: RoundFolder) -> Safe | None:
    overall = mapping(found.decision.get("overall"))
    if not overall:
        return None
    change = mapping(overall.get("change"))
    before = accuracy(overall.get("before"), change, found.before)
    after = accuracy(overall.get("after"), change, found.after)
    return tag(
        "div",
        _card("Before", "baseline", before, found.student),
        _card("After", "robust", after, named(found.trained.get("model") or "the new student")),
        _change_card(change),
        class_="scores",
    )


def _card(name: str, kind: str, estimate: Estimate | None, model: str) -> Safe:
    bounds = interval(estimate)
    return tag(
        "div",
        tag("h2", f"{name}: accuracy on the gate set"),
        tag("p", percent((estimate or {}).get("value")), class_="big"),
        tag("p", f"95 % interval {bounds}") if bounds else None,
        strip(f"accuracy {name.lower()}", estimate, kind, width=230),
        tag("p", foreign(model, 160), class_="quiet"),
        class_=f"score {kind}",
    )


def _change_card(change: Estimate) -> Safe:
    bounds = interval(change, as_points=True)
    reach = [abs(change[k]) for k in ("low", "high", "value") if is_number(change.get(k))]
    span = min(1.0, max(0.1, *reach)) if reach else 0.1
    return tag(
        "div",
        tag("h2", "Paired change, in points"),
        tag("p", points(change.get("value")), class_="big"),
        tag("p", f"95 % interval {bounds}") if bounds else None,
        strip("change", change, "robust", span=(-span, span), width=230) if known(change) else None,
        tag("p", "The same questions, before and after; the line is no change.", class_="quiet"),
        class_="score robust",
    )


def _facts(found: RoundFolder) -> Safe:
    taken = found.retrieval.get("taken")
    kept, given = found.checks.get("kept"), found.checks.get("given")
    minutes = found.labelling.get("minutes", found.routing.get("minutes"))
    people = "simulated people's time" if found.labelling.get("simulated") else "people's time"
    people += "" if found.labelling else ", expected"
    return facts(
        [
            ("Items asked", count(len(found.items)) if found.items else None),
            (
                "Failures",
                count(sum(bool(r.get("flagged")) for r in found.items)) if found.items else None,
            ),
            ("Images taken from the pool", count(taken) if is_number(taken) else None),
            (
                "Seen by people",
                percent(found.routing.get("review_rate")) if found.routing else None,
            ),
            (people.capitalize(), f"{minutes:,.0f} min" if is_number(minutes) else None),
            ("Trained on", f"{count(kept)} of {count(given)} labels" if is_number(kept) else None),
        ]
    )


def changes_section(found: RoundFolder) -> Safe | None:
    """Dots and intervals for each stratum, what the gate decided and why, and the figures."""
    decision = found.decision
    if not decision:
        return None
    overall = mapping(decision.get("overall"))
    rows = ([overall] if is_number(overall.get("before")) else []) + strata(found)
    return join(
        [
            _why(decision),
            key(
                ("square", "before"),
                ("robust", "after"),
                ("whisker", "95 % interval of the paired change, laid at before"),
            ),
            lines([_line(row, row is overall) for row in rows], percent_scale()),
            _figures(rows, overall),
        ]
    )


def _why(decision: Row) -> Safe:
    accepted = bool(decision.get("accepted"))
    lead = "The gate accepted the new student:" if accepted else "The gate refused the new student:"
    reasons = [tag("li", foreign(reason)) for reason in sequence(decision.get("reasons"))]
    warnings = [tag("li", foreign(told)) for told in sequence(decision.get("warnings"))]
    return tag(
        "div",
        tag("p", tag("strong", lead)),
        tag("ul", *reasons) if reasons else tag("p", "no reason was recorded", class_="quiet"),
        join([tag("p", "It warns of:"), tag("ul", *warnings)]) if warnings else None,
        class_=f"verdict {'no' if accepted else 'yes'}",
    )


def _line(row: Row, overall: bool) -> tuple[object, Safe, object]:
    name = "all strata" if overall else str(row.get("stratum"))
    change = mapping(row.get("change"))
    label = tag("strong", name) if overall else foreign(name, 120)
    chart = change_line(name, row["before"], row["after"], change)
    return label, chart, with_interval(change, as_points=True)


def _figures(rows: list[Row], overall: Row) -> Safe:
    body = []
    for row in rows:
        change = mapping(row.get("change"))
        word, class_ = WORDS.get(str(row.get("state")), (str(row.get("state")), "quiet"))
        name = "all strata" if row is overall else foreign(row.get("stratum"), 120)
        body.append(
            [
                name,
                count(change.get("n")),
                Cell(percent(row["before"]), row["before"]),
                Cell(percent(row["after"]), row["after"]),
                Cell(with_interval(change, as_points=True), change.get("value")),
                Cell(count(row.get("lost")), row.get("lost")),
                Cell(count(row.get("won")), row.get("won")),
                Cell(p_value(row.get("p")), row.get("p")),
                Cell(tag("span", word, class_=class_), class_="word"),
            ]
        )
    heads: list[Column | str] = [Column("Stratum", False), "n", "before", "after", "change"]
    heads += [
        Column("lost", about="right before, wrong after"),
        Column("won", about="wrong before, right after"),
        Column("p", about="McNemar, two-sided mid-p"),
        Column("state", False),
    ]
    caption = (
        "The figures behind the lines, in percent and points. Not worse: surely within the margin; "
        "worse: fell by more, shown by a test; open: too few items to say. The p-values are not "
        "adjusted for the number of strata."
    )
    return table(caption, heads, body, sortable=True)
