"""Licences by name: forgiving with spelling, never guessing.

"CC BY 4.0", "cc-by-4.0", "Creative Commons Attribution 4.0 International" and the address of its
text are one licence. A word that no licence has ("tcia", "free", "public") makes the whole text
unknown, and so does a version that does not exist.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal

Constraint = Literal["BY", "NC", "SA", "ND", "DUA", "NO-REDISTRIBUTION"]


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence and what it asks of whoever passes data on.

    Parameters
    ----------
    id
        SPDX identifier; ``LicenseRef-...`` for agreements that SPDX does not list; "unknown".
    constraints
        ``BY`` name the source, ``NC`` no commercial use, ``SA`` share adaptations alike, ``ND`` no
        adaptations, ``DUA`` each user signs an agreement, ``NO-REDISTRIBUTION``. No constraint of
        an unknown licence is known, so it counts as not to be passed on.
    into
        Identifiers under which adapted material may be offered (its own among them); ``*`` is all.
    """

    id: str
    name: str
    url: str
    constraints: frozenset[Constraint]
    into: frozenset[str] = frozenset()

    @property
    def known(self) -> bool:
        """Whether anything is known of it."""
        return self.id != "unknown"


UNKNOWN = Licence("unknown", "Unknown licence", "", frozenset({"NO-REDISTRIBUTION"}))

_CC_NAMES = {"BY": "Attribution", "NC": "NonCommercial", "SA": "ShareAlike", "ND": "NoDerivatives"}


@cache
def known_licences() -> Mapping[str, Licence]:
    """All licences of the table by identifier: the least demanding first, later versions first."""
    table = _table()
    families = {one["id"]: one["versions"] for one in table["family"]}
    found: list[Licence] = []
    for family in table["family"]:
        latest_first = reversed(family["versions"])
        found += [_creative_commons(family, version, families) for version in latest_first]
        found.append(_without_version(family["id"]))
    found += [_listed(row, families) for row in table["licence"]]
    order = sorted(found, key=lambda one: (len(one.constraints), sorted(one.constraints)))
    return {one.id: one for one in order}


def is_permissive(licence: Licence) -> bool:
    """Whether anyone may use, change and pass on the data if the source is named."""
    return licence.known and licence.constraints <= {"BY"}


@lru_cache(maxsize=4096)
def licence_named(text: str) -> Licence:
    """The licence that ``text`` names: identifier, name, usual spelling or address.

    Returns :data:`UNKNOWN` when any word of it belongs to no licence, or when it names two.

    Examples
    --------
    >>> licence_named("Creative Commons Attribution 4.0 International").id
    'CC-BY-4.0'
    >>> licence_named("https://creativecommons.org/licenses/by-nc-sa/4.0/").id
    'CC-BY-NC-SA-4.0'
    >>> licence_named("tcia").id, licence_named("CC BY-NC-ND 6.0").id
    ('unknown', 'unknown')
    """
    if len(text) > 1000:
        return UNKNOWN
    plain = unicodedata.normalize("NFKC", text).casefold().replace("licence", "license").strip()
    addresses = _ADDRESS.findall(plain)
    words = _ADDRESS.sub(" ", plain)
    found = [_addressed(one) for one in addresses]
    if re.search(r"\w", words) and words.strip(" []()<>-:,.") not in {"license", "see"}:
        found.append(_spelled(words))
    return found[0] if found and all(one == found[0] for one in found) else UNKNOWN


def licences_named(text: str) -> tuple[Licence, ...]:
    """The licences of an SPDX expression "A AND B": parts of the data are under each of them.

    Examples
    --------
    >>> [one.id for one in licences_named("CC BY 3.0 AND CC BY 4.0")]
    ['CC-BY-3.0', 'CC-BY-4.0']
    """
    return tuple(licence_named(part) for part in text.split(" AND "))


_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s)\]>\"']+")
_CC_ADDRESS = re.compile(r"creativecommons\.org/licenses/((?:by|nc|sa|nd|-)+)/(\d\.\d)(?:/|$)")
_CC_START = re.compile(r"\bcreative[\s-]*commons\b|\bcc(?=\b|by|0)")
_CC_WORDS = (
    (re.compile(r"\bnon[\s-]*commercial\b"), " nc "),
    (re.compile(r"\bshare[\s-]*alike\b"), " sa "),
    (re.compile(r"\bno[\s-]*deriv(?:ative|ation)?s?(?:[\s-]*works)?\b"), " nd "),
    (re.compile(r"\battribution\b"), " by "),
)
_CC_FILL = frozenset(
    {"license", "licensed", "the", "a", "an", "under", "version", "v", "ver", "international"}
    | {"unported", "generic", "universal", "public", "deed", "legal", "code"}
)
_ZERO_FILL = _CC_FILL | {"domain", "dedication", "waiver", "zero", "0", "1", "1.0"}


