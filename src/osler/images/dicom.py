"""DICOM images: one file to one plane, cine or volume."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from osler.core import BadFileError, InputError, sha256_hex

from .dicom_geometry import Placement, SeriesError, pixel_spacing, placement, plane_affine, stack
from .dicom_pixels import Values, frame_count, has_pixels, values_of
from .dicom_tags import group, numbers, raw, text, whole
from .image import Axes, Image
from .limits import MAX_FILE_BYTES, content_of
from .modality import find_modality
from .overlay import Overlay, overlays_of
from .pet import pet_facts
from .sniff import format_of_bytes, head_of

_KEY_LENGTH = 16
_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


_BROKEN = (
    BytesLengthException,
    InvalidDicomError,
    ArithmeticError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom raises on bytes that lie."""


def read_dataset(
    path: str | Path, *, pixels: bool = True, tags: Sequence[str] | None = None
) -> Dataset:
    """The data set of a DICOM file, with or without preamble, also gzip-compressed.

    Without ``pixels`` only the header is read, and of it only ``tags`` (keywords) if they are
    given. Elements that are no values are left out.

    Raises
    ------
    BadFileError
        If the file is no DICOM file, is cut off, or unpacks beyond the caps.
    """
    head = head_of(path)
    if format_of_bytes(head) != "dicom":
        raise BadFileError(path, "is not a DICOM file")
    wanted: list[Any] | None = None if tags is None else list(tags)
    plain = head[:2] != b"\x1f\x8b" and DeflatedExplicitVRLittleEndian.encode() not in head
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if plain and not pixels:
                ds = dcmread(path, force=True, stop_before_pixels=True, specific_tags=wanted)
            else:
                content = content_of(path)
                _check_deflated(content, path)
                ds = dcmread(
                    io.BytesIO(content),
                    force=True,
                    stop_before_pixels=not pixels,
                    specific_tags=wanted,
                )
            _complete_meta(ds)
            _drop_unreadable(ds)
    except BadFileError:
        raise
    except _BROKEN as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise BadFileError(
            path, f"is a truncated or broken DICOM file ({reason})", "copy or export it again"
        ) from error
    if len(ds) == 0:
        raise BadFileError(path, "is a DICOM file without any element", "export it again")
    return ds


def _drop_unreadable(ds: Dataset) -> None:
    """Remove elements whose bytes do not make a value, at every depth.

    A reader that needs none of them can go on; one that does meets a missing attribute.
    """
    for tag in list(ds.keys()):
        try:
            element = ds[tag]
        except _BROKEN:
            del ds[tag]
            continue
        if element.VR == "SQ":
            for item in element.value or ():
                _drop_unreadable(item)


def _check_deflated(content: bytes, path: object) -> None:
    """Refuse a deflated data set that would unpack beyond the cap."""
    meta_end = content.find(DeflatedExplicitVRLittleEndian.encode(), 132, 2048)
    if meta_end < 0:
        return
    length = int.from_bytes(content[140:144], "little")
    unpacker = zlib.decompressobj(wbits=-15)
    left, total = content[144 + length :], 0
    while left and total <= MAX_FILE_BYTES:
        total += len(unpacker.decompress(left, 1 << 24))
        left = unpacker.unconsumed_tail
    if total > MAX_FILE_BYTES:
        raise BadFileError(path, f"unpacks to more than {MAX_FILE_BYTES / 1024**3:.1f} GiB")


def _complete_meta(ds: Dataset) -> None:
    """State the transfer syntax that the parser found where the file does not."""
    meta = ds.file_meta
    stated = meta.get("TransferSyntaxUID")
    if isinstance(stated, UID) and stated.strip():
        return
    implicit, little = ds.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def read_dicom(path: str | Path, frame: int | None = None, *, voi: bool = False) -> Image:
    """An image from one DICOM file.

    One frame is a plane; frames with regular positions are a volume ``xyz`` (or ``xyzt``);
    other frames are a cine ``tyx``. Colour becomes RGB. The values are those the file states
    after its rescale; the unit is HU, SUV or Bq/mL only where modality and rescale type say so.
    MONOCHROME1 is turned so that high is bright. Overlays are not burnt in
    (see :func:`osler.images.overlays`).

    Parameters
    ----------
    frame
        Read this frame only (from 0).
    voi
        Apply the VOI LUT or window of the file, giving 8-bit display values.

    Raises
    ------
    BadFileError
        If the file is broken, has no pixels, or its pixels cannot be decoded.
    InputError
        If there is no such frame.
    """
    return image_of(read_dataset(path), path, frame, voi=voi)


