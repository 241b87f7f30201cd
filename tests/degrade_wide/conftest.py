"""Shared by the tests of the wide set: apply one function directly, at full precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from osler.degrade import Draw, Frame, degradation_named

Apply = Callable[..., Any]


@pytest.fixture
def apply() -> Apply:
    """``apply(key, x, seed=0, frame=0..1, **params)`` on a plane; level 2 fills missing ones."""

    def run(
        key: str, x: np.ndarray, seed: int = 0, lo: float = 0.0, hi: float = 1.0, **params: Any
    ) -> np.ndarray:
        entry = degradation_named(key)
        if x.dtype == np.uint8:
            hi = 255.0
        return entry.apply(x, Draw(seed), Frame(lo, hi), **{**entry.params(2), **params})

    return run


@pytest.fixture
def drawn() -> Apply:
    """As ``apply``, but gives what was drawn."""

    def run(key: str, x: np.ndarray, seed: int = 0, **params: Any) -> dict[str, Any]:
        entry = degradation_named(key)
        draw = Draw(seed)
        entry.apply(x, draw, Frame(0.0, 1.0), **{**entry.params(2), **params})
        return draw.values

    return run
