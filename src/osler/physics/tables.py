"""Every byte through a table of 256: the fastest way there is on this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

BYTES: Bytes = np.arange(256, dtype=np.uint8)[:, None]
"""Every byte once, as a column: what a curve is applied to, to become a table."""


@lru_cache(maxsize=1)
def _translate() -> Callable[..., Any] | None:
    """StringZilla's vectorised translation where it is installed: 4 to 8 times as fast."""
    try:
        from stringzilla import translate  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    found: Callable[..., Any] = translate
    return found


def map_bytes(x: Bytes, table: Bytes) -> Bytes:
    """``table[x]`` for uint8 of any shape; the same bytes whichever library does it."""
    translate = _translate()
    if translate is None:
        found: Bytes = cv2.LUT(x, table)
        return found.reshape(x.shape)
    done = np.array(x, order="C")
    view: Any = memoryview  # NumPy arrays offer the buffer protocol
    translate(view(done), view(np.ascontiguousarray(table).reshape(256)), inplace=True)
    return done
