"""The charts of a round's report: words and numbers in HTML, only the marks in SVG.

So long names wrap, and nothing shrinks on a phone. Blue dots are after (or the engine), grey
squares before, orange diamonds random; shape says what colour says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from osler.evaluate.report.markup import Safe, join, tag
from osler.evaluate.report.numbers import (
    Estimate,
    count,
    decimal,
    interval,
    is_number,
    known,
    percent,
    points,
)
from osler.evaluate.report.svg import (
    Plot,
    axis_x,
    axis_y,
    drawing,
    error_bar_across,
    line,
    marker,
    path,
    plot,
    rect,
    text,
    ticks,
)

WIDTH = 440.0
SIDES = (6.0, 34.0)
BINS = 20


def lines(rows: Sequence[tuple[object, Safe, object]], head: Safe | None = None) -> Safe:
    """Rows of (name, drawing, figures); the drawing goes below the name on a narrow page."""
    parts = [
        tag(
            "li",
            tag("span", name, class_="who"),
            chart,
            tag("span", figures, class_="figures"),
        )
        for name, chart, figures in rows
    ]
    top = tag("li", tag("span", class_="who"), head, class_="scale", aria_hidden="true")
    return tag("ul", top if head is not None else None, *parts, class_="lines")


def percent_scale() -> Safe:
    """The axis above rows of percent: 0 to 100."""
    frame = plot(WIDTH, 20, (0, 1), (0, 1), (2, SIDES[1], 2, SIDES[0]))
    at = [0, 0.25, 0.5, 0.75, 1]
    labels = [text((frame.x(v), 13), f"{100 * v:g}", "tick", "middle") for v in at]
    return drawing(WIDTH, 20, "scale", "0 to 100 %", *labels)


def change_line(title: str, before: float, after: float, change: Estimate) -> Safe:
    """Before (square), after (dot), and where after may lie: before + the interval of the change.

    All from 0 to 1.
    """
    frame = plot(WIDTH, 24, (0, 1), (0, 1), (2, SIDES[1], 2, SIDES[0]))
    middle = 12.0
    parts = [line((frame.x(v), 2), (frame.x(v), 22), "grid") for v in (0, 0.25, 0.5, 0.75, 1)]
    if is_number(change.get("low")) and is_number(change.get("high")):
        low, high = (frame.x(min(max(before + change[k], 0), 1)) for k in ("low", "high"))
        parts.append(error_bar_across(middle, low, high, "bar robust", 5))
    spots = (frame.x(before), middle), (frame.x(after), middle)
    parts.append(marker(spots[0], "square", "mark baseline", f"before {percent(before)}", 4))
    parts.append(marker(spots[1], "dot", "mark robust", f"after {percent(after)}", 5))
    told = f"before {percent(before)}, after {percent(after)}, change {points(change.get('value'))}"
    bounds = interval(change, as_points=True)
    return drawing(WIDTH, 24, title, told + (f" points ({bounds})" if bounds else ""), *parts)


def rate_line(title: str, rate: Estimate) -> Safe:
    """A rate as a bar from 0 with its interval."""
    frame = plot(WIDTH, 24, (0, 1), (0, 1), (2, SIDES[1], 2, SIDES[0]))
    parts = [line((frame.x(v), 2), (frame.x(v), 22), "grid") for v in (0, 0.25, 0.5, 0.75, 1)]
    value = min(max(float(rate["value"]), 0), 1) if known(rate) else 0.0
    words = f"{percent(rate.get('value'))}" + (f" ({interval(rate)})" if interval(rate) else "")
    parts.append(rect(frame.left, 6, frame.x(value) - frame.left, 12, "weak-bar", words))
    if is_number(rate.get("low")) and is_number(rate.get("high")):
        low, high = (frame.x(min(max(rate[k], 0), 1)) for k in ("low", "high"))
        parts.append(error_bar_across(12, low, high, "bar ink", 4))
    return drawing(WIDTH, 24, title, words, *parts)


def part_bar(title: str, part: object, width: float = 90) -> Safe:
    """A share of a whole as a small bar, for a cell of a table."""
    value = min(max(float(part), 0), 1) if is_number(part) else 0.0
    frame = plot(width, 14, (0, 1), (0, 1), (0, 0, 0, 0))
    bars = (
        rect(0, 3, width, 8, "part-ground"),
        rect(0, 3, frame.x(value), 8, "part-bar", percent(part)),
    )
    return drawing(width, 14, title, percent(part), *bars)


def doubt_histogram(doubts: Sequence[tuple[float, bool]]) -> Safe:
    """How doubtful (0 to 1) the chosen images are; the part that people see stands below."""
    size = (360.0, 190.0)
    seen, unseen = [0] * BINS, [0] * BINS
    for value, by_people in doubts:
        place = min(max(int(value * BINS), 0), BINS - 1)
        (seen if by_people else unseen)[place] += 1
    most = max(1, *(a + b for a, b in zip(seen, unseen, strict=True)))
    frame = plot(*size, (0, 1), (0, most), (20, 8, 36, 42))
    at = sorted({round(v) for v in ticks(0, most, 4)})
    parts = [axis_y(frame, at, [count(v) for v in at], "images")]
    told = []
    for place in range(BINS):
        low, high = place / BINS, (place + 1) / BINS
        left, wide = frame.x(low) + 0.5, frame.x(high) - frame.x(low) - 1
        words = f"doubt {low:.2f} to {high:.2f}: {seen[place]} seen by people, {unseen[place]} not"
        for n, under, class_ in (
            (seen[place], 0, "seen-bar"),
            (unseen[place], seen[place], "count-bar"),
        ):
            if n:
                top = frame.y(under + n)
                parts.append(rect(left, top, wide, frame.y(under) - top, class_, words))
        if seen[place] + unseen[place]:
            told.append(words)
    parts.append(axis_x(frame, [0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"], "doubt"))
    return drawing(*size, "How doubtful the images are", "; ".join(told or ["none"]) + ".", *parts)


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of choosing: mean score (0 to 1) at each size, least and greatest over seeds."""

    name: str
    kind: str
    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


