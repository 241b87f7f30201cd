"""Files that a goal's sources are fetched from: address, checksum, whether to unpack."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from osler.core import InputError

_CHECKSUMS = {"sha256": 64, "md5": 32}


@dataclass(frozen=True, slots=True)
class Fetch:
    """One file to fetch. ``checksum`` is ``sha256:...`` or ``md5:...`` of its bytes."""

    url: str
    checksum: str
    unpack: bool = False

    @property
    def name(self) -> str:
        """The file's name, from its address."""
        return urlsplit(self.url).path.rsplit("/", 1)[-1]


def read_fetches(where: str, value: Any) -> tuple[Fetch, ...]:
    """The ``fetch`` of a source: a list of ``{"url", "sha256" or "md5", "unpack"}``.

    In place of the checksum's own key there may be ``checksum``: "sha256:...".

    Raises
    ------
    InputError
        It is no such list, an address is not http(s) or names no file, or a checksum is missing.
    """
    if not isinstance(value, list):
        raise InputError(f"{where} is a list of objects with url and sha256")
    found = tuple(_one(f"{where}[{place}]", one) for place, one in enumerate(value))
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{where}: two files are called {twice[0]}")
    return found


def _one(where: str, value: Any) -> Fetch:
    if not isinstance(value, Mapping) or not isinstance(value.get("url"), str):
        raise InputError(f"{where} is an object with url and sha256")
    unknown = sorted(set(value) - {"url", "unpack", "checksum", *_CHECKSUMS})
    if unknown:
        raise InputError(f"{where}: unknown key {unknown[0]!r}; use url, sha256, md5, unpack")
    parts = urlsplit(value["url"])
    name = parts.path.rsplit("/", 1)[-1]
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{where}.url: only http and https addresses are fetched")
    if parts.username or parts.password:
        raise InputError(f"{where}.url holds a login; Osler fetches only what is open to all")
    if not re.fullmatch(r"[\w][\w.() +-]{0,199}", name):
        raise InputError(f"{where}.url ends in no file name ({name!r})")
    unpack = value.get("unpack", False)
    if not isinstance(unpack, bool):
        raise InputError(f"{where}.unpack is true or false")
    return Fetch(value["url"], _checksum(where, value), unpack)


def _checksum(where: str, value: Mapping[str, Any]) -> str:
    kind, colon, digest = str(value.get("checksum", "")).partition(":")
    if colon and kind in _CHECKSUMS:
        value = {kind: digest}
    for kind, length in _CHECKSUMS.items():
        if kind in value:
            digest = str(value[kind]).lower()
            if not re.fullmatch(rf"[0-9a-f]{{{length}}}", digest):
                raise InputError(f"{where}.{kind} is {length} hexadecimal digits")
            return f"{kind}:{digest}"
    raise InputError(f"{where} has no sha256 (or md5); what is not checked is not fetched")
