"""Stage retrieve: pool images that look like the failures, less everything that leaks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from osler.core import Case, InputError, derive_rng, write_json
from osler.evaluate.benchmarks.folder import image_path

from ...retrieve import Hits, Selection, retrieve_from, select
from ...space import PoolView, retrieve_in
from ...vectors import Bools, Floats, Ints
from ..context import Round, read_lines, tidy, write_lines
from ..stage import Done, Stage

if TYPE_CHECKING:
    from osler.curate.pool import Pool


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
    chosen = select(vectors, hits, weights, plan.budget, excluded=excluded)
    if not chosen.rows.size:
        raise InputError(
            f"no image of the pool has a cosine above {plan.cosine} to a failure "
            f"({int(excluded.sum())} were left out as leaks); lower --cosine or add images"
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


def search(
    round_: Round, kinds: Sequence[Mapping[str, Any]], anchors: Floats, excluded: Bools, size: int
) -> tuple[Hits, PoolView | Pool]:
    """Pool images near the prototypes, and the vectors they were compared by.

    An image that is ``excluded`` is no hit, nor one whose stated modality is another than that of
    the failure: the question would make no sense. In the fitted space each prototype keeps four
    times ``size`` nearest images.
    """
    stated = np.asarray(round_.pool.columns("modality")["modality"], dtype=str)
    asked = np.array([kind["modality"] for kind in kinds], dtype=str)

    def fits(rows: Ints, prototypes: Ints) -> Bools:
        theirs, ours = stated[rows], asked[prototypes]
        same: Bools = (theirs == ours) | (theirs == "") | (ours == "")
        return same & ~excluded[rows]

    round_.progress("searching the pool", 0, 1)
    threshold, view = round_.plan.cosine, round_.view
    if view is None:
        hits = retrieve_from(round_.pool, anchors, threshold, round_.executor)
        kept = fits(hits.row, hits.prototype)
        found = {name: getattr(hits, name)[kept] for name in ("row", "prototype", "cosine")}
        hits = replace(hits, **found)
    else:
        hits = retrieve_in(view, anchors, threshold, most=4 * size, fits=fits)
    round_.progress("searching the pool", 1, 1)
    return hits, round_.pool if view is None else view


def cosines(hits: Hits, chosen: Selection) -> Floats:
    """The cosine of each chosen row to the prototype that it stands for."""
    pairs = zip(hits.row.tolist(), hits.prototype.tolist(), hits.cosine.tolist(), strict=True)
    known = {(row, prototype): cosine for row, prototype, cosine in pairs}
    taken = zip(chosen.rows.tolist(), chosen.prototype.tolist(), strict=True)
    return np.array([known[pair] for pair in taken], dtype=np.float64)


def leaked(round_: Round) -> tuple[list[dict[str, Any]], Bools]:
    """Rows that overlap with dev or gate (copies, crops, re-encodings, patients) or were used.

    Every reason is listed; marks are (n,) over the pool.
    """
    from osler.curate.pool import overlap

    pool = round_.pool
    cases = []
    for part in (round_.dev, round_.gate):
        held = list(part.cases())
        round_.keep_images_of(held, part.read_blob())
        cases += held
    files = _files(round_, cases)
    patients = patient_keys([case.item.group for case in cases])
    total, seen = len(files), 0

    def step(n: int) -> None:
        nonlocal seen
        seen += n
        round_.progress("comparing the pool with dev and gate", seen, total)

    found = overlap(
        pool,
        files,
        patients=patients,
        crops=round_.plan.crops,
        executor=round_.executor,
        progress=step,
    )
    columns = pool.columns("path", "sha256")
    paths = columns["path"]
    leaks: list[dict[str, Any]] = [
        {"row": o.row, "path": str(paths[o.row]), "kind": o.kind, "other": Path(o.other).name,
         "value": o.value}
        for o in found.found
    ]  # fmt: skip
    used = _used_before(round_.plan.earlier)
    leaks += [
        {"row": row, "path": str(paths[row]), "kind": "used before", "other": "an earlier round",
         "value": 1.0}
        for row, sha in enumerate(columns["sha256"]) if sha in used
    ]  # fmt: skip
    marks: Bools = np.zeros(len(pool), dtype=bool)
    marks[np.array([leak["row"] for leak in leaks], dtype=np.int64)] = True
    return leaks, marks


def patient_keys(groups: Iterable[str]) -> set[str]:
    """Keys that a pool may know the patients of ``groups`` by.

    Benchmarks write ``dataset/patient``; a pool holds the patient alone. Equal keys of different
    datasets are taken for one patient: to leave out too much does no harm here.
    """
    known = {group for group in groups if group}
    return known | {group.partition("/")[2] for group in known if "/" in group} - {""}


def _files(round_: Round, cases: Sequence[Case]) -> list[Path]:
    """Files of all images of dev and gate, as the round keeps them."""
    refs = {ref.sha256: ref for case in cases for ref in case.item.images}
    return [image_path(round_.path, refs[sha]) for sha in sorted(refs)]


def _used_before(rounds: Sequence[str]) -> set[str]:
    """SHA-256 of the pool images that earlier rounds took."""
    return {
        row["sha256"]
        for folder in rounds
        for row in read_lines(Path(folder) / "retrieve" / "selection.jsonl")
    }


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
    ("budget", "space", "cosine", "crops", "pool", "earlier", "seed"),
    _run,
)
