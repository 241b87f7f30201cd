"""How far one image is from another: PSNR, SSIM, NMSE, each with its peak stated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import InputError

from .image import Image, Window

_SIDE, _SIGMA, _K1, _K2 = 11, 1.5, 0.01, 0.03

Pixels = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Test against reference. ``psnr`` in dB (infinite for equal images), ``ssim`` at most 1,
    ``nmse`` and ``mae`` (mean absolute error, in the unit of the image); ``peak_from`` says what
    the peak is, ``window`` the bounds both were clipped to first, if any.
    """

    psnr: float
    ssim: float
    nmse: float
    mae: float
    peak: float
    peak_from: str
    window: tuple[float, float] | None
    n_pixels: int


def compare(
    reference: Image | Pixels,
    test: Image | Pixels,
    *,
    peak: float | None = None,
    window: tuple[float, float] | Window | None = None,
) -> Comparison:
    """PSNR, SSIM and NMSE of ``test`` against ``reference``, with the peak that was used.

    With a window (the argument, else the reference's own) both images are first clipped to its
    bounds. The peak is the argument, else that of :func:`peak_of`.

    Raises
    ------
    InputError
        If shapes, axes or units differ, a value is not finite, or no peak can be stated.
    """
    _check_alike(reference, test)
    bounds = _bounds(reference, window)
    one, other = _clipped(_array(reference), bounds), _clipped(_array(test), bounds)
    found, source = (peak, "given") if peak is not None else _peak(reference, one, bounds)
    difference = other - one
    colour, volume = _layout(reference, one)
    return Comparison(
        psnr=psnr(one, other, peak=found),
        ssim=_ssim(one, other, found, colour=colour, volume=volume),
        nmse=nmse(one, other),
        mae=float(np.abs(difference).mean()),
        peak=found,
        peak_from=source,
        window=bounds,
        n_pixels=one.size,
    )


def peak_of(image: Image | Pixels, window: tuple[float, float] | Window | None = None) -> float:
    """The peak for PSNR and SSIM of a reference.

    255 and 65535 for the units ``8-bit`` and ``16-bit`` (and for arrays of uint8 and uint16)
    without a window; otherwise the range (largest minus smallest value) of the reference after
    the window has clipped it.

    Raises
    ------
    InputError
        If the reference is constant, so that it has no range.
    """
    bounds = _bounds(image, window)
    return _peak(image, _clipped(_array(image), bounds), bounds)[0]


def _peak(
    image: Image | Pixels, clipped: Pixels, bounds: tuple[float, float] | None
) -> tuple[float, str]:
    if bounds is None:
        unit = image.unit if isinstance(image, Image) else ""
        dtype = image.pixels.dtype if isinstance(image, Image) else image.dtype
        if unit == "8-bit" or (not unit and dtype == np.uint8):
            return 255.0, "full scale of 8 bit"
        if unit == "16-bit" or (not unit and dtype == np.uint16):
            return 65535.0, "full scale of 16 bit"
    span = float(clipped.max() - clipped.min())
    if span <= 0:
        raise InputError("the reference is constant, so it has no range; give the peak")
    within = "" if bounds is None else f" within the window {bounds[0]:g} to {bounds[1]:g}"
    return span, f"range of the reference{within}"


def psnr(reference: Image | Pixels, test: Image | Pixels, *, peak: float) -> float:
    """Peak signal-to-noise ratio in dB: ``10 log10(peak^2 / mean((test - reference)^2))``.

    Infinite for equal images.

    Raises
    ------
    InputError
        If shapes or units differ, a value is not finite, or ``peak`` is not positive.
    """
    _check_alike(reference, test)
    _check_peak(peak)
    error = float(np.mean(np.square(_array(test) - _array(reference))))
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)


def nmse(reference: Image | Pixels, test: Image | Pixels) -> float:
    """Normalised mean squared error: ``sum((test - reference)^2) / sum(reference^2)``.

    Raises
    ------
    InputError
        If shapes or units differ, a value is not finite, or the reference is zero everywhere.
    """
    _check_alike(reference, test)
    one, other = _array(reference), _array(test)
    power = float(np.sum(np.square(one)))
    if power == 0:
        raise InputError("the reference is zero everywhere, so NMSE is not defined")
    return float(np.sum(np.square(other - one))) / power


