"""What a picture looks like: small grey planes, their hashes and their local features.

Local features are SIFT (Lowe, "Distinctive image features from scale-invariant keypoints", 2004)
with the square roots of RootSIFT (Arandjelovic and Zisserman, 2012). They are found again in crops,
other sizes, other orientations and re-encoded copies, which whole-picture hashes are not.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.images import Image, to_display

SIDE = 192
"""Longer side of the small plane."""

KEYPOINTS = 96
_LEAST_SIDE = 24
_LEAST_SPREAD = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One small grey plane (h, w) uint8, its longer side ``SIDE``; ``part`` says which plane."""

    part: str
    grey: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Local features of a plane.

    ``places`` is (n, 4) float32: x, y in pixels of the small plane, scale in pixels, angle in
    degrees, clockwise. ``descriptors`` is (n, 128) float32, each of length 1.
    """

    places: NDArray[np.float32]
    descriptors: NDArray[np.float32]


def looks_of(image: Image) -> tuple[Look, ...]:
    """Small planes of an image: itself, the middle frame of a cine, three planes of a volume.

    Planes that are too narrow (a volume of few slices) or too plain to be recognised are left out.
    """
    return tuple(
        look for look in (_look(part, plane) for part, plane in _planes(image)) if look is not None
    )


def _planes(image: Image) -> Iterator[tuple[str, Image]]:
    if not image.is_volume:
        if image.axes.startswith("t"):
            middle = image.pixels[image.shape[0] // 2]
            axes: Any = image.axes[1:]
            yield "frame", image.with_pixels(middle, axes=axes)
        else:
            yield "plane", image
        return
    pixels = image.pixels
    if image.axes == "xyzt":
        pixels = pixels[..., 0]
    for part, axis in (("axial", 2), ("coronal", 1), ("sagittal", 0)):
        flat = pixels.take(pixels.shape[axis] // 2, axis=axis).swapaxes(0, 1)
        yield (
            part,
            image.with_pixels(np.flip(flat, (0, 1)), axes="yxc" if image.has_colour else "yx"),
        )


def _look(part: str, plane: Image) -> Look | None:
    import cv2

    # Values are stretched by their own range: a copy may have lost its unit or its window.
    shown = to_display(replace(plane, window=None, unit=_display_unit(plane))).pixels
    if shown.ndim == 3:
        shown = cv2.cvtColor(np.ascontiguousarray(shown[..., :3]), cv2.COLOR_RGB2GRAY)
    scale = SIDE / max(shown.shape)
    size = tuple(max(1, round(n * scale)) for n in shown.shape[::-1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(np.ascontiguousarray(shown), size, interpolation=how))
    if min(small.shape) < _LEAST_SIDE or float(small.std()) < _LEAST_SPREAD:
        return None
    return Look(part, small)


def _display_unit(plane: Image) -> Any:
    return "8-bit" if plane.pixels.dtype == np.uint8 or plane.has_colour else "unknown"


def features_of(look: Look) -> Features:
    """At most ``KEYPOINTS`` local features of a plane, the strongest ones."""
    import cv2

    finder = cv2.SIFT_create(  # type: ignore[attr-defined]
        nfeatures=KEYPOINTS, contrastThreshold=0.01
    )
    places, descriptors = finder.detectAndCompute(look.grey, None)
    if descriptors is None:
        return Features(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.float32))
    found = [(*p.pt, p.size, p.angle) for p in places[:KEYPOINTS]]
    roots = np.sqrt(descriptors[:KEYPOINTS] / descriptors[:KEYPOINTS].sum(1, keepdims=True))
    return Features(np.asarray(found, np.float32), np.asarray(roots, np.float32))


def mirrored(features: Features, width: int) -> Features:
    """The features of the plane as it would be seen in a mirror (left and right exchanged).

    A descriptor is 4 rows x 4 columns of cells x 8 directions, turned by the feature's own angle:
    in the mirror its rows and its directions run the other way.
    """
    places = features.places.copy()
    places[:, 0] = width - 0.5 - places[:, 0]  # OpenCV tells places a quarter of a pixel too far
    places[:, 3] = (180 - places[:, 3]) % 360
    cells = features.descriptors.reshape(-1, 4, 4, 8)[:, ::-1]
    turned = cells[..., (-np.arange(8)) % 8]
    return Features(places, np.ascontiguousarray(turned.reshape(-1, 128)))


def packed(look: Look) -> list[Any]:
    """A plane as plain JSON, for the journal."""
    data = base64.b64encode(zlib.compress(look.grey.tobytes(), 6)).decode()
    return [look.part, *look.grey.shape, data]


def unpacked(value: list[Any]) -> Look:
    """The plane that :func:`packed` wrote."""
    part, height, width, data = value
    grey = np.frombuffer(zlib.decompress(base64.b64decode(data)), np.uint8)
    return Look(part, grey.reshape(height, width))
