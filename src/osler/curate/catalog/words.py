"""What codes of a record mean in words: flags, access, relations, sizes."""

from __future__ import annotations

from collections.abc import Mapping

from .record import Dataset
from .vocabulary import term

FLAGS: Mapping[str, str] = {
    "columns_shifted_repaired": "the source row was broken by a stray column mark; repaired",
    "corrected": "a wrong value of the source table was corrected; see below what and why",
    "count_missing": "the source gives no size",
    "count_rounded": "the size is rounded",
    "count_zero": "the source gives the size as 0, taken as not stated",
    "duplicate_name": "the source lists it several times; merged here",
    "duplicates_disagree": "the source's rows disagree; see below",
    "idc_lacks_claimed_modality": "Imaging Data Commons has no series of a stated modality",
    "labelled_without_task": "said to be labelled, but no task is stated",
    "licence_unconfirmed": "a licence is told somewhere, but not confirmed; it counts as unknown",
    "modality_lists_annotation": "the source listed annotation objects as modalities",
    "modality_missing": "no modality is stated",
    "modality_uncertain": "the modality is a reading of an unclear entry",
    "modality_unspecific": 'the modality is only "several"',
    "reg_ambiguous": 'the source says "Reg": registration or regression, not decided',
    "reg_resolved": 'the source says "Reg"; which is meant was decided by the name',
    "structure_missing": "no body part is stated",
    "structure_truncated": "the body part was cut off in the source",
    "structure_unspecific": "the body part is stated loosely",
    "target_conflicts_structure": "the stated target does not fit the body part; treat with doubt",
    "target_missing": "no disease or object is stated",
    "target_truncated": "the target was cut off in the source",
    "task_missing": "no task is stated",
    "unlabelled_with_task": "said to have no labels, yet a task is stated",
    "url_escape_fixed": "a link was mended (escape signs)",
    "url_missing": "no link is stated",
    "url_shared_by_other_names": "another dataset has the same link: parts of one page",
    "url_space_fixed": "a link was mended (a space)",
    "year_missing": "no year is stated",
}
"""Flag -> what it means."""

ACCESS: Mapping[str, str] = {
    "anonymous": "download without an account",
    "mostly_anonymous": "mostly without an account; parts of such hosts are restricted",
    "anonymous_or_account": "without an account or with a free one, by file",
    "anonymous_or_gated": "without an account, or after accepting terms of the owner",
    "account": "free account at the host",
    "account_or_credentialed": "account; some sets ask for credentials and training",
    "application": "application that the owners decide on",
    "landing_page": "only a page is known; the way to the files stands there",
    "unknown": "not known",
}
"""Access code -> how files are got. Inferred from the host, never a statement of the dataset."""

RELATIONS: Mapping[str, str] = {
    "same": "is the same dataset as",
    "part_of": "is part of",
    "contains": "contains",
    "derived_from": "is made from images of",
    "source_of": "gave images to",
    "shares_patients": "shares patients with",
}


def size_in_words(record: Dataset) -> str:
    """The size with its unit.

    Examples
    --------
    >>> size_in_words(Dataset("x", "X", count=2700, count_unit="image", count_exact=False))
    'about 2,700 images'
    """
    if record.count is None:
        return "not stated"
    unit = record.count_unit or "sample"
    about = "" if record.count_exact else "about "
    return f"{about}{record.count:,} {unit}{'' if record.count == 1 else 's'}"


def labels(kind: str, codes: tuple[str, ...]) -> str:
    """Labels of codes of a vocabulary, or "not stated"."""
    return ", ".join(term(kind, code).label for code in codes) or "not stated"  # type: ignore[arg-type]
