"""``hf/ORG/NAME`` or ``hf/./folder``: any transformers vision-language model, run here in batches.

Sampling is what the request states and nothing else: a checkpoint's own defaults (top-k,
repetition penalty, ...) are put aside, so that two models are asked in the same way. Random
numbers belong to one request (its seed, its repeat, its prompt), so a reply does not depend on
the batch. With ``choose`` the letters of the options are weighed by their probability as the
first token of the reply, instead of being parsed from words.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from osler.core import (
    Capabilities,
    Failure,
    ImageRef,
    InputError,
    ReadBlob,
    Reply,
    Request,
    content_hash,
    derive_rng,
    derive_seed,
)
from osler.settings import settings

from .registry import check_options
from .transformers_adapter import read_adapter, wear_adapter
from .transformers_chat import chat_text, model_inputs, picture
from .transformers_draw import (
    SeededDraw,
    StopAtText,
    cut_at_stop,
    letter_tokens,
    option_probabilities,
)
from .transformers_load import Checkpoint, open_checkpoint

OPTIONS: Mapping[str, str] = {
    "device": "auto, cpu, cuda, cuda:1, mps, or shard (spread over all devices)",
    "dtype": "auto, float32, float16 or bfloat16",
    "batch": "most requests in one forward pass (default 8)",
    "revision": "branch, tag or commit on the Hub",
    "choose": "true: weigh the option letters by their probability instead of writing a reply",
    "offline": "true: use only what is already on this machine",
    "trust_remote_code": "true: run Python code that comes with the checkpoint",
    "adapter": "folder of a LoRA adapter (safetensors) that was trained on this checkpoint",
}


def load(name: str, **options: Any) -> TransformersVision:
    """The model ``hf/ORG/NAME`` or ``hf/<folder>``.

    Parameters
    ----------
    name
        With or without the leading ``hf/``.
    options
        See :data:`OPTIONS`; truth values may be given as words (``choose=true``).

    Raises
    ------
    UnknownNameError, InputError
        An option is not known, or its value has no meaning.
    MissingError, FatalModelError
        As :func:`osler.models.transformers_load.open_checkpoint`.
    BadFileError, InputError
        The adapter is damaged, of another base, or no LoRA in safetensors.
    """
    check_options("hf/ models", options, OPTIONS)
    try:
        batch = int(options.get("batch", 8))
    except ValueError:
        batch = 0
    if batch < 1:
        raise InputError(f"batch must be a whole number from 1, not {options['batch']!r}")
    checkpoint = open_by_options(name, options)
    return TransformersVision(
        checkpoint, batch=batch, choose=truth("choose", options.get("choose", False))
    )


def open_by_options(name: str, options: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint that :func:`load` asks, with its adapter; training opens the very same."""
    check_options("hf/ models", options, OPTIONS)
    source = name.removeprefix("hf/")
    if not source:
        raise InputError("hf/ needs a model: hf/ORG/NAME on the Hub, or hf/./folder")
    # Read before the large base is, so that a wrong one is refused at once.
    adapter = read_adapter(str(options["adapter"])) if options.get("adapter") else None
    checkpoint = open_checkpoint(
        source,
        device=str(options.get("device", "auto")),
        dtype=str(options.get("dtype", "auto")),
        revision=options.get("revision"),
        offline=truth("offline", options.get("offline", False)) or settings().offline,
        trust_remote_code=truth("trust_remote_code", options.get("trust_remote_code", False)),
    )
    return checkpoint if adapter is None else wear_adapter(checkpoint, adapter)


def truth(key: str, value: Any) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    found = words.get(str(value).strip().lower())
    if found is None:
        raise InputError(f"option {key} must be true or false, not {value!r}")
    return found


@dataclass(frozen=True, slots=True)
class Row:
    """One request made ready: its chat text, its pictures (RGB, 8 bit) and its seed."""

    request: Request
    text: str
    pictures: tuple[Any, ...]
    seed: int


