"""The official MedQ-Bench tables (or others of their shape), when the user has them.

Three shapes, told apart by their columns: questions (``question``, ``A`` ..., ``answer``),
descriptions (``description``) and pairs (``image_a`` and ``image_b``, or a list of two images).
Images come as base64 or as paths; the reference text is the only truth of a description.
"""

from __future__ import annotations

import ast
import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from osler.core import BadFileError, ImageRef, InputError, content_hash, sha256_hex
from osler.evaluate.scoring import parse_choice
from osler.images import find_modality

from ..folder import Dataset, store_image
from .compose import is_finished, write_dataset
from .data import Row, check_row, open_dataset
from .pictures import read_records
from .questions import COMPARE, DESCRIBE

_MAGIC = {b"\x89PNG\r\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"BM": "image/bmp"}
_KINDS = {"yes/no": "yes_no", "yesno": "yes_no", "yes_no": "yes_no", "what": "what", "how": "how"}


def official_tables(folder: Path, split: str = "test") -> list[Path]:
    """The tables in a folder: those of ``split`` where the names say so, else all."""
    found = sorted(folder.glob("*.tsv"))
    return [path for path in found if split in path.stem.lower()] or found


def import_official(
    tables: Sequence[Path],
    out_dir: str | Path,
    *,
    images: str | Path | None = None,
    modality: str | None = None,
    named_by_plan: bool = False,
) -> Dataset:
    """Take ``tables`` as they are into a dataset folder.

    Raises
    ------
    BadFileError
        With file and line, for a row that cannot be asked or scored.
    """
    digest = content_hash([[path.name, sha256_hex(_bytes(path))] for path in tables], 32)
    folder = Path(out_dir) / digest if named_by_plan else Path(out_dir)
    if is_finished(folder, digest):
        return open_dataset(folder)
    rows: list[Row] = []
    for path in tables:
        rows += _rows(path, folder, Path(images or path.parent), modality)
    info = {"name": " + ".join(p.stem for p in tables), "about": "", "smoke": False,
            "plan": digest, "seed": None}  # fmt: skip
    return write_dataset(folder, rows, info)


def _rows(path: Path, folder: Path, images: Path, modality: str | None) -> Iterator[Row]:
    kept: dict[str, list[list[str]]] = {}  # index -> images, for rows that point at another row
    for number, record in read_records(path):
        where = f"{path}, line {number}"
        row = {str(k).strip(): "" if v is None else str(v).strip() for k, v in record.items() if k}
        low = {k.lower(): v for k, v in row.items()}
        shown = _images(where, low, images, folder, kept)
        kept[low.get("index", str(number))] = shown
        kind = find_modality(low.get("modality") or modality or "")
        tags = {
            "modality": kind or low.get("modality") or "not stated",
            "degradation": low.get("degradation") or low.get("degradation_type") or "",
            "level": low.get("severity") or low.get("degradation_severity") or "",
            "scope": low.get("scope") or "",
            "dataset": path.stem,
        }
        tags = {name: text for name, text in tags.items() if text}
        ident = content_hash([path.stem, low.get("index", str(number)), shown])
        patient = low.get("patient") or low.get("patient_id")
        group = f"{path.stem}/{patient}" if patient else f"image/{shown[0][0][:16]}"
        made = _question(low, row) if "answer" in low else _written(low, len(shown))
        tags["kind"] = made.pop("kind")
        found = Row(ident, images=shown, group=group, tags=tags, **made)
        try:
            check_row(found)
        except ValueError as error:
            raise BadFileError(where, str(error)) from error
        yield found


def _question(low: Mapping[str, str], row: Mapping[str, str]) -> dict[str, Any]:
    options = {k: row[k] for k in "ABCDEFGH" if row.get(k) and row[k].lower() != "nan"}
    answer = low["answer"]
    if answer.isdigit() and int(answer) < len(options):
        answer = list(options)[int(answer)]
    elif answer not in options:
        answer = parse_choice(answer, options).letter or ""
    stated = low.get("question_type") or low.get("type") or low.get("category") or ""
    kind = _KINDS.get(stated.lower()) or _kind(options)
    return {"task": "perception", "question": low.get("question", ""), "options": options,
            "answer": answer, "kind": kind}  # fmt: skip


def _kind(options: Mapping[str, str]) -> str:
    """The type of a question by its options: yes and no, degrees, or names."""
    texts = " ".join(options.values()).lower()
    if {text.strip(" .").lower() for text in options.values()} <= {"yes", "no"}:
        return "yes_no"
    degrees = r"\b(?:mild|slight\w*|severe\w*|moderate\w*|none|high|low|minor|very)\b"
    return "how" if len(re.findall(degrees, texts)) >= 2 else "what"


def _written(low: Mapping[str, str], count: int) -> dict[str, Any]:
    task = "paired" if count == 2 else "description"
    return {"task": task, "kind": task, "question": COMPARE if count == 2 else DESCRIBE,
            "reference": low.get("description", "")}  # fmt: skip


def _images(
    where: str, row: Mapping[str, str], root: Path, folder: Path, kept: Mapping[str, Any]
) -> list[list[str]]:
    """The images of a row, stored; (SHA-256, media type) of each."""
    if row.get("image_a") and row.get("image_b"):
        cells = [row["image_a"], row["image_b"]]
    else:
        cells = _listed(row.get("image_path") or row.get("image") or "")
    found: list[list[str]] = []
    for cell in cells:
        if cell in kept and len(cell) < 64:  # the index of a former row
            found += kept[cell]
            continue
        content = _content(where, cell, root)
        kind = next((k for magic, k in _MAGIC.items() if content.startswith(magic)), None)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            kind = "image/webp"
        if kind is None:
            raise BadFileError(where, "its image is no PNG, JPEG, WebP or BMP")
        ref: ImageRef = store_image(folder, content, kind)
        found.append([ref.sha256, ref.media_type])
    if not found:
        raise BadFileError(where, "it has no image")
    return found


def _listed(text: str) -> list[str]:
    if text.startswith("["):
        for parse in (json.loads, ast.literal_eval):
            try:
                return [str(part) for part in parse(text)]
            except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
                continue
    return [text] if text else []


def _content(where: str, cell: str, root: Path) -> bytes:
    if len(cell) < 400:
        path = (root / cell).resolve()
        if not path.is_relative_to(root.resolve()):
            raise BadFileError(where, f"its image {cell} lies outside {root}", "move it there")
        if path.is_file():
            return _bytes(path)
    try:
        return base64.b64decode(cell, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadFileError(where, f"its image {cell[:60]!r} is no file and no base64") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


__all__ = ["import_official", "official_tables"]
