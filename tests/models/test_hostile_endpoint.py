"""Endpoints that lie, stall, flood and pry: one clear failure, bounded time and memory."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from osler.core import Failure, FatalModelError, Prompt, Reply, Request, TransientError, printable
from osler.models import load_model, openai
from osler.models.chat import error_text, read_reply
from osler.models.openai import is_this_machine

ASK = Request(Prompt(("Which?",)), options={"A": "left", "B": "right"})
KEY = "sk-very-secret-0123456789"


def http(body: bytes, status: str = "200 OK", *more: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode() + body


@contextlib.contextmanager
def listening(pieces: list[bytes], pause: float = 0.0) -> Iterator[tuple[str, list[bytes]]]:
    """A server that says ``pieces``, whatever it is asked; its address, and what it was sent."""
    heard: list[bytes] = []
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    port = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        writer.close()

    async def main() -> None:
        nonlocal port
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield f"http://127.0.0.1:{port}/v1", heard
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=5)
        loop.close()


def answer(url: str, **options: Any) -> Reply:
    model = load_model("vllm/m", base_url=url, **options)

    async def once() -> Reply:
        try:
            return (await model.reply([ASK], lambda ref: b""))[0]
        finally:
            await model.close()

    return asyncio.run(once())


def test_a_flood_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "LARGEST_REPLY", 1 << 20)
    chunk = b"10000\r\n" + b"x" * (1 << 16) + b"\r\n"
    endless = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *[chunk] * 2000]
    with listening(endless) as (url, _), pytest.raises(TransientError, match="more than") as caught:
        answer(url)
    assert caught.value.kind == "malformed"


def test_a_gzip_bomb_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "LARGEST_REPLY", 1 << 20)
    bomb = http(gzip.compress(bytes(50 << 20)), "200 OK", "content-encoding: gzip")
    with listening([bomb]) as (url, heard), pytest.raises(TransientError, match="more than"):
        answer(url)
    assert b"accept-encoding: identity" in heard[0].lower()


def test_a_drip_ends_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSLER_CONNECT_TIMEOUT_S", "0.2")
    drip = [b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n", *[b" "] * 100]
    with listening(drip, 0.05) as (url, _), pytest.raises(TransientError) as caught:
        answer(url, timeout_s=0.3)
    assert caught.value.kind == "timeout"


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "401 No", "500 Error"])
def test_an_echoed_key_is_struck_out(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    body = json.dumps({"error": {"message": f"wrong key {KEY}"}}).encode()
    with listening([http(body, status)]) as (url, heard):
        try:
            told = repr(answer(url, api_key_env="MY_KEY"))
        except (TransientError, FatalModelError) as error:
            told = str(error)
    assert KEY.encode() in heard[0]
    assert "[key]" in told
    assert KEY not in told


def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with listening([http(b"{}")]) as (other, pried):
        away = http(b"", "307 Temporary Redirect", f"location: {other}/chat/completions")
        with listening([away]) as (url, _), pytest.raises(FatalModelError, match="307"):
            answer(url, api_key_env="MY_KEY")
    assert not pried


def test_no_proxy_stands_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    good = http(b'{"choices": [{"message": {"content": "A"}}]}')
    with listening([http(b"{}", "500 Proxy")]) as (proxy, pried), listening([good]) as (url, _):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert answer(url).text == "A"
    assert not pried


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.9", True), ("::1", True), ("10.0.0.1", False),
     ("127.0.0.1.example.com", False), ("localhost.example.com", False), (None, False)],
)  # fmt: skip
def test_what_this_machine_is(host: str | None, here: bool) -> None:
    assert is_this_machine(host) is here


def completion(content: Any, **more: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"content": content}} | more], **more}).encode()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ([{"type": "text", "text": "A"}], "A"),
        (["A", "B"], "AB"),
        ([{"type": "thinking", "thinking": [{"text": "hm"}]}, {"type": "text", "text": "B"}], "B"),
        ([{"type": "text", "text": None}], ""),
    ],
)
def test_content_in_all_its_shapes(content: Any, text: str) -> None:
    assert read_reply(completion(content), ASK).text == text


@pytest.mark.parametrize("content", [5, {"text": "A"}, True])
def test_content_that_is_none(content: Any) -> None:
    with pytest.raises(TransientError, match="no chat completion"):
        read_reply(completion(content), ASK)


@pytest.mark.parametrize(
    "usage", [[1], "many", {"prompt_tokens": -5}, {"prompt_tokens": 10**30}, {"prompt_tokens": "7"},
              {"prompt_tokens": True}, {"prompt_tokens": float("nan")}]
)  # fmt: skip
def test_usage_that_cannot_be_is_unknown(usage: Any) -> None:
    assert read_reply(completion("A", usage=usage), ASK).tokens_in is None


@pytest.mark.parametrize("bad", [float("inf"), float("nan"), 3.0, None, "0"])
def test_log_probabilities_that_cannot_be_are_none(bad: Any) -> None:
    token = {"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "A", "logprob": bad}]}
    reply = read_reply(completion("A", logprobs={"content": [token]}), ASK)
    assert (reply.text, reply.option_probs, reply.logprobs) == ("A", None, None)


def test_nesting_beyond_reason_is_malformed() -> None:
    with pytest.raises(TransientError, match="no chat completion"):
        read_reply(b"[" * 200_000, ASK)
    assert error_text(b"[" * 200_000)[1] == "[" * 300


def test_a_server_cannot_speak_to_the_terminal() -> None:
    said = error_text(json.dumps({"error": {"message": "no \x1b]0;owned\x07\u202e"}}).encode())[1]
    assert said == "no \\x1b]0;owned\\x07\\u202e"
    assert str(FatalModelError("a\x1b[2Jb")) == "a\\x1b[2Jb"
    assert printable("Straße\t中文\n") == "Straße\t中文\n"
    assert Failure("server", said).message.isprintable()


def test_a_query_stays_with_the_address_and_out_of_the_identity() -> None:
    good = http(b'{"choices": [{"message": {"content": "A"}}]}')
    with listening([good]) as (url, heard):
        assert answer(f"{url}/?api-version=1").text == "A"
    assert heard[0].startswith(b"POST /v1/chat/completions?api-version=1 ")
    model = load_model("vllm/m", base_url="http://u:p@gw.example/v1?key=x")
    assert "key" not in str(model.identity())
    assert "u:p" not in str(model.identity())