class TransformersVision:
    """A loaded vision-language model; see :func:`load`."""

    def __init__(self, checkpoint: Checkpoint, *, batch: int, choose: bool) -> None:
        self.name = f"hf/{checkpoint.source}"
        self.capabilities = Capabilities(images=True, logprobs=True, batch=batch, local=True)
        self._checkpoint = checkpoint
        self._choose = choose
        self._lock = threading.Lock()
        self._ends = forget_defaults(checkpoint)

    def identity(self) -> Mapping[str, str]:
        """What decides the answers: model, exact revision, dtype, how images are prepared.

        Batch, device and versions of libraries move the last bits only; they stand in the
        record of the run, so that a resume may change them.
        """
        return {
            "model": self.name,
            "revision": self._checkpoint.revision,
            "backend": "transformers",
            "dtype": self._checkpoint.dtype,
            "image_processor": type(self._checkpoint.processor.image_processor).__name__,
            "mode": "choose" if self._choose else "write",
            **({"adapter": self._checkpoint.adapter} if self._checkpoint.adapter else {}),
        }

    async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        """One reply for each request, in order; a picture that cannot be read fails alone."""
        return await asyncio.to_thread(self._reply, requests, read)

    async def close(self) -> None:
        """Free the memory of the network."""
        import torch

        self._checkpoint.network.to("meta") if self._checkpoint.device != "shard" else None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        replies: dict[int, Reply] = {}
        ready: dict[int, Row] = {}
        for index, request in enumerate(requests):
            try:
                ready[index] = self._ready(request, read)
            except (OSError, ValueError, SyntaxError, InputError) as error:
                # Pillow raises SyntaxError for some broken PNG files.
                replies[index] = Reply(error=Failure("image", f"cannot show an image: {error}"))
        with self._lock:
            # Processors want either pictures in every row of a batch or in none.
            for shown in (True, False):
                rows = {i: row for i, row in ready.items() if bool(row.pictures) is shown}
                answered = self._answer(list(rows.values()))
                replies.update(zip(rows, answered, strict=True))
        return [replies[index] for index in range(len(requests))]

    def _ready(self, request: Request, read: ReadBlob) -> Row:
        seed = derive_seed(
            "transformers",
            request.sampling.seed,
            request.repeat,
            content_hash(request.prompt, 32),
        )
        pictures = tuple(self._picture(ref, read) for ref in request.prompt.images)
        return Row(request, chat_text(self._checkpoint.processor, request), pictures, seed)

    def _picture(self, ref: ImageRef, read: ReadBlob) -> Any:
        """An image as the processor takes it."""
        return picture(read(ref))

    def _answer(self, rows: list[Row]) -> list[Reply]:
        """Replies of one batch; one that fails as a whole is tried in halves, then alone."""
        import torch

        if not rows:
            return []
        started = time.perf_counter()
        try:
            replies = self._choose_or_write(rows)
        except (torch.OutOfMemoryError, ValueError, RuntimeError, IndexError) as error:
            if len(rows) == 1:
                kind = "memory" if isinstance(error, torch.OutOfMemoryError) else "malformed"
                first = (str(error).strip().splitlines() or [type(error).__name__])[0]
                return [Reply(error=Failure(kind, first))]
            if isinstance(error, torch.OutOfMemoryError):
                torch.cuda.empty_cache()
            half = len(rows) // 2
            return self._answer(rows[:half]) + self._answer(rows[half:])
        share = (time.perf_counter() - started) / len(rows)
        return [replace(reply, seconds=share) for reply in replies]

    def _choose_or_write(self, rows: list[Row]) -> list[Reply]:
        chosen = [self._choose and bool(row.request.options) for row in rows]
        if all(chosen):
            return self._choose_letters(rows)
        if any(chosen):
            return [self._choose_or_write([row])[0] for row in rows]
        return self._write(rows)

    def _choose_letters(self, rows: list[Row]) -> list[Reply]:
        tokenizer = self._checkpoint.processor.tokenizer
        try:
            tokens = [letter_tokens(tokenizer, list(row.request.options)) for row in rows]
        except InputError as error:
            return [Reply(error=Failure("options", str(error))) for _ in rows]
        draw = SeededDraw([row.request.sampling for row in rows], [row.seed for row in rows])
        inputs, _ = self._generate(rows, draw, 1)
        replies = []
        for index, row in enumerate(rows):
            probs = option_probabilities(draw.first[index], tokens[index])
            letter = drawn_letter(probs, row)
            replies.append(
                Reply(
                    text=letter,
                    tokens_in=int(inputs["attention_mask"][index].sum()),
                    tokens_out=1,
                    option_probs=probs,
                )
            )
        return replies

    def _write(self, rows: list[Row]) -> list[Reply]:
        samplings = [row.request.sampling for row in rows]
        draw = SeededDraw(samplings, [row.seed for row in rows])
        longest = max(sampling.max_tokens for sampling in samplings)
        inputs, sequences = self._generate(rows, draw, longest)
        new = sequences[:, -draw.steps :].tolist()
        logprobs = draw.logprobs()
        return [
            self._read_row(row, new[i], logprobs[i], int(inputs["attention_mask"][i].sum()))
            for i, row in enumerate(rows)
        ]

    def _read_row(
        self, row: Row, tokens: list[int], logprobs: list[float], tokens_in: int
    ) -> Reply:
        """The reply of one row: up to its end token, its own limit, or its own stop text."""
        sampling = row.request.sampling
        tokens = tokens[: sampling.max_tokens]
        end = next((i for i, token in enumerate(tokens) if token in self._ends), None)
        length = len(tokens) if end is None else end
        tokenizer = self._checkpoint.processor.tokenizer
        text = tokenizer.decode(tokens[:length], skip_special_tokens=True)
        text, stopped = cut_at_stop(text, sampling.stop)
        return Reply(
            text=text.strip(),
            finish="stop" if end is not None or stopped else "length",
            tokens_in=tokens_in,
            tokens_out=length,
            logprobs=tuple(logprobs[:length]) if sampling.logprobs else None,
        )

    def _generate(self, rows: list[Row], draw: SeededDraw, longest: int) -> tuple[Any, Any]:
        import torch

        processor, network = self._checkpoint.processor, self._checkpoint.network
        inputs = model_inputs(
            processor, [row.text for row in rows], [row.pictures for row in rows]
        ).to(network.device, dtype=network.dtype)
        criteria: list[Callable[..., Any]] = []
        if any(row.request.sampling.stop for row in rows):
            samplings = [row.request.sampling for row in rows]
            criteria = [StopAtText(processor.tokenizer, draw, samplings)]
        with torch.inference_mode():
            sequences = network.generate(
                **inputs,
                max_new_tokens=longest,
                do_sample=False,
                logits_processor=[draw],
                stopping_criteria=criteria,
            )
        return inputs, sequences


