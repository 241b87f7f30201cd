"""What CT values say of their unit: where air and soft tissue lie.

Air is -1000 HU and soft tissue about 40 HU by definition of the unit, so the two great peaks of a
CT image lie 1040 apart, whatever was added to both. Nothing here converts a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Looks = Literal["HU", "shifted", "window", "inverted", "scaled", ""]
"""What CT values look like; empty: they do not tell."""

_SAMPLE = 400_000
_BINS = 200
_DARK = 0.005
_SATURATED = 0.0005
_SHARE = 0.03
"""Least share of the values that makes a peak: of all for air, of the rest for tissue."""


@dataclass(frozen=True, slots=True)
class CtEvidence:
    """What CT values look like and why.

    ``low`` and ``high`` are the lower and the upper great peak. ``shift`` would make the values HU
    where they look ``shifted``; nobody adds it but a person.
    """

    looks: Looks
    what: str
    low: float = 0.0
    high: float = 0.0
    shift: float = 0.0


def ct_evidence(pixels: NDArray[Any], meta: Mapping[str, str] | None = None) -> CtEvidence:
    """What the values of a CT image look like.

    Parameters
    ----------
    pixels
        A plane or a volume of one channel. The corners are taken to lie outside the body where
        they differ from the middle.
    meta
        Of the image; ``padding`` is left out of the values, as are values below -1500.

    Examples
    --------
    >>> phantom = np.full((40, 40), -1000.0)
    >>> phantom[8:32, 8:32] = 40
    >>> ct_evidence(phantom).looks, ct_evidence(phantom + 1024).shift
    ('HU', -1024.0)
    >>> ct_evidence(-phantom).looks
    'inverted'
    """
    values = sampled(pixels).astype(np.float64)
    values = values[np.isfinite(values) & (values > -1500)]
    padding = _number((meta or {}).get("padding", ""))
    if padding is not None:
        values = values[values != padding]
    if values.size < 64 or values.max() <= values.min():
        return CtEvidence("", "the values are nearly all the same")
    rim, core = _corners_and_middle(pixels, padding)
    if values.min() >= 0 and values.max() <= 255:
        return _display(values, rim, core, pixels.dtype == np.uint8)
    dark = float(np.mean(values < -500))
    if dark > _DARK:
        return CtEvidence("HU", f"{dark:.0%} of its values lie below -500, as those of air do")
    peaks = _peaks(values)
    if peaks is None:
        return CtEvidence("", "air and soft tissue cannot be told apart")
    return _judged(values, *peaks, rim, core)


def _display(values: NDArray[np.float64], rim: float, core: float, byte: bool) -> CtEvidence:
    """Values of 0 to 255: a display if they are bytes, fill that range to both ends, or 0 to 1."""
    top = float(values.max())
    if top <= 1 and not byte:
        return CtEvidence("window", "its values are 0 to 1")
    ends = float(np.mean(values == 0)), float(np.mean(values == 255))
    filled = min(ends) >= _SATURATED and np.array_equal(values, np.rint(values))
    if not filled and not byte:
        return CtEvidence("", f"its values are {values.min():g} to {top:g}")
    if rim > core + 0.25 * np.ptp(values):
        return CtEvidence("inverted", "its values are 0 to 255 and the air is the brightest")
    return CtEvidence("window", "its values are 0 to 255, as those of a display window are")


def _judged(
    values: NDArray[np.float64], low: float, high: float, rim: float, core: float
) -> CtEvidence:
    """What values that hold no air of -1000 look like; each rule needs more than one sign."""
    apart = high - low
    places = f"its peaks lie at {low:.0f} and {high:.0f}"
    above = float(np.mean(values > high + 150))
    if 600 < apart < 1300 and rim > (low + high) / 2 > core and above < _DARK:
        return CtEvidence("inverted", f"{places} and its air is the brightest", low, high)
    air = float(np.mean((values > -76) & (values < 324)))
    tissue = float(np.mean((values > 874) & (values < 1144)))
    below = float(np.mean(values < -100))
    if air > 0.02 and tissue > 0.1 and below < 0.001:
        return CtEvidence("shifted", f"{places}, where HU has air at -1000 and tissue at 40: "
                          "offset by 1024", low, high, -1024.0)  # fmt: skip
    if below < 0.001 and apart > 1400 and abs(rim - low) < apart / 10:
        return CtEvidence("scaled", f"{places}, {apart:.0f} apart and not about 1040: the rescale "
                          "of its header was lost", low, high)  # fmt: skip
    return CtEvidence("", places, low, high)


def sampled(pixels: NDArray[Any]) -> NDArray[Any]:
    """At most about 400,000 values, evenly spread."""
    step = max(1, round((pixels.size / _SAMPLE) ** (1 / max(pixels.ndim, 1))))
    return pixels[(slice(None, None, step),) * pixels.ndim].reshape(-1)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _corners_and_middle(pixels: NDArray[Any], padding: float | None) -> tuple[float, float]:
    """Medians of the corner blocks (a twelfth of each side) and of the middle third."""
    spatial = pixels.ndim if pixels.ndim < 4 else 3
    shape = pixels.shape[:spatial]
    ends = [(slice(0, max(1, n // 12)), slice(n - max(1, n // 12), n)) for n in shape]
    corners = np.concatenate([pixels[block].reshape(-1) for block in product(*ends)])
    middle = pixels[tuple(slice(n // 3, max(n // 3 + 1, n - n // 3)) for n in shape)].reshape(-1)
    return _median(corners, padding), _median(middle, padding)


def _median(values: NDArray[Any], padding: float | None) -> float:
    kept = values[(values > -1500) & (values != padding)] if padding is not None else values[
        values > -1500]  # fmt: skip
    return float(np.median(kept)) if kept.size else float("nan")


def _peaks(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """The lowest and the highest great peak of the values, or None where there is only one.

    A peak is a bin that no neighbour within 4 % of the range exceeds and that holds, with the two
    beside it, 3 % of the values.
    """
    low, high = np.percentile(values, [0.05, 99.95])
    if high <= low:
        return None
    counts, edges = np.histogram(values, _BINS, (low, high))
    smooth = np.convolve(counts, np.ones(3), "same")
    reach = _BINS // 25
    padded = np.pad(smooth, reach, constant_values=-1)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)
    spots = np.flatnonzero((smooth == around) & (smooth >= _SHARE * values.size))
    if spots.size < 2:
        return None
    first, last = int(spots[0]), int(spots[-1])
    if last - first <= reach:
        return None
    return _place(values, edges, first), _place(values, edges, last)


def _place(values: NDArray[np.float64], edges: NDArray[np.float64], spot: int) -> float:
    """Median of the values of a peak."""
    inside = (values >= edges[max(spot - 1, 0)]) & (values <= edges[min(spot + 2, _BINS)])
    return float(np.median(values[inside]))
