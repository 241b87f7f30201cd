"""Drawing: a few pure functions that return SVG as text.

Colours come from the page's style sheet through classes, so that one drawing serves the light
and the dark page. Every drawing has a title and a description for those who cannot see it, and
marks carry a title each, which browsers show on hovering. Units are CSS pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from osler.core import content_hash

from .markup import Safe, escape, join, tag

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from data (``low`` .. ``high``) to pixels (``start`` .. ``stop``)."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)


@dataclass(frozen=True, slots=True)
class Plot:
    """The inner rectangle of a chart, in pixels, with its two scales."""

    x: Scale
    y: Scale

    @property
    def left(self) -> float:
        """Where x begins."""
        return self.x.start

    @property
    def right(self) -> float:
        """Where x ends."""
        return self.x.stop

    @property
    def bottom(self) -> float:
        """Where y begins; larger than ``top``, for pixels count downwards."""
        return self.y.start

    @property
    def top(self) -> float:
        """Where y ends."""
        return self.y.stop


def plot(
    width: float,
    height: float,
    x: tuple[float, float],
    y: tuple[float, float],
    margins: tuple[float, float, float, float] = (12, 10, 34, 42),
) -> Plot:
    """A plot of ``width`` x ``height`` pixels; margins are top, right, bottom, left."""
    top, right, bottom, left = margins
    return Plot(Scale(*x, left, width - right), Scale(*y, height - bottom, top))


def number(value: float) -> str:
    """A coordinate with at most two decimals (short files, same bytes everywhere)."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, about ``about`` of them.

    Examples
    --------
    >>> ticks(0, 1, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def drawing(width: float, height: float, title: str, desc: str, *children: object) -> Safe:
    """The ``<svg>`` itself, readable by a screen reader."""
    key = "g" + content_hash([title, desc, [str(c) for c in children]], 10)
    return tag(
        "svg",
        tag("title", title, id=f"{key}t"),
        tag("desc", desc, id=f"{key}d"),
        *children,
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=number(width),
        height=number(height),
        role="img",
        aria_labelledby=f"{key}t {key}d",
    )


def line(a: Point, b: Point, class_: str) -> Safe:
    """A straight line."""
    return tag(
        "line", x1=number(a[0]), y1=number(a[1]), x2=number(b[0]), y2=number(b[1]), class_=class_
    )


def path(points: Sequence[Point], class_: str, closed: bool = False) -> Safe:
    """A line through points, or the area they enclose."""
    if not points:
        return Safe("")
    steps = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return tag("path", d=f"M{steps}" + ("Z" if closed else ""), class_=class_)


def rect(x: float, y: float, width: float, height: float, class_: str, title: str = "") -> Safe:
    """A rectangle from its upper left corner."""
    return tag(
        "rect",
        tag("title", title) if title else None,
        x=number(x),
        y=number(y),
        width=number(max(width, 0)),
        height=number(max(height, 0)),
        class_=class_,
    )


def text(at: Point, words: object, class_: str = "", anchor: str = "start") -> Safe:
    """Words at a point; ``anchor`` is start, middle or end."""
    return tag(
        "text",
        escape(words),
        x=number(at[0]),
        y=number(at[1]),
        class_=class_ or None,
        text_anchor=None if anchor == "start" else anchor,
    )


def marker(at: Point, shape: str, class_: str, title: str = "", size: float = 4) -> Safe:
    """A mark: ``dot``, ``diamond``, ``square`` or ``triangle``. Shape tells what colour tells."""
    x, y = at
    name = tag("title", title) if title else None
    if shape == "dot":
        return tag("circle", name, cx=number(x), cy=number(y), r=number(size), class_=class_)
    if shape == "square":
        return rect(x - size, y - size, 2 * size, 2 * size, class_, title)
    corners = {
        "diamond": [(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        "triangle": [(0.0, -1.2), (1.2, 1.0), (-1.2, 1.0)],
    }[shape]
    steps = "L".join(f"{number(x + size * dx)} {number(y + size * dy)}" for dx, dy in corners)
    return tag("path", name, d=f"M{steps}Z", class_=class_)


def error_bar(x: float, low: float, high: float, class_: str, cap: float = 3) -> Safe:
    """A vertical interval at ``x`` between two heights (pixels), with caps."""
    d = (
        f"M{number(x)} {number(low)}V{number(high)}"
        f"M{number(x - cap)} {number(low)}h{number(2 * cap)}"
        f"M{number(x - cap)} {number(high)}h{number(2 * cap)}"
    )
    return tag("path", d=d, class_=class_)


def error_bar_across(y: float, low: float, high: float, class_: str, cap: float = 3) -> Safe:
    """A horizontal interval at ``y`` between two places (pixels), with caps."""
    d = (
        f"M{number(low)} {number(y)}H{number(high)}"
        f"M{number(low)} {number(y - cap)}v{number(2 * cap)}"
        f"M{number(high)} {number(y - cap)}v{number(2 * cap)}"
    )
    return tag("path", d=d, class_=class_)


def arrow(a: Point, b: Point, class_: str, gap: float = 6, head: float = 5) -> Safe:
    """An arrow from near ``a`` to near ``b``; nothing when they are too close to draw one."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy)
    if length < 2 * gap + 2:
        return Safe("")
    ux, uy = dx / length, dy / length
    start = (a[0] + gap * ux, a[1] + gap * uy)
    tip = (b[0] - gap * ux, b[1] - gap * uy)
    wings = [
        (tip[0] - head * (ux * c - uy * s), tip[1] - head * (ux * s + uy * c))
        for c, s in ((0.87, 0.5), (0.87, -0.5))
    ]
    return join([path([start, tip], class_), path([wings[0], tip, wings[1]], class_)])


def axis_y(frame: Plot, at: Sequence[float], labels: Sequence[str], name: str = "") -> Safe:
    """Horizontal grid lines with labels on the left."""
    parts: list[Safe] = []
    for value, label in zip(at, labels, strict=True):
        y = frame.y(value)
        parts.append(line((frame.left, y), (frame.right, y), "grid"))
        parts.append(text((frame.left - 6, y + 3.5), label, "tick", "end"))
    if name:
        parts.append(text((2, frame.top - 8), name, "axis-name"))
    return join(parts)


def axis_x(frame: Plot, at: Sequence[float], labels: Sequence[str], name: str = "") -> Safe:
    """The base line with labels below it."""
    parts = [line((frame.left, frame.bottom), (frame.right, frame.bottom), "axis")]
    for value, label in zip(at, labels, strict=True):
        parts.append(text((frame.x(value), frame.bottom + 15), label, "tick", "middle"))
    if name:
        middle = (frame.left + frame.right) / 2
        parts.append(text((middle, frame.bottom + 30), name, "axis-name", "middle"))
    return join(parts)
