"""Tiny random vision-language checkpoints, saved as any published one is."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from osler.core import ImageRef, Prompt, Reply, Request, Sampling, sha256_hex

pytest.importorskip("torch")
pytest.importorskip("transformers")

TEMPLATE = (
    "{% for m in messages %}<turn>{{ m['role'] }}\n"
    "{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn>assistant\n{% endif %}"
)


def _tokenizer(extra: tuple[str, ...] = ()):
    """A byte-level tokenizer: any text, 256 bytes plus the marks."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<turn>", eos_token="<end>", pad_token="<pad>"
    )
    made.add_special_tokens({"additional_special_tokens": ["<image>", *extra]})
    return made


def _llava(folder: Path, seed: int = 0) -> Path:
    """A Llava of about 40 thousand random weights."""
    import torch
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    words = _tokenizer()
    torch.manual_seed(seed)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            image_size=28, patch_size=14, projection_dim=32,
        ),
        text_config=LlamaConfig(
            vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=512,
        ),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
    )  # fmt: skip
    network = LlavaForConditionalGeneration(config)
    with torch.no_grad():  # louder logits, so that argmax is decided and letters differ
        network.lm_head.weight.mul_(40)
    network.generation_config.eos_token_id = words.eos_token_id
    network.generation_config.pad_token_id = words.pad_token_id
    network.save_pretrained(folder)
    pictures = CLIPImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    )
    processor = LlavaProcessor(
        image_processor=pictures, tokenizer=words, patch_size=14,
        vision_feature_select_strategy="default", chat_template=TEMPLATE,
        num_additional_image_tokens=1,
    )  # fmt: skip
    processor.save_pretrained(folder)
    return folder


def _qwen(folder: Path) -> Path:
    """A Qwen3-VL with random weights: its processor names a video part, as published ones do."""
    import torch
    from transformers import (
        Qwen2VLImageProcessorPil,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
    )

    marks = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    words = _tokenizer(marks)
    start, end, image, video = (words.convert_tokens_to_ids(mark) for mark in marks)
    torch.manual_seed(1)
    config = Qwen3VLConfig(
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
            "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "out_hidden_size": 32, "num_position_embeddings": 16, "deepstack_visual_indexes": [0],
        },
        text_config={
            "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 64,
            "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
            "head_dim": 16, "rope_parameters": {
                "rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0,
            },
        },
        image_token_id=image, video_token_id=video, vision_start_token_id=start,
        vision_end_token_id=end,
    )  # fmt: skip
    network = Qwen3VLForConditionalGeneration(config)
    with torch.no_grad():
        network.lm_head.weight.mul_(40)
    network.generation_config.eos_token_id = [words.eos_token_id, words.pad_token_id]
    network.save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        patch_size=8, merge_size=2, temporal_patch_size=2,
        size={"shortest_edge": 16 * 16, "longest_edge": 48 * 48},
    ).save_pretrained(folder)  # fmt: skip
    words.save_pretrained(folder)
    (folder / "processor_config.json").write_text(
        json.dumps({"processor_class": "Qwen3VLProcessor"})
    )
    image_place = "<|vision_start|><|image_pad|><|vision_end|>"
    (folder / "chat_template.jinja").write_text(TEMPLATE.replace("<image>", image_place))
    return folder


@pytest.fixture(scope="session")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny Llava."""
    return _llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="session")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny Qwen3-VL."""
    return _qwen(tmp_path_factory.mktemp("qwen"))


class Shelf:
    """Random pictures by their hash, and the requests that show them."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def picture(self, seed: int, size: tuple[int, int] = (40, 50)) -> ImageRef:
        from PIL import Image

        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        return self.put(buffer.getvalue())

    def put(self, data: bytes) -> ImageRef:
        ref = ImageRef(sha256_hex(data))
        self.blobs[ref.sha256] = data
        return ref

    def read(self, ref: ImageRef) -> bytes:
        return self.blobs[ref.sha256]

    def ask(self, model: object, *requests: Request) -> list[Reply]:
        return asyncio.run(model.reply(requests, self.read))


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
