"""How published datasets number the structures that the made anatomy has."""

from __future__ import annotations

from collections.abc import Mapping

from ..volumes.dictionary import convention

ABDOMEN = ("AMOS22", "FLARE22", "WORD", "BTCV", "AbdomenCT-1K")
"""Numberings of organs of the trunk."""

_NATIVE = {
    "adrenal": ("right adrenal gland", "left adrenal gland"),
    "kidney": ("right kidney", "left kidney"),
}
"""Names that stand for both of a pair."""


def organ_ids(name: str, organs: Mapping[str, object]) -> tuple[dict[str, int], dict[int, str]]:
    """Organ of the made anatomy -> number, and number -> native name, in a published numbering.

    Only the numbers whose structure is drawn are in the first; the second has all.
    """
    found = convention(name)
    if found is None:
        raise ValueError(f"no numbering {name!r}")
    ids: dict[str, int] = {}
    for number, native in found.labels.items():
        for organ in _NATIVE.get(native, (native,)):
            if organ in organs:
                ids[organ] = number
    return ids, dict(found.labels)
