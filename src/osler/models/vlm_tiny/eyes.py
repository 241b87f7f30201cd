"""What the student sees of an image: EfficientNet-lite0's grid, pooled to a few places."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from osler.core import ImageRef, InputError, ReadBlob

from ..efficientnet_onnx import WIDTH
from ..encoder import Encoder
from ..transformers_chat import picture

SIDE = 4
"""Places along an edge. All 7 x 7 cost 0.2 s more an example in training, on one core."""

TOKENS = SIDE * SIDE

_MOST_PIXELS = 1 << 26
"""An image of 8192 x 8192; larger ones are refused unread."""

_REMEMBERED = 512
"""Images whose places are kept (80 KiB each): a question set asks several things about each."""


class Eyes:
    """Pooled grids of images, remembered by hash; safe to use from several threads."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def see(self, ref: ImageRef, read: ReadBlob) -> NDArray[np.float32]:
        """Features of an image by place, (16, 1280) float32, row by row from the top left.

        Raises
        ------
        InputError, OSError, SyntaxError, ValueError
            The bytes are no image, or one too large.
        """
        with self._lock:
            if ref.sha256 in self._known:
                self._known.move_to_end(ref.sha256)
                return self._known[ref.sha256]
        found: NDArray[np.float32] = self.places([_plane(read(ref))])[0]
        with self._lock:
            self._known[ref.sha256] = found
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found

    def places(self, planes: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Features of planes by place, (n, 16, 1280); see :meth:`see`."""
        return pooled(self._encoder.grids(planes))

    def forget(self) -> None:
        """Drop what is remembered."""
        with self._lock:
            self._known.clear()


def pooled(grids: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grids (n, channels, h, w) averaged to (n, 16, channels).

    Place i covers cells floor(i h / 4) up to ceil((i + 1) h / 4), so that neighbours share a cell
    where h is no multiple of 4 (torch calls this adaptive average pooling).
    """
    height, width = grids.shape[2:]
    cells = [
        grids[:, :, top:bottom, left:right].mean(axis=(2, 3))
        for top, bottom in _spans(height)
        for left, right in _spans(width)
    ]
    return np.stack(cells, axis=1)


def _spans(length: int) -> list[tuple[int, int]]:
    return [(i * length // SIDE, -(-(i + 1) * length // SIDE)) for i in range(SIDE)]


def _plane(data: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as header:  # reads no pixels
            width, height = header.size
        if width * height <= _MOST_PIXELS:
            return np.asarray(picture(data))
    except Image.DecompressionBombError as error:
        raise InputError(f"an image is too large: {error}") from error
    raise InputError(f"an image of {width} x {height} pixels is too large; the most is 8192 x 8192")


__all__ = ["SIDE", "TOKENS", "WIDTH", "Eyes", "pooled"]
