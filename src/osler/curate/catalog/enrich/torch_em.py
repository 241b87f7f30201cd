"""torch-em: which datasets it has loaders for, with links, checksums and label ids.

The package's modules are parsed, never imported: one module is one dataset, its constants are
facts. ``tables/torch_em.tsv`` says which module (or ``module:part``) is which record.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from osler.curate.licences import UNKNOWN, licence_named

from ..record import Dataset
from .package import folder, with_facts

PACKAGE = "torch_em"
_HASH = re.compile(r"^[0-9a-f]{64}$")
_DOI = re.compile(r"https?://(?:dx\.)?doi\.org/(10\.\d{4,9}/[^\s)\]'\",]+[^\s)\]'\",.])")
_LICENCE = re.compile(
    r"\bCC[ -]?(?:BY(?:[ -](?:NC|SA|ND))*|0)(?:[ -]\d\.\d)?|\bApache[ -]2\.0|\bMIT\b"
)
_LABELS = re.compile(r"(LABEL|CLASS|ORGAN|STRUCTURE)")


@cache
def modules() -> dict[str, str]:
    """Record id -> module below ``torch_em.data.datasets``."""
    text = files("osler.curate.catalog").joinpath("tables", "torch_em.tsv").read_text("utf-8")
    return dict(line.split("\t") for line in text.splitlines()[1:])


def loader(path: Path, part: str = "") -> dict[str, Any]:
    """Facts of one module: its loader, downloads (link and SHA-256), DOIs, label ids, licences.

    ``part`` keeps only the downloads under that key, where one module loads several datasets.
    ``licences_mentioned`` are those that the module's text names; it does not say whether they
    are of images or annotations, so they are a hint and not a licence of the record.
    """
    tree = ast.parse(path.read_text("utf-8"))
    text = ast.get_docstring(tree) or ""
    constants = dict(_constants(tree))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    named = (licence_named(one).id for one in _LICENCE.findall(text))
    return {
        "loader": next((one for one in functions if re.fullmatch(r"get_\w+_dataset", one)), ""),
        "downloads": list(_downloads(constants, part)),
        "dois": list(dict.fromkeys(_DOI.findall(text))),
        "labels": next(_labels(constants), {}),
        "licences_mentioned": sorted({one for one in named if one != UNKNOWN.id}),
    }


def _constants(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """Names in capitals and their literal values."""
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(target, ast.Name) and target.id.isupper():
            try:
                yield target.id, ast.literal_eval(node.value)
            except (ValueError, TypeError):
                continue


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The strings of nested dictionaries and lists, each with the keys that lead to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(number)))


def _downloads(constants: dict[str, Any], part: str) -> Iterator[dict[str, str]]:
    """Links with the checksum of the same place in the table of checksums."""
    for name, value in constants.items():
        if "URL" not in name:
            continue
        hashes: dict[tuple[str, ...], str] = {}
        for other in (name.replace("URL", "CHECKSUM"), name.replace("URL", "SHA256")):
            hashes.update(_leaves(constants.get(other)))
        for path, link in _leaves(value):
            if part and part not in path:
                continue
            if link.startswith("https://") and _HASH.match(hashes.get(path, "")):
                yield {"url": link, "sha256": hashes[path]}


def _labels(constants: dict[str, Any]) -> Iterator[dict[str, int]]:
    """Tables of label name -> id."""
    for name, value in constants.items():
        if not _LABELS.search(name) or not isinstance(value, dict) or not value:
            continue
        ids = [one for one in value.values() if type(one) is int and 0 <= one < 1024]
        if len(ids) == len(value) and all(isinstance(one, str) for one in value):
            yield value


def enriched(records: Sequence[Dataset], key: str) -> tuple[Dataset, ...]:
    """Records with the facts of their loader, where torch-em has one."""
    root = folder("torch_em", PACKAGE) / "data" / "datasets"
    return tuple(_enriched(one, key, root) for one in records)


def _enriched(record: Dataset, key: str, root: Path) -> Dataset:
    module, _, part = modules().get(record.id, "").partition(":")
    path = root.joinpath(*module.split(".")).with_suffix(".py")
    if not module or not path.is_file():
        return record
    facts = {"module": f"torch_em.data.datasets.{module}", **loader(path, part)}
    return with_facts(record, key, facts)
