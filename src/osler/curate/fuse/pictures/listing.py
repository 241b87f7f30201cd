"""Which files a dataset has, and how a name in a table becomes one of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..faults import LayoutError
from ..volumes.files import fetched, inside

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
"""Suffixes of planes."""

DICOM = frozenset({".dcm", ".dicom"})
"""Suffixes of DICOM files, which tables of labels also name."""

MAX_FILES = 5_000_000
_SPLITS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "validate": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "tst": "test",
}


def split_named(text: str) -> str:
    """``train``, ``val`` or ``test`` if ``text`` is a word for one of them, else empty.

    Examples
    --------
    >>> split_named("Training"), split_named("validate"), split_named("trainee")
    ('train', 'val', '')
    """
    return _SPLITS.get(text.strip().lower(), "")


def files_below(
    folder: Path, suffixes: frozenset[str] | None = None, *, most: int = MAX_FILES
) -> Iterator[Path]:
    """Paths of the files below ``folder``, relative to it, in one fixed order.

    Hidden files, resource forks (``__MACOSX``, ``._x``) and links to folders are passed over;
    ``suffixes`` in lower case. At most ``most`` files are given.
    """
    given = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(n for n in folders if n[0] != "." and n != "__MACOSX")
        for name in sorted(names):
            if name[0] == "." or (
                suffixes is not None and os.path.splitext(name)[1].lower() not in suffixes
            ):
                continue
            if given == most:
                return
            given += 1
            yield Path(place, name).relative_to(folder)


def find_file(
    folder: Path, name: str, places: tuple[str, ...], *, table: object, case: str = ""
) -> Path:
    """The first existing ``folder/place/name``; ``places`` are relative folders, "" for itself.

    Raises
    ------
    LayoutError
        ``path-outside`` for a name that leaves the folder, ``file-missing``, ``file-dangling``.
    """
    for place in places:
        found = inside(folder / place if place else folder, name, Path(str(table)), case)
        if found.is_file() or found.is_symlink():
            return fetched(found, case)
    raise LayoutError(
        "file-missing",
        table,
        f"names {name[:120]!r}, which is not in {', '.join(p or '.' for p in places[:6])}",
        "fetch the file or remove its row",
        case=case,
    )
