"""Dictionaries of labels: which number means what, and the ways in which they are written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..case import Source
from ..faults import LayoutError
from ..pictures.documents import text_file
from .files import inside
from .tables import object_of

_BACKGROUND = frozenset({"background", "bg", "unlabeled", "unlabelled", "clear label", "none", "0"})


@dataclass(frozen=True, slots=True)
class Dictionary:
    """``labels``: id -> native name, without background. ``regions``: (name, ids) that overlap.

    ``ignore`` is the id of voxels that nobody judged, if there is one.
    """

    labels: Mapping[int, str] = field(default_factory=dict)
    regions: tuple[tuple[str, tuple[int, ...]], ...] = ()
    ignore: int | None = None

    @property
    def ids(self) -> frozenset[int]:
        """All ids that a mask may hold, background included."""
        extra = {i for _, ids in self.regions for i in ids}
        ignored = set() if self.ignore is None else {self.ignore}
        return frozenset({0, *self.labels, *extra, *ignored})


def _is_id(text: object) -> bool:
    if isinstance(text, str):
        return re.fullmatch(r"\d{1,9}", text) is not None
    return isinstance(text, int) and not isinstance(text, bool)


def by_id(mapping: object, path: object) -> Dictionary:
    """A dictionary written id -> name (MSD, nnU-Net v1, and options of a source).

    Raises
    ------
    LayoutError
        ``label-dictionary`` if it is empty, inverted, or names a label twice.
    """
    pairs = _pairs(mapping, path)
    if not all(_is_id(key) for key, _ in pairs):
        inverted = all(_is_id(value) for _, value in pairs)
        raise _refused(
            path,
            "is inverted: it maps names to numbers where numbers to names belong"
            if inverted
            else f"has the key {next(k for k, _ in pairs if not _is_id(k))!r}, which is no number",
        )
    named = [(int(key), value) for key, value in pairs]
    for number, value in named:
        if not isinstance(value, str) or not value.strip():
            raise _refused(path, f"gives label {number} the name {value!r}")
    labels = {number: value.strip() for number, value in named if not _is_nothing(number, value)}
    _check_names(labels, path)
    return Dictionary(labels)


def by_name(mapping: object, path: object) -> Dictionary:
    """A dictionary written name -> id, list of ids, or "ignore" (nnU-Net v2).

    A dictionary with lists is one of regions, each of which stands for itself.

    Raises
    ------
    LayoutError
        ``label-dictionary`` if it is empty, inverted, has gaps, or gives a number twice.
    """
    pairs = _pairs(mapping, path)
    if all(_is_id(key) and isinstance(value, str) for key, value in pairs):
        raise _refused(path, "is inverted: it maps numbers to names where names to numbers belong")
    lists: list[tuple[str, tuple[int, ...]]] = []
    for key, value in pairs:
        ids = value if isinstance(value, list) else [value]
        if not ids or not all(
            isinstance(i, int) and not isinstance(i, bool) and i >= 0 for i in ids
        ):
            raise _refused(path, f"gives {key!r} the number {value!r}")
        lists.append((str(key).strip(), tuple(ids)))
    nothing = [ids for name, ids in lists if name.lower() == "background"]
    if nothing and nothing[0] != (0,):
        raise _refused(path, f"gives background the number {nothing[0]}; it is 0")
    ignore = next((ids[0] for name, ids in lists if name.lower() == "ignore"), None)
    lists = [(n, ids) for n, ids in lists if n.lower() not in ("background", "ignore")]
    used = sorted({i for _, ids in lists for i in ids} - {0})
    if used != list(range(1, len(used) + 1)):
        raise _refused(path, f"has gaps: it uses the numbers {', '.join(map(str, used))}")
    if any(isinstance(value, list) for _, value in pairs):
        return Dictionary({}, tuple(lists), ignore)
    if len({ids for _, ids in lists}) < len(lists):
        raise _refused(path, "gives one number to two names")
    labels = {ids[0]: name for name, ids in lists}
    _check_names(labels, path)
    return Dictionary(labels, (), ignore)


def _pairs(mapping: object, path: object) -> list[tuple[Any, Any]]:
    if not isinstance(mapping, Mapping) or not mapping:
        raise _refused(path, "names no label")
    return list(mapping.items())


def _is_nothing(number: int, name: str) -> bool:
    return number == 0 and name.strip().lower() in _BACKGROUND


def _check_names(labels: Mapping[int, str], path: object) -> None:
    seen: dict[str, int] = {}
    for number, name in labels.items():
        other = seen.setdefault(name.lower(), number)
        if other != number:
            raise _refused(path, f"names two labels, {other} and {number}, {name!r}")
    if not labels:
        raise _refused(path, "names nothing but background")


def _refused(path: object, what: str) -> LayoutError:
    return LayoutError(
        "label-dictionary", path, f"its dictionary of labels {what}", "mend the dictionary"
    )


@cache
def _conventions() -> dict[str, dict[str, Any]]:
    text = files(__package__).joinpath("conventions.json").read_text("utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


def conventions() -> tuple[str, ...]:
    """Names of the datasets whose numbering Osler knows (``conventions.json``)."""
    return tuple(_conventions())


def convention(name: str) -> Dictionary | None:
    """The numbering of a published dataset, by its name or catalogue id; None if unknown."""
    wanted = _plain(name)
    for title, entry in _conventions().items():
        if wanted in {_plain(title), *map(_plain, entry["datasets"])}:
            return by_id(entry["labels"], title)
    return None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def stated_labels(source: Source) -> Dictionary | None:
    """The labels that a source's options state, or those its dataset is known to use.

    In this order: the option ``labels`` (id -> name, or the name of a JSON, CSV or text file in
    the folder), the option ``convention`` (one of :func:`conventions`), the dataset's own id.

    Raises
    ------
    LayoutError
        ``label-dictionary`` if what is stated is broken or an unknown convention.
    """
    labels, named = source.options.get("labels"), source.options.get("convention")
    if isinstance(labels, str):
        return labels_file(inside(source.folder, labels, source.folder))
    if labels is not None:
        return by_id(labels, source.folder)
    if named is not None:
        found = convention(str(named))
        if found is None:
            raise LayoutError(
                "label-dictionary",
                source.folder,
                f"no numbering of labels is known by the name {named!r}",
                f"use one of {', '.join(conventions())}, or state labels",
            )
        return found
    return convention(source.dataset)


def needed_labels(source: Source) -> Dictionary:
    """As :func:`stated_labels`; nothing is assumed where nothing is stated.

    Raises
    ------
    LayoutError
        ``label-dictionary`` if nothing says what the numbers mean.
    """
    found = stated_labels(source)
    if found is None:
        raise LayoutError(
            "label-dictionary",
            source.folder,
            f"nothing says what the numbers in the masks of {source.dataset!r} mean",
            'state "labels" (number -> name) or "convention" in the options of the source',
        )
    return found


def labels_file(path: Path) -> Dictionary:
    """Labels from a JSON object (id -> name, maybe under "labels"), or lines "id name".

    Raises
    ------
    LayoutError
        If the file is missing or broken (``label-dictionary``).
    """
    if path.suffix.lower() == ".json":
        value = object_of(path)
        return by_id(value.get("labels", value), path)
    found: dict[str, str] = {}
    for number, line in enumerate(text_file(path).splitlines(), 1):
        parts = re.split(r"[,;\t]|\s+", line.strip(), maxsplit=1)
        if not line.strip() or line.startswith("#") or (number == 1 and not _is_id(parts[0])):
            continue
        if len(parts) < 2 or parts[0] in found:
            raise _refused(path, f"is broken or repeats a number in line {number}")
        # Columns after the name (colours) are no part of it.
        found[parts[0]] = re.split(r"[,;\t]", parts[1].strip())[0].strip().strip("\"'")
    return by_id(found, path)
