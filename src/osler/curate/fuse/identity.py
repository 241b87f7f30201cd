"""Which picture it is, whatever its file: hashes of decoded values, and keys of patients.

Two hashes of an image. ``pixels_sha256`` is of the values as they lie in the canonical
orientation; spacing, affine, file format and width of the type do not count, so a volume whose
spacing was overwritten is still the same. ``orbit_sha256`` is of the values less their smallest,
in an order that is the same for every flip and every exchange of axes: mirrored, turned and
shifted (HU + 1024) copies share it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.images import Image

Values = NDArray[np.integer[Any]]

_WIDTHS = (np.int16, np.int32, np.int64)
_CHUNK = 1 << 24


@dataclass(frozen=True, slots=True)
class Identity:
    """Hashes of one image; ``plain`` is true when all values are equal, which identifies nothing.

    ``plane_keys`` are the orbit hashes of the axial planes of a volume (64 bits, each once,
    sorted; planes of one value left out) by which a part of a volume is found in the whole.
    """

    pixels_sha256: str
    orbit_sha256: str
    plain: bool
    plane_keys: tuple[int, ...] = ()


def identity_of(image: Image) -> Identity:
    """Hashes of ``image`` as it stands (bring volumes to RAS first).

    Volumes may be turned by any of 48 ways and planes by any of 8; the frames of a cine and the
    channels of a colour image keep their order.
    """
    values, real = _values(image.pixels)
    if image.axes.startswith("t"):  # spatial axes first
        values = np.moveaxis(values, 0, -1)
    spatial = 3 if image.is_volume else 2
    low = values.min() if values.size else 0
    plain = not values.size or bool(values.max() == low)
    exact = _digest(values, real)
    if plain:
        return Identity(exact, exact, True)
    if not real and low != 0:
        values = _narrow(values.astype(np.int64) - int(low))
    orbit = orbit_sha256(values, spatial)
    keys = _plane_keys(values) if image.axes == "xyz" else ()
    return Identity(exact, orbit, False, keys)


def pixels_sha256(image: Image) -> str:
    """The hash of the values of ``image`` alone: ``pixels_sha256`` of :func:`identity_of`."""
    values, real = _values(image.pixels)
    return _digest(np.moveaxis(values, 0, -1) if image.axes.startswith("t") else values, real)


def _values(pixels: NDArray[Any]) -> tuple[Values, bool]:
    """Integers that stand for the values one to one, and whether they stand for fractions.

    Whole numbers become the narrowest signed type that holds them, whatever type they had; others
    become the bits of their single-precision value (zero without sign, one NaN).
    """
    if pixels.dtype.kind in "bui":
        return _narrow(pixels), False
    finite = bool(np.isfinite(pixels).all())
    if finite and bool((pixels == np.rint(pixels)).all()) and bool((np.abs(pixels) < 2**53).all()):
        return _narrow(pixels.astype(np.int64)), False
    single = pixels.astype(np.float32) + np.float32(0)
    if not finite:
        single[np.isnan(single)] = np.nan
    return np.ascontiguousarray(single).view(np.int32), True


def _narrow(pixels: NDArray[Any]) -> Values:
    low, high = (int(pixels.min()), int(pixels.max())) if pixels.size else (0, 0)
    for width in _WIDTHS:
        info = np.iinfo(width)
        if info.min <= low and high <= info.max:
            return np.asarray(pixels, width)
    return np.asarray(pixels).view(np.int64)


def _digest(values: Values, real: bool = False) -> str:
    """SHA-256 of shape, kind and little-endian values in C order."""
    kind = "f4" if real else f"i{values.dtype.itemsize}"
    found = hashlib.sha256(f"{kind} {'x'.join(map(str, values.shape))}\n".encode())
    flat = np.ascontiguousarray(values).reshape(-1)
    for start in range(0, len(flat), _CHUNK):
        part = flat[start : start + _CHUNK]
        found.update(part.astype(part.dtype.newbyteorder("<"), copy=False).tobytes())
    return found.hexdigest()


def orbit_sha256(values: Values, spatial: int) -> str:
    """One hash for all flips and exchanges of the first ``spatial`` axes of ``values``.

    The sums over planes across each axis say which way round it is and which axis comes first;
    where they are equal both ways, all ways that are left are hashed and the smallest hash counts.
    """
    profiles, ways = [], []
    for axis in range(spatial):
        others = tuple(other for other in range(values.ndim) if other != axis)
        forth = tuple(values.sum(axis=others, dtype=np.int64).tolist())
        back = forth[::-1]
        profiles.append((len(forth), min(forth, back)))
        ways.append((False, True) if forth == back else (back < forth,))
    rising = sorted(profiles)
    rest = tuple(range(spatial, values.ndim))
    return min(
        _digest(_turned(values, (*order, *rest), flips))
        for order in permutations(range(spatial))
        if [profiles[axis] for axis in order] == rising
        for flips in product(*(ways[axis] for axis in order))
    )


def _turned(values: Values, order: tuple[int, ...], flips: tuple[bool, ...]) -> Values:
    flipped = tuple(axis for axis, flip in enumerate(flips) if flip)
    return np.flip(values.transpose(order), flipped)


def _plane_keys(volume: Values) -> tuple[int, ...]:
    """Orbit hashes of the axial planes, 64 bits each."""
    found = set()
    for index in range(volume.shape[2]):
        plane = np.ascontiguousarray(volume[:, :, index])
        low = plane.min()
        if plane.max() == low:
            continue
        shifted = _narrow(plane.astype(np.int64) - int(low))
        found.add(int(orbit_sha256(shifted, 2)[:16], 16))
    return tuple(sorted(found))


_WORD = re.compile(r"[a-z]+|[0-9]+")
_COMMON = frozenset(
    _WORD.findall(
        "abdomen anon anonymous baseline benign brain breast cancer cardiac case cases chest colon "
        "control ct day ed es eval exam eye file fold followup frame fundus head heart id im image "
        "hepaticvessel hippocampus img kidney knee la lesion liver lung lv malignant mr mri no "
        "nodule normal nr p pancreas pat patient patients pid post pre prostate pt retina rv s "
        "sample scan series ses session sl slice spine spleen study sub subj subject test testing "
        "tr train training ts tumor tumour unknown val validation video visit vol volume x xray"
    )
)
"""Words that any dataset may put before a number."""

_UID = re.compile(r"[0-2](\.(0|[1-9][0-9]*)){5,}")


def normal_key(patient: str) -> str:
    """A patient key without what two copies of a dataset spell differently.

    Lower case; words and numbers joined by one hyphen; numbers without leading zeros.

    Examples
    --------
    >>> normal_key("TCGA_02-0006 ")
    'tcga-2-6'
    """
    text = patient.strip().lower()
    if _UID.fullmatch(text):
        return text
    return "-".join(
        word.lstrip("0") or "0" if word.isdigit() else word for word in _WORD.findall(text)
    )


def is_telling(patient: str) -> bool:
    """Does this key name one person wherever it stands, as ``TCGA-02-0006`` or a DICOM UID do?

    ``patient001``, ``case_12`` and bare numbers do not: every dataset has them.
    """
    key = normal_key(patient)
    if _UID.fullmatch(key):
        return len(key) > 20
    words = _WORD.findall(patient.lower())
    letters = "".join(word for word in words if word.isalpha() and word not in _COMMON)
    numbers = [word for word in words if word.isdigit()]
    digits = len("".join(numbers))
    if len(letters) >= 2:
        return digits >= 2 and len(letters) + digits >= 5
    return bool(letters) and len(numbers) >= 3 and digits >= 10
