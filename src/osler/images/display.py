"""From stated values to what a screen shows: 8 bits through a window."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import InputError

from .image import Image, Window

PERCENTILES = (0.5, 99.5)
"""Where the display begins and ends when nothing states a window."""


def to_display(image: Image, window: tuple[float, float] | Window | None = None) -> Image:
    """The image in 8 bits, 0 black to 255 white, as a screen would show it.

    The window is, in this order: the argument, the image's own, the full range of 8-bit and
    16-bit images, else the 0.5 and 99.5 percentiles of the values. ``meta["display"]`` states
    which one it was. Colour and 8-bit images without a window stay as they are (16-bit colour
    keeps its high byte). The window function LINEAR of DICOM (PS3.3 C.11.2.1.2) is honoured for
    windows that come from a file, as are LINEAR_EXACT and SIGMOID.

    Returns
    -------
    Image
        Same axes, uint8, unit ``8-bit``, no window.

    Raises
    ------
    InputError
        If the window has no positive width.
    """
    stated = Window(*window) if isinstance(window, tuple) else window
    function = "LINEAR_EXACT" if stated else image.meta.get("window_function", "LINEAR_EXACT")
    chosen = stated or image.window
    if chosen is not None and not chosen.width > 0:
        raise InputError(f"a window needs a positive width, not {chosen.width:g}")
    pixels = image.pixels
    if image.has_colour or (chosen is None and image.unit in ("8-bit", "16-bit")):
        shown, how = _whole_range(pixels), "full range"
    elif chosen is not None:
        shown = _windowed(pixels, chosen, function)
        how = f"window {chosen.center:g}/{chosen.width:g}"
    else:
        low, high = _percentiles(image)
        shown = scale_to_bytes(pixels, low, high)
        how = f"percentiles {PERCENTILES[0]:g} to {PERCENTILES[1]:g} ({low:g} to {high:g})"
    if image.meta.get("display") == "inverted":
        shown, how = 255 - shown, how + ", inverted"
    return image.with_pixels(shown, unit="8-bit", window=None, meta={**image.meta, "display": how})


def _whole_range(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    return scale_to_bytes(pixels, float(pixels.min()), float(pixels.max()))


def _windowed(pixels: NDArray[Any], window: Window, function: str) -> NDArray[np.uint8]:
    if function == "SIGMOID":
        slope = -4.0 / window.width
        curve = 255.0 / (1.0 + np.exp(slope * (pixels.astype(np.float32) - window.center)))
        shown: NDArray[np.uint8] = np.rint(curve).astype(np.uint8)
        return shown
    if function == "LINEAR" and window.width > 1:
        window = Window(window.center - 0.5, window.width - 1)
    return scale_to_bytes(pixels, *window.bounds)


def scale_to_bytes(pixels: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values from ``low`` to ``high`` as 0 to 255, rounded half up; values outside are clipped."""
    if not high > low:
        return np.zeros(pixels.shape, np.uint8)
    if pixels.dtype in (np.uint8, np.int16, np.uint16):
        info = np.iinfo(pixels.dtype)
        table = _ramp(np.arange(info.min, info.max + 1, dtype=np.float64), low, high)
        return table[pixels.astype(np.int64) - info.min] if info.min else table[pixels]
    return _ramp(np.nan_to_num(pixels.astype(np.float64)), low, high)


def _ramp(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    shown = np.floor((values - low) / (high - low) * 255 + 0.5)
    out: NDArray[np.uint8] = shown.clip(0, 255).astype(np.uint8)
    return out


def _percentiles(image: Image) -> tuple[float, float]:
    values = image.pixels
    step = max(1, values.size // 4_000_000)
    sample = values.reshape(-1)[::step]
    if "padding" in image.meta:
        kept = sample[sample != float(image.meta["padding"])]
        sample = kept if kept.size else sample
    if sample.dtype.kind == "f":
        sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(sample, PERCENTILES)
    if high <= low:
        low, high = float(sample.min()), float(sample.max())
    return float(low), float(high)
