"""A judge whose unreadable replies are failed calls: counted, and asked again on resume."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from osler.core import Capabilities, Failure, Model, Prompt, ReadBlob, Reply, Request

Accepts = Callable[[Prompt, str], bool]


class ReadableJudge:
    """``judge``, but a reply that ``accepts(prompt, text)`` refuses has an error ``unreadable``."""

    name: str
    capabilities: Capabilities

    def __init__(self, judge: Model, accepts: Accepts) -> None:
        self._judge, self._accepts = judge, accepts
        self.name, self.capabilities = judge.name, judge.capabilities

    def identity(self) -> Mapping[str, str]:
        return self._judge.identity()

    async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        replies = await self._judge.reply(requests, read)
        return [
            self._checked(request, reply) for request, reply in zip(requests, replies, strict=True)
        ]

    async def close(self) -> None:
        await self._judge.close()

    def _checked(self, request: Request, reply: Reply) -> Reply:
        if reply.error is not None or self._accepts(request.prompt, reply.text):
            return reply
        what = f"the judge's reply is no grade: {reply.text[:80]!r}"
        return replace(reply, error=Failure("unreadable", what))


def readable_judge(benchmark: Any, judge: Model) -> Model:
    """``judge`` with the check that ``benchmark`` offers as ``judge_accepts``, if it does."""
    accepts = getattr(benchmark, "judge_accepts", None)
    return judge if accepts is None else ReadableJudge(judge, accepts)
