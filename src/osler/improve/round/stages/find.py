"""Stage find: persistent failures, weak strata, and prototypes of what goes wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from osler.core import Case, InputError, ReadBlob, write_json

from ...budget import shares
from ...duplicates import tf_idf
from ...embedding import joint_embedding
from ...failures import Failures, persistent_failures, weakness
from ...prototypes import Prototype, find_prototypes, prototype_weights
from ...vectors import Floats, Ints
from ..asking import Asked, read_run, wrong_trials
from ..context import Round, tidy, write_lines
from ..looks import image_looks
from ..stage import Done, Stage


def _run(round_: Round, folder: Path) -> Done:
    plan = round_.plan
    asked = read_run(round_.dev, round_.folder("evaluate") / "run", plan.trials)
    items = [case.item for case in asked.cases]
    strata = round_.strata(items)
    groups = [item.group or item.id for item in items]
    found = persistent_failures(wrong_trials(round_.dev, asked), rule=plan.rule)
    if not found.flagged.any():
        raise InputError(
            f"no persistent failure among {len(items)} dev items "
            f"({int(found.undecided.sum())} undecided): there is nothing to mend, so the round "
            "ends here; ask harder questions or more trials"
        )
    rates = weakness(found.flagged, strata, groups)
    part = shares([r.rate.value for r in rates], alpha=plan.alpha, floor=plan.floor)
    of_stratum = {r.stratum: float(p) for r, p in zip(rates, part, strict=True)}
    failed = _mendable(np.flatnonzero(found.flagged), asked)
    round_.keep_images_of([asked.cases[i] for i in failed], round_.dev.read_blob())
    looks = case_looks(round_, asked.cases, round_.dev.read_blob())
    kinds = _prototypes(round_, asked, looks[failed], failed, [strata[i] for i in failed])
    weights = prototype_weights(kinds, of_stratum)
    write_lines(folder / "items.jsonl", _rows(asked, strata, found))
    write_json(
        folder / "weakness.json",
        [{**tidy(r), "share": of_stratum[r.stratum]} for r in rates],
    )
    names = [items[i].id for i in failed]
    write_json(
        folder / "prototypes.json",
        [
            _prototype(p, names, float(w), items[failed[p.medoid]].tags.get("modality", ""))
            for p, w in zip(kinds, weights, strict=True)
        ],
    )
    np.save(folder / "anchors.npy", np.stack([p.anchor for p in kinds]))
    np.save(folder / "looks.npy", looks.astype(np.float32))
    worst, flagged = rates[0], int(found.flagged.sum())
    said = f"{flagged} of {len(items)} items fail persistently"
    if failed.size < flagged:
        said += f" ({flagged - failed.size} of several images, which one image cannot mend)"
    return Done(
        f"{said}, in {len(kinds)} kinds; weakest: "
        f"{worst.stratum} ({worst.failures} of {worst.items})",
        ("items.jsonl", "weakness.json", "prototypes.json", "anchors.npy", "looks.npy"),
        {"failures": flagged, "items": len(items), "prototypes": len(kinds),
         "several_images": flagged - int(failed.size), "undecided": int(found.undecided.sum())},
    )  # fmt: skip


def _mendable(failed: Ints, asked: Asked) -> Ints:
    """Failures about one image: the pool gives single images, which can be asked nothing else.

    Raises
    ------
    InputError
        There is none.
    """
    kept: Ints = failed[[len(asked.cases[i].item.images) == 1 for i in failed]]
    if not kept.size:
        raise InputError(
            f"all {failed.size} persistent failures are questions about several images, and the "
            "pool gives one at a time; name dev items that show one image"
        )
    return kept


def _prototypes(
    round_: Round, asked: Asked, looks: Floats, failed: Ints, strata: Sequence[str]
) -> list[Prototype]:
    """Kinds of failure, from the image vectors (failures, d) and what was asked and answered."""
    questions = text_vectors([asked.cases[i].item.question for i in failed])
    said = text_vectors([_said(asked, int(i)) for i in failed])
    joint = joint_embedding(looks, questions, said)
    return find_prototypes(joint, looks, strata, anchor=round_.plan.anchor, seed=round_.plan.seed)


def case_looks(round_: Round, cases: Sequence[Case], read: ReadBlob) -> Floats:
    """Image vectors (n, d) of cases in the space that the pool is searched in."""
    vectors, features = image_looks(
        round_.pool,
        [[read(ref) for ref in case.item.images] for case in cases],
        lambda done, total: round_.progress("embedding dev images", done, total),
    )
    return vectors if round_.view is None else round_.view.space.of(vectors, features)


def text_vectors(texts: Sequence[str]) -> Floats:
    """TF-IDF rows (n, words + 1); a text without words points in a direction of its own."""
    table: Floats = np.asarray(tf_idf(texts).todense(), dtype=np.float64)
    empty = (np.abs(table).sum(axis=1, keepdims=True) == 0).astype(np.float64)
    return np.hstack([table, empty])


def _said(asked: Asked, at: int) -> str:
    """What the student answered most often, in words."""
    item = asked.cases[at].item
    votes = Counter(a.value or "no answer" for a in asked.answers[at])
    most = votes.most_common(1)[0][0]
    return item.options.get(most, most)


def _rows(asked: Asked, strata: Sequence[str], found: Failures) -> list[dict[str, Any]]:
    rows = []
    for i, (case, given) in enumerate(zip(asked.cases, asked.answers, strict=True)):
        item = case.item
        rows.append(
            {
                "id": item.id,
                "question": item.question,
                "options": dict(item.options),
                "images": [tidy(ref) for ref in item.images],
                "stratum": strata[i],
                "patient": item.group,
                "tags": dict(item.tags),
                "wrong": int(found.wrong[i]),
                "scored": int(found.scored[i]),
                "flagged": bool(found.flagged[i]),
                "undecided": bool(found.undecided[i]),
                "certainty": float(found.certainty[i]),
                "gold": case.gold.answer,
                "answers": [answer.value for answer in given],
            }
        )
    return rows


def _prototype(p: Prototype, names: Sequence[str], weight: float, modality: str) -> dict[str, Any]:
    return tidy(  # type: ignore[no-any-return]
        {
            "name": p.name,
            "stratum": p.stratum,
            "medoid": names[p.medoid],
            "modality": modality,
            "members": [names[int(i)] for i in p.members],
            "share": p.share,
            "silhouette": p.silhouette,
            "stability": p.stability,
            "weight": weight,
        }
    )


FIND = Stage(
    "find",
    2,
    ("evaluate",),
    ("strata", "rule", "anchor", "alpha", "floor", "space", "pool", "seed"),
    _run,
)
