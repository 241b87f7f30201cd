"""PET to standardised uptake values by body weight (SUVbw, g/mL), from what its header states.

Nothing is converted unless a source asks for it with the option ``suv: "bw"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from osler.core import InputError
from osler.images import Image

from .case import Loaded
from .faults import LayoutError

_REMEDY = "add what is missing to the header from the scan protocol, or use the set in Bq/mL"


def to_suv(image: Image, case: str = "") -> Image:
    """The image in SUVbw, float32; its ``meta`` keeps the factor.

    The factor is the one that :mod:`osler.images.pet` found in the header; slices that each have
    their own (Decay Correction NONE) are multiplied one by one. An image that is in SUVbw already
    comes back as it is.

    Raises
    ------
    LayoutError
        ``suv``, naming the attributes that are missing or senseless.

    Notes
    -----
    SUVbw = activity [Bq/mL] x weight [g] / (dose [Bq] x 2^(-elapsed / half-life)).
    """
    where, meta = image.source or "image", image.meta
    if image.unit == "SUV" and meta.get("suv_type", "BW") in ("", "BW"):
        return image
    if meta.get("suv_missing"):
        raise LayoutError("suv", where, f"lacks {meta['suv_missing']}", _REMEDY, case=case)
    if not meta.get("suv_factor") and not meta.get("suv_factors"):
        raise LayoutError(
            "suv", where, "states nothing that its SUV could be computed from", _REMEDY, case=case
        )
    if meta.get("suv_factor"):
        factor = np.float64(meta["suv_factor"])
        pixels = (image.pixels * factor).astype(np.float32)
        kept = meta["suv_factor"]
    else:
        factors = np.array(meta["suv_factors"].split(), np.float64)
        if not image.is_volume or image.shape[2] != factors.size:
            raise LayoutError(
                "suv", where, "lacks one factor for each slice as it lies", _REMEDY, case=case
            )
        shape = (1, 1, -1) + (1,) * (image.pixels.ndim - 3)
        pixels = (image.pixels * factors.reshape(shape)).astype(np.float32)
        kept = meta["suv_factors"]
    meta = {**meta, "suv_applied": kept, "suv_type": "BW"}
    return replace(image, pixels=pixels, unit="SUV", window=None, meta=meta)


def as_asked(loaded: Loaded, options: Mapping[str, Any], case: str = "") -> Loaded:
    """The case in the unit that its source asks for: PET in SUVbw with the option ``suv: "bw"``.

    Raises
    ------
    InputError
        The option has another value.
    LayoutError
        ``suv``, as of :func:`to_suv`.
    """
    asked = options.get("suv")
    if asked is None or loaded.modality != "PET":
        return loaded
    if asked != "bw":
        raise InputError(f'the option suv is {asked!r}; it may be "bw" (by body weight)')
    return replace(loaded, image=to_suv(loaded.image, case))
