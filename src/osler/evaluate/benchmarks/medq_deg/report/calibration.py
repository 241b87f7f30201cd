"""Does confidence follow accuracy when the image gets worse?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from osler.evaluate.report.charts import Curve, Shift, confidence_shift, reliability, risk_coverage
from osler.evaluate.report.folder import Row
from osler.evaluate.report.markup import Safe, join, paragraphs, tag
from osler.evaluate.report.numbers import (
    count,
    decimal,
    interval,
    is_number,
    known,
    percent,
    points,
    signed,
    with_interval,
)
from osler.evaluate.report.tables import Cell, Column, details, figure, key, table

from .cells import Summary, level_name

Entry = Mapping[str, Any]

KINDS = {
    "vote_entropy": "vote entropy (compat)",
    "max_vote": "largest vote share (robust)",
    "model_prob": "the model's own probability (robust)",
}

MEASURES = (
    (
        "shift",
        "Calibration Shift: mean confidence minus accuracy. Above 0 the model is surer "
        "than it is right. Faults in both directions cancel, so 0 does not mean calibrated.",
    ),
    (
        "ECE",
        "expected calibration error: mean gap between confidence and accuracy over ten "
        "bins of equal width; 0 is perfect.",
    ),
    ("ACE", "adaptive calibration error: the same over bins that hold equally many answers."),
    (
        "Brier",
        "squared distance between the distribution over the options and the truth, "
        "0 to 2; lower is better.",
    ),
    ("NLL", "mean surprise at the right option, in nats; one confident error costs much."),
    (
        "AURC",
        "area under the risk-coverage curve: the error one keeps when only the surest "
        "answers are used; lower is better.",
    ),
    (
        "shift if calibrated",
        "the Calibration Shift that a perfectly calibrated sampler of the "
        "same accuracy and T would have: the zero of the compat rows.",
    ),
)


def calibration_section(summary: Summary, rows: Sequence[Row]) -> Safe:
    """Verdict, shift figure, table of measures, reliability curves, risk against coverage."""
    entries = summary.get("calibration") or []
    if not entries:
        return Safe("")
    best = robust_kind(entries)
    forms = (("robust", best), ("compat", "vote_entropy"))
    return join(
        [
            verdict(summary, entries),
            _trials_note(summary),
            tag(
                "div",
                _shift_figure(entries, forms),
                _risk_figure(entries, rows, best),
                class_="charts",
            ),
            _measures_table(entries),
            details(
                "What the measures mean",
                tag("dl", *[tag("div", tag("dt", n), tag("dd", a)) for n, a in MEASURES]),
            ),
            _reliability_figures(entries, best),
        ]
    )


def robust_kind(entries: Sequence[Entry]) -> str:
    """The confidence that robust figures use: the model's own where it gives one."""
    kinds = {str(e.get("confidence")) for e in entries}
    return next((k for k in ("model_prob", "max_vote") if k in kinds), min(kinds))


def of_kind(entries: Sequence[Entry], kind: str) -> list[Entry]:
    """The entries of one confidence, by level."""
    found = [e for e in entries if e.get("confidence") == kind]
    return sorted(found, key=lambda e: str(e.get("level")))


def verdict(summary: Summary, entries: Sequence[Entry]) -> Safe:
    """The Dunning-Kruger flag in plain words, with the numbers it rests on."""
    flag = (summary.get("dunning_kruger") or {}).get("intra")
    votes = of_kind(entries, "vote_entropy")
    if flag is None or len(votes) < 2:
        return _boxed(
            "",
            "Dunning-Kruger effect: not decided.",
            "It needs clean and degraded items and more than one trial of each.",
        )
    clean, hard = votes[0], votes[-1]
    name = level_name(hard["level"])
    accuracy = f"from {percent(clean['accuracy'])} at L0 to {percent(hard['accuracy'])} at {name}"
    shift = f"from {signed(clean['shift']['value'])} to {signed(hard['shift']['value'])}"
    doubt = _doubt(summary, str(hard["level"]))
    if flag:
        return _boxed(
            "yes",
            "Dunning-Kruger effect: yes.",
            f"Accuracy falls {accuracy}, and the Calibration Shift does not fall with it "
            f"({shift}): the model gets worse and does not become less sure in step.{doubt}",
        )
    why = (
        f"Accuracy falls {accuracy}, and confidence falls faster: the Calibration Shift goes "
        f"{shift}."
        if clean["accuracy"] > hard["accuracy"]
        else f"Accuracy does not fall: it goes {accuracy}."
    )
    return _boxed("no", "Dunning-Kruger effect: no.", why + doubt)


def _doubt(summary: Summary, level: str) -> str:
    """The flag has no interval; the paired loss says whether there is a fall to speak of."""
    rows = [p for p in summary.get("paired") or [] if (p["by"], str(p["level"])) == ("all", level)]
    drop = rows[0]["drop"] if rows else None
    if not drop or not known(drop) or not drop["low"] <= 0 <= drop["high"]:
        return ""
    return (
        " The flag, as published, has no interval: question by question the loss is "
        f"{points(drop['value'])} points (95 % interval {interval(drop, as_points=True)}), which "
        "includes none, so this verdict may be chance."
    )


def _boxed(kind: str, title: str, body: str) -> Safe:
    return tag(
        "div", tag("p", tag("strong", title)), tag("p", body), class_=f"verdict {kind}".strip()
    )


def _trials_note(summary: Summary) -> Safe:
    trials = summary.get("trials")
    if trials == 1:
        return tag(
            "p",
            "This run has one trial an item, so vote confidence would always be 1 and is left "
            "out. Use three trials or more.",
            class_="bad",
        )
    return tag(
        "p",
        f"Vote confidence depends on the number of trials (here T = {count(trials)}): with few "
        "trials a sampler looks surer than it is. Runs of different T are never compared.",
        class_="quiet",
    )


