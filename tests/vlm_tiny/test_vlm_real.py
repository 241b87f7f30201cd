"""The real weights: the same language model as llama.cpp's, images that count, clear refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from osler.core import MissingError, Prompt, Request, Sampling
from osler.models.embedded import EFFICIENTNET_LITE0, SMOLLM2
from osler.models.registry import load_model
from osler.models.vlm_tiny import language, weights

CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
TEXTS = ("Which organ pumps blood?", "In 1901, x = 12.5 mm;\n\n  naïve 'don't' 漢字 🙂?")


def test_rows_are_paired_as_llama_cpp_pairs_them() -> None:
    weight = np.arange(2 * 8 * 3).reshape(16, 3)
    ours = language._half_split(weight, heads=2)
    for head in range(2):
        for pair in range(4):
            for half in range(2):
                there = weight[head * 8 + 2 * pair + half]
                assert (ours[head * 8 + half * 4 + pair] == there).all()


def test_missing_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingError, match=r"SmolLM2-135M-Instruct\.Q4_1\.gguf, and .* is no file"):
        load_model("osler/vlm-tiny", weights=str(tmp_path / "none.gguf"))
    (tmp_path / "other.gguf").write_bytes(b"GGUF")
    with pytest.raises(MissingError, match="SHA-256"):
        load_model("osler/vlm-tiny", weights=str(tmp_path / "other.gguf"))
    weights.check_start()
    with pytest.raises(MissingError, match="reinstall"):
        weights.read_start(tmp_path / "start.safetensors")
    (tmp_path / "start.safetensors").write_bytes(b"x")
    with pytest.raises(MissingError, match="SHA-256"):
        weights.read_start(tmp_path / "start.safetensors")


def test_shipped_weights_are_small_and_state_what_they_saw() -> None:
    assert weights.START.stat().st_size < 10 * 2**20
    about = json.loads(weights.START.with_suffix(".json").read_text())
    assert about["sha256"] == weights.START_SHA256
    assert about["after"]["choose"] < about["before"]["choose"]
    assert about["on"] == {"language": SMOLLM2.sha256, "encoder": EFFICIENTNET_LITE0.sha256}
    tensors = weights.read_start().tensors
    assert all(bool(t.isfinite().all()) for t in tensors.values())


def test_the_language_model_is_that_of_llama_cpp(real) -> None:
    """Peer: llama.cpp on the same file. It rounds activations to 8 bits, hence the tolerance."""
    import torch

    xllamacpp = pytest.importorskip("xllamacpp")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(language.find_embedded(SMOLLM2).path)
    parameters.n_ctx, parameters.n_parallel, parameters.warmup = 512, 1, False
    parameters.cpuparams.n_threads = 1
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)
    plain = language.read_language()
    for text in TEXTS:
        prompt = CHAT.format(text)
        body = {"prompt": prompt, "max_tokens": 1, "temperature": 0.0, "logprobs": 5}
        found = server.handle_completions(body)
        ids = plain.tokenizer.encode(prompt, add_special_tokens=False)
        assert plain.tokenizer.decode(ids) == prompt
        assert found["usage"]["prompt_tokens"] == len(ids)
        with torch.no_grad():
            logs = torch.log_softmax(plain.network(torch.tensor([ids])).logits[0, -1], -1)
        theirs = found["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        assert plain.tokenizer.decode([int(logs.argmax())]) == theirs[0]["token"]
        for one in theirs[:3]:
            assert abs(float(logs[one["id"]]) - one["logprob"]) < 0.4
    del plain


def test_it_writes_text_about_the_image(real, shelf) -> None:
    sampling = Sampling(temperature=0.0, max_tokens=8, logprobs=1)
    words = "Which technique produced this image?"
    asked = [Request(Prompt((shelf.picture(n), words)), sampling) for n in (1, 2)]
    replies = shelf.ask(real, *asked)
    alone = [shelf.ask(real, one)[0] for one in asked]
    assert [r.text for r in replies] == [r.text for r in alone]
    for together, single in zip(replies, alone, strict=True):
        assert together.error is None
        assert together.text
        np.testing.assert_allclose(together.logprobs, single.logprobs, atol=1e-3)
    assert abs(replies[0].logprobs[0] - replies[1].logprobs[0]) > 1e-4


def test_identity_names_every_file(real) -> None:
    found = real.identity()
    assert found["language"] == SMOLLM2.sha256
    assert found["encoder"] == EFFICIENTNET_LITE0.sha256
    assert found["start"] == weights.START_SHA256
    assert "adapter" not in found
    assert real.capabilities.images
    assert real.capabilities.logprobs


@pytest.mark.slow
def test_a_broken_cache_is_made_again() -> None:
    folder = language.unpacked(language.find_embedded(SMOLLM2).path)
    good = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(good[:1000])
    assert language.unpacked(language.find_embedded(SMOLLM2).path) == folder
    assert (folder / "model.safetensors").read_bytes() == good


@pytest.mark.slow
def test_an_adapter_on_the_real_weights(shelf, tmp_path: Path) -> None:
    """One step of training, saved, and read back through the registry: the same answers."""
    import torch

    from osler.models.learner import LoraSettings, open_learner
    from osler.models.vlm_tiny import VlmTiny

    learner = open_learner("osler/vlm-tiny", {}, LoraSettings(4, 8.0), seed=1)
    prompts, targets = [Prompt((shelf.picture(1), "Which?"))], ["B"]
    optimizer = torch.optim.Adam(learner.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        total, _ = learner.loss(prompts, targets, shelf.read)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(float(total.detach()))
    assert losses[-1] < losses[0]
    options = learner.save(tmp_path / "adapter")
    request = Request(prompts[0], Sampling(temperature=0, max_tokens=3, logprobs=1))
    trained = shelf.ask(VlmTiny("osler/vlm-tiny", learner.student), request)[0]
    read_back = shelf.ask(load_model("osler/vlm-tiny", **options), request)[0]
    assert (trained.text, trained.logprobs) == (read_back.text, read_back.logprobs)
