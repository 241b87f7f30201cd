"""Small pools on an encoder that needs no weights."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from osler.curate.pool import Pool, append, create_pool

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)  # pool_thumbnail, for these tests


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the thumbnail encoder, which child processes find as well."""
    old = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", HERE + (os.pathsep + old if old else ""))
    return "pool_thumbnail:load"


@pytest.fixture
def random_pool(tmp_path: Path) -> Callable[..., Pool]:
    """A pool of random unit vectors around a few centres: (sizes of shards, dim)."""

    def make(sizes: Sequence[int], dim: int = 32, seed: int = 0) -> Pool:
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(5, dim))
        pool = create_pool(tmp_path / f"random-{seed}", encoder="none", identity="n", dim=dim)
        for number, size in enumerate(sizes):
            vectors = centres[rng.integers(0, 5, size)] + 0.5 * rng.normal(size=(size, dim))
            records = [{"sha256": f"{number:04x}{n:060x}", "path": f"{n}"} for n in range(size)]
            pool = append(pool, records, vectors)
        return pool

    return make
