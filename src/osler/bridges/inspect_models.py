"""``inspect/PROVIDER/MODEL``: any provider of Inspect AI as a model of Osler.

Osler's engine does the waiting and the trying again, so Inspect's own retries are off and its
connection limit is out of the way.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

from osler.core import (
    Capabilities,
    Failure,
    FatalModelError,
    InputError,
    MissingError,
    ReadBlob,
    Reply,
    Request,
    Sampling,
    TransientError,
    content_hash,
)
from osler.models.registry import check_options
from osler.settings import settings

from .inspect_records import data_uri, messages, reply_of

OPTIONS = ("base_url", "api_key_env", "timeout_s", "args")

LOCAL_PROVIDERS = (
    "mockllm",
    "hf",
    "vllm",
    "sglang",
    "ollama",
    "transformer_lens",
    "nnterp",
    "none",
)
"""Providers that compute on this machine unless a base URL sends them elsewhere."""


def load(name: str, **options: Any) -> InspectModel:
    """The model that Inspect calls ``PROVIDER/MODEL``.

    Parameters
    ----------
    name
        ``inspect/PROVIDER/MODEL``, such as ``inspect/anthropic/claude-sonnet-4-0``.
    options
        ``base_url``; ``api_key_env`` (name of the variable with the key, where it is not the
        provider's own); ``timeout_s`` (longest wait for one reply); ``args`` (further arguments
        of the provider, a mapping or JSON text).

    Raises
    ------
    MissingError
        Inspect or the provider's package is not installed.
    InputError
        An option has no meaning, or offline is set and the provider is elsewhere.
    FatalModelError
        The provider refuses to start: no key, no such provider.
    """
    check_options("inspect/ models", options, OPTIONS)
    try:
        from inspect_ai.model import get_model
    except ImportError as error:
        raise MissingError(
            f"inspect/ models need inspect-ai ({error}); install it with: "
            "pip install 'osler[inspect]'"
        ) from error
    target = name.removeprefix("inspect/")
    provider, slash, rest = target.partition("/")
    if not slash or not rest:
        raise InputError(f"{name!r} names no model; write it as inspect/PROVIDER/MODEL")
    use = settings(timeout_s=options.get("timeout_s"))
    base_url = options.get("base_url")
    if use.offline and not _is_here(provider, base_url):
        raise InputError(f"offline is set and {provider} may not be this machine")
    more = _arguments(options.get("args"))
    key = os.environ.get(options.get("api_key_env") or "", "").strip() or None
    try:
        model = get_model(target, base_url=base_url, api_key=key, memoize=False, **more)
    except Exception as error:  # noqa: BLE001 - each provider's package fails in its own way
        _refuse(name, error)
    return InspectModel(name, model, base_url=base_url, args=more, timeout_s=use.timeout_s)


def _arguments(value: Any) -> dict[str, Any]:
    try:
        found = json.loads(value) if isinstance(value, str) else dict(value or {})
    except (ValueError, TypeError) as error:
        raise InputError(f"option args is not a JSON object: {error}") from error
    if not isinstance(found, dict):
        raise InputError("option args must be a JSON object of the provider's arguments")
    if "api_key" in found or "base_url" in found:
        raise InputError("give base_url and api_key_env as options of their own, not inside args")
    return found


def _is_here(provider: str, base_url: str | None) -> bool:
    if base_url:
        return urlsplit(base_url).hostname in {"localhost", "127.0.0.1", "::1"}
    return provider in LOCAL_PROVIDERS


def _refuse(name: str, error: Exception) -> NoReturn:
    said = " ".join(str(getattr(error, "message", error)).split())
    said = re.sub(r"\[/?[a-z ]+\]", "", said).removeprefix("ERROR: ")  # terminal colours
    if isinstance(error, ImportError) or "pip install" in said:
        raise MissingError(f"{name} needs a package that is not installed: {said}") from error
    raise FatalModelError(f"{name} cannot be used: {said}") from error


class InspectModel:
    """A provider of Inspect behind Osler's model protocol; see :func:`load`."""

    capabilities = Capabilities(images=True, logprobs=True, batch=1)

    def __init__(
        self,
        name: str,
        model: Any,
        *,
        base_url: str | None = None,
        args: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
    ) -> None:
        self.name = name
        self._model = model
        self._base_url, self._args, self._timeout = base_url, dict(args or {}), timeout_s

    def identity(self) -> Mapping[str, str]:
        """Provider and model, endpoint without secrets, a hash of further arguments."""
        found = {"model": str(self._model), "backend": "inspect"}
        if self._base_url:
            parts = urlsplit(self._base_url)
            host = parts.netloc.rpartition("@")[2]  # no user, no password
            found["endpoint"] = urlunsplit((parts.scheme, host, parts.path, "", ""))
        if self._args:
            found["args"] = content_hash({k: str(v) for k, v in self._args.items()})
        return found

    async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        """One reply for each request, in order."""
        return [await self._one(request, read) for request in requests]

    async def close(self) -> None:
        """Close the provider's connections."""
        await self._model.api.aclose()

    async def _one(self, request: Request, read: ReadBlob) -> Reply:
        shown = messages(request.prompt, lambda ref: data_uri(ref, read))
        try:
            output = await self._model.generate(
                shown, config=generate_config(request.sampling, request.repeat, self._timeout)
            )
        except Exception as error:  # noqa: BLE001 - each provider's SDK has its own error tree
            return self._failed(error)
        return reply_of(output, request.options)

    def _failed(self, error: Exception) -> Reply:
        """An error of the provider as Osler's, or as a reply that no retry can better."""
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        status = _status(error) or _status(cause)
        said = getattr(error, "provider_message", None) or str(cause) or type(cause).__name__
        said = f"{self.name}: {' '.join(said.split())[:300]}"
        if status in (401, 403):
            raise FatalModelError(f"{said}; check the provider's key") from error
        if status in (402, 404):
            raise FatalModelError(f"{said}; check the model's name and the account") from error
        if status == 429:
            raise TransientError(said, "rate_limit", _wish(cause)) from error
        if "Timeout" in type(cause).__name__:
            raise TransientError(said, "timeout") from error
        if "Connect" in type(cause).__name__:
            raise TransientError(said, "connection") from error
        if (status is not None and status >= 500) or self._model.api.should_retry(cause):
            raise TransientError(said, "server", _wish(cause)) from error
        return Reply(error=Failure("bad_request" if status else "exception", said))


def generate_config(sampling: Sampling, repeat: int, timeout_s: float) -> Any:
    """The sampling of one trial in Inspect's words, without Inspect's own retries."""
    from inspect_ai.model import GenerateConfig

    return GenerateConfig(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        # A server that honours the seed must still give another reply for each repeat.
        seed=(sampling.seed + repeat) % (1 << 31),
        stop_seqs=list(sampling.stop) or None,
        logprobs=True if sampling.logprobs else None,
        top_logprobs=sampling.logprobs or None,
        max_retries=0,
        max_connections=1024,
        attempt_timeout=max(1, round(timeout_s)),
    )


def _status(error: Exception) -> int | None:
    response = getattr(error, "response", None)
    for found in (
        getattr(error, "status_code", None),
        getattr(error, "code", None),
        getattr(response, "status_code", None),
    ):
        if isinstance(found, int):
            return found
    return None


def _wish(error: Exception) -> float | None:
    """Seconds that the server asks to wait, where the error still holds its headers."""
    from osler.models.chat import retry_after

    headers = getattr(getattr(error, "response", None), "headers", None)
    return retry_after(headers) if headers is not None else None
