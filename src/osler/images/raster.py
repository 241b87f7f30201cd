"""PNG, JPEG and BMP: 8 and 16 bit, grey and colour. TIFF has its own module."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from osler.core import BadFileError, InputError, atomic

from .image import Image
from .limits import check_shape

_PNG_HEADER = 26  # signature, IHDR length and name, width, height, depth, colour type
_DEEP_COLOUR = {2, 4, 6}  # PNG colour types that Pillow reduces to 8 bits


def read_raster(content: bytes, path: str | Path) -> Image:
    """An image from the bytes of a PNG, JPEG or BMP file, as a plane ``yx`` or ``yxc`` (RGB).

    Palettes become RGB; the EXIF orientation is applied; transparency is multiplied onto black.
    Each such step is stated in ``meta``. Resolution tags (dpi) say how to print, not how large
    the body is, so ``spacing`` is None.

    Raises
    ------
    BadFileError
        If the file is truncated, broken, or its size is beyond the caps.
    """
    meta: dict[str, str] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
            with Pillow.open(io.BytesIO(content)) as picture:
                meta["format"] = (picture.format or "").lower()
                frames = getattr(picture, "n_frames", 1)
                check_shape(path, (picture.height, picture.width))
                picture.load()
                pixels = _deep(content, path) if _is_deep(content) else _values(picture, meta)
    except Pillow.DecompressionBombError as error:
        raise BadFileError(
            path,
            f"states a size beyond the cap of {2 * (Pillow.MAX_IMAGE_PIXELS or 0):,} pixels",
            "crop or tile it first",
        ) from error
    except UnidentifiedImageError as error:
        raise BadFileError(path, "cannot be read as an image", "copy or export it again") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadFileError(
            path, f"is truncated or broken ({error})", "copy or download it again"
        ) from error
    if frames > 1:
        meta["warning"] = f"holds {frames} frames; the first was read"
    pixels = _without_alpha(pixels, meta)
    return Image(
        pixels=pixels,
        axes="yxc" if pixels.ndim == 3 else "yx",
        unit="8-bit" if pixels.dtype == np.uint8 else "16-bit",
        source=str(path),
        meta=meta,
    )


def _is_deep(content: bytes) -> bool:
    is_png = content[:4] == b"\x89PNG" and len(content) > _PNG_HEADER
    return is_png and content[24] == 16 and content[25] in _DEEP_COLOUR


def _deep(content: bytes, path: object) -> NDArray[Any]:
    """A 16-bit colour PNG; Pillow has checked that the file is whole."""
    import cv2

    found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise BadFileError(path, "cannot be read as a 16-bit PNG", "copy or download it again")
    bgr = np.asarray(found)
    if bgr.ndim == 3 and bgr.shape[2] == 2:
        return bgr
    order = [2, 1, 0] + ([3] if bgr.shape[2] == 4 else [])
    return np.ascontiguousarray(bgr[..., order])


def _values(picture: Pillow.Image, meta: dict[str, str]) -> NDArray[Any]:
    if picture.getexif().get(0x0112, 1) != 1:
        meta["exif"] = "orientation applied"
        picture = ImageOps.exif_transpose(picture)
    if picture.mode == "P":
        meta["palette"] = "expanded to RGB"
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    elif picture.mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        meta["colour"] = f"{picture.mode} converted to RGB"
        picture = picture.convert("RGB")
    elif picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode.startswith("I"):  # 16-bit grey, in one of Pillow's spellings
        return np.asarray(picture).astype(np.uint16)
    return np.array(picture)


def _without_alpha(pixels: NDArray[Any], meta: dict[str, str]) -> NDArray[Any]:
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return pixels
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    top = np.iinfo(pixels.dtype).max
    if bool((alpha == top).all()):
        meta["alpha"] = "opaque, dropped"
    else:
        meta["alpha"] = "multiplied onto black"
        wide = colour.astype(np.uint64) * alpha + top // 2
        colour = (wide // top).astype(pixels.dtype)
    colour = np.ascontiguousarray(colour)
    return colour[..., 0] if colour.shape[2] == 1 else colour


def write_raster(image: Image, path: str | Path) -> None:
    """Write a plane as PNG (8 or 16 bit), JPEG (8 bit, quality 95, no chroma loss) or BMP.

    No text, date or EXIF block is written: equal pixels give equal bytes.

    Raises
    ------
    InputError
        If the image is not a plane or its values are not 8-bit (PNG: or 16-bit) unsigned.
    """
    data = encode_raster(image, Path(path).suffix.lower(), path)
    with atomic(path) as handle:
        handle.write(data)


def encode_raster(image: Image, suffix: str, path: object = "image") -> bytes:
    """The bytes that :func:`write_raster` writes; ``suffix`` is ``.png``, ``.jpg``, ``.bmp``."""
    import cv2

    pixels = image.pixels
    if image.axes not in ("yx", "yxc") or (image.has_colour and pixels.shape[-1] != 3):
        raise InputError(
            f"cannot write {path}: a {suffix[1:].upper()} holds one plane, this image has the axes "
            f"{image.axes!r} and the shape {image.shape}; choose a plane or write NIfTI or DICOM"
        )
    allowed = (np.uint8, np.uint16) if suffix == ".png" else (np.uint8,)
    if pixels.dtype not in allowed:
        raise InputError(
            f"cannot write {path}: values of type {pixels.dtype} (unit {image.unit}) do not fit a "
            f"{suffix[1:].upper()}; convert for display first (osler.images.to_display) or write "
            "NIfTI, DICOM or NPZ"
        )
    options = {
        ".png": [cv2.IMWRITE_PNG_COMPRESSION, 4],
        ".bmp": [],
    }.get(
        suffix,
        [
            cv2.IMWRITE_JPEG_QUALITY,
            95,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ],
    )
    ordered = pixels[..., ::-1] if image.has_colour else pixels
    done, data = cv2.imencode(suffix, np.ascontiguousarray(ordered), options)
    if not done:
        raise InputError(f"cannot encode {path} as {suffix}")
    return bytes(data)
