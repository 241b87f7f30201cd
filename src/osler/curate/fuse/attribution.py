"""Whom to credit: every source of a fused set, with its licences and what they ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ..licences import Licence, licences_named

_ASKS: dict[str, str] = {
    "BY": "name the source",
    "NC": "no commercial use",
    "SA": "share adaptations alike",
    "ND": "pass on no adaptations",
    "DUA": "each user signs an agreement",
    "NO-REDISTRIBUTION": "do not pass on",
}

_FORMS: dict[str, str] = {
    "merged": "The set as a whole may be passed on under {one}.",
    "collection": "No one licence fits all samples: pass them on side by side, each under its own.",
    "recipe": "Some sources may not be passed on. Their samples are rows without files.",
    "refused": "This set may not be passed on.",
}


def attribution(lock: Mapping[str, Any]) -> str:
    """The attribution of a lock, as Markdown: sources in order, nothing of the day or the place."""
    verdict = lock["verdict"]
    lines = [
        f"# Sources of {_plain(lock['goal'].get('name', 'fused'))}",
        "",
        _FORMS[verdict["form"]].format(one=verdict["one_licence"] or "no licence"),
    ]
    lines += [f"- {_plain(reason)}" for reason in verdict["reasons"]]
    lines += ["", "This is bookkeeping of stated terms, not legal advice."]
    slices = Counter[str]()
    for row in lock["cases"]:
        slices[row["dataset"]] += row.get("slices", {}).get("count", 0)
    for source in lock["sources"]:
        lines += ["", *_source(source, slices[source["dataset"]])]
    return "\n".join(lines) + "\n"


def _source(source: Mapping[str, Any], slices: int) -> list[str]:
    name = _plain(source["name"] or source["dataset"])
    year = f" ({source['year']})" if source["year"] else ""
    version = f", version {_plain(source['version'])}" if source["version"] else ""
    lines = [f"## {name}{year}", "", f"- Dataset: `{_plain(source['dataset'])}`{version}"]
    cut = f", as {slices} axial slices" if slices else ""
    lines.append(f"- Samples: {source['kept']} of {source['found']}{cut}")
    if source["doi"]:
        lines.append(f"- Cite: <https://doi.org/{_plain(source['doi'])}>")
    lines += [f"- Address: <{_plain(url)}>" for url in source["urls"]]
    if not source["doi"] and not source["urls"]:
        lines.append("- Address: not in the catalogue; add who made it and where it is")
    same = source["licence"] == source["annotation_licence"]
    scopes = [("images and annotations", source["licence"])] if same else [
        ("images", source["licence"]), ("annotations", source["annotation_licence"]),
    ]  # fmt: skip
    for scope, text in scopes:
        lines += [f"- Licence of {scope}: {_licence(one)}" for one in licences_named(text)]
    if source["licence_from"]:
        lines.append(f"- Licence as stated by: {_plain(source['licence_from'])}")
    if source["form"] == "recipe":
        lines.append("- Its files are not passed on: get them from the address, under its terms")
    return lines


def _licence(licence: Licence) -> str:
    asks = "; ".join(_ASKS[one] for one in sorted(licence.constraints))
    address = f" <{licence.url}>" if licence.url else ""
    return f"{licence.id}{address}" + (f" ({asks})" if asks else "")


def _plain(text: str) -> str:
    """One line without what Markdown or HTML would read."""
    line = " ".join(str(text).split())
    return line.replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")
