"""The charts of the report, each drawn from plain numbers and readable at phone width.

Blue dots are the robust form, orange diamonds the compat form, a dashed grey line the best
degenerate baseline; shape and dash say the same as colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .markup import Safe, join
from .numbers import Estimate, decimal, interval, is_number, known, percent, points
from .svg import (
    Plot,
    arrow,
    axis_x,
    axis_y,
    drawing,
    error_bar,
    error_bar_across,
    line,
    marker,
    path,
    plot,
    rect,
    text,
    ticks,
)

Bin = Mapping[str, Any]
"""A bin of a reliability curve: low, high, n, confidence, accuracy."""


@dataclass(frozen=True, slots=True)
class Series:
    """One form over the levels: ``values[i]`` belongs to level i of the chart."""

    name: str
    kind: str
    values: tuple[Estimate | None, ...]


SHAPES = {"robust": "dot", "compat": "diamond", "baseline": "square"}


def says(name: str, estimate: Estimate | None) -> str:
    """An estimate in words, for a title or a description."""
    if not known(estimate):
        return f"{name}: no value"
    assert estimate is not None
    bounds = interval(estimate)
    n = f", n = {estimate['n']}" if estimate.get("n") is not None else ""
    return f"{name} {percent(estimate['value'])}" + (f" ({bounds})" if bounds else "") + n


def level_chart(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    baselines: Sequence[float | None] = (),
    size: tuple[float, float] = (340, 230),
) -> Safe:
    """Accuracy by level with error bars, one mark a form; ``baselines`` as a dash at each level."""
    small = size[0] < 250
    margins = (10, 8, 22, 34) if small else (18, 12, 26, 42)
    frame = plot(*size, (-0.5, len(labels) - 0.5), (0, 1), margins)
    at = [0, 0.5, 1] if small else [0, 0.25, 0.5, 0.75, 1]
    parts = [axis_y(frame, at, [percent(v, 0).replace(" ", "") for v in at])]
    parts.append(axis_x(frame, list(range(len(labels))), labels))
    told = []
    for place, (label, base) in enumerate(zip(labels, baselines, strict=False)):
        if is_number(base):
            ends = (frame.x(place - 0.5), frame.x(place + 0.5))
            y = frame.y(float(base))
            parts.append(line((ends[0], y), (ends[1], y), "base-line"))
            told.append(f"{label}: best degenerate baseline {percent(base)}")
    for index, one in enumerate(series):
        shift = 6 * (index - (len(series) - 1) / 2) * (1 if small else 1.6)
        parts.append(_over_levels(frame, one, labels, shift, 3 if small else 4.5))
        told += [
            f"{label}: {says(one.name, v)}" for label, v in zip(labels, one.values, strict=True)
        ]
    return drawing(*size, title, "; ".join(told) + ".", *parts)


def _over_levels(
    frame: Plot, one: Series, labels: Sequence[str], shift: float, size: float
) -> Safe:
    places: list[tuple[float, float]] = []
    marks: list[Safe] = []
    for place, (label, value) in enumerate(zip(labels, one.values, strict=True)):
        if not known(value):
            continue
        assert value is not None
        x, y = frame.x(place) + shift, frame.y(value["value"])
        if is_number(value.get("low")) and is_number(value.get("high")):
            marks.append(
                error_bar(x, frame.y(value["low"]), frame.y(value["high"]), f"bar {one.kind}")
            )
        title = f"{label}, {says(one.name, value)}"
        marks.append(marker((x, y), SHAPES[one.kind], f"mark {one.kind}", title, size))
        places.append((x, y))
    return join([path(places, f"trend {one.kind}"), *marks])


def strip(
    title: str,
    estimate: Estimate | None,
    kind: str = "robust",
    baseline: float | None = None,
    span: tuple[float, float] = (0, 1),
    width: float = 180,
) -> Safe:
    """One estimate on a line, for a row of a table: mark, interval, baseline tick."""
    frame = plot(width, 20, span, (0, 1), (2, 6, 2, 6))
    parts = [line((frame.left, 10), (frame.right, 10), "grid")]
    if span[0] < 0 < span[1]:
        parts.append(line((frame.x(0), 3), (frame.x(0), 17), "axis"))
    if is_number(baseline):
        x = frame.x(_inside(float(baseline), span))
        parts.append(line((x, 2), (x, 18), "base-line"))
    words = says(kind, estimate) if span[0] >= 0 else _says_difference(estimate)
    if known(estimate):
        assert estimate is not None
        if is_number(estimate.get("low")) and is_number(estimate.get("high")):
            low, high = (frame.x(_inside(estimate[k], span)) for k in ("low", "high"))
            parts.append(error_bar_across(10, low, high, f"bar {kind}"))
        x = frame.x(_inside(estimate["value"], span))
        parts.append(marker((x, 10), SHAPES.get(kind, "dot"), f"mark {kind}", words, 4))
    if is_number(baseline):
        words += f"; best degenerate baseline {percent(baseline)}"
    return drawing(width, 20, title, words, *parts)


def _inside(value: float, span: tuple[float, float]) -> float:
    return min(max(value, span[0]), span[1])


def _says_difference(estimate: Estimate | None) -> str:
    if not known(estimate):
        return "no value"
    assert estimate is not None
    bounds = interval(estimate, as_points=True)
    return f"{points(estimate['value'])} points" + (f" ({bounds})" if bounds else "")


def reliability(title: str, bins: Sequence[Bin]) -> Safe:
    """Accuracy against confidence by bin, over the number of answers in each bin.

    Dots on the diagonal are calibrated; below it the model is over-confident.
    """
    width, height = 236.0, 270.0
    frame = plot(width, 200, (0, 1), (0, 1), (16, 10, 4, 38))
    lower = plot(width, height, (0, 1), (0, 1), (212, 10, 34, 38))
    at = [0, 0.5, 1]
    parts = [
        axis_y(frame, at, ["0", "50", "100"], "accuracy, %"),
        line((frame.x(0), frame.y(0)), (frame.x(1), frame.y(1)), "diagonal"),
    ]
    filled = [b for b in bins if b.get("n")]
    most = max((b["n"] for b in filled), default=1)
    places: list[tuple[float, float]] = []
    marks: list[Safe] = []
    told = []
    for one in filled:
        left, right = lower.x(one["low"]), lower.x(one["high"])
        tall = (lower.bottom - lower.top) * one["n"] / most
        word = (
            f"confidence {decimal(one['low'], 2)} to {decimal(one['high'], 2)}: {one['n']} answers"
        )
        parts.append(
            rect(left + 0.5, lower.bottom - tall, right - left - 1, tall, "count-bar", word)
        )
        if is_number(one.get("confidence")) and is_number(one.get("accuracy")):
            x, y = frame.x(one["confidence"]), frame.y(one["accuracy"])
            marks.append(line((x, frame.y(one["confidence"])), (x, y), "gap"))
            word += f", mean confidence {decimal(one['confidence'], 2)}"
            word += f", accuracy {percent(one['accuracy'])}"
            size = 2.5 + 3 * (one["n"] / most) ** 0.5
            marks.append(marker((x, y), "dot", "mark robust", word, size))
            places.append((x, y))
        told.append(word)
    parts += [path(places, "trend robust"), *marks]
    parts.append(axis_x(lower, at, ["0", "0.5", "1"], "confidence"))
    parts.append(text((2, lower.top + 8), "n", "axis-name"))
    parts.append(text((lower.left - 6, lower.top + 10), f"{most}", "tick", "end"))
    return drawing(width, height, title, "; ".join(told or ["no answers"]) + ".", *parts)


@dataclass(frozen=True, slots=True)
class Curve:
    """A named line of (x, y) with a style number (the level)."""

    name: str
    style: int
    points: tuple[tuple[float, float], ...]
    note: str = ""


def risk_coverage(title: str, curves: Sequence[Curve]) -> Safe:
    """Share of wrong answers among the most confident part of the items, by the size of it."""
    size = (340.0, 270.0)
    highest = max((y for c in curves for _, y in c.points), default=1.0)
    top = min(1.0, max(0.2, highest * 1.1))
    frame = plot(*size, (0, 1), (0, top), (20, 44, 36, 42))
    at = [v for v in (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1) if v <= top]
    at = at if len(at) <= 6 else at[::2]
    parts = [axis_y(frame, at, [percent(v, 0).replace(" ", "") for v in at], "risk (wrong)")]
    parts.append(
        axis_x(frame, [0, 0.5, 1], ["0%", "50%", "100%"], "coverage (most confident first)")
    )
    ends: list[float] = []
    for one in sorted(curves, key=lambda c: -(c.points[-1][1] if c.points else 0)):
        if not one.points:
            continue
        parts.append(path([(frame.x(x), frame.y(y)) for x, y in one.points], f"curve c{one.style}"))
        y = frame.y(one.points[-1][1]) + 4
        y = y if not ends else max(y, ends[-1] + 13)
        ends.append(y)
        parts.append(text((frame.right + 5, y), one.name, f"label c{one.style}"))
    told = "; ".join(f"{c.name}: {c.note}" for c in curves) or "no curves"
    return drawing(*size, title, told + ".", *parts)


@dataclass(frozen=True, slots=True)
class Shift:
    """Mean confidence ``y`` and accuracy ``x`` at one level."""

    label: str
    y: float
    x: float


def confidence_shift(title: str, path_of: Mapping[str, Sequence[Shift]]) -> Safe:
    """Mean confidence against accuracy, with arrows from clean to degraded.

    On the diagonal confidence equals accuracy; an arrow that goes left without going down
    is a model that gets worse and does not notice. Both axes show the same range.
    """
    size = (340.0, 320.0)
    span = _range([v for shifts in path_of.values() for s in shifts for v in (s.x, s.y)])
    frame = plot(*size, span, span, (20, 14, 38, 42))
    at = ticks(*span, 4)
    low, high = span
    inset = 0.03 * (high - low)
    parts = [
        axis_y(frame, at, [percent(v, 0).replace(" ", "") for v in at], "mean confidence"),
        axis_x(frame, at, [percent(v, 0).replace(" ", "") for v in at], "accuracy"),
        line((frame.x(low), frame.y(low)), (frame.x(high), frame.y(high)), "diagonal"),
        text((frame.x(low + inset), frame.y(high - 2 * inset)), "over-confident", "region"),
        text((frame.x(high - inset), frame.y(low + inset)), "under-confident", "region", "end"),
    ]
    upper = max(path_of, key=lambda k: sum(s.y for s in path_of[k]), default="")
    told = []
    for kind, shifts in path_of.items():
        spots = [(frame.x(s.x), frame.y(s.y)) for s in shifts]
        parts += [arrow(a, b, f"arrow {kind}") for a, b in pairwise(spots)]
        for one, spot in zip(shifts, spots, strict=True):
            word = f"{one.label} {kind}: accuracy {percent(one.x)}, confidence {decimal(one.y, 2)}"
            told.append(word)
            parts.append(marker(spot, SHAPES[kind], f"mark {kind}", word, 5))
        parts += _apart([s.label for s in shifts], spots, kind == upper, f"label k-{kind}")
    return drawing(*size, title, "; ".join(told or ["no values"]) + ".", *parts)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Tenths around all values, at least four of them, within 0 and 1."""
    low = math.floor(10 * min(values, default=0.0) - 0.3) / 10
    high = math.ceil(10 * max(values, default=1.0) + 0.3) / 10
    low, high = max(0.0, low), min(1.0, high)
    lack = max(0.0, 0.4 - (high - low))
    low = max(0.0, low - lack)
    return low, max(high, min(1.0, low + 0.4))


def _apart(
    labels: Sequence[str], spots: Sequence[tuple[float, float]], above: bool, class_: str
) -> list[Safe]:
    """Labels over (or under) their marks, moved sideways where they would touch."""
    order = sorted(range(len(spots)), key=lambda i: spots[i][0])
    placed: list[Safe] = []
    free = -math.inf
    for i in order:
        x = max(spots[i][0], free)
        free = x + 19
        placed.append(text((x, spots[i][1] + (-11 if above else 20)), labels[i], class_, "middle"))
    return placed
