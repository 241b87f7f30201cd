"""X-ray beams of many energies: what a tube sends and what water and metals take away."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ENERGIES = (40.0, 60.0, 80.0, 100.0, 120.0)
"""keV at which the beam is sampled."""

TUBE_120KV = (0.19, 0.34, 0.26, 0.15, 0.06)
"""Share of detected signal at :data:`ENERGIES`: a filtered 120 kV beam, coarse, sums to 1."""

# Mass attenuation (cm2/g, NIST XCOM; 120 keV interpolated) times density, as 1/mm.
WATER = (0.02683, 0.02059, 0.01837, 0.01707, 0.01614)
TITANIUM = (0.998, 0.345, 0.1826, 0.1226, 0.0980)
IRON = (2.857, 0.949, 0.4687, 0.2927, 0.2170)
METALS = {"titanium": TITANIUM, "iron": IRON}

_WATER_PATHS = np.linspace(0.0, 1200.0, 2401)  # mm


def transmitted(paths: dict[tuple[float, ...], NDArray[Any]]) -> NDArray[np.float64]:
    """Share of the beam's signal left after ``paths`` (attenuation at each energy -> mm)."""
    total: Any = 0.0
    for number, share in enumerate(TUBE_120KV):
        exponent: Any = 0.0
        for material, length in paths.items():
            exponent = exponent + np.asarray(length, np.float64) * material[number]
        total = total + share * np.exp(-exponent)
    return np.asarray(total)


def water_equivalent(signal: NDArray[Any]) -> NDArray[np.float64]:
    """Water path in mm that leaves ``signal`` of the beam: a scanner's water correction."""
    logs = -np.log(transmitted({WATER: _WATER_PATHS}))
    path: NDArray[np.float64] = np.interp(-np.log(np.maximum(signal, 1e-30)), logs, _WATER_PATHS)
    return path
