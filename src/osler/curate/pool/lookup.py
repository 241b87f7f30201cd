"""A question to a pool: an image, or words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import InputError
from osler.images.sniff import SUFFIXES, suffix_of

from .encoders import identity_of, load_encoder
from .executors import Executor
from .reading import read_shown
from .search import range_search, top_k
from .store import Pool, check_encoder


@dataclass(frozen=True, slots=True)
class Found:
    """``by`` says in a sentence how was searched; a hit has row, cos (None by words), path..."""

    by: str
    hits: tuple[dict[str, Any], ...]


def embed_files(pool: Pool, paths: list[Path]) -> NDArray[np.float32]:
    """Vectors of image files by the encoder of ``pool``: (n, dim).

    Raises
    ------
    InputError
        If the installed encoder is not the one that made the pool.
    """
    encoder = load_encoder(pool.encoder)
    check_encoder(pool, identity_of(pool.encoder, encoder), encoder.dim)
    return np.concatenate([encoder.embed([read_shown(path).pixels]) for path in paths])


def look_up(
    pool: Pool,
    query: str,
    *,
    k: int = 10,
    above: float | None = None,
    executor: Executor | None = None,
) -> Found:
    """The images nearest to ``query``: an image file, or words.

    Words need an encoder with ``embed_text``; without one they are looked for in the records
    (path, modality, source, licence, patient; every word, in any case of letters).

    Raises
    ------
    InputError
        If the pool is empty, of another encoder, or the query has no words.
    """
    if not len(pool):
        raise InputError(f"{pool.path} is empty; add images first: osler pool add")
    if Path(query).is_file():
        anchor = embed_files(pool, [Path(query)])
        by = f"by cosine of {pool.identity} with {query}"
    else:
        encoder = load_encoder(pool.encoder)
        if not hasattr(encoder, "embed_text"):
            return _by_words(pool, query, k)
        check_encoder(pool, identity_of(pool.encoder, encoder), encoder.dim)
        anchor = np.atleast_2d(encoder.embed_text(query))
        by = f"by cosine of {pool.identity} with the words"
    if above is None:
        hits = top_k(pool, anchor, k, executor=executor)
    else:
        hits = range_search(pool, anchor, above, executor=executor)
    records = pool.records(hits.row)
    found = zip(hits.row, hits.cos, records, strict=True)
    return Found(by, tuple({"row": int(r), "cos": float(c), **rec} for r, c, rec in found))


def _by_words(pool: Pool, query: str, k: int) -> Found:
    words = query.lower().split()
    if not words:
        raise InputError("a search needs an image file or words")
    columns = pool.columns("path", "modality", "source", "licence", "patient")
    rows = []
    for row, values in enumerate(zip(*columns.values(), strict=True)):
        text = "\n".join(values).lower()
        if all(word in text for word in words):
            rows.append(row)
    if not rows and suffix_of(Path(query)) in SUFFIXES:
        raise InputError(
            f"{query}: there is no such file, nor has a record these words in its path"
        )
    by = (
        f"{query!r} is no file, and {pool.encoder} has no text side: {len(rows)} records have "
        "these words in their path, modality, source, licence or patient"
    )
    records = pool.records(rows[:k])
    return Found(
        by, tuple({"row": r, "cos": None, **rec} for r, rec in zip(rows, records, strict=False))
    )
