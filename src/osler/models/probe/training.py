"""Train the heads once and keep them in Osler's cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from osler.core import BadFileError, alone, content_hash
from osler.settings import settings

from ..embedded import EFFICIENTNET_LITE0, file_sha256
from ..encoder import Encoder
from ..samples import FAMILIES, SOURCES, Picture, training_pictures
from ..samples.sources import source_path
from .features import Floats, features, varied
from .heads import Head, read_heads, save_heads, train_head

VERSION = "2"
"""Raise it when features, pictures, variants or the fit change: heads are then trained again."""

_VARIANTS = 3
_CHUNK = 32

LAYOUT_FAMILIES = frozenset({"anterior", "hemisphere", "patient_left", "extent"})
"""Families whose answer depends on where things are; the other heads see content only."""

Progress = Callable[[int, int], None]


def heads_path() -> Path:
    """Where the heads for the installed training pictures are kept.

    Raises
    ------
    MissingError
        A package with training pictures is not installed.
    """
    used = {s.key: file_sha256(source_path(s)) for s in SOURCES if s.split == "train"}
    key = content_hash([VERSION, EFFICIENTNET_LITE0.sha256, used])
    return settings().cache_dir / "models" / f"probe-heads-{key}.npz"


def trained_heads(
    encoder: Encoder, progress: Progress | None = None
) -> tuple[dict[str, Head], Path]:
    """The heads by family, trained now if the cache has none, and their file.

    Parameters
    ----------
    progress
        Called with pictures done and pictures in all, while features are computed.
    """
    path = heads_path()
    kept = _kept(path)
    if kept is not None:
        return kept, path
    with alone(path.parent):  # two runs started at once learn once
        kept = _kept(path)
        return (_train(encoder, path, progress) if kept is None else kept), path


def _kept(path: Path) -> dict[str, Head] | None:
    if not path.is_file():
        return None
    try:
        return read_heads(path)[0]
    except BadFileError:
        return None  # a broken cache is made again, not the user's concern


def _train(encoder: Encoder, path: Path, progress: Progress | None) -> dict[str, Head]:
    pictures = training_pictures()
    rows = [(p, number) for p in pictures for number in range(_VARIANTS + 1)]
    content, layout = _all_features(encoder, rows, progress)
    heads: dict[str, Head] = {}
    for family in FAMILIES:
        at = [i for i, (p, _) in enumerate(rows) if family.key in p.facts]
        sees, table = ("layout", layout) if family.key in LAYOUT_FAMILIES else ("content", content)
        labels = [rows[i][0].facts[family.key].answer for i in at]
        subjects = [rows[i][0].source.patient for i in at]
        head = train_head(family.key, sees, table[at], labels, subjects) if at else None
        if head is not None:
            heads[family.key] = head
    facts = {"version": VERSION, "pictures": len(pictures), "variants": _VARIANTS}
    save_heads(path, heads, facts)
    return heads


def _all_features(
    encoder: Encoder, rows: list[tuple[Picture, int]], progress: Progress | None
) -> tuple[Floats, Floats]:
    """Features of every picture as it is (number 0) and of its variants, a chunk at a time."""
    import numpy as np

    parts = []
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        planes = [
            varied(p.image.pixels, p.key, number) if number else p.image.pixels
            for p, number in chunk
        ]
        parts.append(features(encoder, planes))
        if progress is not None:
            progress(start + len(chunk), len(rows))
    return np.concatenate([c for c, _ in parts]), np.concatenate([s for _, s in parts])
