"""Targets: the classes of the fused set, with ids that are the same on every run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .concepts import concept_of, covered, is_within, key_named, nearest
from .label_tables import BACKGROUND, IGNORE
from .labels import PIXEL, LabelMap
from .sample import Concept


@dataclass(frozen=True, slots=True)
class TargetClass:
    """One class. ``region`` holds its own id and those of all targets inside it.

    A tumour is a class of its own and part of its organ: the organ with its tumour is the
    ``region`` of the organ, as ``whole tumour`` is that of its parts.
    """

    id: int
    name: str
    concept: Concept
    region: tuple[int, ...]
    part_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetTable:
    """Classes of masks and boxes (``pixel``) and of whole images (``image``), each from id 1.

    ``ignore`` is the value of voxels that are something, but nothing that can be told: the last id
    of ``pixel`` and one. ``missing`` are concepts that the goal wants and no source has.
    """

    pixel: tuple[TargetClass, ...]
    image: tuple[TargetClass, ...]
    missing: tuple[str, ...] = ()

    @property
    def ignore(self) -> int:
        """Value of ignored voxels."""
        return len(self.pixel) + 1

    def family(self, kind: str) -> tuple[TargetClass, ...]:
        """The classes that annotations of a kind use."""
        return self.pixel if kind in PIXEL else self.image

    def named(self, name: str, kind: str = "mask") -> TargetClass | None:
        """The class of a name, or None."""
        return next((one for one in self.family(kind) if one.name == name), None)

    def target_of(self, key: str, kind: str = "mask") -> TargetClass | None:
        """The class that a concept belongs to: its own, or the nearest wider one."""
        found = nearest(key, [one.name for one in self.family(kind)])
        return self.named(found, kind) if found else None

    def as_json(self) -> dict[str, Any]:
        """Plain values, as written to ``label_maps.json``."""
        return {
            "pixel": [_plain(one) for one in self.pixel],
            "image": [_plain(one) for one in self.image],
            "ignore": self.ignore,
            "missing": list(self.missing),
        }


def _plain(one: TargetClass) -> dict[str, Any]:
    concept = one.concept
    return {
        "id": one.id,
        "name": one.name,
        "concept": {"scheme": concept.scheme, "code": concept.code, "text": concept.text,
                    "side": concept.side},
        "region": list(one.region),
        "part_of": list(one.part_of),
    }  # fmt: skip


def target_classes(maps: Iterable[LabelMap], wanted: Sequence[str] | None = None) -> TargetTable:
    """The classes of a fused set.

    Parameters
    ----------
    maps
        Label maps of all sources.
    wanted
        Concepts that the goal asks for (keys or names), in this order. None: every concept that
        any source has, by name. A source's concept belongs to the nearest wanted one that it is or
        lies within: ``adrenal`` takes ``adrenal:left``, never the other way round.

    Raises
    ------
    UnknownNameError
        If ``wanted`` names no concept.

    Notes
    -----
    Identifiers depend on the set of concepts (and the order of ``wanted``), not on the order of
    the sources.
    """
    keys: dict[bool, set[str]] = {True: set(), False: set()}
    for one in maps:
        keys[one.kind in PIXEL].update(entry.key for entry in one.entries if _is_concept(entry.key))
    asked = None if wanted is None else list(dict.fromkeys(key_named(name) for name in wanted))
    families = {pixel: _order(found, asked) for pixel, found in keys.items()}
    missing = [one for one in asked or () if one not in families[True] and one not in
               families[False]]  # fmt: skip
    return TargetTable(_classes(families[True]), _classes(families[False]), tuple(missing))


def _is_concept(key: str) -> bool:
    return key not in ("", BACKGROUND, IGNORE)


def _order(found: set[str], asked: list[str] | None) -> list[str]:
    """Names of a family: all that were found, or those asked that something found lies within."""
    if asked is None:
        return sorted(found)
    used = {nearest(key, asked) for key in found}
    # A region such as the whole tumour has no voxels of its own where its parts are asked for too.
    return [one for one in asked if one in used or covered(one, used) or
            any(is_within(other, one) for other in used if other)]  # fmt: skip


def _classes(names: list[str]) -> tuple[TargetClass, ...]:
    ids = {name: index for index, name in enumerate(names, start=1)}
    return tuple(
        TargetClass(
            ids[name],
            name,
            concept_of(name),
            tuple(ids[other] for other in names if is_within(other, name)),
            tuple(other for other in names if other != name and is_within(name, other)),
        )
        for name in names
    )
