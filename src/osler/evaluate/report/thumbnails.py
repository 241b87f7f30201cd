"""Small copies of images inside the page, within a budget of bytes."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from osler.core import ImageRef

from .folder import ReadImage

if TYPE_CHECKING:
    import PIL.Image

BUDGET = 1_500_000
"""Bytes of all embedded images together, before base64 adds a third."""

MOST_PIXELS = 100_000_000


def thumbnails(
    refs: Sequence[ImageRef], read: ReadImage, budget: int = BUDGET, side: int = 320
) -> dict[str, str]:
    """Data URIs by SHA-256: WebP, longest side at most ``side`` pixels, in the order given.

    When the budget is reached the rest is left out; an image that is gone or cannot be decoded
    is left out too, and the page says so at its place.
    """
    made: dict[str, str] = {}
    spent = 0
    for ref in refs:
        if ref.sha256 in made:
            continue
        data = read(ref)
        small = _shrink(data, side) if data is not None else None
        if small is None:
            continue
        if spent + len(small) > budget:
            break
        spent += len(small)
        made[ref.sha256] = "data:image/webp;base64," + base64.b64encode(small).decode()
    return made


def _shrink(data: bytes, side: int) -> bytes | None:
    """WebP bytes of a small copy, or None when the bytes are no image (or a monstrous one)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            if math.prod(image.size) > MOST_PIXELS:
                return None
            if image.mode in ("I;16", "I;16B", "I", "F"):
                plane = _to_8_bit(image)
            else:
                plane = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
            plane.thumbnail((side, side), Image.Resampling.LANCZOS)
            out = io.BytesIO()
            plane.save(out, "WEBP", quality=72, method=4)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return out.getvalue()


def _to_8_bit(image: PIL.Image.Image) -> PIL.Image.Image:
    import numpy as np
    from PIL import Image

    pixels = np.asarray(image, dtype=np.float64)
    low, high = float(pixels.min()), float(pixels.max())
    span = high - low or 1.0
    return Image.fromarray(((pixels - low) / span * 255).astype(np.uint8), "L")
