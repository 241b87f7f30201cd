"""Phantoms with known values: the Shepp-Logan head, by its ellipses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# value, semi-axes, centre, angle (degrees): modified contrast of Toft (1996), after Shepp and
# Logan (IEEE TNS 1974).
_ELLIPSES = (
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
)


def ellipses(
    shapes: tuple[tuple[float, float, float, float, float, float], ...], n: int, fine: int = 4
) -> NDArray[np.float32]:
    """Sum of ellipses (value, a, b, x, y, degrees) on [-1, 1]^2, y up; edges by covered area."""
    at = (np.arange(n * fine) + 0.5) / (n * fine) * 2 - 1
    x, y = at[None, :], -at[:, None]
    total = np.zeros((n * fine, n * fine), np.float32)
    for value, a, b, x0, y0, degrees in shapes:
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        u, v = (x - x0) * c + (y - y0) * s, (y - y0) * c - (x - x0) * s
        total[(u / a) ** 2 + (v / b) ** 2 <= 1] += np.float32(value)
    coarse: NDArray[np.float32] = total.reshape(n, fine, n, fine).mean(axis=(1, 3))
    return coarse


def shepp_logan(n: int = 256) -> NDArray[np.float32]:
    """The modified Shepp-Logan head phantom, n x n, values 0 to 1."""
    return ellipses(_ELLIPSES, n)
