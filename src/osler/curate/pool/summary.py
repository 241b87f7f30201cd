"""What is in a pool, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from osler.images.quality import FEATURES

from .store import Pool, broken_shards


def summarise(pool: Pool, *, check: bool = False) -> dict[str, Any]:
    """Counts of a pool, and the 5, 50 and 95 percentiles of each quality feature.

    With ``check``, ``broken`` lists the files of shards that are not what their checksum says.
    """
    words = pool.columns("modality", "licence", "source", "patient")
    measured = pool.features()
    features = {}
    for number, name in enumerate(FEATURES):
        values = measured[:, number]
        values = values[np.isfinite(values)]
        if values.size:
            features[name] = [float(v) for v in np.percentile(values, (5, 50, 95))]
    errors = pool.path / "errors.jsonl"
    lines = errors.read_text(encoding="utf-8").splitlines() if errors.is_file() else []
    return {
        "rows": len(pool),
        "shards": len(pool.shards),
        "bytes": sum(f.stat().st_size for f in pool.path.rglob("*") if f.is_file()),
        "encoder": pool.identity,
        "dim": pool.dim,
        "patients": len({p for p in words["patient"] if p}),
        "skipped": len(lines),
        **{name: _counts(words[name]) for name in ("modality", "licence", "source")},
        "features": features,
        "broken": broken_shards(pool) if check else [],
    }


def _counts(values: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
