"""The OpenAI-compatible endpoint: what is sent, what is read, which error means what."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import math
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from osler.core import (
    FatalModelError,
    ImageRef,
    InputError,
    Prompt,
    Reply,
    Request,
    Sampling,
    TransientError,
    UnknownNameError,
)
from osler.models import load_model
from osler.models.chat import ImageEncoder, option_probs, read_reply, request_body, retry_after
from osler.models.connections import EACH, Connections
from osler.models.fake import Script, serve

IMAGE = ImageRef("a" * 64, "image/jpeg")
ASK = Request(
    Prompt(("Look:", IMAGE, 'Which "side"?\n'), system="Be brief."),
    Sampling(0.5, 0.9, 9, seed=3, logprobs=4, stop=("\n",)),
    repeat=2,
    options={"A": "left", "B": "right"},
)


def read(ref: ImageRef) -> bytes:
    return b"\x00\xff" + ref.sha256.encode()


def answer(model: Any, request: Request = ASK) -> Reply:
    async def once() -> Reply:
        try:
            return (await model.reply([request], read))[0]
        finally:
            await model.close()

    return asyncio.run(once())


def meeting(status: int, body: Any, **headers: str) -> Any:
    """An endpoint whose every response is the given one."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    model = load_model("vllm/m")
    seen: list[dict[str, Any]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return httpx.Response(status, content=data, headers=headers)

    transport = httpx.MockTransport(handler)
    model._connections = Connections(lambda: httpx.AsyncClient(transport=transport))  # type: ignore[attr-defined]
    model.seen = seen  # type: ignore[attr-defined]
    return model


def test_body_is_valid_json_in_the_published_form() -> None:
    body = json.loads(request_body("m", ASK, read, ImageEncoder(), {"top_k": 5}))
    url = body["messages"][1]["content"][1]["image_url"]["url"]
    head, _, payload = url.partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(payload) == read(IMAGE)
    body["messages"][1]["content"][1]["image_url"]["url"] = "..."
    assert body == {
        "model": "m",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 9,
        "seed": 5,
        "stop": ["\n"],
        "logprobs": True,
        "top_logprobs": 4,
        "top_k": 5,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look:"},
                    {"type": "image_url", "image_url": {"url": "..."}},
                    {"type": "text", "text": 'Which "side"?\n'},
                ],
            },
        ],
    }


def test_text_alone_is_sent_as_a_string() -> None:
    body = json.loads(request_body("m", Request(Prompt(("ü?",))), read, ImageEncoder(), {}))
    assert body["messages"] == [{"role": "user", "content": "ü?"}]


def test_encoder_reads_once_and_stays_below_its_cap() -> None:
    reads: list[str] = []

    def counting(ref: ImageRef) -> bytes:
        reads.append(ref.sha256)
        return b"x" * 3000

    encode = ImageEncoder(cap=20_000)
    refs = [ImageRef(f"{i:064d}") for i in range(10)]
    for ref in [refs[0], refs[0], *refs, refs[9]]:
        encode(ref, counting)
    assert len(reads) == 10
    assert encode._held <= 20_000
    encode(refs[0], counting)
    assert len(reads) == 11, "the oldest was let go"


def test_a_reply_from_a_server_is_read() -> None:
    with serve(Script(answers={"Which": ["one", "two", "three"]}), keep_bodies=True) as server:
        reply = answer(load_model("any-name", base_url=server.url + "/"))
        assert server.bodies[0]["model"] == "any-name"
        assert "authorization" not in server.headers[0]
    assert (reply.text, reply.tokens_in, reply.tokens_out, reply.finish) == (
        "three",
        100,
        2,
        "stop",
    )


def test_the_key_comes_from_the_named_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-123")
    with serve(keep_bodies=True) as server:
        model = load_model("m", base_url=server.url, api_key_env="MY_KEY")
        answer(model)
        assert server.headers[0]["authorization"] == "Bearer sk-123"
    assert "sk-123" not in str(model.identity())
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(FatalModelError, match="set the environment variable MY_KEY"):
        answer(load_model("m", base_url=server.url, api_key_env="MY_KEY"))


