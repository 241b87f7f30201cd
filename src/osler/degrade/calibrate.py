"""Fit what a level means to the user's own images: a band of PSNR or SSIM for each level.

The free quantity is one number, the severity ``t``. At t = 1, 2, 3 it gives the published rows;
between and beyond them every number follows its rows (geometrically where they keep their sign,
else linearly), so one search serves every degradation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Literal

from osler.core import InputError, derive_seed
from osler.images import Image, Modality, compare, modality_named, planes

from .apply import degrade
from .planes import frame_of
from .registry import Degradation, Value, degradation_named

Metric = Literal["psnr", "ssim"]
LOWEST, HIGHEST = -3.0, 7.0
_STEP = 0.25
_AGREE = 1e-3


@dataclass(frozen=True, slots=True)
class Target:
    """A band of a metric that the median image of a level should lie in."""

    metric: Metric
    low: float
    high: float

    @property
    def middle(self) -> float:
        """The value aimed at."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class Fit:
    """Parameters found for one level, and the metric they give on ``n`` planes."""

    key: str
    modality: Modality | None
    level: int
    severity: float
    params: Mapping[str, Value]
    metric: Metric
    reached: float
    lowest: float
    highest: float
    n: int


def at_severity(entry: Degradation, modality: str | None, t: float) -> dict[str, Value]:
    """The parameters of ``entry`` at severity ``t``; the published rows at 1, 2 and 3."""
    first = min(max(math.floor(t), 1), max(entry.levels) - 1)
    below, above = entry.params(first, modality), entry.params(first + 1, modality)
    share = t - first
    return {name: _between(below[name], above.get(name, below[name]), share) for name in below}


def _between(a: Value, b: Value, share: float) -> Value:
    if isinstance(a, str | bool) or not isinstance(a, int | float):
        return b if share >= 0.5 else a
    if not isinstance(b, int | float) or a == b:
        return a
    value = a * (b / a) ** share if a * b > 0 else a + (b - a) * share
    if isinstance(a, int) and isinstance(b, int):
        return max(1, round(value)) if min(a, b) >= 1 else round(value)
    return float(value)


def calibrate_levels(
    images: Sequence[Image],
    key: str,
    targets: Mapping[int, Target],
    *,
    modality: str | None = None,
    seed: int = 0,
    force: bool = False,
    most: int = 24,
) -> list[Fit]:
    """Fit the levels in ``targets`` so that the median plane meets each band's middle.

    Parameters
    ----------
    images
        The user's images; at most ``most`` planes are used, evenly picked.
    targets
        Level -> band. Higher levels must be worse.

    Returns
    -------
    One fit a level, in order of level.

    Raises
    ------
    InputError
        If no severity in reach meets a band, or the levels do not come out strictly worse.
    """
    entry = degradation_named(key)
    name = modality_named(modality) if modality is not None else None
    clean = _some_planes(images, most)
    if not clean:
        raise InputError("no images to calibrate on; give at least one")
    fits: list[Fit] = []
    for level in sorted(targets):
        search = _Search(entry, clean, targets[level].metric, name, seed, force)
        severity = _solve(search, targets[level], level)
        values = search.values(severity)
        kind = name or clean[0].modality
        fits.append(
            Fit(
                key=entry.key,
                modality=kind,
                level=level,
                severity=severity,
                params=at_severity(entry, kind, severity),
                metric=targets[level].metric,
                reached=median(values),
                lowest=min(values),
                highest=max(values),
                n=len(values),
            )
        )
    for mild, hard in pairwise(fits):
        same = mild.metric == hard.metric
        if hard.severity <= mild.severity or (same and hard.reached >= mild.reached):
            raise InputError(
                f"level {hard.level} of {entry.key} would not be worse than level {mild.level} "
                "with these bands; choose bands that fall from level to level"
            )
    return fits


class _Search:
    """The metric of all planes as a function of severity, remembered."""

    def __init__(
        self,
        entry: Degradation,
        clean: Sequence[Image],
        metric: Metric,
        modality: Modality | None,
        seed: int,
        force: bool,
    ) -> None:
        self.entry, self.clean, self.metric = entry, clean, metric
        self.modality, self.seed, self.force = modality, seed, force
        self._known: dict[float, list[float]] = {}

    def values(self, t: float) -> list[float]:
        if t not in self._known:
            self._known[t] = [self._one(i, image, t) for i, image in enumerate(self.clean)]
        return self._known[t]

    def middle(self, t: float) -> float:
        return median(self.values(t))

    def _one(self, number: int, image: Image, t: float) -> float:
        kind = self.modality or image.modality
        done = degrade(
            image,
            self.entry.key,
            1,
            seed=derive_seed(self.seed, number) >> 75,
            params=at_severity(self.entry, kind, t),
            modality=self.modality,
            force=self.force,
            hashes=False,
        )
        frame = frame_of(image)
        window = None if frame.unit == "8-bit" else ((frame.lo + frame.hi) / 2, frame.span)
        found = compare(image, done.image, peak=frame.span, window=window)
        return min(float(getattr(found, self.metric)), 200.0)


def _solve(search: _Search, target: Target, level: int) -> float:
    """Severity at which the median meets ``target``, by bisection on a bracket around 2."""
    low = high = 2.0
    while search.middle(low) < target.middle and low > LOWEST:
        step = max(low - _STEP, LOWEST)
        if search.middle(step) < search.middle(low) - _AGREE:
            break  # beyond its neutral point a degradation grows again
        low = step
    while search.middle(high) > target.middle and high < HIGHEST:
        step = min(high + _STEP, HIGHEST)
        if search.middle(step) > search.middle(high) + _AGREE:
            break
        high = step
    best, worst = search.middle(low), search.middle(high)
    if not worst <= target.high or not best >= target.low:
        raise InputError(
            f"level {level} of {search.entry.key} cannot reach {target.metric} "
            f"{target.low:g} to {target.high:g} on these images: it goes from {worst:.4g} to "
            f"{best:.4g}; choose a band within"
        )
    for _ in range(18):
        middle = (low + high) / 2
        if search.middle(middle) >= target.middle:
            low = middle
        else:
            high = middle
    return min((low, high), key=lambda t: abs(search.middle(t) - target.middle))


def _some_planes(images: Sequence[Image], most: int) -> list[Image]:
    found: list[Image] = []
    each = max(1, most // max(len(images), 1))
    for image in images:
        if image.axes in ("yx", "yxc"):
            found.append(image)
            continue
        stack = list(planes(image))
        found += [stack[(i + 1) * len(stack) // (each + 1)] for i in range(min(each, len(stack)))]
    step = max(1, len(found) // most)
    return found[::step][:most]