SHAPES: Mapping[str, str] = {"robust": "dot", "compat": "diamond", "baseline": "square"}


def learning_curves(
    title: str, sizes: Sequence[float], arms: Sequence[Arm], name_x: str, target: float | None
) -> Safe:
    """Mean lines with their bands over the number of labelled images."""
    size = (360.0, 270.0)
    found = [
        v for arm in arms for row in (arm.low, arm.high, arm.mean) for v in row if v is not None
    ]
    low, high = min(found, default=0.0), max(found, default=1.0)
    room = max(0.05, 0.08 * (high - low))
    frame = plot(*size, _span(sizes), (max(0, low - room), min(1, high + room)), (20, 12, 36, 46))
    at = ticks(frame.y.low, frame.y.high, 5)
    digits = 0 if all(abs(100 * v - round(100 * v)) < 1e-6 for v in at) else 1
    parts = [axis_y(frame, at, [percent(v, digits).replace(" ", "") for v in at], "accuracy")]
    if target is not None and frame.y.low <= target <= frame.y.high:
        ends = (frame.left, frame.y(target)), (frame.right, frame.y(target))
        parts.append(line(*ends, "base-line"))
    parts += [_band(frame, sizes, arm) for arm in arms]
    told = []
    for arm in arms:
        parts.append(_mean_line(frame, sizes, arm))
        pairs = zip(sizes, arm.mean, strict=True)
        told.append(f"{arm.name}: " + ", ".join(f"{percent(m)} at {s:g}" for s, m in pairs))
    shown = _spread(sizes, frame)
    parts.append(axis_x(frame, shown, [f"{s:g}" for s in shown], name_x))
    return drawing(*size, title, "; ".join(told) + ".", *parts)


def _span(sizes: Sequence[float]) -> tuple[float, float]:
    low, high = min(sizes), max(sizes)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _spread(sizes: Sequence[float], frame: Plot) -> list[float]:
    """The sizes that can be written side by side without touching, the last among them."""
    kept: list[float] = []
    for value in sorted(sizes, reverse=True):
        if not kept or frame.x(kept[-1]) - frame.x(value) >= 34:
            kept.append(value)
    return kept[::-1]


def _band(frame: Plot, sizes: Sequence[float], arm: Arm) -> Safe:
    rows = zip(sizes, arm.low, arm.high, strict=True)
    edge = [(s, a, b) for s, a, b in rows if a is not None and b is not None]
    upper = [(frame.x(s), frame.y(b)) for s, _, b in edge]
    lower = [(frame.x(s), frame.y(a)) for s, a, _ in reversed(edge)]
    return path([*upper, *lower], f"band {arm.kind}", closed=True)


def _mean_line(frame: Plot, sizes: Sequence[float], arm: Arm) -> Safe:
    spots, marks = [], []
    for size, mean, low, high in zip(sizes, arm.mean, arm.low, arm.high, strict=True):
        if mean is None:
            continue
        spot = (frame.x(size), frame.y(mean))
        words = f"{arm.name}, {size:g} images: mean {percent(mean)}"
        if low is not None and high is not None:
            words += f", {decimal(100 * low, 1)} to {decimal(100 * high, 1)} over seeds"
        spots.append(spot)
        marks.append(marker(spot, SHAPES.get(arm.kind, "dot"), f"mark {arm.kind}", words, 4))
    return join([path(spots, f"mean {arm.kind}"), *marks])
