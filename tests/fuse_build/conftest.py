"""The example, fused once for all tests of a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from osler.curate.fuse.example import make_example
from osler.curate.fuse.fused import FusedSet, open_set
from osler.curate.fuse.run import run_goal


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The goal of the example."""
    return make_example(tmp_path_factory.mktemp("example") / "demo")


@pytest.fixture(scope="session")
def fused(example: Path, tmp_path_factory: pytest.TempPathFactory) -> FusedSet:
    """Its fused set."""
    out = tmp_path_factory.mktemp("fused") / "set"
    run_goal(example, out)
    return open_set(out)


@pytest.fixture
def locked(fused: FusedSet) -> Path:
    """Its lock."""
    return fused.folder / "lock.json"
