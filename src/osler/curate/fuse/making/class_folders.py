"""A made dataset of class folders: ``train/disc/disc-P003-1.png``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..case import Source
from .drawn import SHAPES, drawn, picture_for, save, split_for
from .made import Made


def make(
    folder: Path,
    *,
    subjects: int = 6,
    seed: int = 0,
    images: int = 2,
    size: tuple[int, int] = (64, 80),
    classes: Sequence[str] = SHAPES,
    pictures: Sequence[NDArray[Any]] = (),
    labels: Sequence[str] = (),
) -> Made:
    """Write ``images`` pictures of each subject, whose class they show.

    ``pictures`` with ``labels`` (one each) are written as they are, one subject each, in place of
    drawn ones. The truth of a case is ``class``, ``patient``, ``split``.
    """
    cases: dict[str, dict[str, Any]] = {}
    real = bool(labels)
    for subject in range(len(labels) if real else subjects):
        name = labels[subject] if real else classes[subject % len(classes)]
        split = split_for(subject, len(labels) if real else subjects)
        for number in range(1 if real else images):
            if real:
                pixels = pictures[subject]
            else:
                picture = picture_for(pictures, subject * images + number)
                keys = ("class_folders", seed, subject, number)
                pixels = drawn(*keys, size=size, count=1, names=[name], picture=picture).pixels
            key = f"{split}/{name}/{name}-P{subject:03d}-{number + 1}.png"
            save(pixels, folder / key)
            cases[key] = {"class": name, "patient": f"P{subject:03d}", "split": split}
    options = {"patient_pattern": "{*}-{patient}-{*}"}
    return Made(Source("made-class-folders", folder, "class_folders", options=options), cases)
