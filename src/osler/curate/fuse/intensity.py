"""What the values of an image are: the unit that is stated, and what the values themselves say.

The unit comes from stated facts (DICOM rescale and Units, a source's own ``unit``). Values are
evidence only: of CT, where air is -1000 HU and soft tissue about 40 HU, they tell Hounsfield units
from values shifted by 1024, from a display window and from an inverted display. Evidence refuses a
statement that it contradicts and is told where nothing is stated. It never converts anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from osler.images import Image

from .ct_values import Looks, ct_evidence, sampled
from .faults import LayoutError
from .sample import IntensityUnit

_STATED: dict[str, IntensityUnit] = {"HU": "HU", "SUV": "SUVbw", "Bq/mL": "BqML", "a.u.": "a.u."}
_ARBITRARY = frozenset({"MR", "US", "XR", "MG", "XA", "NM", "OCT", "OCTA", "CBCT"})


@dataclass(frozen=True, slots=True)
class Intensity:
    """The unit of an image, on what it rests, and what was seen in the values.

    ``basis`` is ``stated``, ``modality`` (arbitrary by nature, as MR) or ``none``; ``window`` is
    (centre, width) of the values that 8 bits show, where it is known. ``looks`` and ``evidence``
    say what CT values suggest; they are never taken for a statement.
    """

    unit: IntensityUnit | None
    basis: Literal["stated", "modality", "none"]
    window: tuple[float, float] | None = None
    looks: Looks = ""
    evidence: str = ""


def intensity_of(image: Image, modality: str, channels: Sequence[str] = ()) -> Intensity:
    """The unit of an image by what is stated, with the evidence of its values beside it.

    Parameters
    ----------
    modality
        Code of the catalogue's vocabulary (``CT``, ``MR``, ``PET``, ...).
    channels
        Names of the channels along the last axis of a volume ``xyzt``, if it is channels.
    """
    found = _stated(image, modality)
    values = _ct_values(image, modality, channels)
    if values is None:
        return found
    seen = ct_evidence(values, image.meta)
    return replace(found, looks=seen.looks, evidence=seen.what)


def _way_to_suv(image: Image) -> str:
    """What activity needs to become SUV: an option of the source, or what the header lacks."""
    if image.unit != "Bq/mL":
        return ""
    if image.meta.get("suv_missing"):
        return f"for SUVbw its header lacks {image.meta['suv_missing']}"
    if image.meta.get("suv_factor") or image.meta.get("suv_factors"):
        return 'set the option suv of its source to "bw" for SUVbw'
    return ""


def _ct_values(image: Image, modality: str, channels: Sequence[str]) -> NDArray[Any] | None:
    """The values of CT in an image: of its first time point, or of the channel called CT."""
    if modality != "CT" or image.has_colour:
        return None
    if image.axes != "xyzt":
        return image.pixels
    if len(channels) < 2:
        return image.pixels[..., 0]
    named = [index for index, name in enumerate(channels) if name.strip().upper() == "CT"]
    return image.pixels[..., named[0]] if named else None


def _stated(image: Image, modality: str) -> Intensity:
    window = (image.window.center, image.window.width) if image.window else None
    if image.has_colour:
        return Intensity("RGB", "stated")
    if image.unit == "SUV" and image.meta.get("suv_type", "BW") not in ("", "BW"):
        return Intensity(None, "none", evidence=f"SUV by {image.meta['suv_type']}, not by weight")
    if image.unit in _STATED:
        return Intensity(_STATED[image.unit], "stated", evidence=_way_to_suv(image))
    named = image.meta.get("unit", "")
    if named in ("OD", "SUVbw", "BqML", "uint8-window"):
        return Intensity(cast(IntensityUnit, named), "stated", window)
    if image.pixels.dtype == np.uint8 or image.unit == "8-bit":
        # In DICOM the window is a wish for display; elsewhere it is what the 8 bits were made with.
        if window is not None and image.meta.get("format") != "dicom":
            return Intensity("uint8-window", "stated", window)
        return Intensity("8-bit", "stated")
    if modality in _ARBITRARY:
        return Intensity("a.u.", "modality")
    return Intensity(None, "none")


def check_unit(image: Image, modality: str, channels: Sequence[str] = ()) -> None:
    """Refuse values that contradict the unit that is stated for them.

    Raises
    ------
    LayoutError
        ``intensity``: a CT said to be in HU whose air lies at 0 (shifted by 1024, or the slope of
        its header lost), that holds 0 to 255, or whose air is the brightest; a PET or CT with
        negative activity or uptake; values that are not finite.
    """
    pixels = image.pixels
    if pixels.dtype.kind == "f" and not np.isfinite(sampled(pixels)).all():
        raise _fault(image, "holds values that are no finite numbers", "export it again")
    values = _ct_values(image, modality, channels)
    if values is not None and image.unit == "HU":
        seen = ct_evidence(values, image.meta)
        if seen.looks not in ("HU", ""):
            raise _fault(
                image,
                f"is said to be in HU, but {seen.what}",
                "find the original, or state the unit that it really has",
            )
    if image.unit in ("SUV", "Bq/mL") and pixels.size and float(np.median(pixels)) < 0:
        raise _fault(
            image,
            f"is said to be in {image.unit}, but its median is negative",
            "state the unit that it really has",
        )


def require_unit(image: Image, modality: str, wanted: str, case: str = "") -> Intensity:
    """The intensity of an image, which must be in the unit that a goal wants.

    Raises
    ------
    LayoutError
        ``unit-unknown`` where it cannot be told, ``unit-other`` where it is another one.
    """
    found = intensity_of(image, modality)
    where = image.source or "image"
    if found.unit == wanted:
        return found
    evidence = f"; {found.evidence}" if found.evidence else ""
    if found.unit is None:
        raise LayoutError(
            "unit-unknown",
            where,
            f"states no unit and the goal wants {wanted}{evidence}",
            'state it for the source (options.unit), or drop "intensity" from the goal',
            case=case,
        )
    raise LayoutError(
        "unit-other",
        where,
        f"is in {found.unit} and the goal wants {wanted}{evidence}",
        "take the original values; a display cannot be turned back",
        case=case,
    )


def _fault(image: Image, what: str, todo: str) -> LayoutError:
    return LayoutError("intensity", image.source or "image", what, todo)
