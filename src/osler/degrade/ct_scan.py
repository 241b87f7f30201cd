"""A CT plane as a scanner sees it: attenuation on a square grid, its views, and the way back.

HU are used as they are. Other planes are display values: ``low`` and ``high`` say which HU black
and white stand for (an assumption, kept in the record), and without spacing the longer side is
taken as ``field`` mm. Planes beyond 1,024 px are scanned at 1,024 and the change is enlarged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from osler.physics.radon import MU_WATER, Projector, attenuation, projector

from .registry import Frame
from .scale import from_unit, to_unit

Plane = NDArray[np.float32]
LARGEST = 1024


@dataclass(frozen=True, slots=True)
class Scan:
    """``mu`` (n, n) in 1/mm, pixels of ``pixel`` mm, and the plane it was made from."""

    x: NDArray[Any]
    frame: Frame
    mu: Plane
    pixel: float
    hu_per_unit: float

    @property
    def n(self) -> int:
        """Side of the square grid."""
        done: int = self.mu.shape[0]
        return done

    def views(self, wanted: int = 0) -> int:
        """``wanted``, or as many views as the grid has rows, between 180 and 720."""
        return int(wanted) or min(max(self.n, 180), 720)

    def projector(self, views: int = 0) -> Projector:
        """The cached projector of ``views`` over 180 degrees."""
        return projector(self.n, self.views(views))

    def project(self, beam: Projector, mu: Plane | None = None) -> Plane:
        """Line integrals of ``mu`` (its own by default), without unit."""
        return beam.forward(self.mu if mu is None else mu) * np.float32(self.pixel)

    def reconstruct(self, beam: Projector, p: Plane) -> Plane:
        """Attenuation in 1/mm by filtered back-projection of ``p``."""
        return beam.fbp(p) * np.float32(1 / self.pixel)

    def changed(self, change: Plane) -> NDArray[Any]:
        """The plane after ``change`` of attenuation (1/mm) on the square grid."""
        height, width = self.x.shape
        size = self._inner()
        inner = change[: size[1], : size[0]]
        if size != (width, height):
            inner = cv2.resize(inner, (width, height), interpolation=cv2.INTER_CUBIC)
        hu = inner * np.float32(1000 / MU_WATER)
        if self.frame.unit != "HU":
            hu *= np.float32(1 / self.hu_per_unit)
            hu += to_unit(self.x, self.frame)
            return from_unit(hu, self.x, self.frame)
        hu += self.x
        np.maximum(hu, min(-1024.0, float(self.x.min())), out=hu)
        if self.x.dtype.kind == "f":
            return hu.astype(self.x.dtype)
        limits = np.iinfo(self.x.dtype)
        done: NDArray[Any] = np.clip(np.rint(hu), limits.min, limits.max).astype(self.x.dtype)
        return done

    def _inner(self) -> tuple[int, int]:
        height, width = self.x.shape
        shrink = min(1.0, LARGEST / max(height, width))
        return max(1, round(width * shrink)), max(1, round(height * shrink))


def scan(x: NDArray[Any], frame: Frame, low: float, high: float, field: float) -> Scan:
    """Put the plane ``x`` on the scanner's grid; see the module's words on its assumptions."""
    if frame.unit == "HU":
        hu, per_unit = x.astype(np.float32), frame.span
    else:
        per_unit = high - low
        hu = to_unit(x, frame) * np.float32(per_unit) + np.float32(low)
    height, width = x.shape
    shrink = min(1.0, LARGEST / max(height, width))
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        hu = cv2.resize(hu, size, interpolation=cv2.INTER_AREA)
    n = max(hu.shape)
    mu = np.zeros((n, n), np.float32)
    mu[: hu.shape[0], : hu.shape[1]] = attenuation(hu)
    if frame.spacing is not None and min(frame.spacing) > 0:
        pixel = float(np.sqrt(frame.spacing[0] * frame.spacing[1])) / shrink
    else:
        pixel = field / n
    return Scan(x, frame, mu, pixel, per_unit)
