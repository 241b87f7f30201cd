"""The scripted fake as an OpenAI-compatible server on loopback, for tests and measurements.

Standard library only, so that measuring an engine against it measures the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .fake_script import Script


@dataclass
class FakeServer:
    """A running fake: where it listens and what it has seen.

    ``seen`` counts the attempts of each request body by SHA-256, ``served`` the outcomes by kind
    ("ok" or the fault), ``bodies`` the last request bodies when they are kept.
    """

    script: Script
    port: int = 0
    keep_bodies: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    most_at_once: int = 0
    _now: int = 0

    @property
    def url(self) -> str:
        """Base URL, as ``--base-url`` takes it."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> int:
        """How many requests have come in."""
        return sum(self.seen.values())

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client leaves."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            return await self._answer(headers, body, writer)
        finally:
            self._now -= 1

    async def _answer(
        self, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> bool:
        request = hashlib.sha256(body).hexdigest()
        attempt = self.seen[request]
        self.seen[request] += 1
        if self.keep_bodies:
            self.bodies.append(json.loads(body))
            self.headers.append(headers)
        fault = self.script.fault(request, attempt)
        self.served[fault or "ok"] += 1
        if self.script.delay_s:
            await asyncio.sleep(self.script.delay_s)
        if fault == "dropped":
            writer.transport.abort()
            return False
        if fault == "timeout":
            await asyncio.sleep(self.script.hang_s)
        status, more, reply = self._reply(fault, request, body)
        lines = [f"HTTP/1.1 {status}", "content-type: application/json"]
        lines += [f"content-length: {len(reply)}", *more, "", ""]
        writer.write("\r\n".join(lines).encode() + reply)
        await writer.drain()
        return True

    def _reply(self, fault: str | None, request: str, body: bytes) -> tuple[str, list[str], bytes]:
        if fault == "rate_limit":
            wish = self.script.retry_after
            return "429 Too Many Requests", [f"retry-after: {wish}"] if wish else [], _error("slow")
        if fault == "server":
            return "500 Internal Server Error", [], _error("out of order")
        if fault == "auth":
            return "401 Unauthorized", [], _error("incorrect key")
        if fault == "malformed":
            return "200 OK", [], b'{"choices": [{"mess'
        text = "" if fault == "empty" else self._text(request, body)
        return "200 OK", [], _completion(text, self.script)

    def _text(self, request: str, body: bytes) -> str:
        if not self.script.answers:
            return self.script.answer(request, "")
        parsed = json.loads(body)
        content = parsed["messages"][-1]["content"]
        parts = content if isinstance(content, list) else [{"text": content}]
        text = "\n\n".join(part.get("text", "") for part in parts)
        return self.script.answer(request, text, int(parsed.get("seed", 0)))


def _error(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "code": "fake"}}).encode()


def _completion(text: str, script: Script) -> bytes:
    message = {"role": "assistant", "content": text}
    usage = {
        "prompt_tokens": script.tokens_in,
        "completion_tokens": script.tokens_out,
        "total_tokens": script.tokens_in + script.tokens_out,
    }
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "fake", "object": "chat.completion", "created": 0, "model": "fake"}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


@contextlib.contextmanager
def serve(script: Script | None = None, *, keep_bodies: bool = False) -> Iterator[FakeServer]:
    """Run the fake on a free loopback port in a thread while the block lasts."""
    server = FakeServer(script or Script(), keep_bodies=keep_bodies)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        listener = await asyncio.start_server(server.handle, "127.0.0.1", 0, limit=1 << 20)
        server.port = listener.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        listener.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=5)
        loop.close()


def serve_forever(script: Script, port: int = 0) -> None:
    """Run the fake in this process; prints its base URL on the first line. Ends with Ctrl-C."""

    async def main() -> None:
        server = FakeServer(script)
        listener = await asyncio.start_server(server.handle, "127.0.0.1", port, limit=1 << 20)
        server.port = listener.sockets[0].getsockname()[1]
        print(server.url, flush=True)
        await listener.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
