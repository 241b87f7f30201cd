"""The chat-completions wire format, pure: requests to bytes, bytes to replies, errors to errors.

Source: the OpenAI chat completions reference as implemented by vLLM, SGLang, Ollama and gateways.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from osler.core import ImageRef, Part, ReadBlob, Reply, Request, TransientError, printable


class ImageEncoder:
    """Images as JSON parts with data URLs; recent ones are kept, at most ``cap`` bytes in all.

    The same image comes back for every question and repeat; its bytes are read and encoded when
    a request is sent, never earlier.
    """

    def __init__(self, cap: int = 8 << 20) -> None:
        self._cap = cap
        self._held = 0
        self._parts: OrderedDict[str, bytes] = OrderedDict()

    def __call__(self, ref: ImageRef, read: ReadBlob) -> bytes:
        part = self._parts.get(ref.sha256)
        if part is not None:
            self._parts.move_to_end(ref.sha256)
            return part
        head = f'{{"type":"image_url","image_url":{{"url":"data:{ref.media_type};base64,'
        part = b"".join((head.encode(), base64.b64encode(read(ref)), b'"}}'))
        if len(part) <= self._cap // 4:
            self._parts[ref.sha256] = part
            self._held += len(part)
            while self._held > self._cap:
                self._held -= len(self._parts.popitem(last=False)[1])
        return part


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def request_body(
    model: str,
    request: Request,
    read: ReadBlob,
    encode: ImageEncoder,
    extra: Mapping[str, Any],
    limit_name: str = "max_tokens",
) -> bytes:
    """The JSON body of one call; the images are spliced in as bytes, not escaped as text.

    ``limit_name`` is the field for the longest reply (newer OpenAI models want
    ``max_completion_tokens``); ``extra`` are further fields of the body.
    """
    sampling = request.sampling
    fields: dict[str, Any] = {
        "model": model,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        limit_name: sampling.max_tokens,
        # A server that honours the seed must still give another reply for each repeat.
        "seed": (sampling.seed + request.repeat) % (1 << 31),
    }
    if sampling.stop:
        fields["stop"] = list(sampling.stop)
    if sampling.logprobs:
        fields |= {"logprobs": True, "top_logprobs": sampling.logprobs}
    fields |= extra
    pieces = [_json(fields)[:-1], b',"messages":[']
    if request.prompt.system:
        pieces += [_json({"role": "system", "content": request.prompt.system}), b","]
    pieces.append(b'{"role":"user","content":')
    pieces += _content(request.prompt.parts, read, encode)
    pieces.append(b"}]}")
    return b"".join(pieces)  # once: a body is the largest thing in memory


def _content(parts: Sequence[Part], read: ReadBlob, encode: ImageEncoder) -> list[bytes]:
    """Pieces of the ``content`` of a message."""
    if len(parts) == 1 and isinstance(parts[0], str):
        return [_json(parts[0])]
    pieces = []
    for number, part in enumerate(parts):
        pieces.append(b"," if number else b"[")
        if isinstance(part, str):
            pieces.append(_json({"type": "text", "text": part}))
        else:
            pieces.append(encode(part, read))
    return [*pieces, b"]"]


def read_reply(data: bytes, request: Request) -> Reply:
    """The reply inside a 200 response.

    Raises
    ------
    TransientError
        Kind ``malformed`` when it is not a chat completion.
    """
    try:
        body = json.loads(data)
        choice = body["choices"][0]
        message = choice["message"]
        content = message.get("content")
        text = content if isinstance(content, str) else _joined(content)
        finish = str(choice.get("finish_reason") or "stop")
        if not text and message.get("refusal"):
            text, finish = str(message["refusal"]), "refusal"
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        tokens = _tokens(choice.get("logprobs"))
        return Reply(
            text=text,
            finish=finish,
            tokens_in=_count(usage.get("prompt_tokens")),
            tokens_out=_count(usage.get("completion_tokens")),
            logprobs=tuple(t["logprob"] for t in tokens) or None,
            option_probs=option_probs(text, tokens, request.options),
        )
    except (
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        start = data[:80].decode(errors="replace")
        raise TransientError(f"the reply is no chat completion: {start!r}", "malformed") from error


def _joined(content: Any) -> str:
    """Text of a reply given in parts (some gateways; thoughts are left out), or "" for null."""
    if content is not None and not isinstance(content, list):
        raise TypeError("content is neither text nor parts")
    parts = [part.get("text") if isinstance(part, dict) else part for part in content or []]
    return "".join(part for part in parts if isinstance(part, str))


_MOST_TOKENS = 1 << 40


def _count(value: Any) -> int | None:
    """A number of tokens that can be one, else None: the usage is what the server says it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= _MOST_TOKENS else None


def _tokens(logprobs: Any) -> list[dict[str, Any]]:
    """The tokens with their log-probabilities, or none where one of them is no such thing."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    tokens = content if isinstance(content, list) else []
    listed = [other for t in tokens if isinstance(t, dict) for other in t.get("top_logprobs") or ()]
    fine = all(isinstance(t, dict) and _is_logprob(t.get("logprob")) for t in (*tokens, *listed))
    return tokens if fine else []


def _is_logprob(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value <= 1e-3


_BARE_LETTER = re.compile(r"\(?([A-Z])\)?[.:]?")


def option_probs(
    text: str, tokens: Sequence[Mapping[str, Any]], options: Mapping[str, str]
) -> dict[str, float] | None:
    """Probabilities over the option letters from the alternatives of the answering token.

    Only for a reply that is nothing but a letter: the first word of a sentence ("A chest ...")
    is no choice. Letters missing among the alternatives get 0; the rest is normalised to 1.
    """
    bare = _BARE_LETTER.fullmatch(text.strip())
    if not options or bare is None or bare.group(1) not in options:
        return None
    for token in tokens:
        if str(token.get("token", "")).strip(" ().:\n") != bare.group(1):
            continue
        mass = dict.fromkeys(options, 0.0)
        for other in token.get("top_logprobs") or [token]:
            letter = str(other.get("token", "")).strip(" ().:\n")
            if letter in mass:
                mass[letter] += math.exp(other["logprob"])
        total = sum(mass.values())
        return {letter: value / total for letter, value in mass.items()} if total > 0 else None
    return None


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that the server asks to wait: ``retry-after-ms``, seconds, or an HTTP date.

    A date is compared with the server's own ``date`` header where given, so that clocks that
    differ do no harm. None when there is no wish or it cannot be read.
    """
    millis, value = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if millis is not None:
            return _wait(float(millis) / 1000)
        if value is None:
            return None
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
            return _wait(float(value))
        base = parsedate_to_datetime(headers["date"]) if "date" in headers else now
        return _wait((parsedate_to_datetime(value) - (base or datetime.now(UTC))).total_seconds())
    except (ValueError, TypeError):
        return None


def _wait(seconds: float) -> float | None:
    return max(0.0, seconds) if math.isfinite(seconds) else None


def error_text(data: bytes) -> tuple[str, str]:
    """Code and message of an error response, whatever its shape; at most 300 characters."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = data[:4096].decode(errors="replace")
    if isinstance(body, list) and body:
        body = body[0]
    inner = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(inner, dict):
        return "", _shown(inner)
    message = inner.get("message") or inner.get("detail") or inner.get("type") or ""
    code = inner.get("code") or inner.get("type") or ""
    return str(code), _shown(message)


def _shown(text: Any) -> str:
    return printable(" ".join(str(text)[:4096].split()))[:300]
