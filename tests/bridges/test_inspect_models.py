"""Providers of Inspect as models of Osler: replies, failures, options, offline."""

from __future__ import annotations

import asyncio
from importlib.metadata import entry_points
from typing import Any

import pytest

from osler.bridges.inspect_models import load
from osler.bridges.inspect_records import image_ref, image_uri, messages, reply_of
from osler.core import (
    BadFileError,
    FatalModelError,
    ImageRef,
    InputError,
    MissingError,
    Prompt,
    Request,
    Sampling,
    TransientError,
    UnknownNameError,
)
from osler.evaluate.engine import evaluate
from osler.models.registry import load_model


@pytest.fixture
def model(loopback, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SOME_KEY", "none")
    return load("inspect/openai-api/osler/fake", base_url=loopback.url, api_key_env="SOME_KEY")


def ask(model: Any, benchmark: Any, number: int = 0, **sampling: Any) -> Any:
    case = benchmark.cases()[number]
    request = Request(
        benchmark.prompt(case.item), Sampling(**sampling), repeat=2, options=case.item.options
    )

    async def one() -> Any:
        replies = await model.reply([request], benchmark.read_blob())
        return replies[0]

    return asyncio.run(one())


def test_the_same_words_and_pictures_reach_the_server(model, toy, loopback) -> None:
    benchmark = toy(2)
    reply = ask(model, benchmark, temperature=0.5, seed=3, max_tokens=7)
    direct = ask(load_model("fake", base_url=loopback.url), benchmark, temperature=0.5, seed=3)
    assert (reply.text, reply.tokens_in, reply.tokens_out) == (direct.text, 90, 5)
    assert reply.error is None
    one, other = loopback.seen
    assert (one["text"], one["pictures"]) == (other["text"], other["pictures"])
    assert (one["body"]["seed"], one["body"]["temperature"]) == (5, 0.5)
    assert one["body"]["max_tokens"] == 7


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, FatalModelError, "fatal"),
        (404, FatalModelError, "fatal"),
        (429, TransientError, "rate_limit"),
        (503, TransientError, "server"),
    ],
)
def test_failures_are_what_the_engine_expects(
    toy, loopback, monkeypatch, status: int, error: type[Exception], kind: str
) -> None:
    # The OpenAI client would try again on its own account, for seconds.
    monkeypatch.setenv("KEY", "none")
    options = {"base_url": loopback.url, "api_key_env": "KEY", "args": '{"max_retries": 0}'}
    model = load("inspect/openai-api/osler/fake", **options)
    loopback.fails = {"Question 0:": status}
    with pytest.raises(error, match="as scripted") as caught:
        ask(model, toy(1))
    assert caught.value.kind == kind


def test_a_refused_call_is_a_failure_of_that_call(model, toy, loopback) -> None:
    loopback.fails = {"Question 0:": 400}
    reply = ask(model, toy(1))
    assert reply.error.kind == "bad_request"
    assert "as scripted" in reply.error.message
    assert "base64" not in reply.error.message


def test_no_server_is_a_connection_failure(toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "none")
    options = {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "KEY"}
    model = load("inspect/openai-api/osler/fake", args={"max_retries": 0}, **options)
    with pytest.raises(TransientError) as caught:
        ask(model, toy(1))
    assert caught.value.kind == "connection"


def test_a_run_through_inspect_equals_a_direct_one(model, toy, loopback, tmp_path) -> None:
    benchmark = toy(8)
    loopback.busy = 0.3
    through = evaluate(benchmark, model, tmp_path / "a", trials=2, report=None)
    direct = load_model("fake", base_url=loopback.url)
    straight = evaluate(benchmark, direct, tmp_path / "b", trials=2, report=None)
    assert through.n_scored == 8
    assert through.summary["headline"] == straight.summary["headline"]


def test_a_provider_without_network_or_token_table(toy) -> None:
    """Usage given in the output keeps Inspect from counting with a table it would download."""
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    from osler.bridges.inspect_models import InspectModel

    output = ModelOutput.from_content("mockllm/model", "B", stop_reason="max_tokens")
    output.usage = ModelUsage(
        input_tokens=3, output_tokens=1, total_tokens=14, input_tokens_cache_read=10
    )
    mock = get_model("mockllm/model", custom_outputs=[output], memoize=False)
    reply = ask(InspectModel("inspect/mockllm/model", mock), toy(1))
    assert (reply.text, reply.finish) == ("B", "length")
    assert (reply.tokens_in, reply.tokens_out) == (13, 1)


