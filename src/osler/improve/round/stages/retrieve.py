"""Stage retrieve: pool images that look like the failures, less everything that leaks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from osler.core import InputError, derive_rng, write_json

from ...retrieve import Selection, select
from ...vectors import Floats
from ..context import Round, read_lines, tidy, write_lines
from ..leaks import leaked
from ..searching import SPREAD, cosines, search
from ..stage import Done, Stage

if TYPE_CHECKING:
    pass


def _run(round_: Round, folder: Path) -> Done:
    plan, pool = round_.plan, round_.pool
    if plan.budget > len(pool):
        raise InputError(
            f"a budget of {plan.budget} is larger than the pool of {len(pool)} images; lower "
            "--budget or add images"
        )
    kinds = _json(round_.folder("find") / "prototypes.json")
    anchors = np.load(round_.folder("find") / "anchors.npy")
    leaks, excluded = leaked(round_)
    hits, vectors = search(round_, kinds, anchors, excluded, plan.budget)
    weights = np.array([kind["weight"] for kind in kinds])
    chosen = select(vectors, hits, weights, plan.budget, excluded=excluded, oversample=SPREAD)
    if not chosen.rows.size:
        raise InputError(
            f"no image of the pool has a cosine above {plan.cosine} to a failure "
            f"({int(excluded.sum())} were left out as leaks); lower it (--set cosine=...) or add "
            "images"
        )
    near = cosines(hits, chosen)
    rows = candidates(round_, kinds, chosen, near)
    write_lines(folder / "leaks.jsonl", leaks)
    write_lines(folder / "selection.jsonl", rows)
    counts = Counter(leak["kind"] for leak in leaks)
    write_json(folder / "retrieval.json", _summary(round_, kinds, chosen, counts))
    said = f"{len(rows)} of {len(pool)} images taken"
    if chosen.shortfall:
        said += f", {chosen.shortfall} fewer than the budget: nothing else is near enough"
    return Done(
        f"{said}; {int(excluded.sum())} left out as leaks or used before",
        ("leaks.jsonl", "selection.jsonl", "retrieval.json"),
        {"taken": len(rows), "shortfall": chosen.shortfall, "excluded": int(excluded.sum())},
    )


def candidates(
    round_: Round, kinds: Sequence[Mapping[str, Any]], chosen: Selection, cosines: Floats
) -> list[dict[str, Any]]:
    """One record for each taken image: the picture, and the question it is asked.

    The question is that of a failure of its prototype, each in turn: the image looks like that
    failure, so it is asked the same.
    """
    items = {row["id"]: row for row in read_lines(round_.folder("find") / "items.jsonl")}
    records = round_.pool.records(chosen.rows.tolist())
    rng = derive_rng("round questions", round_.plan.seed)
    turn = [list(rng.permutation(kind["members"])) for kind in kinds]
    given: Counter[int] = Counter()
    rows: list[dict[str, Any]] = []
    for n, record in enumerate(records):
        j = int(chosen.prototype[n])
        members = turn[j]
        asked = items[str(members[given[j] % len(members)])]
        given[j] += 1
        measures = {"score": float(chosen.score[n]), "cosine": float(cosines[n])}
        row = {"row": int(chosen.rows[n]), **measures}
        rows.append(_candidate(round_, record, asked, kinds[j], row))
        round_.progress("reading chosen images", len(rows), int(chosen.rows.size))
    return rows


def _candidate(
    round_: Round,
    record: Mapping[str, Any],
    asked: Mapping[str, Any],
    kind: Mapping[str, Any],
    place: Mapping[str, Any],
) -> dict[str, Any]:
    ref = round_.keep_image(png_of(record))
    return {
        "id": f"pool-{place['row']}",
        **place,
        "sha256": record["sha256"],
        "image": tidy(ref),
        "path": str(record["path"]),
        "prototype": kind["name"],
        "stratum": kind["stratum"],
        "licence": record.get("licence") or "",
        "patient": record.get("patient") or "",
        "modality": record.get("modality") or "",
        "like": asked["id"],
        "question": asked["question"],
        "options": asked["options"],
        "tags": asked["tags"],
    }


def png_of(record: Mapping[str, Any]) -> bytes:
    """The plane that a pool record shows, as PNG; its file is checked against its hash."""
    import cv2

    from osler.curate.pool import read_record

    pixels = read_record(dict(record)).pixels
    shown = pixels if pixels.ndim == 2 else pixels[..., ::-1]
    return bytes(cv2.imencode(".png", shown)[1])


def _summary(
    round_: Round,
    kinds: Sequence[Mapping[str, Any]],
    chosen: Selection,
    leaks: Mapping[str, int],
) -> dict[str, Any]:
    taken = np.bincount(chosen.prototype, minlength=len(kinds))
    prototypes = [
        {"name": kind["name"], "quota": int(chosen.quota[j]), "taken": int(taken[j]),
         "available": int(chosen.available[j]), "tail": float(chosen.tail[j])}
        for j, kind in enumerate(kinds)
    ]  # fmt: skip
    return tidy(  # type: ignore[no-any-return]
        {"rows": len(round_.pool), "budget": round_.plan.budget, "taken": int(taken.sum()),
         "shortfall": chosen.shortfall, "leaks": dict(sorted(leaks.items())),
         "prototypes": prototypes}
    )  # fmt: skip


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


RETRIEVE = Stage(
    "retrieve",
    1,
    ("find",),
    ("budget", "space", "cosine", "crops", "pool", "earlier", "dev", "gate", "seed"),
    _run,
)
