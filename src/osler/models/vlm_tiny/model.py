"""osler/vlm-tiny as a model: it reads text and images and writes text, token by token."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import (
    Capabilities,
    Failure,
    ImageRef,
    InputError,
    MissingError,
    Prompt,
    ReadBlob,
    Reply,
    Request,
)

from ..embedded import EFFICIENTNET_LITE0
from ..encoder import Encoder
from ..registry import check_options, whole_number
from ..transformers_chat import chat_text
from ..transformers_load import Checkpoint
from ..transformers_vision import Row, TransformersVision, drawn_letter, truth
from .eyes import Eyes
from .language import IMAGE_MARK, read_language
from .weights import read_adapter, read_start

OPTIONS: Mapping[str, str] = {
    "adapter": "folder of an adapter that was trained on this model",
    "threads": "threads of the image encoder and of torch (default 1)",
    "batch": "most requests in one forward pass (default 8)",
    "choose": "true: weigh the option letters by their probability instead of writing a reply; "
    "words: weigh the options by the probability of their texts as replies to the question alone",
    "weights": "the user's own copy of the language model's GGUF file",
}


_LEAST = -60.0
"""No option is less probable than e^-60 of the most probable one: no share becomes 0."""

_MODES = {False: "write", True: "choose"}


def load(name: str, **options: Any) -> VlmTiny:
    """The model; see :data:`OPTIONS`.

    Raises
    ------
    UnknownNameError, InputError
        An option is not known, its value has no meaning, or the adapter is not one of this model.
    MissingError
        Weights or packages are not installed.
    """
    check_options(name, options, OPTIONS)
    batch = whole_number("batch", options.get("batch", 8))
    choose = options.get("choose", False)
    mode = "words" if str(choose).lower() == "words" else _MODES[truth("choose", choose)]
    return VlmTiny(name, open_student(options), batch=batch, mode=mode)


def open_student(options: Mapping[str, Any], *, start: bool = True) -> Any:
    """The network with its starting weights and, where ``options`` name one, its adapter.

    ``start`` False leaves the projector as torch makes it: for the making of starting weights.

    Raises
    ------
    InputError, MissingError
        As :func:`load`.
    """
    threads = whole_number("threads", options.get("threads", 1))
    language = read_language(options.get("weights"))
    encoder = Encoder(None, threads)
    import torch

    from .network import Projector, Student, merge, put

    torch.set_num_threads(threads)
    network = language.network.requires_grad_(False)
    student = Student(
        network,
        language.tokenizer,
        Projector(network.config.hidden_size).requires_grad_(False).eval(),
        Eyes(encoder),
        {"language": language.sha256, "encoder": EFFICIENTNET_LITE0.sha256},
    )
    if not start:
        return student
    begin = read_start()
    put(student, {n: t for n, t in begin.tensors.items() if n.startswith("projector.")})
    merge(student, begin.tensors, begin.alpha / begin.rank if begin.rank else 0.0)
    student.hashes = {**student.hashes, "start": begin.sha256}
    if options.get("adapter") is not None:
        wear(student, Path(str(options["adapter"])))
    return student


def wear(student: Any, folder: Path) -> None:
    """Lay the adapter in ``folder`` over the student.

    Raises
    ------
    InputError, BadFileError
        It is none, is damaged, or was trained on other weights.
    MissingError
        peft is not installed.
    """
    adapter = read_adapter(folder, student.hashes)
    try:
        from .network import add_lora, put

        add_lora(student, adapter.rank, adapter.alpha, 0.0, 0)
        put(student, adapter.tensors)
    except ImportError as error:
        raise MissingError(
            f'an adapter needs peft ({error}); install it with: pip install "osler[train]"'
        ) from error
    except InputError as error:
        raise InputError(f"the adapter in {folder} cannot be used: {error}") from error
    student.network.requires_grad_(False).eval()
    student.hashes = {**student.hashes, "adapter": adapter.sha256}


class VlmTiny(TransformersVision):
    """Chat replies about images; see :func:`load`."""

    def __init__(self, name: str, student: Any, *, batch: int = 8, mode: str = "write") -> None:
        checkpoint = Checkpoint(
            network=student.network,
            processor=Processor(student),
            source=name,
            revision=student.hashes.get("start", ""),
            device="cpu",
            dtype="float32",
        )
        super().__init__(checkpoint, batch=batch, choose=mode != "write")
        self.name = name
        self.capabilities = Capabilities(
            images=True, logprobs=True, batch=batch, local=True, deterministic=True
        )
        self._student = student
        self._mode = mode

    def identity(self) -> Mapping[str, str]:
        """What decides the answers: the hash of every file of weights, and the mode."""
        return {
            "model": self.name,
            **dict(self._student.hashes),
            "backend": "transformers",
            "dtype": "float32",
            "mode": self._mode,
            "note": "smoke-test model",
        }

    async def close(self) -> None:
        """Forget the remembered images; the weights go with this object."""
        self._student.eyes.forget()

    def _choose_letters(self, rows: list[Row]) -> list[Reply]:
        """The options weighed by letter or, in the mode ``words``, by their texts."""
        if self._mode != "words":
            return super()._choose_letters(rows)
        return [self._choose_words(row) for row in rows]

    def _choose_words(self, row: Row) -> Reply:
        """``option_probs`` are the shares of P(text of the option | images, question)."""
        from .cloze import reply_logprobs

        request = row.request
        question = request.question or request.prompt.text
        asked = Prompt((*request.prompt.images, question))
        text = chat_text(self._checkpoint.processor, Request(asked))
        try:
            tokens_in = len(self._student.ids(text))
        except InputError as error:
            return Reply(error=Failure("malformed", str(error)))
        texts = list(request.options.values())
        logs = reply_logprobs(self._student, text, row.pictures, texts)
        top = max(logs)
        weights = [math.exp(max(one - top, _LEAST)) for one in logs]
        total = sum(weights)
        probs = {k: w / total for k, w in zip(request.options, weights, strict=True)}
        letter = drawn_letter(probs, row)
        return Reply(text=letter, tokens_in=tokens_in, tokens_out=1, option_probs=probs)

    def _picture(self, ref: ImageRef, read: ReadBlob) -> Any:
        return self._student.eyes.see(ref, read)


class Processor:
    """Chat texts and the places of their images -> embeddings, as ``generate`` takes them."""

    image_token = IMAGE_MARK

    def __init__(self, student: Any) -> None:
        self._student = student
        self.tokenizer = student.tokenizer
        self.chat_template = student.tokenizer.chat_template

    def apply_chat_template(self, messages: list[dict[str, Any]], **options: Any) -> str:
        """Messages as one text in SmolLM2's chat format."""
        text: str = self.tokenizer.apply_chat_template(messages, **options)
        return text

    def __call__(
        self, text: Sequence[str], images: Sequence[Sequence[Any]] | None, **options: Any
    ) -> Any:
        """``inputs_embeds`` (rows, length, hidden) and ``attention_mask``, padded on the left.

        Raises
        ------
        ValueError
            A prompt is too long; the batch is then tried in halves, so that it fails alone.
        """
        import torch
        from transformers import BatchFeature

        try:
            rows = [self._student.ids(one) for one in text]
        except InputError as error:
            raise ValueError(str(error)) from error
        longest = max(len(row) for row in rows)
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        shown = [one for row in images or () for one in row]
        with torch.no_grad():
            embeds = self._student.embed(ids, shown)
        return BatchFeature({"inputs_embeds": embeds, "attention_mask": mask})
