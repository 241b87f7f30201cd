"""Any OpenAI-compatible chat endpoint: OpenAI, vLLM, SGLang, Ollama, gateways."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from osler.core import (
    Capabilities,
    Failure,
    FatalModelError,
    InputError,
    ReadBlob,
    Reply,
    Request,
    TransientError,
    canonical_json,
)
from osler.settings import Settings, settings

from .chat import ImageEncoder, error_text, read_reply, request_body, retry_after
from .connections import Connections
from .registry import check_options

OPENAI_URL = "https://api.openai.com/v1"
PORTS = {"vllm": 8000, "sglang": 30000, "ollama": 11434}
LARGEST_REPLY = 32 << 20
"""Bytes of a response, uncompressed, after which no more is read: no chat reply is near."""

_SHORTEST_SECRET = 12
"""Keys below this length are placeholders of local servers ("EMPTY"), and common words."""

OPTIONS = ("base_url", "api_key_env", "timeout_s", "extra", "max_tokens_field")


class ChatEndpoint:
    """A model behind a chat-completions endpoint; connections are opened at the first call.

    Parameters
    ----------
    name
        As the user wrote it, such as ``vllm/qwen2.5-vl-7b``.
    model
        As the endpoint knows it.
    base_url
        Address that ends before ``/chat/completions``.
    key_env
        Environment variable that holds the key; "" for none.
    key_required
        Whether calls cannot work without it.
    extra
        Further fields of the request body; part of the model's identity.
    """

    capabilities = Capabilities(images=True, logprobs=True, batch=1)

    def __init__(
        self,
        name: str,
        model: str,
        base_url: str,
        *,
        key_env: str = "",
        key_required: bool = False,
        extra: Mapping[str, Any] | None = None,
        limit_name: str = "max_tokens",
        use: Settings | None = None,
    ) -> None:
        self.name = name
        self._model = model
        parts = urlsplit(base_url)
        self._url = urlunsplit((*parts[:2], parts.path.rstrip("/"), "", ""))
        self._query = f"?{parts.query}" if parts.query else ""  # where some gateways want a version
        self._key_env, self._key_required = key_env, key_required
        self._extra = dict(extra or {})
        self._limit_name = limit_name
        self._settings = use or settings()
        self._encode = ImageEncoder()
        self._connections = Connections(self._open)
        self._tls: ssl.SSLContext | None = None

    def identity(self) -> Mapping[str, str]:
        parts = urlsplit(self._url)
        host = parts.netloc.rpartition("@")[2]  # no user, no password
        identity = {
            "model": self._model,
            "backend": "openai-compatible",
            "endpoint": urlunsplit((parts.scheme, host, parts.path, "", "")),
        }
        return identity | ({"extra": canonical_json(self._extra)} if self._extra else {})

    async def reply(self, requests: Sequence[Request], read: ReadBlob) -> list[Reply]:
        return [await self._one(request, read) for request in requests]

    async def close(self) -> None:
        await self._connections.close()

    def check(self) -> None:
        """See that a needed key is there, without a call.

        Raises
        ------
        FatalModelError
            The variable is not set, or holds what cannot be a key.
        """
        self._key()

    def _key(self) -> str:
        key = os.environ.get(self._key_env, "").strip() if self._key_env else ""
        if self._key_required and not key:
            raise FatalModelError(
                f"{self.name} needs a key; set the environment variable {self._key_env}"
            )
        if not key.isascii() or not key.isprintable():
            raise FatalModelError(
                f"the key in {self._key_env} holds characters that no key has; set it again"
            )
        return key

    def _open(self) -> httpx.AsyncClient:
        key = self._key()
        use = self._settings
        self._tls = self._tls or httpx.create_ssl_context()
        return httpx.AsyncClient(
            verify=self._tls,
            headers={"content-type": "application/json", "accept-encoding": "identity"}
            | ({"authorization": f"Bearer {key}"} if key else {}),
            trust_env=not is_this_machine(urlsplit(self._url).hostname),  # no proxy on the way home
            timeout=httpx.Timeout(use.timeout_s, connect=use.connect_timeout_s),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        )

    async def _one(self, request: Request, read: ReadBlob) -> Reply:
        body = request_body(self._model, request, read, self._encode, self._extra, self._limit_name)
        response = await self._post(body)
        if response.status_code == 400 and self._wants_other_limit(response):
            self._limit_name = "max_completion_tokens"
            return await self._one(request, read)
        if response.status_code == 200:
            return read_reply(response.content, request)
        return self._failed(response)

    async def _post(self, body: bytes) -> httpx.Response:
        longest = self._settings.timeout_s + self._settings.connect_timeout_s
        try:
            # httpx limits each read; a server that drips a byte now and then would hold us for ever
            async with asyncio.timeout(longest):
                with self._connections.client() as client:
                    return await self._receive(client, body)
        except TimeoutError as error:
            what = f"no whole reply from {self._host} in {longest:g} s"
            raise TransientError(what, "timeout") from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            reason = str(error) or "no connection in time"
            raise TransientError(
                f"cannot connect to {self._host} ({reason})", "connection"
            ) from error
        except httpx.TimeoutException as error:
            wait = f"{self._settings.timeout_s:g} s"
            raise TransientError(f"no reply from {self._host} in {wait}", "timeout") from error
        except httpx.TransportError as error:
            raise TransientError(
                f"{self._host} broke the connection ({error})", "dropped"
            ) from error
        except httpx.DecodingError as error:
            what = f"{self._host} sent a broken reply ({error})"
            raise TransientError(what, "malformed") from error
        except httpx.InvalidURL as error:
            raise FatalModelError(f"{self._host} cannot be used as an endpoint: {error}") from error

    async def _receive(self, client: httpx.AsyncClient, body: bytes) -> httpx.Response:
        """The response, read up to a cap; a key that the server echoes is struck out."""
        url = f"{self._url}/chat/completions{self._query}"
        pieces, size = [], 0
        async with client.stream("POST", url, content=body, follow_redirects=False) as response:
            async for piece in response.aiter_bytes():
                pieces.append(piece)
                size += len(piece)
                if size > LARGEST_REPLY:
                    raise TransientError(
                        f"{self._host} sent more than {LARGEST_REPLY >> 20} MiB", "malformed"
                    )
        names = ("retry-after", "retry-after-ms", "date")
        kept = {name: response.headers[name] for name in names if name in response.headers}
        content = self._without_key(b"".join(pieces))
        return httpx.Response(response.status_code, headers=kept, content=content)

    def _without_key(self, content: bytes) -> bytes:
        key = os.environ.get(self._key_env, "").strip() if self._key_env else ""
        if len(key) < _SHORTEST_SECRET:
            return content
        return content.replace(key.encode(), b"[key]")

    @property
    def _host(self) -> str:
        return self.identity()["endpoint"]

    def _wants_other_limit(self, response: httpx.Response) -> bool:
        return self._limit_name == "max_tokens" and b"max_completion_tokens" in response.content

    def _failed(self, response: httpx.Response) -> Reply:
        """A failed response as an error, or as a reply that no retry can better."""
        status = response.status_code
        code, message = error_text(response.content)
        said = f": {message}" if message else ""
        if status in (401, 403):
            key = self._key_env or "the key"
            todo = (
                f"check the key in {key}" if self._key_env else "name its variable by --api-key-env"
            )
            raise FatalModelError(f"{self._host} refuses the key ({status}{said}); {todo}")
        if status == 402 or code == "insufficient_quota":
            raise FatalModelError(
                f"{self._host} says the account has no credit left ({status}{said})"
            )
        if status == 404:
            raise FatalModelError(
                f"{self._host} has no model {self._model!r} or no chat completions (404{said}); "
                "check the model's name and --base-url"
            )
        if status < 400:
            raise FatalModelError(
                f"{self._host} answers with status {status} instead of a reply; check --base-url"
            )
        if status == 429:
            raise TransientError(
                f"{self._host} limits the rate{said}", "rate_limit", retry_after(response.headers)
            )
        if status in (408, 409, 425) or status >= 500:
            raise TransientError(
                f"{self._host} failed ({status}{said})", "server", retry_after(response.headers)
            )
        if "content_filter" in code or "content_policy" in code:
            return Reply(finish="content_filter")
        return Reply(
            error=Failure("bad_request", f"{self._host} refuses the call ({status}{said})")
        )


def load(name: str, **options: Any) -> ChatEndpoint:
    """The endpoint model ``name``.

    Parameters
    ----------
    name
        ``openai/MODEL``, ``vllm/MODEL``, ``sglang/MODEL``, ``ollama/MODEL``, or any model name
        with ``base_url``.
    options
        ``base_url``; ``api_key_env`` (name of the variable with the key); ``timeout_s``;
        ``extra`` (further fields of the body, a mapping or JSON text);
        ``max_tokens_field`` (name of the field that limits the reply).

    Raises
    ------
    InputError
        For an unknown option, an address that is none, or one outside this machine when offline.
    """
    check_options("an endpoint", options, OPTIONS)
    prefix, slash, rest = name.partition("/")
    known = slash and (prefix == "openai" or prefix in PORTS)
    model = rest if known else name
    base = options.get("base_url") or _default_url(prefix)
    host = _host_of(base)
    use = settings(timeout_s=options.get("timeout_s"))
    if use.offline and not is_this_machine(host):
        raise InputError(f"offline is set and {host} is not this machine; use a local endpoint")
    official = host == urlsplit(OPENAI_URL).hostname
    key_env = options.get("api_key_env") or ("OPENAI_API_KEY" if prefix == "openai" else "")
    return ChatEndpoint(
        name,
        model,
        base,
        key_env=key_env,
        key_required=official or "api_key_env" in options,
        extra=_extra(options.get("extra")),
        limit_name=options.get("max_tokens_field", "max_tokens"),
        use=use,
    )


def is_this_machine(host: str | None) -> bool:
    """Whether an address names this machine by a loopback number or as ``localhost``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _host_of(base: str) -> str:
    """The host of a base URL that is one."""
    try:
        parts = urlsplit(base)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        shown = base.rpartition("@")[2]
        raise InputError(f"{shown!r} is no address of an endpoint; write it as http://HOST:PORT/v1")
    return host


def _default_url(prefix: str) -> str:
    if prefix in PORTS:
        return f"http://localhost:{PORTS[prefix]}/v1"
    return os.environ.get("OPENAI_BASE_URL") or OPENAI_URL


def _extra(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise InputError(f"option extra is not JSON: {error}") from error
    if value is not None and not isinstance(value, dict):
        raise InputError("option extra must be a JSON object of further fields of the body")
    return dict(value or {})
