"""The mini set, built once."""

from __future__ import annotations

import pytest

from osler.evaluate.benchmarks.folder import Dataset
from osler.evaluate.benchmarks.medq_bench.sources import build


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return build("mini", tmp_path_factory.mktemp("medq-bench") / "mini")