def _key(text: str) -> str:
    """Letters and digits only, so that case and punctuation do not matter."""
    return re.sub(r"[\W_]+", "", text.casefold().replace("licence", "license").replace("+", "plus"))


def _spelled(words: str) -> Licence:
    key = _key(words)
    for form in (key, key.removeprefix("the"), key.removesuffix("license")):
        if form in _aliases():
            return known_licences()[_aliases()[form]]
    pieces = [piece for piece in _CC_START.split(words) if re.search(r"\w", piece)]
    if not _CC_START.search(words) or not pieces:
        return UNKNOWN
    read = [found for piece in pieces if (found := _elements(piece)) != ("", "")]
    families, versions = {family for family, _ in read}, {v for _, v in read if v}
    if len(families) != 1 or len(versions) > 1:
        return UNKNOWN
    name = "-".join([families.pop(), *versions])
    return known_licences().get(name) or known_licences().get(f"LicenseRef-{name}", UNKNOWN)


def _elements(piece: str) -> tuple[str, str]:
    """Family and version in one mention, "" where it does not say; "?" for foreign words."""
    for pattern, short in _CC_WORDS:
        piece = pattern.sub(short, piece)
    tokens = re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+", piece)
    if tokens and set(tokens) <= _ZERO_FILL and {"0", "zero"} & set(tokens):
        return "CC0", "1.0"
    elements: set[str] = set()
    versions: set[str] = set()
    for token in tokens:
        if re.fullmatch(r"(?:by|nc|sa|nd)+", token):
            elements.update(re.findall("..", token))
        elif token[0].isdigit():
            versions.add(token if "." in token else f"{token}.0")
        elif token not in _CC_FILL:
            return "?", ""
    if not elements and not versions:
        return "", ""
    if "by" not in elements or len(versions) > 1:
        return "?", ""
    order = [one for one in ("by", "nc", "nd", "sa") if one in elements]
    return "CC-" + "-".join(order).upper(), "".join(versions)


def _addressed(address: str) -> Licence:
    place = re.sub(r"^(?:https?://)?(?:www\.)?", "", address).rstrip("/.,;")
    found = _CC_ADDRESS.match(f"{place}/")
    if found:
        return known_licences().get(f"CC-{found[1].upper()}-{found[2]}", UNKNOWN)
    if place.startswith("spdx.org/licenses/"):
        return _spelled(re.sub(r"\.(?:html|json)$", "", place.removeprefix("spdx.org/licenses/")))
    for start, name in _table()["urls"].items():
        if place == start or re.match(re.escape(start) + r"[/._]", f"{place}/"):
            return known_licences()[name]
    for one in known_licences().values():
        if one.url and _bare(one.url) == _bare(place):
            return one
    return UNKNOWN


def _bare(url: str) -> str:
    return re.sub(r"^(?:https?://)?(?:www\.)?", "", url.casefold()).rstrip("/")


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(
        files("osler.curate.licences").joinpath("table.toml").read_text(encoding="utf-8")
    )


@cache
def _aliases() -> dict[str, str]:
    found: dict[str, str] = {}
    for one in known_licences().values():
        found[_key(one.id)] = found[_key(one.name)] = one.id
    for row in _table()["licence"]:
        found.update({_key(alias): row["id"] for alias in row["aliases"]})
    return found


def _listed(row: Mapping[str, Any], families: Mapping[str, list[str]]) -> Licence:
    into = {row["id"]}
    for name in row["into"]:
        into.update(f"{name}-{one}" for one in families[name]) if name in families else into.add(
            name
        )
    return Licence(
        row["id"], row["name"], row["url"], frozenset(row["constraints"]), frozenset(into)
    )


def _creative_commons(
    family: Mapping[str, Any], version: str, families: Mapping[str, list[str]]
) -> Licence:
    """One version; adaptations may go under later ones, but share-alike 1.0 names only itself."""
    name, parts = f"{family['id']}-{version}", _parts(family["id"])
    fixed = "SA" in parts and version == "1.0"
    later = {
        f"{target}-{one}"
        for target in family["into"]
        for one in families[target]
        if one >= version and not fixed
    }
    return Licence(
        name,
        f"Creative Commons {'-'.join(_CC_NAMES[part] for part in parts)} {version}",
        f"https://creativecommons.org/licenses/{'-'.join(parts).lower()}/{version}/",
        frozenset(parts),
        frozenset({name} | later if family["into"] else {name}),
    )


def _without_version(family: str) -> Licence:
    """A Creative Commons licence whose version nobody stated: its conditions are known."""
    parts = _parts(family)
    name = f"Creative Commons {'-'.join(_CC_NAMES[part] for part in parts)}, version not stated"
    own = f"LicenseRef-{family}"
    return Licence(own, name, "", frozenset(parts), frozenset({own}))


def _parts(family: str) -> list[Constraint]:
    """Conditions in the name of a Creative Commons family, in their usual order."""
    return [part for part in ("BY", "NC", "ND", "SA") if part in family.split("-")]
