"""Pool images that look like the failures and unlike what the student knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..contrast import contrast_retrieve
from ..retrieve import Hits, Selection, retrieve_from
from ..space import PoolView, nearest_of_each
from ..vectors import Bools, Floats, Ints
from .context import Round, read_lines

if TYPE_CHECKING:
    from osler.curate.pool import Pool

SPREAD = 1.5
"""Candidates for each place of a quota, from which the most different are taken."""


def search(
    round_: Round, kinds: Sequence[Mapping[str, Any]], anchors: Floats, excluded: Bools, size: int
) -> tuple[Hits, PoolView | Pool]:
    """Pool images near the prototypes, and the vectors they were compared by.

    An image that is ``excluded`` is no hit, nor one whose stated modality is another than that of
    the failure: the question would make no sense. In the fitted space an image is a hit of a
    prototype as far as it is nearer to its failures than to what the student knows, and each
    prototype keeps the four times ``size`` clearest.
    """
    stated = round_.pool.columns("modality")["modality"]  # objects: one long text costs no more
    asked = np.array([kind["modality"] for kind in kinds], dtype=object)

    def fits(rows: Ints, prototypes: Ints) -> Bools:
        theirs, ours = stated[rows], asked[prototypes]
        same: Bools = (theirs == ours) | (theirs == "") | (ours == "")
        return same & ~excluded[rows]

    round_.progress("searching the pool", 0, 1)
    threshold, view = round_.plan.cosine, round_.view
    if view is None:
        hits = retrieve_from(round_.pool, anchors, threshold, round_.executor)
        hits = _where(hits, fits(hits.row, hits.prototype))
    else:
        near, far = told_apart(round_, kinds)
        hits = contrast_retrieve(view, near, far, threshold=threshold, margin=-1.0)
        hits = _where(hits, fits(hits.row, hits.prototype))
        hits = _where(hits, nearest_of_each(hits, 4 * size))
    round_.progress("searching the pool", 1, 1)
    return hits, round_.pool if view is None else view


def _where(hits: Hits, kept: NDArray[Any]) -> Hits:
    found = {name: getattr(hits, name)[kept] for name in ("row", "prototype", "cosine")}
    return replace(hits, **found)


def told_apart(
    round_: Round, kinds: Sequence[Mapping[str, Any]]
) -> tuple[list[Floats], list[Floats]]:
    """For each prototype the vectors of its failures, and of dev images that speak against it.

    These are images of other strata that no persistent failure is about: what a weakness looks like
    is what sets it apart from what is known.
    """
    looks = np.load(round_.folder("find") / "looks.npy")
    items = list(read_lines(round_.folder("find") / "items.jsonl"))
    at = {row["id"]: i for i, row in enumerate(items)}
    bad = {ref["sha256"] for row in items if row["flagged"] for ref in row["images"]}
    known = [i for i, row in enumerate(items) if not any(r["sha256"] in bad for r in row["images"])]
    near = [looks[[at[name] for name in kind["members"]]] for kind in kinds]
    far = [looks[[i for i in known if items[i]["stratum"] != kind["stratum"]]] for kind in kinds]
    return near, far


def cosines(hits: Hits, chosen: Selection) -> Floats:
    """The cosine of each chosen row to the prototype that it stands for."""
    pairs = zip(hits.row.tolist(), hits.prototype.tolist(), hits.cosine.tolist(), strict=True)
    known = {(row, prototype): cosine for row, prototype, cosine in pairs}
    taken = zip(chosen.rows.tolist(), chosen.prototype.tolist(), strict=True)
    return np.array([known[pair] for pair in taken], dtype=np.float64)
