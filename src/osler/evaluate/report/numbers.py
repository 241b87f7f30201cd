"""How numbers are written: always with what is needed to judge them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from .markup import Safe, join, tag

Estimate = Mapping[str, Any]
"""An estimate as JSON: value, low, high, n, groups, confidence."""

MINUS = "−"
NONE = "–"


def known(estimate: Estimate | None) -> bool:
    """True when there is a value to show."""
    return bool(estimate) and is_number(estimate.get("value"))  # type: ignore[union-attr]


def is_number(value: object) -> TypeGuard[float]:
    """True for a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def percent(value: object, digits: int = 1) -> str:
    """A fraction as percent: 0.613 -> ``61.3 %``."""
    if not is_number(value):
        return NONE
    return f"{100 * float(value):.{digits}f} %".replace("-", MINUS)


def points(value: object, digits: int = 1) -> str:
    """A difference of fractions in percentage points, with its sign: -0.05 -> ``−5.0``."""
    if not is_number(value):
        return NONE
    text = f"{100 * float(value):+.{digits}f}"
    return text.replace("-", MINUS) if float(text) else f"{0:.{digits}f}"


def decimal(value: object, digits: int = 3) -> str:
    """A plain number with fixed digits."""
    if not is_number(value):
        return NONE
    text = f"{float(value):.{digits}f}"
    return text.replace("-", MINUS) if float(text) else f"{0:.{digits}f}"


def signed(value: object, digits: int = 3) -> str:
    """A plain number with its sign."""
    if not is_number(value):
        return NONE
    text = f"{float(value):+.{digits}f}"
    return text.replace("-", MINUS) if float(text) else f"{0:.{digits}f}"


def p_value(value: object) -> str:
    """A p-value; small ones as a bound."""
    if not is_number(value):
        return NONE
    number = float(value)
    return "< 0.001" if number < 0.001 else f"{number:.3f}"


def count(value: object) -> str:
    """A whole number with thousands separated."""
    return f"{int(value):,}" if is_number(value) else NONE


def money(value: object) -> str:
    """US dollars; cents where they matter."""
    if not is_number(value):
        return "not known"
    number = float(value)
    return f"${number:,.2f}" if number >= 1 or number == 0 else f"${number:.4f}"


def duration(seconds: object) -> str:
    """Seconds as people say them: 75 -> ``1 min 15 s``."""
    if not is_number(seconds):
        return NONE
    total = float(seconds)
    if total < 60:
        return f"{total:.1f} s"
    minutes, rest = divmod(round(total), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def interval(estimate: Estimate | None, as_points: bool = False) -> str:
    """The bounds in percent, ``54.1 to 68.0``, or nothing when there are none."""
    if not estimate or not is_number(estimate.get("low")) or not is_number(estimate.get("high")):
        return ""
    low, high = 100 * estimate["low"], 100 * estimate["high"]
    if as_points:
        return f"{low:+.1f} to {high:+.1f}".replace("-", MINUS)
    return f"{low:.1f} to {high:.1f}".replace("-", MINUS)


def with_interval(estimate: Estimate | None, as_points: bool = False) -> Safe:
    """A value and, smaller, its interval: what a cell of a table shows."""
    if not known(estimate):
        return Safe(NONE)
    assert estimate is not None
    value = points(estimate["value"]) if as_points else percent(estimate["value"])
    bounds = interval(estimate, as_points)
    small = tag("span", f"({bounds})", class_="ci") if bounds else None
    return join([tag("span", value, class_="val"), small], " ")