def image_of(
    ds: Dataset, path: str | Path, frame: int | None = None, *, voi: bool = False
) -> Image:
    """As :func:`read_dicom`, from a data set that is already read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _check_readable(ds, path, frame)
        found = _values(ds, path, frame, voi=voi)
        common = _common(ds, path, found)
        if frame is not None or frame_count(ds) == 1:
            return _one(ds, found, common, frame or 0)
        return _many(ds, path, found, common)


def _check_readable(ds: Dataset, path: object, frame: int | None) -> None:
    if text(ds.file_meta, "MediaStorageSOPClassUID") == _MEDIA_STORAGE_DIRECTORY:
        raise BadFileError(path, "is a DICOMDIR, an index of files", "name an image or its folder")
    count = frame_count(ds)
    if frame is not None and not 0 <= frame < count:
        raise InputError(f"{path} has {count} frame(s), 0 to {count - 1}, no {frame}")
    if raw(ds, "TotalPixelMatrixColumns") and count > 1 and frame is None:
        raise BadFileError(path, f"is a slide of {count} tiles", "choose a tile with frame=")


def _values(ds: Dataset, path: object, frame: int | None, *, voi: bool) -> Values:
    """The values; where each frame has its own rescale, each by its own."""
    own = raw(ds, "PerFrameFunctionalGroupsSequence")
    count = frame_count(ds)
    if frame is None and count > 1 and own and "PixelValueTransformationSequence" in own[0]:
        rules = [group(ds, f, "PixelValueTransformationSequence") for f in range(count)]
        stated = {(text(r, "RescaleSlope"), text(r, "RescaleIntercept")) for r in rules if r}
        if len(stated) > 1:
            parts = [values_of(ds, path, f, f, voi=voi) for f in range(count)]
            kind = np.result_type(*(p.pixels for p in parts))
            pixels = np.concatenate([p.pixels.astype(kind, copy=False) for p in parts])
            return Values(pixels, parts[0].unit, parts[0].window, False,
                          {**parts[0].meta, "rescale": "by frame"}, parts[0].notes)  # fmt: skip
    return values_of(ds, path, frame, frame or 0, voi=voi)


def _common(ds: Dataset, path: str | Path, found: Values) -> dict[str, Any]:
    return {
        "modality": find_modality(text(ds, "Modality")),
        "unit": found.unit,
        "window": found.window,
        "source": str(path),
        "patient": patient_key(ds),
        "meta": {**_meta(ds), **found.meta, **_warning(found.notes)},
    }


def _warning(notes: tuple[str, ...]) -> dict[str, str]:
    return {"warning": "; ".join(notes)} if notes else {}


def _one(ds: Dataset, found: Values, common: dict[str, Any], frame: int) -> Image:
    place = placement(ds, frame)
    spacing, name = pixel_spacing(ds, frame)
    common["meta"] = {**common["meta"], "spacing_from": name}
    return Image(
        pixels=np.ascontiguousarray(found.pixels[0]),
        axes="yxc" if found.colour else "yx",
        spacing=spacing,
        affine=None if place is None else plane_affine(place),
        **common,
    )


def _many(ds: Dataset, path: str | Path, found: Values, common: dict[str, Any]) -> Image:
    spacing, name = pixel_spacing(ds)
    meta = {**common.pop("meta"), "spacing_from": name}
    count = found.pixels.shape[0]
    places = [place for f in range(count) if (place := _place(ds, f)) is not None]
    if len(places) == count and not found.colour:
        try:
            laid = stack(places, path, [f"frame {f}" for f in range(count)], _times(ds, count))
            pixels, axes = arranged(found.pixels, laid.order)
            step = float(np.linalg.norm(laid.affine[:3, 2]))
            assert spacing is not None  # a placement has it
            notes = tuple(part for part in (meta.get("warning", ""), *laid.notes) if part)
            return Image(
                pixels=pixels,
                axes=axes,
                spacing=(spacing[1], spacing[0], step),
                affine=laid.affine,
                meta={**meta, **_warning(notes)},
                **common,
            )
        except SeriesError as error:
            meta["warning"] = f"kept as frames: {str(error).split(': ', 1)[-1]}"
    seconds = numbers(ds, "FrameTime")
    if seconds:
        meta["frame_seconds"] = f"{seconds[0] / 1000:g}"
    return Image(
        pixels=found.pixels,
        axes="tyxc" if found.colour else "tyx",
        spacing=spacing,
        meta=meta,
        **common,
    )


def arranged(pixels: NDArray[Any], order: list[list[int]]) -> tuple[NDArray[Any], Axes]:
    """Planes (n, rows, columns) as a volume (x, y, z) or (x, y, z, t), by :class:`Stack.order`."""
    if len(order) == 1:
        return pixels[order[0]].transpose(2, 1, 0), "xyz"
    return np.stack([pixels[spots].transpose(2, 1, 0) for spots in order], axis=-1), "xyzt"


def _place(ds: Dataset, frame: int) -> Placement | None:
    """Placement of a frame by its functional groups, or by the offsets of a dose grid."""
    if raw(ds, "PerFrameFunctionalGroupsSequence"):
        return placement(ds, frame)
    offsets = numbers(ds, "GridFrameOffsetVector")
    place = placement(ds)
    if not offsets or frame >= len(offsets) or place is None:
        return None
    # Relative offsets begin with 0 (PS3.3 C.8.8.3.2); absolute ones begin at the position.
    along = offsets[frame] - offsets[0]
    moved = place.position + np.cross(*place.directions) * along
    return Placement(moved, place.directions, place.spacing, place.thickness)


def _times(ds: Dataset, count: int) -> list[float] | None:
    """A number that tells the repeats of a position apart, from the frame content macro."""
    for macro, name in (
        ("FrameContentSequence", "TemporalPositionIndex"),
        ("MREchoSequence", "EffectiveEchoTime"),
        ("MRDiffusionSequence", "DiffusionBValue"),
    ):
        found = [numbers(place, name) if (place := group(ds, f, macro)) else None
                 for f in range(count)]  # fmt: skip
        values = [value[0] for value in found if value]
        if len(values) == count and len(set(values)) > 1:
            return values
    return None


def patient_key(ds: Dataset) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the Patient ID; empty where none is stated.

    The raw identifier never leaves this function. In a file that is marked as de-identified a
    Patient ID that already has this form is kept, so keys survive a round trip.
    """
    stated = text(ds, "PatientID")
    if not stated:
        return ""
    if text(ds, "PatientIdentityRemoved") == "YES" and re.fullmatch(r"[0-9a-f]{16}", stated):
        return stated
    return sha256_hex(stated.encode())[:_KEY_LENGTH]


