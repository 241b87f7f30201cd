"""Tables, JSON and XML of strangers: strict, capped, without entities."""

from __future__ import annotations

import csv
import io
import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.parsers import expat

from osler.core import MissingError

from ..faults import LayoutError
from ..volumes.files import fetched

MAX_TABLE_BYTES = 512 * 1024**2
MAX_JSON_BYTES = 2 * 1024**3
MAX_XML_BYTES = 256 * 1024**2
_MAX_CELL = 1 << 20
_MAX_DEPTH = 64
_MAX_NODES = 20_000_000


def text_file(path: Path, cap: int = MAX_TABLE_BYTES, case: str = "") -> str:
    """The text of a UTF-8 file (or UTF-16 with its mark), at most ``cap`` bytes.

    Raises
    ------
    LayoutError
        ``file-missing``, ``file-dangling`` or ``file-unreadable``.
    """
    fetched(path, case)
    if path.stat().st_size > cap:
        what = f"is larger than {cap >> 20} MiB"
        raise LayoutError("file-unreadable", path, what, "split it", case=case)
    content = path.read_bytes()
    code = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(code)
    except UnicodeDecodeError as error:
        raise LayoutError(
            "file-unreadable",
            path,
            f"is not UTF-8 text (byte {error.start})",
            "save it as UTF-8",
            case=case,
        ) from error


def rows_of(path: Path, required: Sequence[str] = ()) -> list[dict[str, str]]:
    """The rows of a table with a header; comma, semicolon or tab, whichever the header has most.

    Raises
    ------
    LayoutError
        ``table-columns``: no header, a column twice, or one of ``required`` lacks. ``table-row``:
        a row with more or fewer cells than the header. ``file-unreadable``: no such text.
    """
    text = text_file(path)
    head = text.split("\n", 1)[0]
    mark = max(",\t;", key=head.count)
    if "\0" in text:
        raise LayoutError(
            "file-unreadable", path, "holds bytes that no table has", "export it anew"
        )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    try:
        names = [name.strip() for name in next(reader, [])]
        if not any(names):
            raise LayoutError("table-columns", path, "has no header row", "add one")
        doubled = sorted({n for n in names if names.count(n) > 1 and n})
        if doubled:
            raise LayoutError("table-columns", path, f"has the column {doubled[0]!r} twice")
        lacking = [n for n in required if n not in names]
        if lacking:
            raise LayoutError(
                "table-columns",
                path,
                f"has no column {', '.join(map(repr, lacking))}; it has "
                f"{', '.join(map(repr, names[:12]))}",
            )
        rows = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                raise LayoutError(
                    "table-row",
                    path,
                    f"line {reader.line_num} has {len(cells)} cells, the header has {len(names)}",
                    "mend or remove that line",
                )
            rows.append(
                {name: cell.strip() for name, cell in zip(names, cells, strict=True) if name}
            )
    except csv.Error as error:
        raise LayoutError("table-row", path, f"is a broken table ({error})") from error
    return rows


def header_row(path: Path) -> list[str]:
    """The names in the first line of a table; empty if it is no text or has none."""
    try:
        with path.open("rb") as handle:
            head = handle.read(1 << 16).decode(
                "utf-8-sig", "strict" if path.stat().st_size < 1 << 16 else "ignore"
            )
    except (OSError, UnicodeDecodeError):
        return []
    first = head.split("\n", 1)[0].rstrip("\r")
    mark = max(",\t;", key=first.count)
    try:
        return [name.strip() for name in next(csv.reader([first], delimiter=mark), [])]
    except csv.Error:
        return []


def json_of(path: Path) -> Any:
    """The value of a JSON file; of ``.jsonl`` the list of its lines' values.

    Raises
    ------
    LayoutError
        ``file-unreadable``: broken, too large, too deep, or with NaN or a name twice in one object.
    """
    text = text_file(path, MAX_JSON_BYTES)
    try:
        if path.suffix.lower() == ".jsonl":
            return [_parse(line) for line in text.splitlines() if line.strip()]
        return _parse(text)
    except (ValueError, RecursionError) as error:
        what = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise LayoutError(
            "file-unreadable", path, f"is no valid JSON ({what[:120]})", "export it anew"
        ) from error


def _parse(text: str) -> Any:
    hooks: dict[str, Any] = {"parse_constant": _no_constant, "parse_float": _finite}
    return json.loads(text, object_pairs_hook=_once, **hooks)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(n for n in names if names.count(n) > 1)
        raise ValueError(f"the name {twice[:60]!r} stands twice in one object")
    return found


def yaml_of(path: Path) -> dict[str, Any]:
    """The settings of a yaml file: plain values only, no aliases.

    Raises
    ------
    MissingError
        PyYAML is not installed.
    LayoutError
        ``file-unreadable`` or ``file-unsafe``.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingError(
            "reading a YOLO dataset needs PyYAML; install it: pip install 'osler[fuse]'"
        ) from error
    text = text_file(path, 1 << 20)
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise LayoutError("file-unsafe", path, "uses aliases, which can unfold without end")
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = " ".join(str(error).split())[:160]
        raise LayoutError("file-unreadable", path, f"is no valid yaml ({what})") from error
    if not isinstance(content, dict):
        raise LayoutError("file-unreadable", path, "holds no settings", "see Ultralytics' format")
    return content


def xml_of(path: Path) -> ET.Element:
    """The root of an XML file. A document type, and so every entity of its own, is refused.

    Raises
    ------
    LayoutError
        ``file-unreadable``: broken or too large. ``file-unsafe``: too deep, or with a document
        type declaration.
    """
    fetched(path)
    if path.stat().st_size > MAX_XML_BYTES:
        raise LayoutError("file-unreadable", path, f"is larger than {MAX_XML_BYTES >> 20} MiB")
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    depth = nodes = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, nodes
        depth, nodes = depth + 1, nodes + 1
        if depth > _MAX_DEPTH or nodes > _MAX_NODES:
            raise ValueError("nested too deep, or too many elements")
        builder.start(_named(tag), {_named(k): v for k, v in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_named(tag))

    def refuse(*_: Any) -> int:
        raise ValueError("it has a document type declaration, which may define entities")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(path.read_bytes(), True)
        return builder.close()
    except (expat.ExpatError, ValueError, AssertionError, LookupError) as error:
        unsafe = isinstance(error, ValueError) and not isinstance(error, expat.ExpatError)
        raise LayoutError(
            "file-unsafe" if unsafe else "file-unreadable",
            path,
            f"is not read as XML: {error}",
            "export it again without that",
        ) from error


def _named(tag: str) -> str:
    return "{" + tag if "}" in tag else tag