def test_outputs_without_a_reply_are_failures() -> None:
    from inspect_ai.model import ModelOutput

    assert reply_of(ModelOutput(), {}).error.kind == "missing"
    assert reply_of(ModelOutput(error="overloaded"), {}).error.message == "overloaded"


def test_log_probabilities_become_option_probabilities() -> None:
    from inspect_ai.model import Logprob, Logprobs, ModelOutput, TopLogprob

    output = ModelOutput.from_content("m", "B")
    tops = [TopLogprob(token="B", logprob=-0.2), TopLogprob(token="A", logprob=-1.8)]
    output.choices[0].logprobs = Logprobs(
        content=[Logprob(token="B", logprob=-0.2, top_logprobs=tops)]
    )
    reply = reply_of(output, {"A": "x", "B": "y"})
    assert reply.logprobs == (-0.2,)
    assert reply.option_probs["B"] / reply.option_probs["A"] == pytest.approx(2.718281828**1.6)


def test_identity_has_no_secret(loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-secret")
    url = loopback.url.replace("http://", "http://user:word@")
    found = load("inspect/openai-api/osler/fake", base_url=url, api_key_env="SOME_KEY").identity()
    assert found["model"] == "openai-api/osler/fake"
    assert not any("secret" in value or "word" in value for value in found.values())


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("inspect/openai", {}, InputError, "inspect/PROVIDER/MODEL"),
        ("inspect/no-such/x", {}, FatalModelError, "no-such"),
        ("inspect/mockllm/model", {"baseurl": "x"}, UnknownNameError, "base_url"),
        ("inspect/mockllm/model", {"args": "[1"}, InputError, "JSON"),
        ("inspect/mockllm/model", {"args": "[1]"}, InputError, "object"),
        ("inspect/mockllm/model", {"args": '{"api_key": "sk"}'}, InputError, "api_key_env"),
    ],
)
def test_what_cannot_be_loaded_says_so(name, options, error, words: str) -> None:
    with pytest.raises(error, match=words):
        load(name, **options)


def test_a_missing_provider_package_says_how_to_get_it() -> None:
    pytest.importorskip("inspect_ai")
    try:
        import groq  # noqa: F401
    except ImportError:
        with pytest.raises(MissingError, match="pip install groq") as caught:
            load("inspect/groq/any")
        assert "[" not in str(caught.value)


def test_offline_refuses_other_machines(monkeypatch: pytest.MonkeyPatch, loopback) -> None:
    monkeypatch.setenv("OSLER_OFFLINE", "1")
    with pytest.raises(InputError, match="offline"):
        load("inspect/anthropic/claude")
    with pytest.raises(InputError, match="offline"):
        load("inspect/openai-api/o/m", base_url="https://example.org/v1")
    monkeypatch.setenv("KEY", "none")
    assert load("inspect/openai-api/o/m", base_url=loopback.url, api_key_env="KEY")
    assert load("inspect/mockllm/model")


def test_image_addresses_go_both_ways() -> None:
    ref = ImageRef("ab" * 32, "image/jpeg")
    assert image_ref(image_uri(ref), "image/jpeg") == ref
    for bad in ("med://xyz", "file:///etc/passwd", "med://" + "AB" * 32):
        with pytest.raises(BadFileError):
            image_ref(bad)


def test_text_only_prompts_are_plain_text() -> None:
    system, user = messages(Prompt(("one", "two"), system="be brief"))
    assert system.content == "be brief"
    assert [part.text for part in user.content] == ["one", "two"]
    assert messages(Prompt(("one",)))[0].content == "one"


def test_entry_points_are_declared() -> None:
    tasks = {point.name: point.value for point in entry_points(group="inspect_ai")}
    models = {point.name: point.value for point in entry_points(group="osler.models")}
    assert tasks.get("osler") == "osler.bridges.inspect_registry"
    assert models.get("inspect") == "osler.bridges.inspect_models:load"
    assert models.get("inspect-log") == "osler.bridges.inspect_logs:load"