def _shift_figure(entries: Sequence[Entry], forms: Sequence[tuple[str, str]]) -> Safe:
    paths = {
        form: [
            Shift(level_name(e["level"]), float(e["mean_confidence"]), float(e["accuracy"]))
            for e in of_kind(entries, kind)
        ]
        for form, kind in forms
    }
    names = [(form, KINDS.get(kind, kind)) for form, kind in forms if paths[form]]
    return figure(
        confidence_shift(
            "Mean confidence against accuracy by level", {f: p for f, p in paths.items() if p}
        ),
        join(
            [
                "From clean (L0) to degraded. An arrow to the left is lost accuracy; one that "
                "does not also go down is confidence that did not follow.",
                key(*names),
            ]
        ),
    )


PARTS = {
    "model_prob": ("model_confidence", "model_hit"),
    "max_vote": ("max_vote", "mode_hit"),
}
"""Where the rows of scores.parquet keep a confidence and whether the answer behind it is right."""


def _risk_figure(entries: Sequence[Entry], rows: Sequence[Row], best: str) -> Safe | None:
    curves = [
        Curve(level_name(e["level"]), int(e["level"]), line, f"area {decimal(e.get('aurc'))}")
        for e in of_kind(entries, best)
        if (line := _risk_line(rows, str(e["level"]), best))
    ]
    if not curves:
        return None
    return figure(
        risk_coverage("Risk against coverage by level", curves),
        f"If only the surest answers were used: share wrong, by {KINDS.get(best, best)}. A curve "
        "that rises to the right means that confidence sorts right from wrong; a flat one that "
        "it does not.",
    )


def _risk_line(rows: Sequence[Row], level: str, kind: str) -> tuple[tuple[float, float], ...]:
    from osler.evaluate.scoring import risk_coverage as curve

    confidence, hit = PARTS.get(kind, ("", ""))
    found = [
        (row["parts"][confidence], row["parts"][hit])
        for row in rows
        if row["status"] == "scored"
        and row["tags"].get("level") == level
        and is_number(row["parts"].get(confidence))
        and is_number(row["parts"].get(hit))
    ]
    if not found:
        return ()
    coverage, risk = curve([c for c, _ in found], [h for _, h in found])
    step = max(1, len(coverage) // 200)  # what a screen can show
    places = sorted({*range(0, len(coverage), step), len(coverage) - 1})
    return tuple((float(coverage[i]), float(risk[i])) for i in places)


def _measures_table(entries: Sequence[Entry]) -> Safe:
    rows = []
    for kind, name in KINDS.items():
        for entry in of_kind(entries, kind):
            shift = entry["shift"]
            rows.append(
                [
                    level_name(entry["level"]),
                    Cell(name, name),
                    count(entry.get("n")),
                    decimal(entry.get("mean_confidence"), 3),
                    percent(entry.get("accuracy")),
                    Cell(with_interval(shift, as_points=True), shift["value"]),
                    *[decimal(entry.get(m)) for m in ("ece", "ace", "brier", "nll", "aurc")],
                    points((entry.get("calibrated_sampler") or {}).get("shift")),
                ]
            )
    heads: list[Column | str] = [
        Column("Level", False),
        Column("Confidence", False),
        "n",
        Column("mean", about="mean confidence"),
        "accuracy",
        Column("shift, points", about=MEASURES[0][1]),
        *[Column(name, about=about) for name, about in MEASURES[1:-1]],
        Column("shift if calibrated", about=MEASURES[-1][1]),
    ]
    return table(
        "Calibration by level. The compat rows reproduce the paper's Calibration Shift; the "
        "robust rows are the ones to rely on. Accuracy is of what the confidence speaks about: "
        "the mean over trials for vote entropy, the most frequent answer for the largest share, "
        "the most probable option for the model's own.",
        heads,
        rows,
        sortable=True,
    )


def _reliability_figures(entries: Sequence[Entry], best: str) -> Safe:
    parts: list[Safe] = [
        tag("h3", "Reliability curves"),
        paragraphs(
            "Dots on the dotted diagonal are calibrated, below it the model is surer than it is "
            "right; the thin line is the gap. Bars count the answers in each bin: a dot over a "
            "short bar says little."
        ),
    ]
    kinds = [best, *[k for k in KINDS if k != best and of_kind(entries, k)]]
    for place, kind in enumerate(kinds):
        name = KINDS.get(kind, kind)
        charts = [
            figure(
                reliability(
                    f"Reliability at {level_name(e['level'])}, {name}", e.get("bins") or []
                ),
                f"{level_name(e['level'])}, n = {count(e.get('n'))}, ECE {decimal(e.get('ece'))}",
            )
            for e in of_kind(entries, kind)
        ]
        body = tag("div", *charts, class_="charts mid")
        if place == 0:
            parts += [tag("h4", f"Confidence: {name}"), body, _bins_table(entries, kind)]
        else:
            parts.append(details(f"Confidence: {name}", body, _bins_table(entries, kind)))
    return join(parts)


def _bins_table(entries: Sequence[Entry], kind: str) -> Safe:
    rows = [
        [
            level_name(entry["level"]),
            f"{decimal(b['low'], 2)} to {decimal(b['high'], 2)}",
            count(b["n"]),
            decimal(b.get("confidence"), 3),
            percent(b.get("accuracy")),
        ]
        for entry in of_kind(entries, kind)
        for b in entry.get("bins") or []
        if b.get("n")
    ]
    return details(
        "These curves as a table",
        table(
            f"Bins of {KINDS.get(kind, kind)}.",
            [Column("Level", False), Column("Confidence", False), "n", "mean", "accuracy"],
            rows,
        ),
    )
