"""Find the mini set that was built before without decoding a single picture again.

A second run would else spend a second on reading the sources only to learn that the dataset in
the cache is the one it wants. The key covers all that decides the bytes: the code of the rooms
that take part, the libraries, the source files as they lie there, and the options.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import osler
from osler.core import OslerError, content_hash, sha256_hex, write_json
from osler.models.samples import SOURCES
from osler.models.samples.sources import source_path

_ROOMS = ("core", "images", "physics", "degrade", "models/samples", "evaluate/benchmarks/medq_deg")
_LIBRARIES = (
    "numpy", "scipy", "opencv-python-headless", "pillow", "nibabel", "pydicom", "scikit-image",
    "tifffile", "stringzilla",
)  # fmt: skip


def remembered(cache: Path, options: Mapping[str, Any]) -> Path | None:
    """The folder of the mini set built with ``options``, if it is in the cache and finished."""
    try:
        stored = json.loads(_note(cache, options).read_text(encoding="utf-8"))
        folder = cache / str(stored["folder"])
    except (OSError, ValueError, KeyError, TypeError, OslerError):
        return None
    inside = folder.parent == cache and folder.name == stored["folder"]
    return folder if inside and (folder / "dataset.json").is_file() else None


def remember(cache: Path, options: Mapping[str, Any], folder: Path) -> None:
    """Note that ``folder`` is the mini set built with ``options``; a full disk does no harm."""
    try:
        write_json(_note(cache, options), {"folder": folder.name})
    except (OSError, OslerError):
        return


def _note(cache: Path, options: Mapping[str, Any]) -> Path:
    deciding = {k: v for k, v in options.items() if k not in ("jobs", "progress")}
    if "review" in deciding:
        path = Path(deciding["review"])
        deciding["review"] = sha256_hex(path.read_bytes())
    deciding = {k: str(v) if isinstance(v, Path) else v for k, v in deciding.items()}
    sources = [
        [str(path), path.stat().st_size, path.stat().st_mtime_ns]
        for path in (source_path(source) for source in SOURCES)
    ]
    return cache / f"mini-{content_hash([deciding, sources, _code(), _libraries()], 32)}.json"


def _code() -> str:
    digest, root = hashlib.sha256(), Path(osler.__file__).parent
    for room in _ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _libraries() -> list[str]:
    found = [platform.python_version(), platform.machine()]
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found
