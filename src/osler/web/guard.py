"""What every request must pass, and every answer must carry, whatever the route."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 256 * 1024
QUERY_LIMIT = 16 * 1024
_HOST = re.compile(r"(?:\[([^\[\]@/]+)\]|([^:\[\]@/]+))(?::[0-9]*)?")
READING = frozenset({"GET", "HEAD"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Refuses foreign hosts (DNS rebinding), foreign origins (forged writes) and what is too large.

    ``hosts`` are the names, without port, under which the application may be addressed. With
    ``any_address`` every literal IP address is one too: no name can be rebound to it.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], any_address: bool = False) -> None:
        self.app = app
        self.hosts = {name.lower() for name in hosts if name}
        self.any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        with_headers = _with_headers(send)
        headers = Headers(scope=scope)
        refused = self._why_not(scope, headers)
        if refused:
            status, sentence = refused
            answer = JSONResponse({"error": sentence}, status_code=status)
            await answer(scope, receive, with_headers)
            return
        if scope["method"] in READING:
            await self.app(scope, receive, with_headers)
            return
        body = await _whole_body(receive)
        if body is None:
            answer = JSONResponse({"error": "the request is too large"}, status_code=413)
            await answer(scope, receive, with_headers)
            return
        await self.app(scope, _replay(body, receive), with_headers)

    def _why_not(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        method = scope["method"]
        host = headers.get("host", "").lower()
        if len(scope.get("query_string", b"")) > QUERY_LIMIT:
            return 414, "the address is too long"
        if not self._ours(host):
            return 403, "this host name is not served here"
        if method in READING:
            return None
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            return 403, "this request came from another site"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "this request came from another site"
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return 403, "only JSON is taken"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY_LIMIT:
            return 413, "the request is too large"
        return None

    def _ours(self, host: str) -> bool:
        name = host_name(host)
        if name in self.hosts:
            return True
        if not self.any_address:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def host_name(host: str) -> str:
    """A Host header without its port; empty if it is none.

    Examples
    --------
    >>> host_name("[::1]:8765"), host_name("localhost:80"), host_name("a.b")
    ('::1', 'localhost', 'a.b')
    >>> host_name("[::1].evil.example"), host_name("localhost:80@evil.example")
    ('', '')
    """
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]) if found else ""


async def _whole_body(receive: Receive) -> bytes | None:
    """The body, or None when it is larger than the limit (its length may not have been told)."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > BODY_LIMIT:
            return None
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _with_headers(send: Send) -> Send:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                if name not in headers:
                    headers[name] = value
        await send(message)

    return sending
