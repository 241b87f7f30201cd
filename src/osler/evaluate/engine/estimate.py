"""How many tokens a call will take, before it is made: a stated rule of thumb.

Text: one token for 4 characters. Images: 85 tokens and 170 for each 512-pixel tile, after fitting
the image into 2048 x 2048 and its shorter side into 768 (OpenAI's published rule for high
detail); other providers count differently. Replies: the longest that the sampling allows, so
money is estimated from above.
"""

from __future__ import annotations

import math
import struct

from osler.core import ImageRef, ReadBlob, Request

RULE = "1 token per 4 characters, 85 + 170 per 512 px tile of an image, replies at full length"

_UNKNOWN_SIZE = (1024, 1024)
_SIZED_IMAGES = 500


def image_tokens(width: int, height: int) -> int:
    """Tokens of an image of ``width`` x ``height`` pixels by the tile rule.

    Examples
    --------
    >>> image_tokens(512, 512), image_tokens(1024, 1024), image_tokens(2048, 4096)
    (255, 765, 1105)
    """
    fit = min(1.0, 2048 / max(width, height))
    fit *= min(1.0, 768 / (min(width, height) * fit))
    tiles = math.ceil(width * fit / 512) * math.ceil(height * fit / 512)
    return 85 + 170 * tiles


def encoded_size(data: bytes) -> tuple[int, int] | None:
    """Width and height stated in the header of a PNG or JPEG; None for anything else."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return (width, height) if width and height else None
    return _jpeg_size(data) if data[:2] == b"\xff\xd8" else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return (width, height) if width and height else None
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return None


class Estimator:
    """Estimates calls; the sizes of the first 500 distinct images are read, the rest get their
    mean.
    """

    def __init__(self, read: ReadBlob) -> None:
        self._read = read
        self._tokens: dict[str, int] = {}

    def tokens_in(self, request: Request) -> int:
        """Tokens sent with one call."""
        text = len(request.prompt.system) + sum(
            len(part) for part in request.prompt.parts if isinstance(part, str)
        )
        return math.ceil(text / 4) + sum(self._image(ref) for ref in request.prompt.images)

    def _image(self, ref: ImageRef) -> int:
        known = self._tokens.get(ref.sha256)
        if known is not None:
            return known
        if len(self._tokens) >= _SIZED_IMAGES:
            return round(sum(self._tokens.values()) / len(self._tokens))
        tokens = image_tokens(*(encoded_size(self._read(ref)) or _UNKNOWN_SIZE))
        self._tokens[ref.sha256] = tokens
        return tokens
