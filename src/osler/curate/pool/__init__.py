"""Images by the million: add, embed, hash, search exactly, find duplicates and leaks, export.

Everything is imported on first use, so that ``import osler.curate.pool`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from osler.images.quality import FEATURES, measure

    from .duplicates import duplicate_groups
    from .encoders import DEFAULT, PoolEncoder, identity_of, load_encoder
    from .executors import Executor, Here, Processes, executor_for
    from .export import Exported, export
    from .hashes import dhash, hamming, near_between, near_pairs, phash
    from .ingest import Added, add
    from .leakage import KINDS, Overlap, Overlaps, overlap
    from .reading import Shown, read_record, read_shown
    from .search import Hits, range_search, top_k
    from .shards import COLUMNS, Shard
    from .sources import Stated
    from .store import Pool, append, broken_shards, check_encoder, create_pool, open_pool

_HOME = {
    "duplicate_groups": "duplicates",
    "Exported": "export",
    "export": "export",
    "KINDS": "leakage",
    "Overlap": "leakage",
    "Overlaps": "leakage",
    "overlap": "leakage",
    "DEFAULT": "encoders",
    "PoolEncoder": "encoders",
    "identity_of": "encoders",
    "load_encoder": "encoders",
    "Executor": "executors",
    "Here": "executors",
    "Processes": "executors",
    "executor_for": "executors",
    "dhash": "hashes",
    "hamming": "hashes",
    "near_between": "hashes",
    "near_pairs": "hashes",
    "phash": "hashes",
    "Added": "ingest",
    "add": "ingest",
    "FEATURES": "osler.images.quality",
    "measure": "osler.images.quality",
    "Shown": "reading",
    "read_record": "reading",
    "read_shown": "reading",
    "Hits": "search",
    "range_search": "search",
    "top_k": "search",
    "COLUMNS": "shards",
    "Shard": "shards",
    "Stated": "sources",
    "Pool": "store",
    "append": "store",
    "broken_shards": "store",
    "check_encoder": "store",
    "create_pool": "store",
    "open_pool": "store",
}

__all__ = [
    "COLUMNS",
    "DEFAULT",
    "FEATURES",
    "KINDS",
    "Added",
    "Executor",
    "Exported",
    "Here",
    "Hits",
    "Overlap",
    "Overlaps",
    "Pool",
    "PoolEncoder",
    "Processes",
    "Shard",
    "Shown",
    "Stated",
    "add",
    "append",
    "broken_shards",
    "check_encoder",
    "create_pool",
    "dhash",
    "duplicate_groups",
    "executor_for",
    "export",
    "hamming",
    "identity_of",
    "load_encoder",
    "measure",
    "near_between",
    "near_pairs",
    "open_pool",
    "overlap",
    "phash",
    "range_search",
    "read_record",
    "read_shown",
    "top_k",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOME[name]
    value = getattr(import_module(home if "." in home else f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
