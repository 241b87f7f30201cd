"""Stored digests: the same (image, key, level, seed) gives the same bytes tomorrow and elsewhere.

Bytes were compared by hand between NumPy 1.26.4 with OpenCV 4.11 and NumPy 2.4.6 with OpenCV 5.0:
all degradations of these rooms agree but those that interpolate by ``cv2.warpAffine`` or
``cv2.remap``, which OpenCV 4 does in steps of 1/32 pixel. ``EXACT`` use whole numbers, tables,
gathers, square roots and the portable FFT only. ``CLOSE`` warp, or use exponentials, sums or DFTs
whose last bit may depend on the CPU, so that a pixel at a rounding boundary may differ by a grey
level; there a summary is stored.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from osler.degrade import degradation_named, degrade

EXACT = {
    "gaussian_noise": "07e1abe160eaec2e",
    "multiplicative_noise": "bd3b78f81cf1eba1",
    "adjust_brightness": "5fad879e7b76f46b",
    "exposure": "2e9cf712458bbc04",
    "gaussian_blur": "4481a4425722d9b2",
    "low_resolution": "bb418e5d391950ea",
    "reduce_contrast": "f94c0f982abb5dee",
    "wrap_around": "ec544a75cf47b4c1",
    "rician_noise": "764968e074ba14f2",
    "zipper": "79e0998d557cc448",
    "ring": "c388f4594cf6d926",
    "sparse_view": "dce0af964d647901",
    "ghosting": "82f694ebfda37550",
    "undersampling": "d1849dd9868f4ad5",
    "partial_fourier": "2cd6e9579d0b96ff",
    "gibbs": "4b9980e40d9b5faa",
}
CLOSE: dict[str, tuple[float, float]] = {
    "beam_hardening": (123.286, 96.542),
    "bias_field": (116.056, 97.994),
    "chemical_shift": (123.726, 108.816),
    "crop": (124.32, 98.796),
    "ct_motion": (124.49, 100.655),
    "limited_angle": (80.995, 71.412),
    "low_dose": (127.161, 103.885),
    "metal": (127.747, 104.657),
    "mispositioning": (100.199, 90.085),
    "motion_blur": (127.1, 100.621),
    "random_motion": (127.504, 99.274),
    "rotation": (108.358, 93.524),
    "scatter_ct": (115.286, 89.693),
    "spike": (140.363, 110.671),
    "susceptibility": (95.085, 80.81),
    "xray_motion_blur": (127.09, 98.935),
}


def _image() -> Any:
    y, x = np.indices((96, 120))
    plane = (x * 5 + y * 3 + (x * y) // 7 + 40 * ((x // 12 + y // 9) % 3)) % 251
    return plane.astype(np.uint8)


def _done(key: str) -> Any:
    modality = degradation_named(key).modalities[0]
    return degrade(_image(), key, 2, seed=2026, modality=modality, hashes=False).image


def digest(key: str) -> str:
    """First 16 digits of the SHA-256 of the degraded pixels."""
    return hashlib.sha256(_done(key).tobytes()).hexdigest()[:16]


def summary(key: str) -> tuple[float, float]:
    """Mean, and mean weighted by position, of the degraded pixels."""
    y = _done(key).astype(float)
    weights = np.cos(np.arange(y.size).reshape(y.shape))
    return round(float(y.mean()), 3), round(float((y * weights).std()), 3)


@pytest.mark.parametrize("key", sorted(EXACT))
def test_exact_bytes(key: str) -> None:
    assert digest(key) == EXACT[key]


@pytest.mark.parametrize("key", sorted(CLOSE))
def test_same_up_to_rounding(key: str) -> None:
    assert summary(key) == pytest.approx(CLOSE[key], abs=0.15)
