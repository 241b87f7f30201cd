"""A made dataset in MedMNIST's layout: one NPZ of small planes or cubes and their labels."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from osler.core import derive_rng, write_bytes

from ..case import Source
from .drawn import SHAPES, drawn, picture_for
from .made import Made

Style = Literal["multi-class", "multi-label", "ordinal-regression", "3d"]


def make(
    folder: Path,
    *,
    subjects: int = 6,
    seed: int = 0,
    style: Style = "multi-class",
    size: int = 28,
    pictures: Sequence[NDArray[Any]] = (),
) -> Made:
    """Write ``subjects`` samples each in train, val and test.

    The truth of a case is ``value`` (number of the class, or the state of each label), ``split``
    and ``pixels``; the option ``md5`` is that of the file.
    """
    cases: dict[str, dict[str, Any]] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for part, split in enumerate(("train", "val", "test")):
        images, marks = [], []
        for n in range(subjects):
            keys = ("medmnist", style, seed, split, n)
            rng = derive_rng("fuse medmnist", *keys)
            name = SHAPES[n % len(SHAPES)]
            picture = picture_for(pictures, part * subjects + n)
            plane = drawn(*keys, size=(size, size), count=1, names=[name], picture=picture).pixels
            if style == "3d":
                grey = plane.mean(2)
                fade = 1 - np.abs(np.linspace(-1, 1, size))[:, None, None]
                plane = (grey[None] * fade).astype(np.uint8)
            value: Any = SHAPES.index(name)
            if style == "multi-label":
                value = [int(v) for v in rng.integers(0, 2, len(SHAPES))]
            images.append(plane)
            marks.append(value if isinstance(value, list) else [value])
            cases[f"{split}/{n:06d}"] = {"value": value, "split": split, "pixels": plane}
        arrays[f"{split}_images"] = np.stack(images)
        arrays[f"{split}_labels"] = np.asarray(marks, np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / "shapesmnist.npz", buffer.getvalue())
    options: dict[str, Any] = {
        "task": "multi-class" if style == "3d" else style,
        "labels": list(SHAPES),
        "md5": hashlib.md5(buffer.getvalue(), usedforsecurity=False).hexdigest(),
    }
    return Made(Source(f"made-medmnist-{style}", folder, "medmnist", options=options), cases)
