"""A chat server for measurements, in a process of its own: answers at once, counts what it gets.

``python engine_server.py [--busy 0.2] [--delay 0.01]`` prints its base URL. Each question carries
``sample N`` in its text. GET /stats gives ``{"requests": ..., "answered": ..., "distinct": ...,
"repeated": ..., "in_flight": ...}``; ``--busy`` is the share of questions whose first attempt is
told 429 with ``retry-after: 0``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import Counter

NUMBER = re.compile(rb"sample (\d+)")

REPLY = json.dumps(
    {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 0,
        "model": "fake",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "B"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 90, "completion_tokens": 1, "total_tokens": 91},
    }
).encode()
SLOW_DOWN = b'{"error": {"message": "slow down", "code": "rate_limit"}}'


class Server:
    """Counts of one server."""

    def __init__(self, busy: float, delay: float) -> None:
        self.busy, self.delay = busy, delay
        self.attempts: Counter[int] = Counter()
        self.answered: Counter[int] = Counter()
        self.in_flight = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client leaves."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length.group(1))) if length else b""
                status, reply = (200, self.stats()) if head[:3] == b"GET" else await self.chat(body)
                more = "retry-after: 0\r\n" if status == 429 else ""
                writer.write(
                    f"HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\n{more}"
                    f"content-length: {len(reply)}\r\n\r\n".encode()
                    + reply
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def chat(self, body: bytes) -> tuple[int, bytes]:
        """One call; the number stands near one of the ends of the body."""
        found = NUMBER.search(body[-2000:]) or NUMBER.search(body[:4000]) or NUMBER.search(body)
        number = int(found.group(1)) if found else -1
        self.attempts[number] += 1
        if self.attempts[number] == 1 and (number * 2654435761) % 2**32 < self.busy * 2**32:
            return 429, SLOW_DOWN
        self.in_flight += 1
        try:
            await asyncio.sleep(self.delay)
        finally:
            self.in_flight -= 1
        self.answered[number] += 1
        return 200, REPLY

    def stats(self) -> bytes:
        """What has been asked and answered so far."""
        answered = sum(self.answered.values())
        return json.dumps(
            {
                "requests": sum(self.attempts.values()),
                "answered": answered,
                "distinct": len(self.answered),
                "repeated": answered - len(self.answered),
                "in_flight": self.in_flight,
            }
        ).encode()


async def main(busy: float, delay: float) -> None:
    """Listen on a free port until killed."""
    listener = await asyncio.start_server(Server(busy, delay).handle, "127.0.0.1", 0, limit=1 << 20)
    print(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1", flush=True)
    await listener.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", type=float, default=0.0)
    parser.add_argument("--delay", type=float, default=0.0)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.busy, arguments.delay))
