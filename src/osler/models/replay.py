"""Stored answers as a model: ``file:answers.jsonl``.

One JSON object a line. ``text`` is the reply. ``item`` names the item it answers and ``repeat``
(default 0) the trial; instead of ``item``, ``key`` may give the request hash. Optional:
``option_probs``, ``logprobs``, ``finish``, ``tokens_in``, ``tokens_out``. Other fields are kept
out of the way. An item without a stored answer is a failure of kind ``missing``, never a guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import (
    BadFileError,
    Capabilities,
    Failure,
    ReadBlob,
    Reply,
    Request,
    request_hash,
    sha256_hex,
)

from .registry import check_options


class Replay:
    """Replies by (item or request hash, repeat)."""

    capabilities = Capabilities(
        images=True, logprobs=True, batch=256, local=True, deterministic=True
    )

    def __init__(self, name: str, path: Path, stored: Mapping[tuple[str, int], Reply], digest: str):
        self.name = name
        self._path, self._stored, self._digest = path, stored, digest

    def identity(self) -> Mapping[str, str]:
        return {"model": f"file:{self._path.name}", "backend": "replay", "sha256": self._digest}

    async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        return [self._one(request) for request in requests]

    async def close(self) -> None:
        return None

    def _one(self, request: Request) -> Reply:
        found = self._stored.get((request.item_id, request.repeat))
        if found is None:
            found = self._stored.get((request_hash(request), request.repeat))
        if found is not None:
            return found
        what = f"no answer for item {request.item_id!r}, repeat {request.repeat}"
        return Reply(error=Failure("missing", f"{self._path.name} holds {what}"))


def load(name: str, **options: Any) -> Replay:
    """The stored answers of ``file:PATH``.

    Raises
    ------
    BadFileError
        For a file that cannot be read, a line that is no answer, or two answers to one call.
    """
    check_options("a replay", options, ())
    path = Path(name.removeprefix("file:")).expanduser()
    try:
        data = path.read_bytes()
        lines = data.decode().split("\n")  # not splitlines: U+2028 may stand inside a reply
    except OSError as error:
        raise BadFileError(
            path, error.strerror or "cannot be read", "give a JSON Lines file"
        ) from error
    except UnicodeDecodeError as error:
        raise BadFileError(path, "is not UTF-8 text", "give a JSON Lines file") from error
    stored: dict[tuple[str, int], Reply] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{path} line {number}"
            key, reply = _row(where, line)
            if key in stored:
                raise BadFileError(where, f"a second answer to {key[0]!r}, repeat {key[1]}")
            stored[key] = reply
    return Replay(name, path, stored, sha256_hex(data))


def _row(where: str, line: str) -> tuple[tuple[str, int], Reply]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadFileError(where, f"is not JSON ({error})") from error
    item = row.get("item", row.get("key")) if isinstance(row, dict) else None
    if not isinstance(item, str | int) or not isinstance(row.get("text"), str):
        raise BadFileError(where, "is no answer", 'write {"item": ID, "repeat": 0, "text": REPLY}')
    repeat = row.get("repeat", 0)
    if not isinstance(repeat, int) or isinstance(repeat, bool) or repeat < 0:
        raise BadFileError(where, f"repeat is {repeat!r}", "write 0, 1, 2, ...")
    try:
        probs = row.get("option_probs")
        reply = Reply(
            text=row["text"],
            finish=str(row.get("finish", "stop")),
            tokens_in=_tokens(row.get("tokens_in")),
            tokens_out=_tokens(row.get("tokens_out")),
            option_probs={str(k): float(v) for k, v in probs.items()} if probs else None,
            logprobs=tuple(map(float, row["logprobs"])) if row.get("logprobs") else None,
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise BadFileError(where, f"holds a value of the wrong kind ({error})") from error
    return (str(item), repeat), reply


def _tokens(value: Any) -> int | None:
    if value is None or (type(value) is int and 0 <= value < 1 << 40):
        return value
    raise ValueError(f"{value!r} tokens")
