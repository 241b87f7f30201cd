"""How images look to the pool's encoder, and what their quality measures say."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, sha256_hex

from ..vectors import Floats, unit_rows

if TYPE_CHECKING:
    from osler.curate.pool import Pool

_BATCH = 32


def image_looks(
    pool: Pool,
    images: Sequence[Sequence[bytes]],
    progress: Callable[[int, int], None] = lambda *_: None,
) -> tuple[Floats, Floats]:
    """Unit vectors (n, d) and quality features (n, q), one row for each list of encoded images.

    Of several images the mean is taken; equal images are looked at once.

    Raises
    ------
    InputError
        The pool was made with another encoder than the one installed.
    BadFileError
        An image cannot be decoded.
    """
    from osler.curate.pool import check_encoder, identity_of, load_encoder
    from osler.images.quality import measure

    encoder = load_encoder(pool.encoder)
    check_encoder(pool, identity_of(pool.encoder, encoder), encoder.dim)
    distinct = {sha256_hex(data): data for row in images for data in row}
    names = list(distinct)
    found: dict[str, tuple[Floats, Floats]] = {}
    for start in range(0, len(names), _BATCH):
        part = names[start : start + _BATCH]
        planes = [decoded(distinct[name], name) for name in part]
        for name, plane, row in zip(part, planes, encoder.embed(planes), strict=True):
            quality = list(measure(_grey(plane)).values())
            found[name] = np.asarray(row, np.float64), np.asarray(quality, np.float64)
        progress(min(start + _BATCH, len(names)), len(names))
    held = [[found[sha256_hex(data)] for data in row] for row in images]
    vectors = np.array([np.mean([v for v, _ in row], axis=0) for row in held])
    features = np.array([np.mean([f for _, f in row], axis=0) for row in held])
    return unit_rows(vectors, "image vectors"), features


def _grey(plane: NDArray[Any]) -> NDArray[Any]:
    from osler.curate.pool import Shown

    return Shown(plane).grey


def decoded(data: bytes, name: str) -> NDArray[Any]:
    """Encoded image as uint8 (h, w) or (h, w, 3).

    Raises
    ------
    BadFileError
        It is no image, or one of absurd size.
    """
    from PIL import Image as Pillow

    try:
        with Pillow.open(io.BytesIO(data)) as image:
            grey = image.mode in ("L", "1", "I;16", "I", "F")
            shown = image.convert("L" if grey else "RGB")
            return np.asarray(shown, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise BadFileError(f"image {name[:12]}", "cannot be decoded") from error
