"""Fixtures for every test: no network but loopback, shared real data where it is present."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_LOOPBACK = {"127.0.0.1", "::1", "localhost", "0.0.0.0"}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and str(address[0]) not in _LOOPBACK:
            raise AssertionError(f"a test tried to reach {address[0]}; tests use no network")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's settings and cache out; all workers of a session share one cache folder."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("OSLER_") and name != "OSLER_SHARED":
                patch.delenv(name)
        patch.setenv("OSLER_CACHE_DIR", str(root / "osler-cache"))
        patch.setenv("XDG_CONFIG_HOME", str(root / "no-config"))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared real data (``OSLER_SHARED``), or a skip that says why."""
    place = os.environ.get("OSLER_SHARED", "")
    path = Path(place) if place else None
    if path is None or not (path / "data").is_dir():
        pytest.skip("OSLER_SHARED does not name the folder of shared real data")
    return path / "data"
