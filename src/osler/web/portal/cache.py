"""What was made once is given again: bounded, made once however many ask, checked by ETag."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class Made:
    """The bytes of an answer and what they are."""

    body: bytes
    kind: str
    etag: str
    status: int = 200
    filename: str = ""


def made(body: bytes, kind: str, *, status: int = 200, filename: str = "") -> Made:
    """An answer with its ETag."""
    return Made(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"', status, filename)


class Cache:
    """Answers by key, the latest used kept: at most ``entries`` and ``size`` bytes.

    Who asks for what another thread is making waits for that one.
    """

    def __init__(self, entries: int = 512, size: int = 64 << 20) -> None:
        self.entries, self.size = entries, size
        self._held: OrderedDict[Hashable, Made] = OrderedDict()
        self._making: dict[Hashable, Future[Made]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """The answer of ``key``, made now if it is not held."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
            waiting = self._making.get(key)
            if waiting is None:
                mine = self._making[key] = Future()
        if waiting is not None:
            return waiting.result()
        try:
            answer = make()
        except BaseException as error:
            with self._lock:
                del self._making[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._making[key]
            self._keep(key, answer)
        mine.set_result(answer)
        return answer

    def _keep(self, key: Hashable, answer: Made) -> None:
        if len(answer.body) > self.size // 4:
            return
        self._held[key] = answer
        self._bytes += len(answer.body)
        while len(self._held) > self.entries or self._bytes > self.size:
            _, dropped = self._held.popitem(last=False)
            self._bytes -= len(dropped.body)

    def __len__(self) -> int:
        return len(self._held)


def answer(request: Request, one: Made, policy: str) -> Response:
    """The answer as HTTP: 304 when the reader holds it already."""
    headers = {
        "etag": one.etag,
        "cache-control": "no-cache",
        "content-security-policy": policy,
    }
    if one.filename:
        headers["content-disposition"] = f'attachment; filename="{one.filename}"'
    held = [
        tag.strip().removeprefix("W/")
        for tag in request.headers.get("if-none-match", "").split(",")
    ]
    if one.status == 200 and one.etag in held:
        return Response(status_code=304, headers=headers)
    return Response(one.body, one.status, headers, one.kind)
