"""Real images inside installed packages as subjects: who can be in the pool, in dev, in the gate.

Each subject gives many different planes: slices, frames, crops. Equal patients stay together, so
that the three roles share nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from osler.core import derive_rng
from osler.images import Image, Modality, plane, to_display
from osler.models.samples import load_source
from osler.models.samples.sources import source_named

Role = Literal["pool", "dev", "gate"]
Plane = NDArray[np.uint8]

SIDE = 192
"""Longer side of the planes, in pixels; smaller ones are enlarged (cubic), larger ones reduced."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One person (or template): ``role`` says where its images may be used."""

    patient: str
    modality: Modality
    licence: str
    source: str
    role: Role


def _subject(key: str, role: Role) -> Subject:
    one = source_named(key)
    return Subject(f"{one.package}/{one.patient}", one.modality, one.licence, one.package, role)


_ROLES: dict[str, Role] = {
    "mni-t1": "pool",
    "neck-angiogram": "pool",
    "mr-detail": "pool",
    "t1-deep-brain": "pool",
    "us-heart": "pool",
    "ct-head": "pool",
    "ct-chest": "pool",
    "fundus-left-eye": "pool",
    "colon-ihc": "pool",
    "mr-abdomen": "dev",
    "us-obstetric": "dev",
    "epi-brain": "gate",
    "us-node": "gate",
}
"""Of MRI and ultrasound there are three persons or more, so each role has its own. CT, fundus and
pathology have too few: they are only in the pool, as what a real pool also holds."""


def subjects(role: Role) -> list[str]:
    """Keys of the sources that play ``role``, in a fixed order."""
    return [key for key, mine in _ROLES.items() if mine == role]


def subject(key: str) -> Subject:
    """Who the source ``key`` shows."""
    return _subject(key, _ROLES[key])


def planes(key: str, count: int, seed: int) -> list[Plane]:
    """``count`` different 8-bit planes of a source: whole ones first, then crops by ``seed``."""
    whole = _wholes(key)
    rng = derive_rng("mini planes", key, seed)
    found = [sized(one) for one in whole[:count]]
    while len(found) < count:
        found.append(sized(_crop(whole[int(rng.integers(len(whole)))], rng)))
    return found


def _crop(one: Plane, rng: np.random.Generator) -> Plane:
    """A random part of 55 to 90 % of each side, mirrored half of the time."""
    height, width = one.shape[:2]
    for _ in range(20):
        h, w = (max(24, round(n * rng.uniform(0.55, 0.9))) for n in (height, width))
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        part = one[top : top + h, left : left + w]
        if float((part > 20).mean()) > 0.35:
            break
    return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)


def sized(one: Plane, side: int = SIDE) -> Plane:
    """``one`` with its longer side at ``side`` pixels."""
    import cv2

    scale = side / max(one.shape[:2])
    size = (max(32, round(one.shape[1] * scale)), max(32, round(one.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(one, size, interpolation=how))


@lru_cache(maxsize=32)
def _wholes(key: str) -> tuple[Plane, ...]:
    """Uncut planes of a source, the most telling first."""
    return tuple(_CUTS.get(key, _single)(key))


def _shown(image: Image, low: float | None = None, high: float | None = None) -> Plane:
    """8 bits between ``low`` and ``high`` (the 1st and 99.5th percentile where None)."""
    if image.pixels.dtype == np.uint8:
        return np.ascontiguousarray(to_display(image).pixels)
    values = image.pixels.astype(np.float32)
    first, last = np.percentile(values, (1.0, 99.5))
    low, high = float(first) if low is None else low, float(last) if high is None else high
    scaled = np.clip((values - low) / max(high - low, 1e-6), 0.0, 1.0) * 255.0
    shown: Plane = np.rint(scaled).astype(np.uint8)
    return shown


def _single(key: str) -> Iterator[Plane]:
    yield _shown(load_source(key))


def _slices(key: str, **views: tuple[int, int, int]) -> Iterator[Plane]:
    volume = load_source(key)
    for view, (first, last, step) in views.items():
        for index in range(first, last, step):
            one = plane(volume, view, index)  # type: ignore[arg-type]
            yield _square(_shown(one), one.spacing)


def _square(one: Plane, spacing: tuple[float, ...] | None) -> Plane:
    """Rows stretched so that pixels are square."""
    import cv2

    if spacing is None or abs(spacing[0] / spacing[1] - 1) < 0.02:
        return one
    size = (one.shape[1], max(1, round(one.shape[0] * spacing[0] / spacing[1])))
    return np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_LINEAR))


def _mni(key: str) -> Iterator[Plane]:
    yield from _slices(key, axial=(40, 160, 4), coronal=(40, 200, 6), sagittal=(30, 170, 6))


def _epi(key: str) -> Iterator[Plane]:
    yield from _slices(key, axial=(3, 22, 1))


def _deep(key: str) -> Iterator[Plane]:
    yield from _slices(key, axial=(4, 23, 2), coronal=(6, 36, 4), sagittal=(6, 28, 4))


def _heart(key: str) -> Iterator[Plane]:
    cine = load_source(key)
    for frame in range(0, 30, 2):
        one = np.ascontiguousarray(cine.pixels[frame])
        yield _grey(one)[6:206, 36:250]


def _node(key: str) -> Iterator[Plane]:
    yield _grey(_shown(load_source(key)))[62:164, 20:300]


def _obstetric(key: str) -> Iterator[Plane]:
    yield _grey(_shown(load_source(key)))[62:160, 345:620]


def _grey(one: Plane) -> Plane:
    import cv2

    return one if one.ndim == 2 else np.asarray(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY))


def _windows(*pairs: tuple[float, float]) -> Callable[[str], Iterator[Plane]]:
    def cut(key: str) -> Iterator[Plane]:
        for low, high in pairs:
            yield _shown(load_source(key), low, high)

    return cut


def _angiogram(key: str) -> Iterator[Plane]:
    one = _shown(load_source(key))
    rows = np.flatnonzero((one > 12).any(axis=1))
    yield one[int(rows[0]) : int(rows[-1]) + 1]


_CUTS: dict[str, Callable[[str], Iterator[Plane]]] = {
    "mni-t1": _mni,
    "epi-brain": _epi,
    "t1-deep-brain": _deep,
    "us-heart": _heart,
    "us-node": _node,
    "us-obstetric": _obstetric,
    "ct-head": _windows((-500.0, 1500.0), (-60.0, 140.0), (-1000.0, 800.0)),
    "ct-chest": _windows((-500.0, 1300.0), (-160.0, 240.0), (-1000.0, 200.0)),
    "neck-angiogram": _angiogram,
}