def test_openai_without_a_key_says_which_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(FatalModelError, match="OPENAI_API_KEY"):
        answer(load_model("openai/gpt-4o"))


def test_identity_names_the_endpoint_without_secrets() -> None:
    model = load_model("m", base_url="https://user:pw@gw.example/v1?token=s", extra='{"top_k": 1}')
    assert model.identity() == {
        "model": "m",
        "backend": "openai-compatible",
        "endpoint": "https://gw.example/v1",
        "extra": '{"top_k":1}',
    }


@pytest.mark.parametrize(
    ("name", "endpoint", "model"),
    [
        ("vllm/Qwen/Qwen2.5-VL-7B", "http://localhost:8000/v1", "Qwen/Qwen2.5-VL-7B"),
        ("sglang/x", "http://localhost:30000/v1", "x"),
        ("ollama/llava:7b", "http://localhost:11434/v1", "llava:7b"),
        ("openai/gpt-4o", "https://api.openai.com/v1", "gpt-4o"),
    ],
)
def test_prefixes_have_their_usual_place(
    name: str, endpoint: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    identity = load_model(name).identity()
    assert (identity["endpoint"], identity["model"]) == (endpoint, model)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {"error": {"message": "bad key"}}, "--api-key-env"),
        (403, {"detail": "no"}, "refuses the key"),
        (402, {}, "no credit"),
        (404, {"error": {"message": "unknown"}}, "has no model 'm'"),
        (429, {"error": {"code": "insufficient_quota"}}, "no credit"),
        (302, b"", "--base-url"),
    ],
)
def test_hopeless_errors_are_fatal_and_say_what_to_do(status: int, body: Any, said: str) -> None:
    with pytest.raises(FatalModelError, match=said) as caught:
        answer(meeting(status, body))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"message": "slow"}}, "rate_limit"),
        (500, b"<html>oops", "server"),
        (503, {}, "server"),
        (529, {}, "server"),
        (408, {}, "server"),
        (200, b"{'choices'", "malformed"),
        (200, {"choices": []}, "malformed"),
        (200, {"error": {"message": "upstream"}}, "malformed"),
        (200, [], "malformed"),
        (200, {"choices": [{"message": None}]}, "malformed"),
    ],
)
def test_passing_errors_are_transient(status: int, body: Any, kind: str) -> None:
    with pytest.raises(TransientError) as caught:
        answer(meeting(status, body, **{"retry-after": "3"}))
    assert caught.value.kind == kind
    assert caught.value.retry_after == (3.0 if status != 200 else None)


def test_a_refused_call_and_a_content_filter_are_told_apart() -> None:
    refused = answer(meeting(400, {"error": {"message": "image too large", "code": "x"}}))
    assert refused.error is not None
    assert (refused.error.kind, "image too large" in refused.error.message) == ("bad_request", True)
    filtered = answer(meeting(400, {"error": {"code": "content_filter"}}))
    assert (filtered.error, filtered.finish) == (None, "content_filter")
    body = {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}
    assert answer(meeting(200, body)).finish == "content_filter"
    body = {"choices": [{"message": {"content": None, "refusal": "I cannot."}}]}
    assert (answer(meeting(200, body)).text, answer(meeting(200, body)).finish) == (
        "I cannot.",
        "refusal",
    )