def ssim(reference: Image | Pixels, test: Image | Pixels, *, peak: float) -> float:
    """Mean structural similarity (Wang et al. 2004): Gaussian 11 x 11, sigma 1.5, K1 .01, K2 .03.

    The mean is over windows that lie whole inside the image, with population covariance, as in
    scikit-image with ``gaussian_weights=True, use_sample_covariance=False``. Colour: mean over
    channels. Volumes and cines: mean over planes (z or frames), each compared in two dimensions.
    Bare arrays: (H, W), (H, W, 3), or a stack whose first axis counts planes.

    Raises
    ------
    InputError
        If shapes or units differ, a side is under 11 pixels, or ``peak`` is not positive.
    """
    _check_alike(reference, test)
    _check_peak(peak)
    one = _array(reference)
    colour, volume = _layout(reference, one)
    return _ssim(one, _array(test), peak, colour=colour, volume=volume)


def _layout(image: Image | Pixels, array: Pixels) -> tuple[bool, bool]:
    if isinstance(image, Image):
        return image.has_colour, image.is_volume
    return array.ndim > 2 and array.shape[-1] == 3, False


def _ssim(one: Pixels, other: Pixels, peak: float, *, colour: bool, volume: bool) -> float:
    _check_peak(peak)
    pairs = _pairs(one, other, colour=colour, volume=volume)
    return float(np.mean([_plane_ssim(a, b, peak) for a, b in pairs]))


def _pairs(
    one: Pixels, other: Pixels, *, colour: bool, volume: bool
) -> list[tuple[Pixels, Pixels]]:
    def split(array: Pixels) -> list[Pixels]:
        if volume:  # (x, y, z, ...) to planes along z
            array = np.moveaxis(array, (1, 0), (-2, -1))
        elif colour:
            array = np.moveaxis(array, -1, 0)
        return list(array.reshape(-1, *array.shape[-2:]))

    return list(zip(split(one), split(other), strict=True))


def _plane_ssim(x: Pixels, y: Pixels, peak: float) -> float:
    import cv2

    if min(x.shape) < _SIDE:
        raise InputError(f"SSIM needs planes of {_SIDE} x {_SIDE} or more, not {x.shape}")
    c1, c2 = (_K1 * peak) ** 2, (_K2 * peak) ** 2
    edge = _SIDE // 2
    inside = (slice(edge, -edge),) * 2
    # SSIM needs only the sum of the two variances, so four filters do the work of five.
    mx, my, squares, product = (
        cv2.GaussianBlur(np.ascontiguousarray(part), (_SIDE, _SIDE), _SIGMA)[inside]
        for part in (x, y, x * x + y * y, x * y)
    )
    means, cross = mx * mx + my * my, mx * my
    top = (2 * cross + c1) * (2 * (product - cross) + c2)
    return float(np.mean(top / ((means + c1) * (squares - means + c2))))


def _array(image: Image | Pixels) -> Pixels:
    array = image.pixels if isinstance(image, Image) else np.asarray(image)
    return array.astype(np.float64)


def _bounds(
    image: Image | Pixels, window: tuple[float, float] | Window | None
) -> tuple[float, float] | None:
    stated = Window(*window) if isinstance(window, tuple) else window
    if stated is None and isinstance(image, Image):
        stated = image.window
    if stated is None:
        return None
    if not stated.width > 0:
        raise InputError(f"a window needs a positive width, not {stated.width:g}")
    return stated.bounds


def _clipped(array: Pixels, bounds: tuple[float, float] | None) -> Pixels:
    return array if bounds is None else array.clip(*bounds)


def _check_peak(peak: float) -> None:
    if not (peak > 0 and math.isfinite(peak)):
        raise InputError(f"the peak must be a positive number, not {peak}")


def _check_alike(reference: Image | Pixels, test: Image | Pixels) -> None:
    both = (reference, test)
    shapes = [np.shape(i.pixels if isinstance(i, Image) else i) for i in both]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"cannot compare: the reference has the shape {shapes[0]}, the test {shapes[1]}; "
            "bring them to one grid first"
        )
    if isinstance(reference, Image) and isinstance(test, Image):
        for name in ("axes", "unit"):
            one, other = getattr(reference, name), getattr(test, name)
            if one != other:
                raise InputError(
                    f"cannot compare: the reference has {name} {one}, the test {other}; "
                    "convert one of them first"
                )
    for image in both:
        array = image.pixels if isinstance(image, Image) else np.asarray(image)
        if array.dtype.kind == "c" or not bool(np.isfinite(array).all()):
            raise InputError("cannot compare: a value is complex or not finite")
