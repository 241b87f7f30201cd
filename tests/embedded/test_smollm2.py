"""osler/smollm2: real text with real probabilities, text only."""

from __future__ import annotations

import asyncio
import dataclasses
import math

import pytest

from osler.core import ImageRef, InputError, Prompt, Request, Sampling, UnknownNameError
from osler.models.registry import load_model

pytest.importorskip("xllamacpp")

OPTIONS = {"A": "Kidney", "B": "Heart", "C": "Liver"}
TEXT = "Which organ pumps blood?\nA. Kidney\nB. Heart\nC. Liver\nAnswer with one letter."
REQUEST = Request(
    Prompt((TEXT,)), Sampling(temperature=0.0, max_tokens=8), question=TEXT, options=OPTIONS
)


@pytest.fixture(scope="module")
def model():
    return load_model("osler/smollm2")


@pytest.fixture(scope="module")
def constrained():
    return load_model("osler/smollm2", constrain=True)


def test_weights_come_with_the_first_question_and_again_after_closing():
    one = load_model("osler/smollm2")
    assert one._server is None
    first = ask(one, REQUEST)[0]
    asyncio.run(one.close())
    assert ask(one, REQUEST)[0].text == first.text


def never(ref):
    raise AssertionError("a text model reads no image")


def ask(model, *requests):
    return asyncio.run(model.reply(list(requests), never))


def test_writes_text_and_counts_tokens(model) -> None:
    (reply,) = ask(model, REQUEST)
    assert reply.error is None
    assert reply.text.strip()
    assert reply.tokens_in > 20
    assert 1 <= reply.tokens_out <= 9
    assert reply.cost_usd == 0.0


def test_greedy_is_repeatable_and_seeds_differ(model) -> None:
    first, again = ask(model, REQUEST, REQUEST)
    assert (first.text, first.option_probs) == (again.text, again.option_probs)
    warm = dataclasses.replace(REQUEST, sampling=Sampling(temperature=1.0, max_tokens=12))
    texts = [r.text for r in ask(model, *(dataclasses.replace(warm, repeat=n) for n in range(4)))]
    assert len(set(texts)) > 1
    assert ask(model, dataclasses.replace(warm, repeat=2))[0].text == texts[2]


def test_option_probabilities(model) -> None:
    (reply,) = ask(model, REQUEST)
    assert list(reply.option_probs) == ["A", "B", "C"]
    assert sum(reply.option_probs.values()) == pytest.approx(1.0)


def test_log_probabilities_only_when_asked_for(model) -> None:
    asked = dataclasses.replace(REQUEST, sampling=Sampling(0.0, max_tokens=4, logprobs=1))
    with_them, without = ask(model, asked, REQUEST)
    assert without.logprobs is None
    assert 1 <= len(with_them.logprobs) <= 4
    assert all(math.isfinite(v) and v <= 0 for v in with_them.logprobs)


def test_the_grammar_allows_letters_only(constrained) -> None:
    warm = dataclasses.replace(REQUEST, sampling=Sampling(temperature=1.5, max_tokens=8))
    replies = ask(constrained, *(dataclasses.replace(warm, repeat=n) for n in range(8)))
    assert {reply.text for reply in replies} <= {"A", "B", "C"}
    assert constrained.identity()["constrain"] == "true"


def test_images_are_left_out_and_said_to_be(model) -> None:
    from osler.models.smollm2 import text_only

    with_image = dataclasses.replace(REQUEST, prompt=Prompt((ImageRef("0" * 64), TEXT)))
    assert not model.capabilities.images
    assert "reads text only" in text_only(with_image)
    assert ask(model, with_image)[0].error is None


def test_too_long_a_prompt_is_a_failure_of_that_request(model) -> None:
    long = dataclasses.replace(REQUEST, prompt=Prompt(("x " * 6000,)))
    bad, good = ask(model, long, REQUEST)
    assert bad.error.kind == "too_long"
    assert good.error is None


def test_identity_names_the_weights(model) -> None:
    identity = model.identity()
    assert identity["weights"].startswith("b179c952")
    assert "smoke-test" in identity["note"]


def test_bad_options() -> None:
    with pytest.raises(UnknownNameError, match="constrain"):
        load_model("osler/smollm2", constraint=True)
    with pytest.raises(InputError, match="true or false"):
        load_model("osler/smollm2", constrain="perhaps")
