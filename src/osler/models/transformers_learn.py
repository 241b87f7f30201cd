"""Any transformers vision-language model as a :class:`osler.models.learner.Learner`: LoRA weights
on its language part.

A prompt is prepared word for word as :mod:`.transformers_vision` prepares it for asking; the
target's tokens and the token that ends a turn follow it. The loss counts those tokens only, and
the network computes logits at their places only (a vocabulary of 150,000 over a whole prompt would
take more memory than the model). The base stays as loaded, LoRA weights are float32.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import FatalModelError, InputError, Prompt, ReadBlob, Request

from .learner import LoraSettings
from .transformers_adapter import (
    adapter_tensors,
    language_part,
    new_adapter,
    read_adapter,
    write_adapter,
)
from .transformers_chat import chat_text, defused, model_inputs, picture
from .transformers_load import Checkpoint
from .transformers_vision import forget_defaults, open_by_options


def open_learner(
    model: str, options: Mapping[str, str], lora: LoraSettings, *, seed: int = 0
) -> TransformersLearner:
    """``hf/ORG/NAME`` or ``hf/./folder`` open for training; see :func:`.learner.open_learner`.

    An adapter among ``options`` is trained on with its own rank and alpha.

    Raises
    ------
    InputError
        Options without meaning, float16, a model spread over devices, or without language part.
    MissingError, FatalModelError
        As :func:`.transformers_load.open_checkpoint`; peft is not installed.
    """
    if str(options.get("device", "auto")) == "shard":
        raise InputError("fine-tuning runs on one device; use device=cuda, cuda:1 or cpu")
    checkpoint = open_by_options(model, options)
    if getattr(checkpoint.network.config, "is_encoder_decoder", False):
        raise InputError(f"{model} reads and writes by two networks; only decoders are fine-tuned")
    if checkpoint.dtype == "float16":
        raise InputError(
            "float16 loses small gradients; fine-tune with dtype=bfloat16 or dtype=float32"
        )
    if checkpoint.adapter:
        config: dict[str, Any] = dict(read_adapter(str(options["adapter"])).config)
    else:
        config = new_adapter(checkpoint, lora, seed)
    return TransformersLearner(checkpoint, config, options)


class TransformersLearner:
    """A checkpoint with LoRA weights on its language part; see :func:`open_learner`."""

    def __init__(
        self, checkpoint: Checkpoint, config: Mapping[str, Any], options: Mapping[str, str]
    ) -> None:
        self.name = f"hf/{checkpoint.source}"
        self._checkpoint = checkpoint
        self._config = config
        self._options = options
        self._tensors = adapter_tensors(checkpoint.network)
        for parameter in self._tensors.values():
            parameter.requires_grad_(True)
        checkpoint.processor.tokenizer.padding_side = "right"
        self._end = end_of_turn(checkpoint)
        forward = inspect.signature(checkpoint.network.forward).parameters
        self._keeps = "logits_to_keep" in forward

    def parameters(self) -> Iterable[Any]:
        """The LoRA weights, in the network's order."""
        return list(self._tensors.values())

    def train(self, on: bool) -> None:
        """Dropout (and, if asked for, recomputation) on the language part only."""
        network = self._checkpoint.network
        network.eval()
        network.get_submodule(language_part(network)).train(on)

    def recompute(self, on: bool) -> None:
        """Keep no activations inside layers but compute them again: less memory, more time.

        Raises
        ------
        InputError
            The network cannot.
        """
        network = self._checkpoint.network
        # Later releases of transformers call it activation checkpointing.
        word = "activation" if hasattr(network, "activation_checkpointing_enable") else "gradient"
        if not on:
            getattr(network, f"{word}_checkpointing_disable")()
            return
        try:
            getattr(network, f"{word}_checkpointing_enable")({"use_reentrant": False})
        except ValueError as error:
            raise InputError(f"{self.name} cannot recompute activations: {error}") from error

    def loss(self, prompts: Sequence[Prompt], targets: Sequence[str], read: ReadBlob) -> Any:
        """Sum of -log p (natural, float32) over the tokens of ``targets`` and the end of the
        turn, and their number.

        Raises
        ------
        InputError
            A picture cannot be read, or a prompt is longer than the model's context.
        """
        processor = self._checkpoint.processor
        rows = [
            (
                chat_text(processor, Request(prompt)),
                [self._picture(ref, read) for ref in prompt.images],
                self._tail(target),
            )
            for prompt, target in zip(prompts, targets, strict=True)
        ]
        total: Any = 0.0
        for shown in (True, False):  # processors want pictures in every row or in none
            group = [row for row in rows if bool(row[1]) is shown]
            if group:
                total = total + self._group_loss(group)
        return total, sum(len(row[2]) for row in rows)

    def save(self, folder: Path) -> Mapping[str, str]:
        """Write the adapter; the options it was opened with, and ``adapter`` (absolute).

        Raises
        ------
        InputError
            The folder cannot be written.
        """
        place = Path(folder).resolve()
        write_adapter(self._checkpoint, self._config, place)
        return {**self._options, "adapter": str(place)}

    def state(self) -> Mapping[str, Any]:
        """The LoRA weights by their stored key, copied to the CPU, float32."""
        return {key: value.detach().cpu().clone() for key, value in self._tensors.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state` gave.

        Raises
        ------
        InputError
            It is the state of another student.
        """
        import torch

        here = {key: tuple(value.shape) for key, value in self._tensors.items()}
        if here != {key: tuple(value.shape) for key, value in state.items()}:
            raise InputError(f"the stored training state is not one of {self.name} with this rank")
        with torch.no_grad():
            for key, parameter in self._tensors.items():
                parameter.copy_(state[key])

    def _picture(self, ref: Any, read: ReadBlob) -> Any:
        try:
            return picture(read(ref))
        except (OSError, ValueError, SyntaxError) as error:  # Pillow raises all three
            raise InputError(
                f"image {ref.sha256} of a training prompt cannot be read ({error}); "
                "replace it or leave the example out"
            ) from error

    def _tail(self, target: str) -> list[int]:
        """Tokens to learn: those of ``target``, then the one that ends the turn."""
        processor = self._checkpoint.processor
        words = processor.tokenizer.encode(defused(processor, target), add_special_tokens=False)
        return [*words, self._end]

    def _group_loss(self, rows: Sequence[tuple[str, list[Any], list[int]]]) -> Any:
        import torch

        checkpoint, tails = self._checkpoint, [row[2] for row in rows]
        prompt = model_inputs(
            checkpoint.processor, [row[0] for row in rows], [row[1] for row in rows]
        )
        lengths = prompt["attention_mask"].sum(dim=1).tolist()
        inputs = append_tokens(dict(prompt), lengths, tails)
        self._fits(inputs["input_ids"].shape[1])
        # The token at place p is foretold by the logits at p - 1.
        places = [
            (row, length + at - 1)
            for row, (length, tail) in enumerate(zip(lengths, tails, strict=True))
            for at in range(len(tail))
        ]
        kept = sorted({place for _, place in places})
        device = checkpoint.network.device
        keep = torch.tensor(kept, device=device)
        moved = type(prompt)(inputs).to(device, dtype=checkpoint.network.dtype)
        if self._keeps:
            logits = checkpoint.network(**moved, use_cache=False, logits_to_keep=keep).logits
        else:
            logits = checkpoint.network(**moved, use_cache=False).logits[:, keep]
        column = {place: index for index, place in enumerate(kept)}
        at_row = torch.tensor([row for row, _ in places], device=device)
        at_column = torch.tensor([column[place] for _, place in places], device=device)
        wanted = torch.tensor([token for tail in tails for token in tail], device=device)
        return torch.nn.functional.cross_entropy(
            logits[at_row, at_column].float(), wanted, reduction="sum"
        )

    def _fits(self, length: int) -> None:
        config = self._checkpoint.network.config.get_text_config()
        most = getattr(config, "max_position_embeddings", None)
        if most is not None and length > most:
            raise InputError(
                f"a training prompt with its answer takes {length} tokens, but {self.name} has "
                f"a context of {most}; shorten it or show smaller images"
            )


def append_tokens(
    inputs: Mapping[str, Any], lengths: Sequence[int], tails: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """``inputs``, padded on the right, with ``tails`` after the ``lengths`` true tokens of rows.

    Whatever else has a value for each token (attention mask, token types, cross-attention) goes on
    with that of the prompt's last token, which is text. Padding is zero: it is masked.
    """
    import torch

    shape = inputs["input_ids"].shape[:2]
    width = max(length + len(tail) for length, tail in zip(lengths, tails, strict=True))
    out = {}
    for key, value in inputs.items():
        if not torch.is_tensor(value) or value.ndim < 2 or value.shape[:2] != shape:
            out[key] = value
            continue
        longer = value.new_zeros((shape[0], width, *value.shape[2:]))
        for row, (length, tail) in enumerate(zip(lengths, tails, strict=True)):
            longer[row, :length] = value[row, :length]
            longer[row, length : length + len(tail)] = (
                torch.tensor(tail, dtype=value.dtype)
                if key == "input_ids"
                else value[row, length - 1]
            )
        out[key] = longer
    return out


def end_of_turn(checkpoint: Checkpoint) -> int:
    """The token that the chat template writes after a reply, among those that end generation.

    A checkpoint may stop at several tokens; to learn another than its template's would teach it
    a second way to stop.
    """
    ends = forget_defaults(checkpoint)
    tokenizer = checkpoint.processor.tokenizer
    after = tokenizer.encode(_after_a_reply(checkpoint.processor), add_special_tokens=False)
    padding = tokenizer.pad_token_id  # among the ends only because it fills finished rows
    others = sorted(end for end in ends if end not in (None, padding))
    for token in [*after, tokenizer.eos_token_id, *others]:
        if token is not None and token in ends:
            return int(token)
    raise FatalModelError(f"{checkpoint.source} has no token that ends a reply")


def _after_a_reply(processor: Any) -> str:
    """What the chat template writes behind a reply; "" without a template for two turns."""
    from jinja2 import TemplateError

    mark = "osler marks the reply"
    turns = [
        {"role": role, "content": [{"type": "text", "text": text}]}
        for role, text in (("user", "?"), ("assistant", mark))
    ]
    if not getattr(processor, "chat_template", None):
        return ""
    try:
        text: str = processor.apply_chat_template(turns, tokenize=False)
    except (TemplateError, TypeError, ValueError):
        return ""
    return text.rpartition(mark)[2]
