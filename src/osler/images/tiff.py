"""TIFF: 8, 16 and 32 bit, grey and colour, one page or many."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from osler.core import BadFileError, InputError, write_bytes

from .image import Axes, Image, Unit
from .limits import check_shape
from .rescale import native

# tifffile logs what is wrong with a file; the error that follows says it once.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


_BROKEN = (
    tifffile.TiffFileError,
    struct.error,
    zlib.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What tifffile and its codecs raise on bytes that lie."""


def read_tiff(content: bytes, path: str | Path, frame: int | None = None) -> Image:
    """An image from the bytes of a TIFF file; several pages of one shape are a stack ``tyx``.

    Of a pyramid the full resolution is read. MinIsWhite is turned so that high is bright.

    Parameters
    ----------
    frame
        Read this page only.

    Raises
    ------
    BadFileError
        If the file is broken, too large, or its pages differ in shape and none was chosen.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as tiff:
            series = tiff.series[0]
            levels = len(getattr(series, "levels", ()) or (series,))
            check_shape(path, series.shape)
            if len(tiff.series) > levels and frame is None and len(tiff.pages) > 1:
                raise BadFileError(
                    path,
                    f"holds {len(tiff.pages)} pages of different shapes",
                    "choose one with frame=",
                )
            page: Any = tiff.pages[0]
            if frame is not None and len(tiff.pages) > 1:
                page = _page(tiff, frame, path)
                check_shape(path, page.shape)
                pixels, names = _decode(page, content, frame, path), page.axes
            else:
                pixels, names = _decode(series, content, None, path), series.axes
            photometric = getattr(page.photometric, "name", str(page.photometric))
            palette = page.colormap if photometric == "PALETTE" else None
    except BadFileError:
        raise
    except _BROKEN as error:
        raise BadFileError(
            path, f"is a truncated or broken TIFF ({error})", "copy or download it again"
        ) from error
    return _image(pixels, names, photometric, palette, path)


def _page(tiff: tifffile.TiffFile, frame: int, path: object) -> Any:
    if not 0 <= frame < len(tiff.pages):
        raise InputError(
            f"{path} has {len(tiff.pages)} pages, 0 to {len(tiff.pages) - 1}, no {frame}"
        )
    return tiff.pages[frame]


def _decode(part: Any, content: bytes, frame: int | None, path: object) -> NDArray[Any]:
    try:
        return np.asarray(part.asarray())
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
    return _decode_with_opencv(content, frame, path)


def _decode_with_opencv(content: bytes, frame: int | None, path: object) -> NDArray[Any]:
    """LZW, JPEG and other compressions that need a codec beyond tifffile's own."""
    import cv2

    found, pages = cv2.imdecodemulti(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if not found:
        raise BadFileError(path, "uses a TIFF compression that cannot be decoded here")
    planes = [np.asarray(p) for p in pages]
    planes = [p[..., [2, 1, 0, *range(3, p.shape[2])]] if p.ndim == 3 else p for p in planes]
    if frame is not None:
        return planes[frame]
    return planes[0] if len(planes) == 1 else np.stack(planes)


def _image(
    pixels: NDArray[Any], names: str, photometric: str, palette: Any, path: str | Path
) -> Image:
    meta = {"format": "tiff", "photometric": photometric}
    if pixels.dtype.kind not in "biuf":
        raise BadFileError(path, f"holds values of type {pixels.dtype}, which no image has")
    if pixels.dtype.kind == "b":
        pixels = pixels.astype(np.uint8) * 255
    samples = "S" in names and len(names) == pixels.ndim
    if samples and not names.endswith("S"):
        pixels = np.moveaxis(pixels, names.index("S"), -1)
    if palette is not None:
        table = (np.asarray(palette) >> 8).astype(np.uint8)
        pixels, samples = table.T[pixels], True
        meta["palette"] = "expanded to RGB"
    elif photometric == "MINISWHITE" and pixels.dtype.kind == "u":
        pixels = np.iinfo(pixels.dtype).max - pixels
        meta["inverted"] = "MinIsWhite"
    colour = samples or (pixels.ndim >= 3 and photometric in ("RGB", "YCBCR", "CIELAB"))
    if colour and pixels.shape[-1] == 4:
        meta["alpha"] = "dropped"
    if colour:
        pixels = pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., 0]
    colour = colour and pixels.shape[-1] == 3
    plane_dims = 3 if colour else 2
    if pixels.ndim > plane_dims + 1:
        meta["stack"] = f"axes {names} of shape {pixels.shape} flattened to frames"
        pixels = pixels.reshape(-1, *pixels.shape[-plane_dims:])
    if pixels.ndim == plane_dims + 1 and pixels.shape[0] == 1:
        pixels = pixels[0]
    axes: dict[tuple[int, bool], Axes] = {
        (2, False): "yx",
        (3, True): "yxc",
        (3, False): "tyx",
        (4, True): "tyxc",
    }
    if (pixels.ndim, colour) not in axes:
        raise BadFileError(path, f"has the shape {pixels.shape}, which is no plane or stack")
    units: dict[str, Unit] = {"uint8": "8-bit", "uint16": "16-bit"}
    return Image(
        pixels=np.ascontiguousarray(native(pixels)),
        axes=axes[pixels.ndim, colour],
        unit=units.get(pixels.dtype.name, "unknown"),
        source=str(path),
        meta=meta,
    )


def write_tiff(image: Image, path: str | Path) -> None:
    """Write a plane or a stack of any numeric type, deflate-compressed, without dates or names.

    Raises
    ------
    InputError
        For volumes, whose geometry a TIFF cannot hold.
    """
    if image.is_volume:
        raise InputError(
            f"cannot write {path}: a TIFF cannot hold the geometry of a volume; write NIfTI, DICOM "
            "or NPZ, or choose a plane"
        )
    content = io.BytesIO()  # tifffile wants a file with a name or none at all
    tifffile.imwrite(
        content,
        image.pixels,
        photometric="rgb" if image.has_colour else "minisblack",
        compression="zlib",
        predictor=image.pixels.dtype.kind != "f",
        metadata=None,
        software=False,
    )
    write_bytes(path, content.getvalue())
