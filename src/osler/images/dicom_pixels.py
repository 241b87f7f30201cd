"""From the bytes of a DICOM data set to the values it states.

The chain of PS3.3 C.11 and C.7.6.3: decode, keep the stored bits, modality LUT or rescale,
palette, colour space. The VOI window is stated, not applied.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from osler.core import BadFileError, InputError, MissingError

from .dicom_tags import group, numbers, text, whole
from .image import Unit, Window
from .jpeg12 import decode_jpeg12, is_jpeg12
from .jpeg_frame import check_frame
from .limits import check_shape
from .rescale import native, rescaled

# One decoder for each syntax, so that what else is installed cannot change a pixel.
_PLUGINS: dict[str, str] = {
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pillow",  # 8 bits of it; see jpeg12 for the rest
    JPEGLossless: "gdcm",
    JPEGLosslessSV1: "gdcm",
    JPEGLSLossless: "gdcm",
    JPEGLSNearLossless: "gdcm",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
    HTJ2KLossless: "pylibjpeg",
    HTJ2KLosslessRPCL: "pylibjpeg",
    HTJ2K: "pylibjpeg",
    RLELossless: "pydicom",
}
_BROKEN = (
    ValueError,
    AttributeError,
    RuntimeError,
    KeyError,
    TypeError,
    IndexError,
    OSError,
    NotImplementedError,
    struct.error,
)
_ARBITRARY = {"MR", "CR", "DX", "MG", "RG", "XA", "RF", "NM", "US", "IVUS", "IO", "PX", "OPT"}
_PET_UNITS: dict[str, Unit] = {"BQML": "Bq/mL", "GML": "SUV"}


@dataclass(frozen=True, slots=True)
class Values:
    """Pixels with the unit and window that the data set states for them."""

    pixels: NDArray[Any]
    unit: Unit
    window: Window | None
    colour: bool
    meta: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def has_pixels(ds: Dataset) -> bool:
    """True when the data set carries pixel data of any kind."""
    return any(name in ds for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))


def frame_count(ds: Dataset) -> int:
    """Number of frames, 1 where none is stated (or nonsense is)."""
    return max(whole(ds, "NumberOfFrames") or 1, 1)


def stored_values(ds: Dataset, path: object, index: int | None = None) -> NDArray[Any]:
    """Decoded pixels (frames, rows, columns[, RGB]) before any rescale; YBR becomes RGB.

    Raises
    ------
    BadFileError
        If there are no pixels, they are truncated, or they cannot be decoded.
    """
    if not has_pixels(ds):
        kind = ds.get("Modality") or "data"
        raise BadFileError(path, f"is a DICOM {kind} object without pixels", "name an image")
    rows, columns = whole(ds, "Rows") or 0, whole(ds, "Columns") or 0
    samples = whole(ds, "SamplesPerPixel") or 1
    frames = 1 if index is not None else frame_count(ds)
    if not rows or not columns:
        raise BadFileError(path, "is a DICOM object without rows and columns", "name an image")
    check_shape(path, (frames, rows, columns, samples))
    syntax = ds.file_meta.TransferSyntaxUID
    plugin = "gdcm" if is_jpeg12(ds) else _PLUGINS.get(syntax, "")
    try:
        if plugin == "gdcm":
            _check_frames(ds, rows, columns, samples)
        if is_jpeg12(ds):
            pixels: NDArray[Any] = decode_jpeg12(ds, frames, index)
        else:
            # Unused bits are dropped below, with a note and by High Bit.
            keep = {"correct_unused_bits": False} if _keeps_words(ds) else {}
            pixels = np.asarray(pixel_array(ds, index=index, decoding_plugin=plugin, **keep))
        pixels = pixels.reshape((frames, rows, columns) + ((samples,) if samples > 1 else ()))
    except (ImportError, *_BROKEN) as error:
        raise _undecoded(ds, path, plugin, error) from error
    return native(pixels)


def _check_frames(ds: Dataset, rows: int, columns: int, samples: int) -> None:
    bits = whole(ds, "BitsStored") or whole(ds, "BitsAllocated") or 0
    for frame in generate_frames(ds.PixelData, number_of_frames=frame_count(ds)):
        check_frame(frame, rows, columns, samples, bits)


def _undecoded(ds: Dataset, path: object, plugin: str, error: Exception) -> Exception:
    syntax = ds.file_meta.TransferSyntaxUID
    reason = " ".join(str(error).split()) or type(error).__name__
    if re.search(r"missing (required )?dependencies", reason) or isinstance(error, ImportError):
        package = {"gdcm": '"osler[codecs]"'}.get(plugin, "pylibjpeg pylibjpeg-openjpeg")
        return MissingError(
            f"{path}: {syntax.name} needs a decoder that is not installed; pip install {package}"
        )
    reason = reason.split(" - ")[0]
    short = reason if len(reason) < 160 else reason[:157] + "..."
    return BadFileError(
        path,
        f"its pixel data ({syntax.name}) are truncated or broken ({short})",
        "copy or export it again",
    )


def _keeps_words(ds: Dataset) -> bool:
    """True for syntaxes that store whole words, unused bits included."""
    syntax = ds.file_meta.TransferSyntaxUID
    return syntax == RLELossless or not syntax.is_encapsulated


def _only_stored_bits(pixels: NDArray[Any], ds: Dataset, notes: list[str]) -> NDArray[Any]:
    """Drop bits outside Bits Stored (old overlays live there), where the syntax keeps them."""
    allocated, stored = whole(ds, "BitsAllocated") or 0, whole(ds, "BitsStored") or 0
    if pixels.dtype.kind not in "iu" or not _keeps_words(ds) or not 1 < stored < allocated:
        return pixels
    high = whole(ds, "HighBit")
    shift = (stored - 1 if high is None else high) + 1 - stored
    if shift < 0 or stored + shift > allocated:
        notes.append(f"High Bit {high} contradicts Bits Stored {stored} and was ignored")
        shift = 0
    left = allocated - stored - shift
    number = pixels.dtype.type
    kept: NDArray[Any] = np.right_shift(np.left_shift(pixels, number(left)), number(left + shift))
    if not np.array_equal(kept, pixels):
        notes.append(f"bits outside the {stored} stored ones were dropped")
    return kept


def values_of(
    ds: Dataset, path: object, index: int | None = None, frame: int = 0, *, voi: bool = False
) -> Values:
    """The values that the data set states, for all frames or the one at ``index``.

    Parameters
    ----------
    frame
        The frame whose functional groups hold the rescale and the window.
    voi
        Apply the VOI LUT (or window) of the file; values become 8-bit display values.
    """
    notes: list[str] = []
    meta = {"photometric": text(ds, "PhotometricInterpretation") or "not stated"}
    pixels = stored_values(ds, path, index)
    if meta["photometric"] == "PALETTE COLOR":
        pixels = _palette(pixels, ds, path)
    if pixels.ndim == 4:
        unit: Unit = "8-bit" if pixels.dtype == np.uint8 else "unknown"
        unit = "16-bit" if pixels.dtype == np.uint16 else unit
        return Values(pixels, unit, None, True, meta)
    pixels = _only_stored_bits(pixels, ds, notes)
    ends = _stored_range(ds, pixels)
    pixels, ends, kind, scaled = _to_stated(pixels, ends, ds, frame, path, meta)
    unit = _unit(ds, kind, scaled, pixels)
    window = _window(ds, frame, meta)
    if voi:
        return _with_voi(pixels, ds, path, meta, notes)
    if meta["photometric"] == "MONOCHROME1":
        if unit in ("HU", "SUV", "Bq/mL"):
            meta["display"] = "inverted"  # the number has a meaning that inversion would break
        else:
            pixels, window = _inverted(pixels, window, *ends)
            meta["inverted"] = "MONOCHROME1: values turned so that high is bright"
    padding = ds.get("PixelPaddingValue")
    if padding is not None and scaled != "lut" and "inverted" not in meta:
        slope, intercept, _ = _slope(ds, frame)
        meta["padding"] = f"{float(padding) * slope + intercept:g}"
    return Values(pixels, unit, window, False, meta, tuple(notes))


def _palette(pixels: NDArray[Any], ds: Dataset, path: object) -> NDArray[Any]:
    try:
        out = np.asarray(apply_color_lut(pixels, ds))
    except _BROKEN as error:
        raise BadFileError(path, f"has a broken colour palette ({error})") from error
    if out.dtype == np.uint16:  # display colours; some writers fill the low byte only
        out = (out >> 8 if out.max() > 255 else out).astype(np.uint8)
    return out[..., :3]


def _stored_range(ds: Dataset, pixels: NDArray[Any]) -> tuple[float, float]:
    if pixels.dtype.kind == "f":
        return float(pixels.min()), float(pixels.max())
    bits = whole(ds, "BitsStored") or pixels.dtype.itemsize * 8
    if pixels.dtype.kind == "i":
        return -float(2 ** (bits - 1)), float(2 ** (bits - 1) - 1)
    return 0.0, float(2**bits - 1)


def _slope(ds: Dataset, frame: int) -> tuple[float, float, str | None]:
    """Slope, intercept and rescale type; type None where nothing is stated."""
    where = group(ds, frame, "PixelValueTransformationSequence") or ds
    slope, intercept = numbers(where, "RescaleSlope"), numbers(where, "RescaleIntercept")
    if slope is None and intercept is None:
        return 1.0, 0.0, None
    return (slope or [1.0])[0] or 1.0, (intercept or [0.0])[0], text(where, "RescaleType") or ""


def _to_stated(
    pixels: NDArray[Any],
    ends: tuple[float, float],
    ds: Dataset,
    frame: int,
    path: object,
    meta: dict[str, str],
) -> tuple[NDArray[Any], tuple[float, float], str | None, str]:
    """Modality LUT, rescale or dose grid scaling; with the range, the type and what was done."""
    tables = ds.get("ModalityLUTSequence")
    if tables:
        try:
            out = native(np.asarray(apply_modality_lut(pixels, ds)))
        except _BROKEN as error:
            raise BadFileError(path, f"has a broken modality LUT ({error})") from error
        meta["rescale_type"] = text(tables[0], "ModalityLUTType") or "US"
        top = float(2 ** int(tables[0].LUTDescriptor[2]) - 1)
        return out, (0.0, top), meta["rescale_type"], "lut"
    slope, intercept, kind = _slope(ds, frame)
    dose = numbers(ds, "DoseGridScaling")
    if dose:
        slope, intercept, kind = dose[0], 0.0, "dose"
        meta["dose_units"] = text(ds, "DoseUnits") or "not stated"
    if kind is None:
        return pixels, ends, None, "none"
    meta["rescale"] = f"{slope:g} x + {intercept:g}"
    if kind:
        meta["rescale_type"] = kind
    low, high = sorted((ends[0] * slope + intercept, ends[1] * slope + intercept))
    return rescaled(pixels, slope, intercept), (low, high), kind, "rescale"


def _unit(ds: Dataset, kind: str | None, scaled: str, pixels: NDArray[Any]) -> Unit:
    """Only what modality and rescale type say (PS3.3 C.8.2.1.1.6, C.8.9.1.1.3, C.11.1.1.2)."""
    code = text(ds, "Modality") or ""
    if kind == "HU":
        return "HU"
    if code == "CT" and scaled == "rescale" and not kind:
        localizer = "LOCALIZER" in (ds.get("ImageType") or ())
        return "a.u." if localizer else "HU"
    if code == "PT":
        return _PET_UNITS.get(text(ds, "Units") or "", "unknown")
    if scaled == "none" and pixels.dtype == np.uint8 and (whole(ds, "BitsStored") or 8) == 8:
        return "8-bit"
    return "a.u." if code in _ARBITRARY else "unknown"


def _window(ds: Dataset, frame: int, meta: dict[str, str]) -> Window | None:
    where = group(ds, frame, "FrameVOILUTSequence") or ds
    centers, widths = numbers(where, "WindowCenter"), numbers(where, "WindowWidth")
    if where.get("VOILUTSequence"):
        meta["voi_lut"] = "present; read with voi=True to apply it"
    if not centers or not widths or widths[0] <= 0:
        return None
    meta["window_function"] = text(where, "VOILUTFunction") or "LINEAR"
    if len(centers) > 1:
        pairs = zip(centers, widths, strict=False)
        meta["windows"] = ", ".join(f"{c:g}/{w:g}" for c, w in pairs)
    return Window(centers[0], widths[0])


def _inverted(
    pixels: NDArray[Any], window: Window | None, low: float, high: float
) -> tuple[NDArray[Any], Window | None]:
    turned = None if window is None else Window(low + high - window.center, window.width)
    if pixels.dtype.kind == "f":
        return (np.float32(low + high) - pixels).astype(np.float32), turned
    # low + high - x stays inside the range of the type, for x lies between low and high
    return (int(low + high) - pixels.astype(np.int64)).astype(pixels.dtype), turned


def _with_voi(
    pixels: NDArray[Any], ds: Dataset, path: object, meta: dict[str, str], notes: list[str]
) -> Values:
    try:
        out = np.asarray(apply_voi_lut(pixels, ds, prefer_lut=True), dtype=np.float64)
    except _BROKEN as error:
        raise BadFileError(path, f"has a broken VOI LUT ({error})") from error
    tables = ds.get("VOILUTSequence")
    if tables:
        low, high = 0.0, float(2 ** int(tables[0].LUTDescriptor[2]) - 1)
    elif numbers(ds, "WindowWidth"):
        low, high = float(out.min()), float(out.max())
    else:
        raise InputError(f"{path} states no VOI LUT and no window; read it without voi")
    scaled = np.rint((out - low) * (255.0 / max(high - low, 1e-12))).clip(0, 255).astype(np.uint8)
    if meta["photometric"] == "MONOCHROME1":
        scaled = 255 - scaled
    meta["display"] = "VOI LUT of the file" if tables else "VOI window of the file"
    return Values(scaled, "8-bit", None, False, meta, tuple(notes))
