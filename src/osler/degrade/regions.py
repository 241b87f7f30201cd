"""Work only where something lies: stamps of odd side, centred on a pixel and cut at the borders."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from osler.physics.optics import gaussian_blur

from .registry import Frame

Box = tuple[slice, slice]
Made = TypeVar("Made")

SMALL = 16.0
"""Stamps up to this radius (pixels) are kept: there are at most 64 radii in quarter pixels."""

_DEPTH = {"uint8": cv2.CV_8U, "uint16": cv2.CV_16U, "int16": cv2.CV_16S, "float32": cv2.CV_32F}


def cached_if_small(make: Callable[..., Made]) -> Callable[..., Made]:
    """Keep stamps of a radius (first argument) up to :data:`SMALL`; larger ones cost more memory
    than time."""
    kept = lru_cache(maxsize=128)(make)

    @wraps(make)
    def stamp(radius: float, *rest: Any) -> Made:
        return kept(radius, *rest) if radius <= SMALL else make(radius, *rest)

    return stamp


def placed(row: float, column: float, half: int, shape: tuple[int, ...]) -> tuple[Box, Box] | None:
    """Where a stamp of ``2 half + 1`` rows and columns lies: box of the plane, box of the stamp.

    Its middle is the pixel that holds (row, column). None if all of it is outside.
    """
    top, left = int(row) - half, int(column) - half
    r0, c0 = max(top, 0), max(left, 0)
    r1, c1 = min(top + 2 * half + 1, shape[0]), min(left + 2 * half + 1, shape[1])
    if r0 >= r1 or c0 >= c1:
        return None
    of_stamp = slice(r0 - top, r1 - top), slice(c0 - left, c1 - left)
    return (slice(r0, r1), slice(c0, c1)), of_stamp


def widened(box: Box, margin: int, shape: tuple[int, ...]) -> tuple[Box, Box]:
    """``box`` with ``margin`` more on every side, and where ``box`` lies inside that."""
    r, c = box
    top, left = max(r.start - margin, 0), max(c.start - margin, 0)
    outer = slice(top, min(r.stop + margin, shape[0])), slice(left, min(c.stop + margin, shape[1]))
    return outer, (
        slice(r.start - top, r.stop - top),
        slice(c.start - left, c.stop - left),
    )


def blurred(part: NDArray[Any], sigma: float) -> NDArray[Any]:
    """``part`` after a Gaussian blur of ``sigma`` pixels, edges mirrored; float32 where small.

    The setting-up of the fixed-point blur takes longer than a small part itself.
    """
    if part.size > 3 * 64 * 64 or sigma < 0.05:
        return gaussian_blur(part, sigma)
    bell = _bell(sigma)
    done: NDArray[Any] = cv2.sepFilter2D(part, cv2.CV_32F, bell, bell)
    return done.reshape(part.shape)


@lru_cache(maxsize=64)
def _bell(sigma: float) -> NDArray[Any]:
    taps: NDArray[Any] = cv2.getGaussianKernel(2 * math.ceil(3 * sigma) + 1, sigma, cv2.CV_32F)
    return taps


def mixed(
    part: NDArray[Any], other: NDArray[Any], weights: tuple[NDArray[Any], ...], box: Box
) -> NDArray[Any]:
    """``w0 part + w1 other + w2``, rounded once, in the type of ``part``.

    ``weights`` are float32, of the stamp's size and the channels of ``part``; ``box`` is what the
    borders leave of the stamp. They are to keep the sum within the values of ``part``'s frame.
    """
    total = part * weights[0][box]
    total += other * weights[1][box]
    depth = _DEPTH[part.dtype.name]
    done: NDArray[Any] = cv2.add(total, weights[2][box], dtype=depth)  # rounds and saturates
    return done.reshape(part.shape)


def hidden(
    part: NDArray[Any], colour: tuple[float, ...], cover: NDArray[Any], frame: Frame
) -> NDArray[Any]:
    """``part`` behind dirt of ``colour`` (unit scale) and opacity ``cover`` (H, W): only darker."""
    levels = tuple(frame.lo + frame.span * c for c in colour)
    above: Any = cv2.subtract(part, levels[0] if part.ndim == 2 else (*levels, 0.0),
                              dtype=cv2.CV_32F)  # fmt: skip
    cv2.max(above, 0.0, dst=above)
    weight = cv2.merge([cover] * 3) if part.ndim == 3 else np.ascontiguousarray(cover)
    cv2.multiply(above, weight, dst=above)
    depth = _DEPTH[part.dtype.name]
    done: NDArray[Any] = cv2.subtract(part, above.reshape(part.shape), dtype=depth)
    return done.reshape(part.shape)
