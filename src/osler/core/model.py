"""What is sent to a model, what comes back, and what a model backend must offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from .identity import canonical_json, sha256_hex
from .item import ImageRef, Part


@dataclass(frozen=True, slots=True)
class Prompt:
    """An ordered sequence of text and images; ``system`` may be empty."""

    parts: tuple[Part, ...]
    system: str = ""

    @property
    def text(self) -> str:
        """All text parts, joined by blank lines."""
        return "\n\n".join(part for part in self.parts if isinstance(part, str))

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """All image parts, in order."""
        return tuple(part for part in self.parts if isinstance(part, ImageRef))


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn. ``seed`` and ``repeat`` together select one trial."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 64
    seed: int = 0
    logprobs: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One call. ``question`` and ``options`` repeat, as data, what the prompt says in words, so
    that models which choose rather than write (probes, option log-probabilities) can answer.
    ``item_id`` says which item is asked: a replay of stored answers looks it up; it is no part of
    :func:`request_hash`, and a backend that thinks must not use it.
    """

    prompt: Prompt
    sampling: Sampling = Sampling()
    repeat: int = 0
    question: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    item_id: str = ""


def request_hash(request: Request) -> str:
    """SHA-256 of what is asked: the texts in order, the images by hash, the question, the options.

    Sampling, repeat and item id do not enter: equal content, equal hash.
    """
    parts = [
        part if isinstance(part, str) else {"image": part.sha256, "type": part.media_type}
        for part in request.prompt.parts
    ]
    body = {
        "system": request.prompt.system,
        "parts": parts,
        "question": request.question,
        "options": list(request.options.items()),
    }
    return sha256_hex(canonical_json(body).encode())


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no reply. ``kind``: rate_limit, timeout, server, malformed, auth, ..."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``seconds`` of wall time, ``cost_usd`` by the price table (None: unknown),
    ``option_probs`` where the model gives a distribution over the letters of the options,
    ``logprobs`` of the chosen tokens where the model gives them.
    """

    text: str = ""
    error: Failure | None = None
    finish: str = "stop"
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    seconds: float = 0.0
    option_probs: Mapping[str, float] | None = None
    logprobs: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do. ``batch`` is the most requests one call of ``reply`` may carry;
    ``local`` backends are computed here (concurrency 1, no retries for the network).
    """

    images: bool = True
    logprobs: bool = False
    batch: int = 1
    local: bool = False
    deterministic: bool = False


class ReadBlob(Protocol):
    """Bytes of an image by its reference."""

    def __call__(self, ref: ImageRef) -> bytes: ...


@runtime_checkable
class Model(Protocol):
    """A model backend.

    ``reply`` gets at most ``capabilities.batch`` requests and returns one reply each, in order.
    It raises ``TransientError`` (worth another try) or ``FatalModelError`` (no call can work);
    a failure of one request of a batch is a ``Reply`` with ``error``.
    """

    name: str
    capabilities: Capabilities

    def identity(self) -> Mapping[str, str]:
        """What decides the answers: model, revision, backend, dtype, endpoint without secrets."""
        ...

    async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]: ...

    async def close(self) -> None: ...
