"""Osler's records as Inspect's and back: prompts to messages, outputs to replies."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from osler.core import BadFileError, Failure, ImageRef, Prompt, ReadBlob, Reply
from osler.models.chat import option_probs

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage, ModelOutput

SCHEME = "med"

FINISH = {"max_tokens": "length", "model_length": "length", "unknown": "stop"}
"""Inspect's words for the end of a reply where they differ from the OpenAI words."""


def image_uri(ref: ImageRef) -> str:
    """``med://<sha256>``: the image's only name in tasks, logs and metadata."""
    return f"{SCHEME}://{ref.sha256}"


def image_ref(uri: str, media_type: str = "image/png") -> ImageRef:
    """The image that ``med://<sha256>`` names.

    Raises
    ------
    BadFileError
        If it is no such address.
    """
    scheme, _, digest = uri.partition("://")
    if scheme != SCHEME or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise BadFileError(uri, "is no image address", f"write {SCHEME}://<sha256>")
    return ImageRef(digest, media_type)


def data_uri(ref: ImageRef, read: ReadBlob) -> str:
    """The bytes of an image as a data URI, as providers want it."""
    return f"data:{ref.media_type};base64,{base64.b64encode(read(ref)).decode('ascii')}"


def messages(prompt: Prompt, address: Callable[[ImageRef], str] = image_uri) -> list[ChatMessage]:
    """The prompt as chat messages; ``address`` says how each image is written."""
    from inspect_ai.model import ChatMessageSystem, ChatMessageUser, ContentImage, ContentText

    parts = [
        ContentText(text=part) if isinstance(part, str) else ContentImage(image=address(part))
        for part in prompt.parts
    ]
    only_text = len(parts) == 1 and isinstance(parts[0], ContentText)
    user = ChatMessageUser(content=prompt.text if only_text else list(parts))
    return [ChatMessageSystem(content=prompt.system), user] if prompt.system else [user]


def reply_of(output: ModelOutput, options: Mapping[str, str]) -> Reply:
    """What a provider answered, as a reply; an output without any choice is a failure.

    Tokens that a provider counts as cached are counted as input, for they were shown.
    """
    if output.error is not None:
        return Reply(error=Failure("server", output.error))
    if not output.choices:
        return Reply(error=Failure("missing", "the provider returned no reply"))
    choice, usage = output.choices[0], output.usage
    tokens = choice.logprobs.content if choice.logprobs else []
    text = output.completion
    return Reply(
        text=text,
        finish=FINISH.get(choice.stop_reason, choice.stop_reason),
        tokens_in=_shown(usage) if usage else None,
        tokens_out=usage.output_tokens if usage else None,
        cost_usd=usage.total_cost if usage else None,
        seconds=output.time or 0.0,
        option_probs=option_probs(text, [token.model_dump() for token in tokens], options),
        logprobs=tuple(token.logprob for token in tokens) or None,
    )


def _shown(usage: Any) -> int:
    cached = (usage.input_tokens_cache_read or 0) + (usage.input_tokens_cache_write or 0)
    return int(usage.input_tokens) + cached
