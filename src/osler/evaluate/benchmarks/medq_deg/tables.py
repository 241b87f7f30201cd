"""Image-question tables from other tools: TSV, CSV, JSONL, JSON, each row with where it stands.

One contract covers the VLMEvalKit exports (GMAI-MMBench, the official MedQ-Robust files),
OmniMedVQA (``option_A`` ..., ``gt_answer`` as text) and MedXpertQA (``options``, ``label``,
``images``); the columns stand in README.md. Base64 images are spooled to a folder as they are read,
so a table of gigabytes needs the memory of one row.
"""

from __future__ import annotations

import base64
import binascii
import csv
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from osler.core import BadFileError, InputError, sha256_hex, write_bytes

from .rows import QuestionRow, names_of, parse_row

READABLE = (".tsv", ".csv", ".jsonl", ".json")
_LONGEST_REFERENCE = 64  # a shorter ``image`` is the index of the row that holds the image


def read_table(
    path: str | Path,
    *,
    images: str | Path | None = None,
    spool: str | Path,
    modality: str | None = None,
    dataset: str | None = None,
    limit: int | None = None,
    skipped: list[str] | None = None,
) -> list[QuestionRow]:
    """All rows of a table, checked, each image read once to see that it can be.

    Parameters
    ----------
    path
        ``.tsv``, ``.csv``, ``.jsonl`` or ``.json`` (a list, or an object with a list ``data``).
    images
        Folder that image paths are relative to, and that none may leave; if None they are
        relative to the folder of the table and may lie anywhere.
    spool
        Folder for images that the table holds as base64.
    modality, dataset
        For tables that do not state them.
    limit
        Read no more than this many good rows.
    skipped
        Where given, a bad row is left out and its sentence appended here; else it is refused.

    Raises
    ------
    BadFileError
        One sentence with file and line: no such columns, broken row, duplicate index, missing or
        unreadable image, answer that is no option.
    """
    path = Path(path)
    folder = Path(images) if images is not None else path.parent
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder of images; give the right one with --images")
    reader = _Reader(path, folder, Path(spool), modality, dataset or path.stem)
    reader.confined = images is not None
    rows: list[QuestionRow] = []
    for where, record in _records(path):
        try:
            row = reader.read(where, record)
        except InputError as error:
            if skipped is None:
                raise
            skipped.append(str(error))
            continue
        rows.append(row)
        if limit is not None and len(rows) >= limit:
            break
    if not rows:
        raise BadFileError(path, "holds no usable question")
    return rows


class _Reader:
    """Keeps what rows refer to: ids seen, images spooled."""

    def __init__(
        self, path: Path, folder: Path, spool: Path, modality: str | None, dataset: str
    ) -> None:
        self.path, self.folder, self.spool = path, folder, spool
        self.modality, self.dataset = modality, dataset
        self.confined = True
        self.seen: dict[tuple[str, str, int], str] = {}
        self.spooled: dict[str, Path] = {}

    def read(self, where: str, record: Mapping[str, Any]) -> QuestionRow:
        names = names_of(record)
        image = self._image(where, names)
        row = parse_row(where, names, image, self.modality, self.dataset)
        key = (row.index, row.degradation, row.level)
        if key in self.seen:
            raise BadFileError(
                where, f"index {row.index!r} is also at {self.seen[key]}", "make it unique"
            )
        row = row.checked()
        self.seen[key] = where.rpartition(", ")[2]
        return row

    def _image(self, where: str, names: Mapping[str, Any]) -> Path:
        path = names.get("image_path")
        if isinstance(path, str) and path.strip().startswith("["):
            path = _json_list(path)
        if isinstance(path, list):
            if len(path) != 1:
                raise BadFileError(
                    where, f"has {len(path)} images; MedQ-Deg asks about one image a question"
                )
            path = path[0]
        content = names.get("image")
        if isinstance(content, str) and content.strip():
            return self._spool(where, str(names.get("index", "")), content.strip())
        if not isinstance(path, str) or not path.strip():
            raise BadFileError(where, "has no image: image_path and image are both empty")
        found = self._inside(where, path.strip())
        if found is None:
            raise BadFileError(
                where, f"its image {self.folder / path.strip()} does not exist", "check --images"
            )
        return found

    def _inside(self, where: str, name: str) -> Path | None:
        """The file that a row names, if it is there; it may not leave a folder that was given.

        What it names is sent to a model. Links that the user laid in the folder are followed.
        """
        found = self.folder / name
        root = os.path.abspath(self.folder)
        outside = os.path.commonpath([root, os.path.abspath(found)]) != root
        if self.confined and outside:
            raise BadFileError(
                where,
                f"its image {name} lies outside of {self.folder}",
                "give a folder that holds all images with --images",
            )
        try:
            return found if found.is_file() else None
        except OSError:  # a name that no file can have
            return None

    def _spool(self, where: str, index: str, text: str) -> Path:
        if len(text) <= _LONGEST_REFERENCE:
            if text in self.spooled:
                return self.spooled[text]
            found = self._inside(where, text)
            if found is not None:
                return found
            raise BadFileError(
                where, f"its image {text!r} is no earlier row, no file and no base64"
            )
        try:
            content = base64.b64decode(text.rpartition("base64,")[2], validate=True)
        except binascii.Error as error:
            raise BadFileError(where, f"its image is no valid base64 ({error})") from error
        place = self.spool / sha256_hex(content)
        if not place.exists():
            write_bytes(place, content)
        self.spooled[index] = place
        return place


def _json_list(text: str) -> object:
    try:
        return json.loads(text.replace("'", '"'))
    except ValueError:
        return text


def _records(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """("file, line n", record) for each row of a table."""
    suffix = path.suffix.lower()
    if suffix not in READABLE:
        raise BadFileError(path, f"is no table; {', '.join(READABLE)} can be read")
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            if suffix == ".jsonl":
                yield from _json_lines(path, handle)
            elif suffix == ".json":
                yield from _json_entries(path, handle.read())
            else:
                yield from _delimited(path, handle, "\t" if suffix == ".tsv" else ",")
    except FileNotFoundError as error:
        raise BadFileError(path, "does not exist", "check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(path, f"cannot be read as text ({error})", "save it as UTF-8") from error


def _delimited(path: Path, handle: Any, delimiter: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    before = csv.field_size_limit(2**31 - 1)  # base64 images are far longer than the default
    try:
        reader = csv.DictReader(handle, delimiter=delimiter)
        names_of(dict.fromkeys(reader.fieldnames or (), ""), f"{path}, line 1", columns=True)
        for record in reader:
            where = f"{path}, line {reader.line_num}"
            if None in record or None in record.values():
                raise BadFileError(
                    where, f"does not have the {len(reader.fieldnames or ())} columns of line 1"
                )
            yield where, record
    except csv.Error as error:
        raise BadFileError(path, f"is no valid table ({error})") from error
    finally:
        csv.field_size_limit(before)


def _json_lines(path: Path, handle: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(handle, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise BadFileError(where, f"is no JSON ({error})") from error
        yield where, _object(where, record)


def _json_entries(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadFileError(path, f"is no JSON ({error})") from error
    data = data.get("data") if isinstance(data, dict) else data
    if not isinstance(data, list):
        raise BadFileError(path, "holds no list of questions")
    for number, record in enumerate(data, 1):
        where = f"{path}, entry {number}"
        yield where, _object(where, record)


def _object(where: str, record: object) -> Mapping[str, Any]:
    if not isinstance(record, dict):
        raise BadFileError(where, "is no object with named fields")
    names_of(record, where, columns=True)
    return record
