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
ACCESS_LONG = {
    "anonymous": "Files can be fetched without an account.",
    "mostly_anonymous": "Most files can be fetched without an account; some parts are restricted.",
    "anonymous_or_account": "Some files are open, some ask for an account.",
    "anonymous_or_gated": "Some files are open, some wait for their owner's consent.",
    "account": "The host asks for a free account, and often for consent to its terms.",
    "account_or_credentialed": "An account is needed; some sets ask for training or credentials.",
    "application": "An application is read by the owners before files are given.",
    "landing_page": "The address is a page about the data; where the files lie is not known.",
    "unknown": "How files are got is not known.",
}
DIMENSIONS = {"2D": "2D", "3D": "3D", "4D": "4D", "video": "Video"}
LABELLED = {"yes": "With labels", "no": "Without labels"}
FLAGS = {
    "count_rounded": "The size is rounded in the source.",
    "count_zero": "The source gives a size of zero, which is taken as not stated.",
    "count_missing": "The source states no size.",
    "unlabelled_with_task": "The source says that there are no labels, yet names a task.",
    "labelled_without_task": "The source says that there are labels, yet names no task.",
    "url_shared_by_other_names": "Other datasets of the catalogue have the same address.",
    "url_missing": "The source gives no address.",
    "url_escape_fixed": "The address was repaired: escape marks were taken out.",
    "url_space_fixed": "The address was repaired: a blank was taken out.",
    "target_missing": "The source names no disease or object.",
    "target_truncated": "The source cuts the name of the disease short.",
    "target_conflicts_structure": "Disease and structure do not fit; the disease is likely wrong.",
    "structure_missing": "The source names no structure.",
    "structure_truncated": "The source cuts its list of structures short.",
    "structure_unspecific": "The structure is named only in general terms.",
    "duplicate_name": "Several source rows were merged into this record.",
    "duplicates_disagree": "The merged source rows disagree; see the source rows.",
    "task_missing": "The source names no task.",
    "reg_resolved": "The source says only Reg; which task it is was settled by the name.",
    "reg_ambiguous": "The source says only Reg: registration or regression, which is not known.",
    "year_missing": "The source gives no year.",
    "modality_missing": "The source names no modality.",
    "modality_unspecific": "The source says only that there are several modalities.",
    "modality_uncertain": "The modality is not certain.",
    "modality_lists_annotation": "The source lists kinds of annotation among the modalities.",
    "idc_lacks_claimed_modality": "A modality that the source claims is not in the IDC index.",
    "columns_shifted_repaired": "A row with shifted columns was repaired.",
}
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
RELATIONS = {
    "same": "Is the same dataset as",
    "part_of": "Is part of",
    "contains": "Contains",
    "derived_from": "Is derived from",
    "shares_patients": "Shares patients with",
}
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
