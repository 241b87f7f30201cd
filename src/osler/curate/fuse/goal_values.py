"""Values of a goal, one reader a kind: each gives the checked value or one sentence."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Any, get_args

from osler.core import InputError, UnknownNameError
from osler.curate.catalog.vocabulary import Kind, code_named, terms
from osler.curate.licences import UNKNOWN, is_permissive, known_licences, licence_named

from .layouts import LAYOUTS
from .sample import IntensityUnit

Reader = Callable[[str, Any], Any]
_MANY = 10_000


def kind_of(value: Any) -> str:
    """What a JSON value is, in a word."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "an object"


def known_keys(where: str, value: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse the first key that is not ``known``, with near ones."""
    for key in value:
        if key not in known:
            try:
                raise UnknownNameError("key", str(key), known)
            except UnknownNameError as error:
                raise InputError(f"{where}: {error}") from error


def fields_of(where: str, value: Any, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The fields of an object, each by its reader; ``null`` is a field that is left out."""
    if not isinstance(value, Mapping):
        raise InputError(f"{where} is an object, not {kind_of(value)}")
    known_keys(where, value, readers)
    return {
        key: readers[key](f"{where}.{key}", content)
        for key, content in value.items()
        if content is not None
    }


def text(where: str, value: Any) -> str:
    """A text that says something."""
    if not isinstance(value, str) or not value.strip() or "\x00" in value:
        raise InputError(f"{where} is a text, not {kind_of(value) if value != '' else 'empty'}")
    return value.strip()


def maybe_text(where: str, value: Any) -> str:
    """A text, which may be empty."""
    return "" if value == "" else text(where, value)


def place(where: str, value: Any) -> str:
    """A folder, from the folder of the goal's file: a lock must name no place of one machine."""
    name = text(where, value)
    if re.match(r"[/\\~]|[A-Za-z]:", name):
        raise InputError(
            f"{where}: {name} is not relative; name the folder from that of the goal's file, like "
            "../data/set, or link to it there"
        )
    return name


def short_name(where: str, value: Any) -> str:
    """A name that can be part of a file's name."""
    name = text(where, value)
    if not re.fullmatch(r"[\w][\w .-]{0,79}", name):
        raise InputError(f"{where}: letters, digits, blanks, dots and hyphens, at most 80")
    return name


def dataset_id(where: str, value: Any) -> str:
    """The identifier of a dataset: lower case, digits and hyphens."""
    name = text(where, value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,119}", name):
        raise InputError(
            f"{where}: {name!r} is no identifier (lower case, digits, hyphens); "
            "osler catalog search NAME shows those of the catalogue"
        )
    return name


def flag(where: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise InputError(f"{where} is true or false, not {kind_of(value)}")
    return value


def whole(least: int) -> Reader:
    """A whole number from ``least``."""

    def read(where: str, value: Any) -> int:
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if not right or not math.isfinite(value) or value != int(value) or value < least:
            raise InputError(f"{where} is a whole number from {least}, not {shown(value)}")
        return int(value)

    return read


def number(where: str, value: Any) -> float:
    """A finite number."""
    right = isinstance(value, int | float) and not isinstance(value, bool)
    if not right or not math.isfinite(value):
        raise InputError(f"{where} is a number, not {shown(value)}")
    return float(value)


def positive(where: str, value: Any) -> float:
    """A number above 0."""
    found = number(where, value)
    if found <= 0:
        raise InputError(f"{where} is more than 0, not {shown(value)}")
    return found


def share(where: str, value: Any) -> float:
    """A share: above 0, at most 1."""
    found = number(where, value)
    if not 0 < found <= 1:
        raise InputError(f"{where} is a share above 0 and at most 1, not {shown(value)}")
    return found


def shown(value: Any) -> str:
    """A value as JSON, short."""
    content = json.dumps(value, ensure_ascii=False, default=str)
    return content if len(content) <= 60 else f"{content[:57]}..."


def words(where: str, value: Any) -> tuple[str, ...]:
    """A list of texts, each once."""
    if not isinstance(value, list):
        raise InputError(f"{where} is a list of texts, not {kind_of(value)}")
    if len(value) > _MANY:
        raise InputError(f"{where}: {len(value)} entries are more than {_MANY}")
    return tuple(dict.fromkeys(text(where, one) for one in value))


def one_of(allowed: Collection[str]) -> Reader:
    """One of a few words."""

    def read(where: str, value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise InputError(f"{where} is one of {', '.join(allowed)}, not {shown(value)}")
        return value

    return read


def code(kind: Kind) -> Reader:
    """The code of a vocabulary that a text names by code, label or synonym."""

    def read(where: str, value: Any) -> str:
        name = text(where, value)
        found = code_named(kind, name)
        if found is None:
            known = {word for one in terms(kind) for word in (one.code, one.label, *one.synonyms)}
            try:
                raise UnknownNameError(kind, name, known)
            except UnknownNameError as error:
                raise InputError(f"{where}: {error}") from error
        return found

    return read


def codes(kind: Kind) -> Reader:
    """A list of texts that name codes, each code once, in the order given."""

    def read(where: str, value: Any) -> tuple[str, ...]:
        return tuple(dict.fromkeys(code(kind)(where, one) for one in words(where, value)))

    return read


def dimension(where: str, value: Any) -> str | None:
    """2D, 3D, 4D or video; "any" is None."""
    found = {"2d": "2D", "3d": "3D", "4d": "4D", "video": "video"}
    name = str(value).strip().lower() if isinstance(value, str) else ""
    if name not in {*found, "any"}:
        raise InputError(f"{where} is one of 2D, 3D, 4D, video, any, not {shown(value)}")
    return found.get(name)


def year(where: str, value: Any) -> int:
    """The year of 2015, "2015", "2015-06" or "2015-06-30"; the catalogue knows years only."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    right = isinstance(value, str) and re.fullmatch(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", value)
    try:
        if not right:
            raise ValueError
        return date(int(right[1]), int(right[2] or 1), int(right[3] or 1)).year
    except ValueError:
        raise InputError(
            f"{where} is a year or a date like 2015-06-30, not {shown(value)}"
        ) from None


def allowlist(where: str, value: Any) -> tuple[str, ...]:
    """SPDX identifiers of licences; "permissive" stands for all that ask for a credit at most."""
    found: list[str] = []
    for one in words(where, value):
        if one.casefold() == "permissive":
            found += [each.id for each in known_licences().values() if is_permissive(each)]
            continue
        licence = licence_named(one)
        if licence is UNKNOWN:
            raise InputError(
                f"{where}: {one!r} names no licence; give an SPDX identifier like CC-BY-4.0, "
                'or "permissive" (datasets whose licence is unknown: accept_unknown_licence)'
            )
        # A licence named without its version stands for every version.
        family = licence.id.removeprefix("LicenseRef-")
        versions = [each for each in known_licences() if re.fullmatch(rf"{family}-\d\.\d", each)]
        found += [licence.id, *versions] if licence.id != family else [licence.id]
    return tuple(sorted(set(found)))


def split(where: str, value: Any) -> dict[str, float]:
    """Names of splits and their shares, which make 1 together."""
    if not isinstance(value, Mapping) or not value:
        raise InputError(f'{where} is an object like {{"train": 0.8, "test": 0.2}}')
    found = {short_name(where, name): number(f"{where}.{name}", one) for name, one in value.items()}
    if any(one < 0 for one in found.values()) or abs(sum(found.values()) - 1) > 1e-6:
        raise InputError(f"{where}: shares are at least 0 and make 1 together, not {shown(value)}")
    return found


def units(where: str, value: Any) -> dict[str, str]:
    """Modality code -> unit of intensity."""
    if not isinstance(value, Mapping):
        raise InputError(f'{where} is an object like {{"CT": "HU"}}, not {kind_of(value)}')
    allowed = one_of(get_args(IntensityUnit))
    named = code("modality")
    return {named(where, name): allowed(f"{where}.{name}", one) for name, one in value.items()}


def layout(where: str, value: Any) -> str:
    """The name of a layout; empty: detect it."""
    name = maybe_text(where, value).replace("-", "_")
    if name and name not in LAYOUTS:
        try:
            raise UnknownNameError("layout", name, LAYOUTS, "osler fuse layouts")
        except UnknownNameError as error:
            raise InputError(f"{where}: {error}") from error
    return name


def label_names(where: str, value: Any) -> dict[str, str]:
    """Native name -> concept or "ignore"."""
    if not isinstance(value, Mapping):
        raise InputError(f'{where} is an object like {{"Leber": "liver"}}, not {kind_of(value)}')
    return {str(name): text(f"{where}.{name}", one) for name, one in value.items()}


def options(where: str, value: Any) -> dict[str, Any]:
    """Settings of a layout: an object of plain JSON."""
    if not isinstance(value, Mapping):
        raise InputError(f"{where} is an object, not {kind_of(value)}")
    return dict(value)
