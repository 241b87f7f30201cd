"""Reading single attributes that real files leave out, leave empty or fill with nonsense."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset
from pydicom.multival import MultiValue

_BROKEN = (ValueError, TypeError, AttributeError, OverflowError, KeyError, NotImplementedError)


def raw(ds: Dataset, name: str) -> Any:
    """The value of an attribute, or None where it is absent, empty or unreadable."""
    try:
        value = ds.get(name)
    except _BROKEN:
        return None
    return None if value is None or value == "" else value


def text(ds: Dataset, name: str) -> str | None:
    """One string (values joined by a backslash), or None."""
    value = raw(ds, name)
    if value is None:
        return None
    parts = value if isinstance(value, MultiValue | list | tuple) else [value]
    return "\\".join(str(part).strip() for part in parts) or None


def numbers(ds: Dataset, name: str) -> list[float] | None:
    """All values as floats, or None if any is no number."""
    value = raw(ds, name)
    if value is None:
        return None
    parts = value if isinstance(value, MultiValue | list | tuple) else [value]
    try:
        return [float(part) for part in parts] or None
    except _BROKEN:
        return None


def whole(ds: Dataset, name: str) -> int | None:
    """One whole number, or None."""
    found = numbers(ds, name)
    return None if found is None else int(found[0])


def group(ds: Dataset, frame: int, name: str) -> Dataset | None:
    """A functional group macro of a frame: its own, else the shared one, else None."""
    own = raw(ds, "PerFrameFunctionalGroupsSequence")
    shared = raw(ds, "SharedFunctionalGroupsSequence")
    places = [own[frame]] if own and frame < len(own) else []
    places += [shared[0]] if shared else []
    for place in places:
        found = raw(place, name)
        if found:
            item: Dataset = found[0]
            return item
    return None