def _meta(ds: Dataset) -> dict[str, str]:
    """Facts that are worth keeping and identify nobody."""
    sop_class = text(ds, "SOPClassUID") or text(ds.file_meta, "MediaStorageSOPClassUID")
    meta = {
        "format": "dicom",
        "dicom_modality": text(ds, "Modality") or "not stated",
        "sop_class": UID(sop_class).name if sop_class else "not stated",
        "transfer_syntax": ds.file_meta.TransferSyntaxUID.name,
        "burned_in": text(ds, "BurnedInAnnotation") or "not stated",
    }
    for key, names in (
        ("laterality", ("ImageLaterality", "Laterality", "FrameLaterality")),
        ("view", ("ViewPosition",)),
        ("body_part", ("BodyPartExamined",)),
        ("lossy_ratio", ("LossyImageCompressionRatio",)),
        ("patient_position", ("PatientPosition",)),
    ):
        found = next((value for name in names if (value := text(ds, name))), None)
        if found:
            meta[key] = found
    if text(ds, "LossyImageCompression") == "01":
        meta["lossy"] = "yes"
    planes = sum(1 for e in range(0x6000, 0x6020, 2) if (e, 0x0010) in ds)
    if planes:
        meta["overlays"] = str(planes)
    if "view" not in meta and raw(ds, "ViewCodeSequence"):
        meta["view"] = text(ds.ViewCodeSequence[0], "CodeMeaning") or "coded"
    if meta["dicom_modality"] == "PT":
        meta.update(pet_facts(ds))
    return meta


def overlays(path: str | Path) -> list[Overlay]:
    """The overlay planes (groups 6000 to 601E) of a DICOM file as boolean masks.

    Raises
    ------
    BadFileError
        If the file or an overlay in it is broken.
    """
    return overlays_of(read_dataset(path), path)


def is_image(path: str | Path) -> bool:
    """True for a DICOM file with pixels; reads the header only."""
    try:
        ds = read_dataset(path)
    except BadFileError:
        return False
    return has_pixels(ds) and (whole(ds, "Rows") or 0) > 0
