"""Degrade an image, and replay exactly what was done from its record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from inspect import Parameter, signature
from typing import Any, Generic, TypeVar, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from osler.core import InputError, UnknownNameError, sha256_hex
from osler.images import MODALITIES, Image, Modality, modality_named

from .planes import Pixels, as_image, checked, frame_of, map_planes
from .registry import Degradation, Draw, Frame, Value, degradation_named

T = TypeVar("T", Image, Pixels)


@dataclass(frozen=True, slots=True)
class Record:
    """What was done to one image; :func:`replay` does it again, byte for byte.

    ``params`` are all parameters used (defaults included), ``drawn`` every random value by name;
    whole noise fields are made again from ``seed``. ``lo``, ``hi``, ``unit`` and ``spacing`` are
    the full scale, unit and in-plane spacing (row, column; mm) that relative parameters refer to.
    ``input_sha256`` and ``output_sha256`` are hashes of type, shape and pixels.
    """

    key: str
    version: int
    level: int
    modality: Modality | None
    seed: int
    params: Mapping[str, Value] = field(default_factory=dict)
    drawn: Mapping[str, Value] = field(default_factory=dict)
    lo: float = 0.0
    hi: float = 255.0
    unit: str = "8-bit"
    spacing: tuple[float, float] | None = None
    input_sha256: str = ""
    output_sha256: str = ""

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Record:
        """A record from its JSON object (the inverse of :func:`osler.core.plain`).

        Raises
        ------
        InputError
            If a field is missing or unknown.
        """
        fields = dict(data)
        if fields.get("spacing") is not None:
            fields["spacing"] = tuple(fields["spacing"])
        try:
            return cls(**fields)
        except TypeError as error:
            what = str(error).removeprefix("Record.__init__() ")
            raise InputError(f"not a degradation record: {what}") from error


@dataclass(frozen=True, slots=True)
class Degraded(Generic[T]):
    """A degraded image (of the kind that was given) and the record of what was done."""

    image: T
    record: Record


def pixel_hash(pixels: Pixels) -> str:
    """SHA-256 over type, shape and values of an array."""
    head = f"{pixels.dtype.str}{pixels.shape}".encode()
    return sha256_hex(head + np.ascontiguousarray(pixels).tobytes())


@overload
def degrade(
    image: Image,
    key: str,
    level: int,
    *,
    seed: int,
    params: Mapping[str, Value] | None = None,
    modality: str | None = None,
    force: bool = False,
    hashes: bool = True,
) -> Degraded[Image]: ...
@overload
def degrade(
    image: Pixels,
    key: str,
    level: int,
    *,
    seed: int,
    params: Mapping[str, Value] | None = None,
    modality: str | None = None,
    force: bool = False,
    hashes: bool = True,
) -> Degraded[Pixels]: ...
def degrade(
    image: Image | Pixels,
    key: str,
    level: int,
    *,
    seed: int,
    params: Mapping[str, Value] | None = None,
    modality: str | None = None,
    force: bool = False,
    hashes: bool = True,
) -> Degraded[Any]:
    """Degrade ``image`` by the degradation ``key`` at ``level`` (0 clean, 1, 2, 3).

    Parameters
    ----------
    image
        An :class:`~osler.images.Image` (plane, cine or volume) or an array (H, W) or (H, W, 3).
        Slices and frames of one image share every drawn value (angle, mask, number of lines) and
        have noise fields of their own. RGB with equal channels is degraded as one grey plane.
    key, level
        See :func:`~osler.degrade.degradations`. Level 0 gives the same pixels back.
    seed
        Fixes all randomness; the same for all levels, so a higher level differs in strength only.
    params
        Parameters that replace those of the level, by name.
    modality
        Replaces the modality of ``image``.
    force
        Apply even where it makes no physical sense for the modality.
    hashes
        False leaves the two hashes of the record empty, which saves about a millisecond a megabyte.

    Raises
    ------
    UnknownNameError
        For an unknown degradation, modality or parameter.
    InputError
        For a level out of range, pixels that cannot be degraded, or a modality for which the
        degradation makes no physical sense (or none stated, where that matters) without ``force``.
    """
    whole = image if isinstance(image, Image) else as_image(np.asarray(image))
    entry = degradation_named(key)
    name = modality_named(modality) if modality is not None else whole.modality
    used = full_params(entry, level, name, params)
    if not force:
        _refuse_senseless(entry, name, whole.source)
    frame = frame_of(checked(whole))
    if name != frame.modality:
        frame = replace(frame, modality=name)
    before = pixel_hash(whole.pixels) if hashes else ""
    draw = Draw(seed)
    with _fitting(entry, used if params else {}):
        pixels = _run(entry, whole, level, draw, frame, used)
    record = Record(
        key=entry.key,
        version=entry.version,
        level=level,
        modality=name,
        seed=seed,
        params=used,
        drawn=draw.values,
        lo=frame.lo,
        hi=frame.hi,
        unit=frame.unit,
        spacing=frame.spacing,
        input_sha256=before,
        output_sha256=pixel_hash(pixels) if hashes else "",
    )
    return Degraded(_wrap(image, pixels), record)


@overload
def replay(image: Image, record: Record) -> Image: ...
@overload
def replay(image: Pixels, record: Record) -> Pixels: ...
def replay(image: Image | Pixels, record: Record) -> Any:
    """Do to ``image`` what ``record`` says; equal pixels in, equal pixels out.

    Raises
    ------
    InputError
        If ``image`` is not the one the record was made from, or the degradation has since
        changed, or the result differs from the recorded hash.
    """
    whole = image if isinstance(image, Image) else as_image(np.asarray(image))
    entry = degradation_named(record.key)
    if record.version != entry.version:
        raise InputError(
            f"the record was made by {record.key} version {record.version}, here is version "
            f"{entry.version}; use the osler release that wrote the record"
        )
    if record.input_sha256 and record.input_sha256 != pixel_hash(whole.pixels):
        raise InputError(
            f"{whole.source or 'image'}: not the image this record of {record.key} was made from "
            "(its pixels hash differently); give the clean original"
        )
    frame = Frame(record.lo, record.hi, record.modality, record.unit, record.spacing)
    draw = Draw(record.seed, record.drawn)
    with _fitting(entry, record.params):
        pixels = _run(entry, checked(whole), record.level, draw, frame, record.params)
    if record.output_sha256 and record.output_sha256 != pixel_hash(pixels):
        raise InputError(
            f"replaying {record.key} gave other pixels than recorded; a library that computes them "
            "(NumPy, SciPy, OpenCV) differs from the one that wrote the record"
        )
    return _wrap(image, pixels)


def transform_points(
    record: Record, points: Sequence[Sequence[float]] | NDArray[Any], shape: Sequence[int]
) -> NDArray[np.float64]:
    """Where positions of the clean plane lie after the degradation of ``record``.

    Parameters
    ----------
    points
        (n, 2) pixel positions (x, y): x along the columns, y down the rows, pixel centres whole.
    shape
        (height, width) of the plane.

    Returns
    -------
    The (n, 2) new positions; the same ones unless the degradation is geometric. They may lie
    outside the plane.
    """
    given = np.asarray(points, np.float64).reshape(-1, 2)
    entry = degradation_named(record.key)
    if entry.points is None or record.level == 0:
        return given
    draw = Draw(record.seed, record.drawn)
    moved = entry.points(given, draw, (int(shape[0]), int(shape[1])), **record.params)
    return np.asarray(moved, np.float64)


def _run(
    entry: Degradation,
    image: Image,
    level: int,
    draw: Draw,
    frame: Frame,
    params: Mapping[str, Value],
) -> Pixels:
    if level == 0:
        return image.pixels
    return map_planes(
        image, lambda x, number: entry.apply(x, draw.at_plane(number), frame, **params)
    )


_UNFIT = (ArithmeticError, cv2.error, LookupError, MemoryError, OSError, TypeError, ValueError)


@contextmanager
def _fitting(entry: Degradation, given: Mapping[str, Value]) -> Iterator[None]:
    """Tell of ``given`` values, not of the arithmetic that they broke; without any, of a fault."""
    try:
        yield
    except _UNFIT as error:
        if not given:
            raise
        values = ", ".join(f"{name}={value!r}" for name, value in given.items())
        reason = " ".join(str(error).split())[:100]
        raise InputError(
            f"{entry.key} cannot work with {values} ({reason}); stay near the values that "
            "osler degrade list --json gives"
        ) from error


def _wrap(given: Image | Pixels, pixels: Pixels) -> Image | Pixels:
    return given.with_pixels(pixels) if isinstance(given, Image) else pixels


def _refuse_senseless(entry: Degradation, modality: Modality | None, source: str) -> None:
    if modality in entry.modalities or set(entry.modalities) >= set(MODALITIES):
        return
    where = f"{source}: " if source else ""
    kinds = ", ".join(entry.modalities)
    if modality is None:
        raise InputError(
            f"{where}{entry.key} is made for {kinds}, and the modality of this image is not "
            "stated; state it (--modality) or force it (--force)"
        )
    raise InputError(
        f"{where}{entry.key} makes no physical sense for {modality} (it is made for {kinds}); "
        "choose another degradation or force it (--force)"
    )


_MOST = 10_000  # views, bits, blobs: beyond it a call would run for hours


def full_params(
    entry: Degradation,
    level: int,
    modality: str | None,
    params: Mapping[str, Value] | None = None,
) -> dict[str, Value]:
    """Every parameter of ``entry`` at ``level``: its defaults, the level's row, then ``params``.

    Raises
    ------
    UnknownNameError
        For a parameter it does not have.
    InputError
        For a level out of range, or a text where a number belongs (or the reverse).
    """
    row = entry.params(level, modality)
    known = _parameters(entry.apply)
    merged: dict[str, Value] = {k: v for k, v in known.items() if v is not None} | row
    for name, value in (params or {}).items():
        if name not in known:
            raise UnknownNameError(f"parameter of {entry.key}", name, known)
        usual = merged.get(name, entry.levels[1].get(name, 0.0))  # may be left out: a number
        _check_kind(value, f"parameter {name} of {entry.key}")
        if _kind(value) != _kind(usual):
            raise InputError(f"parameter {name} of {entry.key} is {_kind(usual)}, not {value!r}")
        counted = isinstance(usual, int) and isinstance(value, int | float)
        if counted and abs(value) > _MOST:  # type: ignore[arg-type]
            raise InputError(
                f"parameter {name} of {entry.key} is {value}; counts go up to {_MOST:,}"
            )
        merged[name] = value
    return merged if level else {}


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "a text"
    return "a list of numbers" if isinstance(value, list | tuple) else "a number"


def _check_kind(value: object, what: str) -> None:
    """Refuse what no degradation takes: null, objects, nested lists, NaN and infinity."""
    for one in value if isinstance(value, list | tuple) else [value]:
        if not isinstance(one, float | int | str | bool):
            raise InputError(f"{what} is {one!r}; give a number, a text or a list of numbers")
        if isinstance(one, float) and not math.isfinite(one):
            raise InputError(f"{what} is {one}; give a finite number")


@lru_cache(maxsize=512)
def _parameters(apply: Any) -> dict[str, Any]:
    return {
        p.name: None if p.default is Parameter.empty else p.default
        for p in signature(apply).parameters.values()
        if p.kind is Parameter.KEYWORD_ONLY
    }


def parameter_names(entry: Degradation) -> tuple[str, ...]:
    """Names of the parameters of a degradation."""
    return tuple(_parameters(entry.apply))
