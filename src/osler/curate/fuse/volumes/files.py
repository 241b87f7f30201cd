"""Files that a dataset names: inside its folder, there, and fetched."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path, PurePosixPath

from osler.core import BadFileError

from ..case import Case, Loaded, Source
from ..faults import LayoutError

_POINTERS = (b"/annex/objects/", b".git/annex/objects/", b"version https://git-lfs.github.com/")
_POINTER_BYTES = 1024
"""Files that stand for content not fetched are this short at most."""

NIFTI = (".nii.gz", ".nii")


def inside(root: Path, named: object, table: Path, case: str = "") -> Path:
    """The path that ``table`` names, relative to ``root`` and below it.

    Raises
    ------
    LayoutError
        ``table-row`` if it is no text, ``path-outside`` if it is absolute or climbs out.
    """
    if not isinstance(named, str) or not named.strip() or "\0" in named:
        raise LayoutError("table-row", table, f"names no file but {named!r}", case=case)
    text = named.strip().replace("\\", "/")
    parts = PurePosixPath(text).parts
    if text.startswith("/") or ".." in parts or (parts and ":" in parts[0]):
        raise LayoutError(
            "path-outside",
            table,
            f"names {named!r}, which is outside its folder",
            "files are named relative to the dataset",
            case=case,
        )
    return root / PurePosixPath(*parts)


def fetched(path: Path, case: str = "", what: str = "") -> Path:
    """``path``, whose content is there.

    Raises
    ------
    LayoutError
        ``file-dangling`` for a link or a pointer to content that was not fetched, ``file-missing``
        if there is no such file, ``file-unreadable`` if it is empty.
    """
    named = f" ({what})" if what else ""
    if path.is_symlink() and not path.exists():
        raise LayoutError(
            "file-dangling",
            path,
            f"is a link to content that is not here{named}",
            "fetch it (git annex get, datalad get)",
            case=case,
        )
    if not path.is_file():
        raise LayoutError(
            "file-missing", path, f"there is no such file{named}", "fetch the whole set", case=case
        )
    size = path.stat().st_size
    if not size:
        raise LayoutError("file-unreadable", path, "is empty", "fetch it again", case=case)
    if size <= _POINTER_BYTES:
        with path.open("rb") as handle:
            head = handle.read(_POINTER_BYTES)
        if any(mark in head for mark in _POINTERS):
            raise LayoutError(
                "file-dangling",
                path,
                f"is a pointer to content that was not fetched{named}",
                "fetch it (git annex get, git lfs pull)",
                case=case,
            )
    return path


def listed(folder: Path, endings: tuple[str, ...] = NIFTI) -> list[Path]:
    """Files (and dangling links) of ``folder`` with one of ``endings``, by name.

    Hidden files are left out: ``._x.nii.gz`` are resource forks that some archives carry.
    """
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and path.name.lower().endswith(endings)
        and (path.is_symlink() or path.is_file())
    )


def stem(path: Path | str) -> str:
    """The name without ``.nii.gz`` or ``.nii``, or without its last suffix."""
    name = Path(path).name
    for ending in NIFTI:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return Path(name).stem


def below(path: Path, root: Path) -> str:
    """``path`` relative to ``root``, as text with forward slashes."""
    return path.relative_to(root).as_posix()


@contextlib.contextmanager
def reading(path: object, case: str) -> Iterator[None]:
    """What a reader cannot do becomes a ``file-unreadable`` fault, and every fault one of ``case``.

    An ``InputError`` of no file (a wrong option) passes: it is no fault of a case, and would
    otherwise drop them all, one by one.
    """
    try:
        yield
    except LayoutError as error:
        if error.case:
            raise
        raise of_case(error, case) from error
    except BadFileError as error:
        what = str(error).removeprefix(f"{error.path}: ")
        raise LayoutError("file-unreadable", error.path, what, case=case) from error
    except OSError as error:
        raise LayoutError("file-unreadable", path, str(error), case=case) from error


def of_case(error: LayoutError, case: str) -> LayoutError:
    """The same fault, of ``case``."""
    same = LayoutError.__new__(LayoutError)
    same.args = error.args
    same.path, same.code, same.case = error.path, error.code, case
    return same


def loads_cases(load: Callable[[Source, Case], Loaded]) -> Callable[[Source, Case], Loaded]:
    """A ``load`` that raises what ``scan`` has found, and names the case in every fault."""

    @wraps(load)
    def strict(source: Source, case: Case) -> Loaded:
        if case.fault is not None:
            raise case.fault
        with reading(source.folder, case.key):
            return load(source, case)

    return strict
