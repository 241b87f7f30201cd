"""Stage curve: how accuracy grows with labels, chosen by the engine against chosen at random.

Labels of randomly chosen images are needed for it, so it is drawn where they are known
beforehand: with a simulated annotator.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from osler.core import ImageRef, InputError, Item, derive_rng, write_json

from ...curves import learning_curve, reached, sample_efficiency
from ...retrieve import select
from ...training_set import Example, TrainingSet, write_training_set
from ...vectors import Bools
from ..context import Round, read_lines, tidy
from ..searching import SPREAD, cosines, search
from ..stage import Done, Stage
from ..truth import Truths, mistaken
from .gate import gate_right
from .retrieve import candidates, png_of
from .train import train

Labelled = tuple[Item, ImageRef, str]


def _run(round_: Round, folder: Path) -> Done:
    seeds = round_.plan.curve_seeds
    base = float(np.nanmean(gate_right(round_, "curve", round_.model(), folder / "0",
                                       report=False)))  # fmt: skip
    largest = round_.plan.curve[-1]
    chosen = _chosen(round_, largest)
    drawn = {
        "engine": [(chosen, seed) for seed in range(seeds)],
        "random": [(_random(round_, largest, seed), seed) for seed in range(seeds)],
    }
    every = {
        arm: [_labelled(round_, rows, seed) for rows, seed in held] for arm, held in drawn.items()
    }
    usable = {
        arm: float(np.mean([len(one) / max(len(rows), 1)
                            for one, (rows, _) in zip(every[arm], held, strict=True)]))
        for arm, held in drawn.items()
    }  # fmt: skip
    arms = {arm: [one[:largest] for one in held] for arm, held in every.items()}
    enough = min(len(labelled) for held in arms.values() for labelled in held)
    sizes = [size for size in round_.plan.curve if size <= enough]
    if not sizes:
        raise InputError(
            f"the learning curve begins at {round_.plan.curve[0]} labels, but only {enough} can be "
            "had; give smaller sizes (--set curve=10,20)"
        )
    scores: dict[str, list[list[float]]] = {arm: [] for arm in arms}
    done, total = 0, 2 * seeds * len(sizes)
    for arm, held in arms.items():
        for labelled in held:
            row = [base]
            for size in sizes:
                row.append(_score(round_, labelled[:size], folder / "work"))
                done += 1
                round_.progress("learning curve", done, total)
            scores[arm].append(row)
    shutil.rmtree(folder / "work", ignore_errors=True)
    body = {**_body([0, *sizes], scores), "usable": tidy(usable)}
    left_out = [size for size in round_.plan.curve if size > enough]
    body["note"] = f"sizes {left_out} left out: {enough} labels can be had" if left_out else ""
    write_json(folder / "curve.json", body)
    ratio = body["efficiency"]["ratio"]
    said = (
        f"random needs {ratio['value']:.1f} times as many labels"
        if ratio
        else f"no ratio: {body['efficiency']['note']}"
    )
    files = ("curve.json", "0/summary.json")
    return Done(f"{seeds} seeds, {len(sizes)} sizes; {said}", files, body)


def _body(sizes: Sequence[int], arms: dict[str, list[list[float]]]) -> dict[str, Any]:
    """The curves, and how many labels each needs for what random reaches whichever seed is left
    out: what all of its seeds together just reach leaves no interval, so no ratio.

    Where random images do not help at all, the goal is half of what the engine gains, and the note
    says that random does not reach it.
    """
    engine, plain = (learning_curve(sizes, arms[name]) for name in ("engine", "random"))
    base, best = float(engine.scores[:, 0].mean()), engine.scores.mean(axis=0).max()
    goal = reached(plain)
    if goal <= base and best > base:
        goal = (base + float(best)) / 2
    efficiency = sample_efficiency(plain, engine, goal)
    return tidy(  # type: ignore[no-any-return]
        {
            "sizes": list(sizes),
            "metric": "accuracy on the gate items",
            "seeds": len(arms["engine"]),
            "arms": arms,
            "efficiency": efficiency,
        }
    )


def _score(round_: Round, labelled: Sequence[Labelled], work: Path) -> float:
    """Accuracy on the gate of a student trained on ``labelled``."""
    shutil.rmtree(work, ignore_errors=True)
    trained = train(round_, _set(round_, labelled, work / "set"), work / "student", "curve")
    model = round_.load(trained.model, trained.options)
    return float(np.nanmean(gate_right(round_, "curve", model, work / "run", report=False)))


def _set(round_: Round, labelled: Sequence[Labelled], out: Path) -> TrainingSet:
    examples = [
        Example(
            id=f"curve-{n}",
            prompt=round_.dev.prompt(item),
            answer=answer,
            question=item.question,
            options=dict(item.options),
            patient=item.group,
        )
        for n, (item, _, answer) in enumerate(labelled)
    ]
    return write_training_set(out, examples, round_.read_image)


def _chosen(round_: Round, size: int) -> list[dict[str, Any]]:
    """What the engine takes for a budget of ``size``, and half as much again for what nobody can
    label."""
    kinds = json.loads((round_.folder("find") / "prototypes.json").read_text(encoding="utf-8"))
    anchors = np.load(round_.folder("find") / "anchors.npy")
    wanted, excluded = min(size + size // 2, len(round_.pool)), _excluded(round_)
    hits, vectors = search(round_, kinds, anchors, excluded, wanted)
    weights = np.array([kind["weight"] for kind in kinds])
    chosen = select(vectors, hits, weights, wanted, excluded=excluded, oversample=SPREAD)
    return candidates(round_, kinds, chosen, cosines(hits, chosen))


def _excluded(round_: Round) -> Bools:
    marks: Bools = np.zeros(len(round_.pool), dtype=bool)
    leaks = [row["row"] for row in read_lines(round_.folder("retrieve") / "leaks.jsonl")]
    marks[np.array(leaks, dtype=np.int64)] = True
    return marks


def _random(round_: Round, size: int, seed: int) -> list[dict[str, Any]]:
    """Random images, half as many again, each with the question of a dev item of its modality."""
    rng = derive_rng("curve random", seed, round_.plan.seed)
    free = np.flatnonzero(~_excluded(round_))
    drawn = rng.permutation(free)[: size + size // 2]
    every = read_lines(round_.folder("find") / "items.jsonl")
    asked = [row for row in every if len(row["images"]) == 1 and row["options"]]
    rows = []
    for record, at in zip(round_.pool.records(drawn.tolist()), drawn, strict=True):
        fit = [q for q in asked if q["tags"].get("modality") == record["modality"]] or asked
        like = fit[int(rng.integers(len(fit)))]
        ref = round_.keep_image(png_of(record))
        rows.append({"id": f"pool-{int(at)}", "sha256": record["sha256"], "image": tidy(ref),
                     "question": like["question"], "options": like["options"],
                     "tags": like["tags"], "patient": record["patient"]})  # fmt: skip
    return rows


def _labelled(round_: Round, rows: Sequence[dict[str, Any]], seed: int) -> list[Labelled]:
    """Rows in an order drawn by ``seed``, with the simulated annotator's labels.

    Those that no option fits are passed over.
    """
    truths = Truths(round_.plan.truth, round_.plan.benchmark)
    error = round_.plan.simulated_error or 0.0
    found = []
    order = derive_rng("curve order", seed, round_.plan.seed).permutation(len(rows))
    for row in (rows[int(i)] for i in order):
        right = truths.answer(row["sha256"], row["question"], row["options"])
        if right is None:
            continue
        said = mistaken(right, row["options"], error, "curve label", seed, row["id"])
        ref = ImageRef(**row["image"])
        item = Item(row["id"], row["question"], (ref,), row["options"],
                    row["patient"] or row["id"], row["tags"])  # fmt: skip
        found.append((item, ref, said or right))
    return found


CURVE = Stage(
    "curve",
    2,
    ("find", "retrieve"),
    ("curve", "curve_seeds", "annotator", "truth", "pool", "model", "options", "training", "gate",
     "dev", "space", "cosine", "seed"),
    _run,
    wanted=lambda round_: bool(round_.plan.curve) and round_.plan.simulated_error is not None,
)  # fmt: skip
