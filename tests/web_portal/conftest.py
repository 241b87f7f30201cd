"""The portal without a browser, over the shipped catalogue or a made one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

pytest.importorskip("fastapi")
from starlette.testclient import TestClient

SITE = "http://127.0.0.1:8765"


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    """Somebody who reads the portal over the shipped catalogue."""
    from osler.web import create_app

    with TestClient(create_app(), base_url=SITE, follow_redirects=False) as client:
        yield client
