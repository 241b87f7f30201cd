"""The same question clean and degraded: paired drop and McNemar's test.

The paper compares all clean with all degraded items, so a question that was degraded three ways
weighs three times at one level and once at the other. Pairs compare each with itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import plain
from osler.evaluate.scoring import (
    discordant,
    estimates,
    holm,
    mcnemar,
    mcnemar_stratified,
    sign_flip,
)

from .frame import Frame


def paired_rows(frame: Frame, groupings: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Rows for all pairs and for each key of each grouping, by level.

    ``drop`` is the mean of clean minus degraded robust scores (above 0: degradation costs),
    ``drop_compat`` the same of compat scores. McNemar calls an item right when more than half of
    its trials are (robust parser); ``b`` clean right and degraded wrong, ``c`` the reverse.
    ``p_group`` flips the pairs of one patient together; ``p_holm`` adjusts ``p_mcnemar`` for the
    number of rows of the same grouping. The rows of all pairs also have ``p_homogeneity``: whether
    degradations differ in which way pairs change.
    """
    clean, degraded = partners(frame)
    rows: list[dict[str, Any]] = []
    for by in ("all", *groupings):
        mine = []
        for level in sorted(set(frame.tags["level"][degraded].tolist()), key=int):
            at = frame.tags["level"][degraded] == level
            keys = ["all"] if by == "all" else sorted(set(frame.tags[by][degraded[at]].tolist()))
            for key in keys:
                pick = at if by == "all" else at & (frame.tags[by][degraded] == key)
                row = _row(frame, clean[pick], degraded[pick], seed)
                if by == "all":
                    tables = _tables(frame, clean[pick], degraded[pick])
                    row["p_homogeneity"] = mcnemar_stratified(tables)[1]
                mine.append({"by": by, "key": key, "level": level, **row})
        for row, p in zip(mine, holm([r["p_mcnemar"] for r in mine]), strict=True):
            row["p_holm"] = p
        rows += mine
    return rows


def partners(frame: Frame) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions (clean, degraded) of all pairs; an item without its clean form has none."""
    home = {
        parent: i
        for i, (parent, level) in enumerate(
            zip(frame.tags["parent"], frame.tags["level"], strict=True)
        )
        if level == "0"
    }
    pairs = [
        (home[parent], i)
        for i, (parent, level) in enumerate(
            zip(frame.tags["parent"], frame.tags["level"], strict=True)
        )
        if level != "0" and parent in home
    ]
    table = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _tables(
    frame: Frame, clean: NDArray[np.intp], degraded: NDArray[np.intp]
) -> list[tuple[int, int]]:
    """Discordant pairs (b, c) of each degradation."""
    keys = frame.tags["degradation"][degraded]
    return [
        discordant(frame.robust[clean[keys == k]] > 0.5, frame.robust[degraded[keys == k]] > 0.5)
        for k in sorted(set(keys.tolist()))
    ]


def _row(
    frame: Frame, clean: NDArray[np.intp], degraded: NDArray[np.intp], seed: int
) -> dict[str, Any]:
    groups = frame.groups[degraded].tolist()
    change = frame.robust[clean] - frame.robust[degraded]
    compat = frame.compat[clean] - frame.compat[degraded]
    bounds = [(-1.0, 1.0)] * 2
    drop, drop_compat = estimates(np.stack([change, compat], 1), groups, seed=seed, bounds=bounds)
    b, c = discordant(frame.robust[clean] > 0.5, frame.robust[degraded] > 0.5)
    return {
        "n_pairs": len(degraded),
        "drop": plain(drop),
        "drop_compat": plain(drop_compat),
        "b": b,
        "c": c,
        "p_mcnemar": mcnemar(b, c).p,
        "p_mid": mcnemar(b, c, mid_p=True).p,
        "p_group": sign_flip(change, groups, seed=seed),
    }
