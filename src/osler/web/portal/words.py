"""Codes of the catalogue in words."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlsplit

from osler.core import UnknownNameError
from osler.curate.catalog.vocabulary import Kind, term

KINDS: dict[str, Kind] = {"modality": "modality", "structure": "structure", "task": "task"}
SHORT = {"reg_unresolved": "registration or regression", "MIXED": "several, not named"}

FIELDS = {
    "modality": "Modality",
    "structure": "Structure",
    "task": "Task",
    "dim": "Dimension",
    "year": "Year",
    "licence": "Licence",
    "access": "Access",
    "labelled": "Labels",
    "publisher": "Publisher",
}
ACCESS = {
    "anonymous": "Open to all",
    "mostly_anonymous": "Mostly open to all",
    "anonymous_or_account": "Open, or with an account",
    "anonymous_or_gated": "Open, or behind a gate",
    "account": "Account needed",
    "account_or_credentialed": "Account or credentials",
    "application": "On application",
    "landing_page": "Page only",
    "unknown": "Not known",
}
DIMENSIONS = {"2D": "2D", "3D": "3D", "4D": "4D", "video": "Video"}
LABELLED = {"yes": "With labels", "no": "Without labels"}
SERIOUS = frozenset(
    {
        "target_conflicts_structure",
        "duplicates_disagree",
        "reg_ambiguous",
        "idc_lacks_claimed_modality",
        "modality_uncertain",
        "labelled_without_task",
        "unlabelled_with_task",
    }
)
UNITS = {"image": "images", "volume": "volumes", "sample": "samples"}


@cache
def word(field: str, value: str) -> str:
    """A value of a facet in words; a code that no vocabulary has is shown as it is.

    Examples
    --------
    >>> word("access", "landing_page"), word("licence", "CC-BY-4.0")
    ('Page only', 'CC-BY-4.0')
    """
    if field in KINDS:
        return _term(KINDS[field], value)
    if field == "licence" and value in ("unknown", ""):
        return "Not known"
    if field == "licence" and value == "permissive":
        return "Any permissive"
    table = {"access": ACCESS, "dim": DIMENSIONS, "labelled": LABELLED}.get(field, {})
    return table.get(value, value)


def _term(kind: Kind, code: str) -> str:
    try:
        return SHORT.get(code) or term(kind, code).label
    except UnknownNameError:
        return code.replace("_", " ")


def safe_link(url: str | None) -> str:
    """The address, if a page may link to it: http or https, with a host, without blanks.

    Examples
    --------
    >>> safe_link("https://a.example/x"), safe_link("javascript:alert(1)"), safe_link("//a.b")
    ('https://a.example/x', '', '')
    """
    text = (url or "").strip()
    if len(text) > 2000 or any(c.isspace() or ord(c) < 32 for c in text):
        return ""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return ""
    return text if parts.scheme in ("http", "https") and host else ""


def size(count: int | None, unit: str | None, exact: bool = True) -> str:
    """A size in words.

    Examples
    --------
    >>> size(2700, "image", False), size(1, "volume"), size(None, None)
    ('about 2,700 images', '1 volume', 'not stated')
    """
    if count is None:
        return "not stated"
    name = UNITS.get(unit or "", "items")
    name = name[:-1] if count == 1 else name
    return f"{'' if exact else 'about '}{count:,} {name}"
