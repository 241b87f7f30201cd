"""The top of a report: what was asked of whom, how much of it counts, and the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from osler.evaluate.engine import COVERAGE_FLOOR

from .charts import strip
from .markup import Safe, foreign, join, tag
from .numbers import (
    Estimate,
    count,
    duration,
    interval,
    is_number,
    known,
    money,
    percent,
    points,
    with_interval,
)
from .tables import Cell, Column, facts, key, table

FORMS = {
    "robust": "cannot be gamed in the known ways; the figure to rely on",
    "compat": "the parser and arithmetic of the paper; the figure to compare with published ones",
}


def headline(run: Mapping[str, Any], summary: Mapping[str, Any]) -> Safe:
    """Coverage (first, in red, where too much is unscored), name, scores, baseline, facts."""
    model = summary.get("model") or run.get("model") or {}
    bench = summary.get("benchmark") or run.get("benchmark") or {}
    first, alarm = coverage_line(summary)
    title = tag("h1", foreign(named(model)), " on ", foreign(bench.get("title") or named(bench)))
    return join(
        [
            tag("p", first, class_="coverage alarm", role="alert") if alarm else None,
            tag("p", "Osler evaluation report", class_="eyebrow"),
            title,
            labels(run, summary),
            None if alarm else tag("p", first, class_="coverage"),
            scores(summary),
            run_facts(run, summary),
        ]
    )


def named(thing: object) -> str:
    """The name of a model or benchmark that is written as text or as an object with a name."""
    if isinstance(thing, Mapping):
        return str(thing.get("name") or "unnamed")
    return str(thing or "unnamed")


def coverage(summary: Mapping[str, Any]) -> float:
    """Share of items that have a score."""
    n = summary.get("n_items") or 0
    return (summary.get("n_scored") or 0) / n if n else 0.0


def coverage_line(summary: Mapping[str, Any]) -> tuple[Safe, bool]:
    """How many items are scored, in words, and whether that is an alarm."""
    n, scored = summary.get("n_items") or 0, summary.get("n_scored") or 0
    words = f"{count(scored)} of {count(n)} items scored ({percent(coverage(summary))})"
    if scored == n and n:
        return join([words, "."]), False
    reasons = summary.get("unscored") or {}
    listed = ", ".join(f"{count(v)} {str(k).replace('_', ' ')}" for k, v in reasons.items() if v)
    alarm = coverage(summary) < COVERAGE_FLOOR
    missing = f"{count(n - scored)} unscored" + (f" ({listed})" if listed else "")
    if not alarm:
        return join([f"{words}; {missing}, left out of every mean."]), False
    advice = (
        "The scores below rest on the scored part only and may be biased; "
        "run the same command again to ask the missing items."
    )
    return join([f"Incomplete: {words}; {missing}. {advice}"]), True


def labels(run: Mapping[str, Any], summary: Mapping[str, Any]) -> Safe:
    """Small print that must not be small: smoke data, smoke models, research use."""
    tags = []
    if is_smoke(run, summary):
        tags.append("smoke benchmark: shows that everything works, says nothing about medicine")
    model = run.get("model")
    identity = model.get("identity") if isinstance(model, Mapping) else None
    if identity and identity.get("note"):
        tags.append(str(identity["note"]))
    return tag(
        "p",
        *[tag("span", text, class_="tag") for text in tags],
        tag("span", "For research use only.", class_="quiet"),
        class_="labels",
    )


def is_smoke(run: Mapping[str, Any], summary: Mapping[str, Any]) -> bool:
    """True where the data set calls itself a smoke benchmark."""
    places = [summary.get("dataset"), run.get("data")]
    return any(isinstance(p, Mapping) and bool(p.get("smoke")) for p in places)


def best_baseline(summary: Mapping[str, Any], form: str = "robust") -> Mapping[str, Any] | None:
    """The degenerate player that scores highest in ``form``."""
    players = [b for b in summary.get("baselines") or [] if known(b.get(form))]
    return max(players, key=lambda b: b[form]["value"], default=None)


def scores(summary: Mapping[str, Any]) -> Safe:
    """Both forms of the score, each beside the best degenerate baseline in the same form."""
    found = summary.get("headline") or {}
    cards = [_card(form, found, best_baseline(summary, form)) for form in FORMS]
    about = foreign(found["about"]) if found.get("about") else None
    return join(
        [
            tag("p", "The score: ", about, ".", class_="lede") if about else None,
            tag("div", *cards, class_="scores"),
        ]
    )


def _card(form: str, found: Mapping[str, Any], baseline: Mapping[str, Any] | None) -> Safe:
    estimate: Estimate | None = found.get(form)
    clean = (found.get("clean") or {}).get(form)
    bounds = interval(estimate)
    level = round(100 * (estimate or {}).get("confidence", 0.95))
    spread = None
    if bounds and estimate is not None:
        groups = estimate.get("groups")
        over = f", {count(groups)} independent groups" if is_number(groups) else ""
        spread = tag("p", f"{level} % interval {bounds} (n = {count(estimate.get('n'))}{over})")
    return tag(
        "div",
        tag("h2", f"Accuracy, {form}"),
        tag("p", percent((estimate or {}).get("value")), class_="big"),
        spread,
        strip(
            f"{form} accuracy",
            estimate,
            form,
            baseline[form]["value"] if baseline else None,
            width=230,
        ),
        tag("p", "On clean images: ", with_interval(clean)) if known(clean) else None,
        _against(form, estimate, baseline),
        tag("p", f"{form.capitalize()}: {FORMS[form]}.", class_="quiet"),
        class_=f"score {form}",
    )


def _against(
    form: str, estimate: Estimate | None, baseline: Mapping[str, Any] | None
) -> Safe | None:
    if baseline is None:
        return tag("p", "No degenerate baseline was computed.", class_="bad")
    value = baseline[form]["value"]
    text = f"Best degenerate baseline: {percent(value)} ("
    parts: list[object] = [text, foreign(baseline.get("name", ""))]
    gain = baseline.get("gain" if form == "robust" else f"gain_{form}")
    if gain and known(gain):
        parts.append(f"). On the same items the model is {points(gain['value'])} points ahead (")
        parts.append(f"95 % interval {interval(gain, as_points=True)})")
        warn = is_number(gain.get("low")) and gain["low"] <= 0
    else:
        parts.append(")")
        low = (estimate or {}).get("low")
        warn = low is not None and is_number(low) and low <= value
    return tag(
        "p",
        *parts,
        ".",
        tag(
            "span",
            " The interval includes zero: no skill beyond the baseline is shown.",
            class_="bad",
        )
        if warn
        else None,
    )


def run_facts(run: Mapping[str, Any], summary: Mapping[str, Any]) -> Safe:
    """Trials, cost, time, data: what a reader asks first."""
    accounts = summary.get("cost") or []
    tokens = [sum(a.get(k) or 0 for a in accounts) for k in ("tokens_in", "tokens_out")]
    sessions = run.get("sessions") or []
    seconds = [took for took in map(_took, sessions) if took is not None]
    data = summary.get("dataset") or {}
    bench = summary.get("benchmark") or {}
    return facts(
        [
            ("Trials (T)", count(summary.get("trials"))),
            ("Data", foreign(" ".join(str(data[k]) for k in ("name", "version") if data.get(k)))),
            ("Benchmark version", foreign(bench.get("version", ""))),
            ("Cost of the replies", spent(accounts)),
            ("Tokens", f"{count(tokens[0])} in, {count(tokens[1])} out" if any(tokens) else None),
            ("Started", foreign(_day(sessions[0])) if sessions else "not recorded"),
            ("Took", duration(sum(seconds)) if seconds else None),
        ]
    )


def spent(accounts: Sequence[Mapping[str, Any]]) -> str:
    """The money behind all replies; ``at least`` where some have no known price."""
    priced = [a["usd"] for a in accounts if a.get("usd") is not None]
    if not priced:
        return "not known"
    partly = any(a.get("unpriced_calls") for a in accounts)
    return ("at least " if partly else "") + money(sum(priced))


def _day(session: Mapping[str, Any]) -> str:
    """The start of a session to the minute: ``2026-03-08 10:00 UTC``."""
    try:
        started = datetime.fromisoformat(session["started"])
    except (KeyError, TypeError, ValueError):
        return "not recorded"
    return started.strftime("%Y-%m-%d %H:%M %Z").strip()


def _took(session: Mapping[str, Any]) -> float | None:
    try:
        ended, started = (datetime.fromisoformat(session[k]) for k in ("ended", "started"))
    except (KeyError, TypeError, ValueError):
        return None  # the session was killed, or is still running while the report is written
    return (ended - started).total_seconds()


def baseline_table(summary: Mapping[str, Any]) -> Safe:
    """The model among the degenerate players, best first."""
    model = summary.get("model") or {}
    found = summary.get("headline") or {}
    rows: list[tuple[str, Mapping[str, Any], object, bool]] = [
        (named(model), found, "the model of this run", True)
    ]
    rows += [
        (str(b.get("name", "")), b, b.get("about", ""), False)
        for b in summary.get("baselines") or []
    ]
    rows.sort(key=lambda r: -r[1]["robust"]["value"] if known(r[1].get("robust")) else 1)
    body: Sequence[Sequence[object]] = [
        [
            Cell(foreign(name), class_="us" if ours else ""),
            _sorted(forms.get("robust")),
            _sorted(forms.get("compat")),
            strip(name, forms.get("robust"), "robust" if ours else "baseline"),
            foreign(about),
        ]
        for name, forms, about, ours in rows
    ]
    return join(
        [
            key(("robust", "the model, robust"), ("baseline", "a degenerate player")),
            table(
                "Accuracy of the model and of players that do not look, on the same items. "
                "A score means something only as far as it stands above them.",
                [
                    Column("Player", False),
                    Column("robust"),
                    Column("compat"),
                    Column("0 to 100 %", False),
                    Column("What it does", False),
                ],
                body,
                sortable=True,
            ),
        ]
    )


def _sorted(estimate: Estimate | None) -> Cell:
    value = estimate["value"] if known(estimate) and estimate else None
    return Cell(with_interval(estimate), value)