def drawn_letter(probs: Mapping[str, float], row: Row) -> str:
    """The most probable letter at temperature 0, else one drawn at the request's temperature."""
    letters = list(probs)
    temperature = row.request.sampling.temperature
    if temperature <= 0:
        return max(letters, key=lambda letter: probs[letter])
    rng = derive_rng("choose", row.seed)
    noise = rng.gumbel(size=len(letters))
    scores = [
        math.log(max(probs[letter], 1e-300)) / temperature + noise[i]
        for i, letter in enumerate(letters)
    ]
    return letters[scores.index(max(scores))]


def forget_defaults(checkpoint: Checkpoint) -> frozenset[int]:
    """Reset the checkpoint's sampling habits; return the tokens that end a reply."""
    from transformers import GenerationConfig

    old = checkpoint.network.generation_config
    tokenizer = checkpoint.processor.tokenizer
    ends = old.eos_token_id if old.eos_token_id is not None else tokenizer.eos_token_id
    ends = [ends] if isinstance(ends, int) else list(ends or [])
    checkpoint.network.generation_config = GenerationConfig(
        bos_token_id=old.bos_token_id,
        eos_token_id=ends or None,
        pad_token_id=tokenizer.pad_token_id,
        decoder_start_token_id=old.decoder_start_token_id,
    )
    # A row that stopped early is filled up with padding, so padding ends a reply as well.
    return frozenset([*ends, tokenizer.pad_token_id])
