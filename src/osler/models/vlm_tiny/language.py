"""SmolLM2-135M-Instruct as a torch network: its GGUF file unpacked once into Osler's cache.

The weights in the file are 4-bit (Q4_1; embeddings Q8_0, norms float32). Unpacked they are kept
as float16, which rounds each by less than 1 part in 2048, and computed with as float32. Every
load goes through that folder, so the first answers as all later ones do.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.core import MissingError, alone
from osler.settings import settings

from ..embedded import SMOLLM2, file_sha256, find_embedded

VERSION = "1"
"""Raise it when the unpacking changes: the cache is then made again."""

IMAGE_MARK = "<image>"
"""Stands for one image token in the text; no word of the language model."""

_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% for c in m['content'] %}"
    "{% if not loop.first %}{{ '\n' }}{% endif %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""SmolLM2's own chat format with places for images, one part a line. The system sentence that
its template adds where none is given (no information) is left out."""


@dataclass(frozen=True, slots=True)
class Language:
    """A causal language model of transformers and its tokenizer; ``sha256`` of the weights."""

    network: Any
    tokenizer: Any
    sha256: str


def read_language(weights: str | Path | None = None) -> Language:
    """SmolLM2-135M-Instruct in float32, on the processor.

    Parameters
    ----------
    weights
        The user's own copy of the GGUF file; found by itself when not given.

    Raises
    ------
    MissingError
        The weights or a package is not installed.
    """
    path = find_embedded(SMOLLM2, weights).path
    folder = unpacked(path)
    try:
        import torch
        from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
    except ImportError as error:
        raise _missing(error) from error
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        network = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
    finally:
        if bars:
            logging.enable_progress_bar()
    network.eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    return Language(network, dressed(tokenizer), SMOLLM2.sha256)


def dressed(tokenizer: Any) -> Any:
    """The tokenizer with the image mark, the chat format and left padding.

    All its control tokens become known as such, so that a question which quotes one is defused.
    """
    marks = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    tokenizer.add_special_tokens({"additional_special_tokens": [*marks, IMAGE_MARK]})
    tokenizer.chat_template = _TEMPLATE
    tokenizer.padding_side = "left"  # all rows of a batch continue at the same position
    return tokenizer


def unpacked(gguf: Path) -> Path:
    """The folder with the unpacked weights of ``gguf``, made now if the cache has none.

    Raises
    ------
    MissingError
        The packages gguf or safetensors are not installed.
    """
    folder = settings().cache_dir / "models" / f"smollm2-{file_sha256(gguf)[:16]}-v{VERSION}"
    if _whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder.parent):  # two runs started at once unpack once
        if not _whole(folder):
            _unpack(gguf, folder)
    return folder


def _whole(folder: Path) -> bool:
    try:
        wanted: Mapping[str, str] = json.loads((folder / "sha256.json").read_text("utf-8"))
        return all(file_sha256(folder / name) == value for name, value in wanted.items())
    except (OSError, ValueError, AttributeError):
        return False  # a broken cache is made again, not the user's concern


def _unpack(path: Path, folder: Path) -> None:
    try:
        from gguf import GGUFReader
        from safetensors.numpy import save_file
    except ImportError as error:
        raise _missing(error) from error
    reader = GGUFReader(path)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as name:
        made = Path(name) / "made"
        made.mkdir()
        (made / "config.json").write_text(json.dumps(_config(reader), indent=1), "utf-8")
        save_file(_tensors(reader), made / "model.safetensors", {"format": "pt"})
        _tokenizer(reader).save(str(made / "tokenizer.json"))
        marks = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
        (made / "tokenizer_config.json").write_text(json.dumps(marks), "utf-8")
        sums = {file.name: file_sha256(file) for file in sorted(made.iterdir())}
        (made / "sha256.json").write_text(json.dumps(sums, indent=1), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def _missing(error: ImportError) -> MissingError:
    return MissingError(
        f"osler/vlm-tiny needs torch, transformers, gguf and safetensors ({error}); install them "
        'with: pip install "osler[train]"'
    )


def _config(reader: Any) -> dict[str, Any]:
    """The network's dimensions as transformers names them."""

    def number(key: str) -> Any:
        return reader.get_field(f"llama.{key}").contents()

    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": number("embedding_length"),
        "intermediate_size": number("feed_forward_length"),
        "num_hidden_layers": number("block_count"),
        "num_attention_heads": number("attention.head_count"),
        "num_key_value_heads": number("attention.head_count_kv"),
        "max_position_embeddings": number("context_length"),
        "rms_norm_eps": number("attention.layer_norm_rms_epsilon"),
        "rope_parameters": {"rope_type": "default", "rope_theta": number("rope.freq_base")},
        "vocab_size": number("vocab_size"),
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": reader.get_field("tokenizer.ggml.eos_token_id").contents(),
        "pad_token_id": 0,
        "dtype": "float32",
    }


_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def _tensors(reader: Any) -> dict[str, Any]:
    """All weights, float16, under the names of transformers' Llama."""
    import numpy as np
    from gguf.quants import dequantize

    heads = {
        "attn_q": int(reader.get_field("llama.attention.head_count").contents()),
        "attn_k": int(reader.get_field("llama.attention.head_count_kv").contents()),
    }
    found = {}
    for tensor in reader.tensors:
        place, _, kind = tensor.name.removesuffix(".weight").rpartition(".")
        value = dequantize(tensor.data, tensor.tensor_type)
        if kind in heads:
            value = _half_split(value, heads[kind])
        layer = f"model.layers.{place.removeprefix('blk.')}." if place else ""
        found[f"{layer}{_NAMES[kind]}.weight"] = np.ascontiguousarray(value, np.float16)
    return found


def _half_split(weight: Any, heads: int) -> Any:
    """Rows from the order of llama.cpp to that of transformers.

    Rotary position embedding turns pairs of rows: llama.cpp pairs neighbours (2i, 2i + 1),
    transformers pairs row i with row i + d/2 of a head of d rows.
    """
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


_CONTROL = 3
"""GGUF's type of a token that no text may contain."""


def _tokenizer(reader: Any) -> Any:
    """Byte-level BPE; each digit stands alone (GGUF's pre-tokenizer ``smollm``)."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    words = reader.get_field("tokenizer.ggml.tokens").contents()
    kinds = reader.get_field("tokenizer.ggml.token_type").contents()
    merges = [
        tuple(line.split(" ", 1)) for line in reader.get_field("tokenizer.ggml.merges").contents()
    ]
    made = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(
        [
            AddedToken(word, special=True, normalized=False)
            for word, kind in zip(words, kinds, strict=True)
            if kind == _CONTROL
        ]
    )
    return made
