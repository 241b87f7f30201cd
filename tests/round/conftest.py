"""Fixtures of the tests of rounds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for drawn_world

from drawn_world import World, make_world

from osler.improve.round import RoundResult, run_round


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Dev and gate of three subjects each, a pool of ten others, and what is true of its images."""
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def done(world: World) -> RoundResult:
    """A finished round."""
    return run_round(world.plan, world.folder / "round")
