"""An encoder without weights, and pictures; imported by worker processes too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


class Thumbnail:
    """48 features: the mean-free 4 x 4 x 3 reduction, and a constant."""

    dim = 49
    identity = "thumbnail-1"

    def embed(self, planes: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        rows = []
        for plane in planes:
            colour = plane if plane.ndim == 3 else np.repeat(plane[..., None], 3, 2)
            small = cv2.resize(colour.astype(np.float32), (4, 4), interpolation=cv2.INTER_AREA)
            rows.append(np.append(small.ravel() - small.mean(), 1.0))
        return np.array(rows, np.float32)


def load() -> Thumbnail:
    return Thumbnail()


def picture(seed: int, side: int = 64) -> NDArray[np.uint8]:
    """A colour picture of its own for each seed, with structure at three scales."""
    rng = np.random.default_rng(seed)
    total = np.full((side, side, 3), 128.0)
    for cells, strength in ((5, 60), (12, 35), (30, 20)):
        coarse = rng.normal(0, strength, (cells, cells, 3))
        total += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).astype(np.uint8)


def save(path: Path, pixels: NDArray[np.uint8], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = [cv2.IMWRITE_JPEG_QUALITY, options["quality"]] if options else []
    order = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    assert cv2.imwrite(str(path), np.ascontiguousarray(order), flags)
    return path
