"""Does a model gain from fused data? A fixed small model, taught sources alone, joined, fused.

``python benchmarks/fusion.py [--quick] [--json FILE] [--seeds N] [--workers N]``

Real chest X-rays (normal or pneumonia) dealt to five sources in three layouts: three clinics, a
mirror that holds re-encoded copies of one clinic and of the exam, and a source of which every label
is wrong (``fusion_sources.py``). Arms: each source alone; all of them joined by a user who gives
equal names equal classes; the same without any copy; what ``osler fuse`` makes of them; and every
picture once with its true label, which nobody has. All are scored on the same exam, less
the images that leaked into the mirror: by area under the curve, and by balanced accuracy at a score
of one half, which also asks that the class balance of training fits the exam.

The interval of a difference is over seeds (deal, initial weights), Student's t; exam images are the
same in all seeds. Needs ``OSLER_SHARED``; without it the script says so and does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion_model import area, balanced_accuracy, train_and_score
from fusion_sources import WORDS, Dealt, Real, deal, real_images, write_sources
from osler import __version__
from osler.core import write_json
from osler.curate.fuse.fused import FusedSet, open_set
from osler.curate.fuse.run import run_goal

ALONE = ("clinic-a", "clinic-b", "clinic-c", "mirror", "swapped")
JOINED = "joined by name"
ONCE = "joined, equal files once"
FUSED = "fused"
TRUTH = "every picture once, true labels"
ARMS = (*ALONE, JOINED, ONCE, FUSED, TRUTH)

Set = tuple[NDArray[np.uint8], NDArray[np.int64]]


def arms_of(real: Real, dealt: Dealt, fused: FusedSet) -> dict[str, Set]:
    """Planes (n, 28, 28) and labels (n,) of each arm."""
    arms: dict[str, Set] = {}
    for name in ALONE:
        planes, says = real.planes[dealt.rows[name]], dealt.says[name]
        if name == "mirror":
            planes = np.concatenate([planes, real.test[dealt.leaked]])
            says = np.concatenate([says, real.test_labels[dealt.leaked]])
        arms[name] = planes[says >= 0], says[says >= 0]
    joined = [np.concatenate(part) for part in zip(*(arms[name] for name in ALONE), strict=True)]
    arms[JOINED] = joined[0], joined[1]
    first: dict[bytes, int] = {}
    for row, plane in enumerate(joined[0]):
        first.setdefault(plane.tobytes(), row)
    once = sorted(first.values())
    arms[ONCE] = joined[0][once], joined[1][once]
    arms[FUSED] = fused_training(fused)
    rows = np.unique(np.concatenate([dealt.rows[name] for name in ALONE]))
    arms[TRUTH] = real.planes[rows], real.labels[rows]
    return arms


def fused_training(fused: FusedSet) -> Set:
    """What a fused set has to learn from: a class, or a finding that is there or not."""
    planes, labels = [], []
    for sample in fused.samples:
        said = {label for mark in sample.marks if (label := _label(mark.kind, mark.value)) >= 0}
        if sample.split == "train" and len(said) == 1:
            planes.append(np.asarray(fused.image(sample).pixels))
            labels.append(said.pop())
    return np.stack(planes), np.array(labels, np.int64)


def _label(kind: str, value: Any) -> int:
    """1 for pneumonia, 0 without, -1 if nothing is said."""
    if kind == "multilabel":
        found = {str(name).lower(): said for name, said in value.items()}.get(WORDS[1])
        return int(found) if found in (0, 1) else -1
    return {"normal_finding": 0, WORDS[1]: 1}.get(str(value), -1)


def one_seed(task: tuple[Path, int]) -> dict[str, Any]:
    """Scores of all arms for one deal, and what the fusion found."""
    shared, seed = task
    real = real_images(shared)
    dealt = deal(real, seed)
    with tempfile.TemporaryDirectory() as place:
        goal = write_sources(Path(place) / "sources", real, dealt)
        start, cpu = time.perf_counter(), time.process_time()
        run_goal(goal, Path(place) / "fused")
        took = time.perf_counter() - start, time.process_time() - cpu
        fused = open_set(Path(place) / "fused")
        arms = arms_of(real, dealt, fused)
        found = _found(fused, real, arms[FUSED])
    scores = {}
    clean = np.setdiff1d(np.arange(len(real.test)), dealt.leaked)
    for name, (planes, labels) in arms.items():
        said = train_and_score(planes, labels, real.test, seed)
        scores[name] = {
            "accuracy": balanced_accuracy(said[clean], real.test_labels[clean]),
            "area": area(said[clean], real.test_labels[clean]),
            "leaked": balanced_accuracy(said[dealt.leaked], real.test_labels[dealt.leaked]),
            "images": len(labels),
        }
    return {"seed": seed, "scores": scores, "found": found, "seconds": took[0], "cpu": took[1]}


def _found(fused: FusedSet, real: Real, training: Set) -> dict[str, Any]:
    exam = {plane.tobytes() for plane in real.test}
    train = {s.patient_group for s in fused.samples if s.split == "train"}
    test = {s.patient_group for s in fused.samples if s.split == "test"}
    return {
        "refused": [one["dataset"] for one in fused.lock["refused"]],
        "dropped": dict(fused.lock["totals"]["dropped"]),
        "exam images in training": sum(plane.tobytes() in exam for plane in training[0]),
        "shared persons": len(train & test),
    }


def interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean and 95 % interval, Student's t."""
    from scipy import stats

    mean = float(values.mean())
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def rows_of(done: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a comparison: fused against every other arm."""

    def column(arm: str, key: str) -> NDArray[np.float64]:
        return np.array([one["scores"][arm][key] for one in done])

    rows = []
    for key, unit in (("accuracy", "balanced accuracy"), ("area", "area under the curve")):
        ours = column(FUSED, key)
        for arm in ARMS:
            if arm == FUSED:
                continue
            theirs = column(arm, key)
            mean, low, high = interval(ours - theirs)
            rows.append({
                "work": f"pneumonia, taught: {arm}", "ours": float(ours.mean()),
                "peer": arm, "peer_version": f"osler {__version__}", "unit": unit,
                "ratio": float(ours.mean() / theirs.mean()), "value": float(theirs.mean()),
                "images": int(np.median(column(arm, "images"))),
                "difference": mean, "low": low, "high": high,
                "note": f"fused minus this: {mean:+.3f} [{low:+.3f}, {high:+.3f}]",
            })  # fmt: skip
    return rows


def _shown(row: dict[str, Any]) -> str:
    return f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """The row with None for what one seed cannot tell."""
    return {key: None if value != value else value for key, value in row.items()}


def tell(done: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """The table, as Markdown."""
    accuracy = {row["peer"]: row for row in rows if row["unit"] == "balanced accuracy"}
    areas = {row["peer"]: row for row in rows if row["unit"] == "area under the curve"}
    print("| taught | images | area | balanced accuracy | fused minus this: area; accuracy |")
    print("| --- | --- | --- | --- | --- |")
    for arm in ARMS:
        if arm == FUSED:
            images = int(np.median([one["scores"][FUSED]["images"] for one in done]))
            one, two = next(iter(accuracy.values()))["ours"], next(iter(areas.values()))["ours"]
            print(f"| **{FUSED}** | {images} | **{two:.3f}** | **{one:.3f}** | |")
            continue
        row, other = accuracy[arm], areas[arm]
        print(
            f"| {arm} | {row['images']} | {other['value']:.3f} | {row['value']:.3f} | "
            f"{_shown(other)}; {_shown(row)} |"
        )
    refused = [tuple(one["found"]["refused"]) for one in done]
    print(f"\nrefused: {sorted(set(refused))} in {len(done)} seeds; exam images left in training: "
          f"{max(one['found']['exam images in training'] for one in done)}; persons in two splits: "
          f"{max(one['found']['shared persons'] for one in done)}")  # fmt: skip
    gain = np.mean([one["scores"][JOINED]["leaked"] - one["scores"][JOINED]["accuracy"]
                    for one in done])  # fmt: skip
    print(f"joined by name scores {gain:+.3f} on the exam images that leaked into it; fusing took "
          f"{np.median([one['cpu'] for one in done]):.0f} CPU-s")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one seed: that it runs, no more")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    shared = os.environ.get("OSLER_SHARED", "")
    if not shared:
        missing = "OSLER_SHARED is not set: this benchmark needs its real chest X-rays"
        print(missing)
        if args.json:
            write_json(args.json, [{"work": "pneumonia", "note": missing}])
        return
    seeds = 1 if args.quick else args.seeds
    tasks = [(Path(shared), seed) for seed in range(seeds)]
    with ProcessPoolExecutor(min(args.workers, seeds), get_context("spawn")) as pool:
        done = list(pool.map(one_seed, tasks))
    rows = rows_of(done)
    tell(done, rows)
    if args.json:
        write_json(args.json, [*map(_known, rows), {"work": "seeds", "note": json.dumps(done)}])
    fused = np.array([one["scores"][FUSED]["area"] for one in done])
    joined = np.array([one["scores"][JOINED]["area"] for one in done])
    leaks = any(one["found"]["exam images in training"] for one in done)
    if leaks or (not args.quick and interval(fused - joined)[1] <= 0):
        sys.exit("the fused set leaks, or does not beat joining by name")


if __name__ == "__main__":
    main()
