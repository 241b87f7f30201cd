"""Which question gets which degradations: a pure function of the seed and the question's index."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from osler.core import InputError, derive_rng
from osler.degrade import degradation_named, degradations
from osler.images import Modality

PUBLISHED: dict[str, tuple[Modality, ...]] = {
    "limited_angle": ("ct",),
    "sparse_view": ("ct",),
    "low_dose": ("ct",),
    "bias_field": ("mri",),
    "undersampling": ("mri",),
    "ghosting": ("mri",),
    "random_motion": ("mri",),
    "blood_cell": ("pathology",),
    "dark_spots": ("pathology",),
    "bubble": ("pathology",),
    "rotation": ("ct", "mri", "xray", "ultrasound"),
    "adjust_brightness": ("dermoscopy", "endoscopy"),
    "exposure": ("xray",),
    "reduce_contrast": ("ultrasound",),
    "gaussian_noise": ("ct", "mri", "xray", "ultrasound"),
    "low_resolution": ("ct", "mri", "ultrasound", "dermoscopy", "endoscopy", "pathology"),
    "motion_blur": ("ct", "mri", "ultrasound", "dermoscopy", "endoscopy"),
    "xray_motion_blur": ("xray",),
    "gaussian_blur": ("dermoscopy", "endoscopy"),
}
"""The 19 keys of MedQ-Deg and the modalities its gallery shows them on (arXiv 2603.07769)."""

PUBLISHED_MEAN = 2.39
"""Published mean number of degradations an item."""

_SPECIFIC = 3  # a degradation for at most this many modalities belongs to them
_SIDE = re.compile(
    r"\b(left|right|upper|lower|superior|inferior|top|bottom|anterior|posterior|lateral\w*|"
    r"medial\w*|dextro\w*|clockwise|o'clock|horizontal\w*|vertical\w*|quadrant|direction|"
    r"orientation|side|above|below)\b",
    re.I,
)


def eligible(modality: Modality, keys: Sequence[str] | None = None) -> list[str]:
    """Degradations that make sense for ``modality``, sorted.

    Without ``keys``: those the paper shows on it. For a modality the paper does not have (fundus,
    OCT, PET ...): the published ones that suit it physically, and those made for it.

    Raises
    ------
    UnknownNameError
        For a key that is no degradation.
    """
    if keys is not None:
        named = [degradation_named(key) for key in keys]
        return sorted({d.key for d in named if modality in d.modalities})
    known = degradations()
    shown = sorted(k for k, where in PUBLISHED.items() if modality in where and k in known)
    if shown:
        return shown
    return [
        key
        for key, d in known.items()
        if modality in d.modalities
        and not d.geometric
        and (key in PUBLISHED or len(d.modalities) <= _SPECIFIC)
    ]


def choose(
    index: str,
    modality: Modality,
    *,
    seed: int,
    per_item: tuple[int, int] = (1, 3),
    keys: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """The degradations of one question, sorted; fewer where fewer suit its modality.

    The number is ``lo + Binomial(hi - lo, 0.695)``, whose mean for 1 to 3 is the published 2.39;
    which ones is an even draw. Depends on nothing but the arguments.
    """
    pool = eligible(modality, keys)
    lo, hi = per_item
    if not 1 <= lo <= hi:
        raise InputError(f"--per-item {lo},{hi} is no range; use 1,3 or another with 1 <= low")
    rng = derive_rng("degradations", seed, index)
    n = lo + int(rng.binomial(hi - lo, (PUBLISHED_MEAN - 1) / 2))
    return tuple(sorted(rng.permutation(pool)[:n].tolist())) if pool else ()


def asks_for_side(question: str, options: Mapping[str, str]) -> bool:
    """Whether the right answer may depend on how the image is turned."""
    return bool(_SIDE.search(question) or any(_SIDE.search(text) for text in options.values()))


def check_levels(levels: Iterable[int]) -> tuple[int, ...]:
    """``levels`` rising, once each.

    Raises
    ------
    InputError
        If one is not 1, 2 or 3, or there is none.
    """
    found = tuple(sorted(set(levels)))
    wrong = [level for level in found if level not in (1, 2, 3)]
    if wrong or not found:
        named = ", ".join(map(str, wrong)) or "(none)"
        raise InputError(f"level {named} is out of range; use some of 1, 2, 3")
    return found
