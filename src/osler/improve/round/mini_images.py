"""Images of the planted world: degraded planes of subjects, and copies that must be found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from osler.core import derive_rng, derive_seed, sha256_hex
from osler.degrade import degrade

from .mini_subjects import Plane, planes, subject

_PLANES = 96


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """An encoded image with what is known of it; ``plane`` is what was encoded."""

    content: bytes
    plane: Plane
    source: str
    key: str
    level: int

    @property
    def sha256(self) -> str:
        """The name of the bytes."""
        return sha256_hex(self.content)


@cache
def _library(source: str, purpose: str, seed: int) -> tuple[Plane, ...]:
    return tuple(planes(source, _PLANES, derive_seed("mini library", purpose, seed) % 2**31))


def make(source: str, key: str, level: int, number: int, purpose: str, seed: int) -> Made:
    """Image ``number`` of ``source`` for ``purpose``, degraded by ``key`` at ``level``.

    Equal numbers show the same plane, so that clean and degraded forms can be paired.
    """
    library = _library(source, purpose, seed)
    plane = library[number % len(library)]
    if level:
        own = derive_seed("mini", purpose, seed, source, number, key) % 2**63
        modality = subject(source).modality
        plane = degrade(plane, key, level, seed=own, modality=modality, hashes=False).image
    return Made(encoded(plane), plane, source, key, level)


def encoded(plane: Plane, suffix: str = ".png", **options: Any) -> bytes:
    """A plane as the bytes of a file."""
    import cv2

    shown = plane if plane.ndim == 2 else plane[..., ::-1]
    flags = [cv2.IMWRITE_JPEG_QUALITY, options["quality"]] if options else []
    return bytes(cv2.imencode(suffix, shown, flags)[1])


LEAKS = ("copy", "recoded", "crop", "patient")
"""Kinds of planted overlap: the file itself, a JPEG of it, a part of it, another image of the same
person (only this kind states the patient; the others must be found out by pixels)."""


@dataclass(frozen=True, slots=True, eq=False)
class Leak:
    """A pool image that must not be learnt from: it overlaps with ``other`` of ``where``."""

    kind: str
    where: str
    other: str
    made: Made
    content: bytes
    suffix: str
    patient: str


def leaks(where: str, shown: Sequence[Made], count: int, seed: int) -> list[Leak]:
    """``count`` overlaps of each kind with the images ``shown`` in dev or the gate.

    Crops are of images with something to recognise: of a nearly black one, or one under
    salt-and-pepper noise, nobody could tell a part.
    """
    rng = derive_rng("mini leaks", where, seed)
    order = [shown[int(i)] for i in rng.permutation(len(shown))]
    plain = [one for one in order if one.plane.std() < 20 or one.key == "salt_pepper"]
    telling = [one for one in order if one not in plain]
    found: list[Leak] = []
    for place, kind in enumerate(LEAKS):
        among = telling if kind == "crop" else order
        for n in range(count):
            one = among[(place * count + n) % len(among)]
            found.append(_leak(kind, where, one, n, rng, seed))
    return found


def _leak(kind: str, where: str, one: Made, n: int, rng: np.random.Generator, seed: int) -> Leak:
    if kind == "copy":
        return Leak(kind, where, one.sha256, one, one.content, ".png", "")
    if kind == "recoded":
        content = encoded(one.plane, ".jpg", quality=60)
        return Leak(kind, where, one.sha256, one, content, ".jpg", "")
    if kind == "crop":
        h, w = (round(0.8 * side) for side in one.plane.shape[:2])
        top, left = (
            int(rng.integers(n - m + 1)) for n, m in zip(one.plane.shape[:2], (h, w), strict=True)
        )
        content = encoded(np.ascontiguousarray(one.plane[top : top + h, left : left + w]))
        return Leak(kind, where, one.sha256, one, content, ".png", "")
    other = make(one.source, one.key, one.level, 60 + n, f"{where} leak", seed)
    return Leak(
        kind, where, other.sha256, other, other.content, ".png", subject(one.source).patient
    )
