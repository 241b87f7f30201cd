"""Computed stand-ins for modalities of which no real image lies in an installed package.

They carry the structures that a degradation acts on and are labelled as computed wherever shown.
"""

from __future__ import annotations

import numpy as np

from osler.core import derive_rng
from osler.physics.optics import gaussian_blur

from .decibels import shown, speckle
from .fields import coordinates, smooth_field, soft_step
from .scale import Pixels, Plane

SIDE = 256

# Semi-axes (x, y, depth) in units of half the field, centre (x, y), and attenuation relative to
# water: trunk, two lungs, heart, liver, spine.
_ORGANS = (
    (0.86, 1.20, 0.55, 0.00, 0.10, 1.00),
    (0.33, 0.62, 0.42, -0.40, -0.08, -0.75),
    (0.31, 0.60, 0.42, 0.41, -0.10, -0.75),
    (0.30, 0.30, 0.30, 0.14, 0.22, 0.75),
    (0.48, 0.34, 0.40, -0.40, 0.72, 0.35),
    (0.09, 1.40, 0.12, 0.00, 0.10, 1.10),
)


def thorax_radiograph(side: int = SIDE) -> Pixels:
    """Line integrals through ellipsoids of a thorax with ribs and clavicles, dense is bright.

    Returns
    -------
    uint8 (side, side).
    """
    y, x = coordinates((side, side))
    total = np.zeros((side, side), np.float32)
    for a, b, depth, cx, cy, mu in _ORGANS:
        inside = 1 - ((x - cx) / a) ** 2 - ((y - cy) / b) ** 2
        total += 2 * depth * mu * np.sqrt(np.maximum(inside, 0))
    for k in range(9):
        for lean in (-1, 1):
            # A rib seen from the front: an arc that falls outwards.
            curve = (
                -0.80
                + 0.17 * k
                + 0.36 * np.maximum(np.abs(x) - 0.1, 0) ** 1.5
                + 0.05 * lean * np.abs(x)
            )
            band = np.exp(-(((y - curve) / 0.022) ** 2)) * (np.abs(x) < 0.74) * (np.abs(x) > 0.08)
            total += 0.09 * band
    clavicle = np.exp(-(((y + 0.72 + 0.10 * np.abs(x)) / 0.028) ** 2)) * (np.abs(x) < 0.62)
    vessels = smooth_field(derive_rng("thorax", 1), (side, side), 0.08, octaves=3)
    lungs = soft_step((np.abs(x) - 0.40) ** 2 / 0.1 + (y + 0.08) ** 2 / 0.36, 1.0, 0.4)
    total += 0.12 * clavicle + 0.13 * (vessels - 0.4) * lungs
    total = gaussian_blur(total, side / 300)
    done: Pixels = np.rint(np.clip(total / 1.25, 0, 1) * 235 + 8).astype(np.uint8)
    return done


def retina_scan(side: int = SIDE) -> Pixels:
    """OCT B-scan of a layered retina with a fovea and single-look speckle, 40 dB display.

    Returns
    -------
    uint8 (side, side).
    """
    y, x = coordinates((side, side))
    depth = (y + 1) / 2
    top = 0.35 + 0.05 * x**2 + 0.09 * np.exp(-((x / 0.3) ** 2))
    bottom = 0.60 + 0.04 * x**2
    t = (depth - top) / (bottom - top)
    t = np.where(t > 1, 1 + (depth - bottom) / 0.25, t)
    # (start, end, level in dB below white) of nerve fibre to choroid.
    layers = (
        (0.00, 0.16, -9.0), (0.16, 0.38, -17.0), (0.38, 0.52, -23.0), (0.52, 0.60, -16.0),
        (0.60, 0.84, -28.0), (0.84, 0.90, -7.0), (0.90, 1.00, -4.0), (1.00, 1.90, -13.0),
    )  # fmt: skip
    level = np.full((side, side), -44.0, np.float32)
    for start, end, decibel in layers:
        inside = soft_step(start - t, 0, 0.05) * soft_step(t, end, 0.05)
        fade = 14 * np.maximum(t - 1, 0)
        level = np.maximum(level, -44 + inside * (44 + decibel - fade))
    amplitude = 10 ** (gaussian_blur(level.astype(np.float32), 0.8) / 20)
    grain = speckle(derive_rng("retina"), (side, side), 0.55, (0.5, 1.0))
    calm = gaussian_blur(shown((amplitude * grain).astype(np.float32), 40.0), 0.6)
    done: Pixels = np.rint(np.clip(calm, 0, 1) * 255).astype(np.uint8)
    return done


def fdg_brain(grey_matter: Plane, white_matter: Plane) -> Pixels:
    """Activity of an FDG scan from tissue maps: grey to white matter 4 to 1, 5 mm resolution.

    Parameters
    ----------
    grey_matter, white_matter
        Tissue shares on [0, 1] at 1 mm.

    Returns
    -------
    uint8 of the same shape, white at the highest uptake.
    """
    activity = 4 * grey_matter + white_matter
    seen = gaussian_blur(activity.astype(np.float32), 5 / 2.355)
    return np.rint(seen / max(float(seen.max()), 1e-6) * 250).astype(np.uint8)
