"""A scripted fake model: ``fake:script.json`` in this process, or a loopback server.

``python -m osler.models.fake [script.json]`` serves it and prints the base URL.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from osler.core import (
    Capabilities,
    FatalModelError,
    ReadBlob,
    Reply,
    Request,
    TransientError,
    content_hash,
    request_hash,
)

from .fake_script import FAULTS, Script, read_script, script_from
from .fake_server import FakeServer, serve, serve_forever
from .registry import check_options

__all__ = [
    "FAULTS",
    "Fake",
    "FakeServer",
    "Script",
    "load",
    "read_script",
    "script_from",
    "serve",
    "serve_forever",
]


class Fake:
    """The script without a network; ``calls`` counts what it was asked."""

    def __init__(self, script: Script | None = None, name: str = "fake:") -> None:
        self.name = name
        self.script = script or Script()
        self.capabilities = Capabilities(deterministic=True)
        self.calls = 0
        self._attempts: Counter[str] = Counter()

    def identity(self) -> Mapping[str, str]:
        return {"model": self.name, "backend": "fake", "script": content_hash(self.script)}

    async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        return [await self._one(request, read) for request in requests]

    async def close(self) -> None:
        return None

    async def _one(self, request: Request, read: ReadBlob) -> Reply:
        for ref in request.prompt.images:
            read(ref)
        self.calls += 1
        key = f"{request_hash(request)}:{request.repeat}"
        fault = self.script.fault(key, self._attempts[key])
        self._attempts[key] += 1
        await asyncio.sleep(self.script.delay_s)
        if fault == "auth":
            raise FatalModelError(f"{self.name} refuses the key; a script says so")
        if fault == "rate_limit":
            wish = self.script.retry_after
            wait = float(wish) if wish.replace(".", "", 1).isdigit() else None
            raise TransientError(f"{self.name} limits the rate", "rate_limit", wait)
        if fault is not None and fault != "empty":
            raise TransientError(f"{self.name} failed ({fault})", fault)
        text = self.script.answer(key, request.prompt.text, request.repeat, request.item_id)
        return Reply(
            text="" if fault == "empty" else text,
            tokens_in=self.script.tokens_in,
            tokens_out=self.script.tokens_out,
        )


def load(name: str, **options: object) -> Fake:
    """``fake:`` with the default script, or ``fake:script.json``."""
    check_options("a fake", options, ())
    path = name.removeprefix("fake:")
    return Fake(read_script(path) if path else Script(), name)


if __name__ == "__main__":
    serve_forever(read_script(sys.argv[1]) if len(sys.argv) > 1 else Script())
