"""Licences by name in a question, and whether a record's licence is one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .amounts import Amount

_CC = re.compile(
    r"\bcc[ -]?(?:(?P<zero>0|zero)|by(?P<more>(?:[ -](?:nc|sa|nd)\b){0,2}))"
    r"(?:[ -]?v?(?P<version>\d\.\d))?(?:\s*(?:or|/|and|,)\s*(?P<second>\d\.\d))?"
)
_NAMED = (
    (re.compile(r"\bcreative commons(?: licen[cs]e[ds]?)?\b"), "CC-*"),
    (re.compile(r"\bpublic domain\b|公共领域"), "CC0-1.0"),
    (re.compile(r"\bmit licen[cs]e[ds]?\b"), "MIT"),
    (re.compile(r"\bapache(?:[ -]2(?:\.0)?)?(?: licen[cs]e[ds]?)?\b"), "Apache-2.0"),
    (re.compile(r"\bbsd(?:[ -]3)?(?: licen[cs]e[ds]?)?\b"), "BSD-*"),
    (re.compile(r"\b(?:odbl|odc[ -]by|pddl)\b"), "ODC-*"),
    (re.compile(r"\bl?gpl(?:v?3)?\b"), "GPL-*"),
    (re.compile(r"知识共享"), "CC-*"),
)


def licences(folded: str) -> Iterator[Amount]:
    """Licences by name, as SPDX identifiers; ``*`` stands for any version."""
    for found in _CC.finditer(folded):
        if found["zero"]:
            wanted: tuple[str, ...] = ("CC0-1.0",)
        else:
            family = "CC-BY" + (found["more"] or "").upper().replace(" ", "-")
            versions = [one for one in (found["version"], found["second"]) if one] or ["*"]
            wanted = tuple(f"{family}-{one}" for one in versions)
        yield Amount("licence", *found.span(), licences=wanted)
    for pattern, name in _NAMED:
        for found in pattern.finditer(folded):
            yield Amount("licence", *found.span(), licences=(name,))


def spdx_matches(wanted: str, licence: str) -> bool:
    """Whether an SPDX identifier is the wanted one; "CC-BY-*" is CC BY of any version, not NC.

    Examples
    --------
    >>> spdx_matches("CC-BY-*", "CC-BY-4.0"), spdx_matches("CC-BY-*", "CC-BY-NC-4.0")
    (True, False)
    >>> spdx_matches("CC-*", "CC-BY-NC-4.0")
    True
    """
    if wanted.lower() == licence.lower():
        return True
    if not wanted.endswith("*"):
        return False
    head = wanted[:-1].lower()
    rest = licence.lower().removeprefix(head)
    if rest == licence.lower():
        return False
    return bool(re.fullmatch(r"\d.*", rest)) if head == "cc-by-" or head.count("-") > 1 else True
