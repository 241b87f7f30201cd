"""Random numbers that do not depend on order, process count or the global state."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator


def derive_seed(*keys: object) -> int:
    """A 128-bit seed from any keys, such as (item id, purpose, seed).

    Keys are joined by their type and text, so ``(1, 2)`` and ``("12",)`` differ.
    """
    text = "\x1f".join(f"{type(key).__name__}:{key}" for key in keys)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def derive_rng(*keys: object) -> Generator:
    """A NumPy generator seeded from ``keys`` (PCG64, the same stream on NumPy 1.26 and 2)."""
    from numpy.random import PCG64, Generator

    return Generator(PCG64(derive_seed(*keys)))
