"""Models made once for a whole file must not touch the user's cache either."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The cache of ``_own_cache`` (see tests/conftest.py), from the first fixture on."""
    root = tmp_path_factory.getbasetemp() / "osler-home"
    root.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OSLER_CACHE_DIR", str(root))
        yield
