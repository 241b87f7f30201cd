"""A student with a tiny random language model, and the real one once a session."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable

import numpy as np
import pytest

from osler.core import ImageRef, Prompt, Reply, Request, Sampling, sha256_hex

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
pytest.importorskip("gguf")


class PlainEncoder:
    """Grids by a fixed random map of 7 x 7 mean colours: another picture, another grid."""

    def grids(self, planes):
        found = np.zeros((len(planes), 1280, 7, 7), np.float32)
        table = np.random.default_rng(0).normal(size=(1280, 3)).astype(np.float32)
        for i, plane in enumerate(planes):
            colour = plane if plane.ndim == 3 else np.repeat(plane[..., None], 3, axis=2)
            rows = np.array_split(colour.astype(np.float32) / 255, 7, axis=0)
            cells = [[c.mean(axis=(0, 1)) for c in np.array_split(r, 7, axis=1)] for r in rows]
            found[i] = np.einsum("cd,xyd->cxy", table, np.array(cells))
        return found


def _words():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from osler.models.vlm_tiny.language import dressed

    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>"]
    letters = [*marks, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    core = Tokenizer(models.BPE({c: i for i, c in enumerate(letters)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(marks)
    return dressed(
        PreTrainedTokenizerFast(
            tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>"
        )
    )


def tiny_student(seed: int = 0):
    """About 40 thousand random weights in the shape of osler/vlm-tiny."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from osler.models.vlm_tiny.eyes import Eyes
    from osler.models.vlm_tiny.network import Projector, Student

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=260, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024,
        tie_word_embeddings=False, bos_token_id=None, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    network = LlamaForCausalLM(config).eval().requires_grad_(False)
    with torch.no_grad():  # louder, so that an image moves the logits and argmax is decided
        network.lm_head.weight.mul_(40)
        network.get_input_embeddings().weight.mul_(20)
        for layer in network.model.layers:  # attention that prefers some places to others
            layer.self_attn.q_proj.weight.mul_(10)
            layer.self_attn.k_proj.weight.mul_(10)
    projector = Projector(32).eval().requires_grad_(False)
    projector.draw(1.0, seed)
    hashes = {"language": "tiny", "encoder": "plain", "start": "none"}
    return Student(network, _words(), projector, Eyes(PlainEncoder()), hashes)


@pytest.fixture
def student():
    return tiny_student()


@pytest.fixture
def tiny_model(student):
    from osler.models.vlm_tiny import VlmTiny

    return VlmTiny("osler/vlm-tiny", student, batch=4)


@pytest.fixture(scope="session")
def real():
    """The real model, loaded once: seconds, and 0.6 GB."""
    from osler.models.registry import load_model

    return load_model("osler/vlm-tiny", batch=4)


class Shelf:
    """Pictures by their hash."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def picture(self, seed: int, size: tuple[int, int] = (40, 50)) -> ImageRef:
        from PIL import Image

        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize(size[::-1], Image.Resampling.NEAREST).save(buffer, "PNG")
        return self.put(buffer.getvalue())

    def put(self, data: bytes) -> ImageRef:
        ref = ImageRef(sha256_hex(data))
        self.blobs[ref.sha256] = data
        return ref

    def read(self, ref: ImageRef) -> bytes:
        return self.blobs[ref.sha256]

    def ask(self, model: object, *requests: Request) -> list[Reply]:
        return asyncio.run(model.reply(list(requests), self.read))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def request_for(shelf: Shelf) -> Callable[..., Request]:
    """A question of its own length about a picture of its own."""

    def make(number: int, *, repeat: int = 0, **sampling: object) -> Request:
        words = "What is shown" + " here" * number + "?"
        settings = {"temperature": 0.0, "max_tokens": 6, "logprobs": 1, **sampling}
        return Request(
            prompt=Prompt((shelf.picture(number), words)),
            sampling=Sampling(**settings),
            repeat=repeat,
            options={"A": "a lung", "B": "a liver", "C": "a knee"},
        )

    return make