def test_max_completion_tokens_is_tried_where_the_server_wants_it() -> None:
    model = load_model("vllm/m")
    seen: list[dict[str, Any]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        if "max_tokens" in seen[-1]:
            message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            return httpx.Response(400, json={"error": {"message": message}})
        return httpx.Response(200, json={"choices": [{"message": {"content": "B"}}]})

    transport = httpx.MockTransport(handler)
    model._connections = Connections(lambda: httpx.AsyncClient(transport=transport))  # type: ignore[attr-defined]

    async def twice() -> list[str]:
        return [(await model.reply([ASK], read))[0].text for _ in range(2)]

    assert asyncio.run(twice()) == ["B", "B"]
    assert [("max_tokens" in body) for body in seen] == [True, False, False]
    assert seen[-1]["max_completion_tokens"] == 9


@pytest.mark.parametrize(
    ("fault", "kind"), [("timeout", "timeout"), ("dropped", "dropped"), ("malformed", "malformed")]
)
def test_broken_transport_is_transient(fault: str, kind: str) -> None:
    with serve(Script(faults={fault: 1.0}, hang_s=5)) as server:
        model = load_model("m", base_url=server.url, timeout_s=0.2)
        with pytest.raises(TransientError) as caught:
            answer(model)
    assert caught.value.kind == kind


def test_no_server_is_a_connection_failure() -> None:
    with serve() as server:
        url = server.url
    with pytest.raises(TransientError, match="cannot connect") as caught:
        answer(load_model("m", base_url=url))
    assert caught.value.kind == "connection"


NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0.0),
        (
            {
                "retry-after": "Sun, 01 Mar 2026 15:00:10 GMT",
                "date": "Sun, 01 Mar 2026 15:00:00 GMT",
            },
            10.0,
        ),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def completion(text: str, tokens: list[dict[str, Any]]) -> bytes:
    choice = {"message": {"content": text}, "logprobs": {"content": tokens}}
    return json.dumps({"choices": [choice]}).encode()


def test_log_probabilities_become_option_probabilities() -> None:
    top = [
        {"token": "B", "logprob": math.log(0.6)},
        {"token": " A", "logprob": math.log(0.15)},
        {"token": "A", "logprob": math.log(0.05)},
        {"token": "C", "logprob": math.log(0.1)},
    ]
    tokens = [
        {"token": "(", "logprob": -0.1, "top_logprobs": []},
        {"token": "B", "logprob": math.log(0.6), "top_logprobs": top},
        {"token": ")", "logprob": 0.0, "top_logprobs": []},
    ]
    reply = read_reply(completion("(B)", tokens), ASK)
    assert reply.logprobs == pytest.approx((-0.1, math.log(0.6), 0.0))
    assert reply.option_probs == pytest.approx({"A": 0.25, "B": 0.75})


@pytest.mark.parametrize("text", ["A chest radiograph.", "I think B", "", "Z"])
def test_a_sentence_is_no_choice_of_an_option(text: str) -> None:
    tokens = [{"token": text.split(" ")[0], "logprob": -0.1}]
    assert option_probs(text, tokens, ASK.options) is None


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"base_url": "localhost:8000"}, InputError),
        ({"base_url": "ftp://x/v1"}, InputError),
        ({"extra": "{"}, InputError),
        ({"extra": "[1]"}, InputError),
        ({"base_ur": "http://x"}, UnknownNameError),
    ],
)
def test_wrong_options_are_refused(options: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        load_model("vllm/m", **options)


def test_offline_refuses_hosts_outside_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSLER_OFFLINE", "1")
    assert load_model("vllm/m")
    with pytest.raises(InputError, match="offline"):
        load_model("openai/gpt-4o", base_url="https://api.openai.com/v1")


def test_connections_are_reused_and_closed() -> None:
    made: list[httpx.AsyncClient] = []

    def make() -> httpx.AsyncClient:
        made.append(httpx.AsyncClient())
        return made[-1]

    connections = Connections(make)

    async def use() -> None:
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(connections.client()) for _ in range(2 * EACH)]
            assert [held.count(client) for client in made] == [EACH, EACH]
        with connections.client() as client:
            assert client is made[0]
        await connections.close()

    asyncio.run(use())
    assert len(made) == 2
    assert all(client.is_closed for client in made)
