"""Only public hosts: an address is looked up, checked, and connected to as it was checked."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from osler.core import InputError

if TYPE_CHECKING:
    import httpx

_REDIRECTS = 5
_CONNECT_S, _READ_S = 15.0, 60.0


def public_address(url: str, allow: frozenset[str] = frozenset()) -> str:
    """The IP address to connect to for ``url``.

    ``allow`` are addresses that are let through although they are not public; tests name loopback.

    Raises
    ------
    InputError
        It is no http(s) address, its host is unknown, or any of the host's addresses is private,
        loopback, link-local, reserved or multicast.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{url}: only http and https addresses are fetched")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, UnicodeError) as error:
        raise InputError(f"{url}: the host is not known ({error})") from error
    addresses = [str(one[4][0]).partition("%")[0] for one in found]
    for address in addresses:
        if address not in allow and not _is_public(address):
            raise InputError(
                f"{url}: {parts.hostname} is at {address}, which is no public address; download "
                "it yourself if you trust it"
            )
    return addresses[0]


def _is_public(address: str) -> bool:
    known = ipaddress.ip_address(address)
    inner = getattr(known, "ipv4_mapped", None) or known
    return inner.is_global and not inner.is_multicast


@contextmanager
def opened(
    url: str, start: int = 0, allow: frozenset[str] = frozenset()
) -> Iterator[httpx.Response]:
    """The answer to GET ``url``, from byte ``start`` on; redirects are checked like the first.

    The connection goes to the address that was checked, under the name of the host, so that a
    name that changes its address in between gains nothing. No cookie, no login, no proxy.

    Raises
    ------
    InputError
        An address is refused, there are too many redirects, or the host does not answer.
    """
    import httpx

    headers = {"Range": f"bytes={start}-"} if start else {}
    for _ in range(_REDIRECTS + 1):
        address = public_address(url, allow)
        parts = urlsplit(url)
        host = f"[{address}]" if ":" in address else address
        port = f":{parts.port}" if parts.port else ""
        there = parts._replace(netloc=f"{host}{port}").geturl()
        name = parts.hostname or ""
        limits = httpx.Timeout(_READ_S, connect=_CONNECT_S)
        with httpx.Client(trust_env=False, timeout=limits, follow_redirects=False) as client:
            request = client.build_request(
                "GET",
                there,
                headers={**headers, "Host": f"{name}{port}", "Accept-Encoding": "identity"},
                extensions={"sni_hostname": name},
            )
            try:
                answer = client.send(request, stream=True)
            except httpx.HTTPError as error:
                raise InputError(f"{url}: {type(error).__name__}: {error}") from error
            with _closing(answer):
                if answer.is_redirect:
                    url = urljoin(url, answer.headers.get("location", ""))
                    continue
                yield answer
                return
    raise InputError(f"{url}: more than {_REDIRECTS} redirects")


def chunks(answer: httpx.Response, url: str) -> Iterator[bytes]:
    """The bytes of an answer as they come.

    Raises
    ------
    InputError
        The connection breaks off.
    """
    import httpx

    try:
        yield from answer.iter_raw()
    except httpx.HTTPError as error:
        raise broken_off(url) from error


def broken_off(url: str) -> InputError:
    """What to say when not all of a file came."""
    return InputError(f"{url}: the download broke off; run the same command to go on")


@contextmanager
def _closing(answer: httpx.Response) -> Iterator[None]:
    try:
        yield
    finally:
        answer.close()
