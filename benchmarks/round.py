"""How many labels the engine of a round saves against published ways of choosing them.

``python benchmarks/round.py [--quick] [--json FILE] [--seeds N] [--workers N] [--bank FILE]``

Real images of many persons under the degradations of Osler, "which degradation is it?" asked of a
probe's head on frozen features. Pool, dev and test are of different persons, dealt anew for each
seed. Every arm has the same pool, student, steps and leakage guard; the engine alone sees dev. In
the planted worlds one stratum of each asked modality is missing from what the student has learnt,
and together these are 1 or 3 % of the pool; in the third nothing is planted. Accuracy is on the
test set, evenly over strata; labels for equal accuracy come from monotone mean curves, intervals
from the jackknife over seeds. Last, labels that nobody saw are held against
the bound of their audit.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from osler.improve import Curve, Efficiency, learning_curve, monotone, sample_efficiency
from round_arms import ARMS, Setting, curve
from round_images import Bank, build_bank
from round_silent import SHARED, routed
from round_world import make_world

SIZES = (0, 10, 25, 50, 100, 200, 400, 800, 1600, 2000)
QUICK_SIZES = (0, 10, 25, 50, 100, 200, 400)
FIRST_SEED = 100
"""The engine's settings were chosen on seeds below."""

WORLDS = {"weakness, 1 % of the pool": 0.01, "weakness, 3 % of the pool": 0.03, "no weakness": 0.0}
"""Share of the pool that shows one of the planted weak strata."""

MAIN = "weakness, 1 % of the pool"

LEVELS = {
    1.0: "random's accuracy at {}",
    0.9: "0.9 of random's gain",
    0.75: "0.75 of random's gain",
    0.5: "half of random's gain",
}
"""Part of what random gains by its last size -> what it is called."""


def get_bank(path: Path | None, quick: bool) -> Bank:
    """The images as features, from ``path`` where that was kept."""
    names = ("modality", "patient", "key", "level", "seen", "sources")
    if path is not None and path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            columns = {name: kept[name] for name in names}
        return Bank(**{**columns, "sources": tuple(columns["sources"].tolist())})

    def tell(done: int, total: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\rseeing images: {done} of {total}")

    bank = build_bank(900 if quick else 7200, shared=not quick, progress=tell)
    if path is not None:
        np.savez(path, **{name: np.asarray(getattr(bank, name)) for name in names})
    return bank


_BANK: list[Bank] = []


def one_seed(
    task: tuple[int, float, tuple[int, ...]],
) -> tuple[dict[str, list[float]], list[float]]:
    """Accuracies of every arm in one world, and its facts: pool, weak share, strata, leaks."""
    seed, weak_share, steps = task
    setting = Setting(make_world(_BANK[0], seed, weak_share), seed)
    scores = {name: curve(setting, pick, list(steps)) for name, pick in ARMS.items()}
    world = setting.world
    leaks = float((~setting.allowed).sum())
    return scores, [len(world.pool), world.weak_share, len(world.asked), leaks]


def in_processes(work: Callable[[Any], Any], tasks: list[Any], workers: int) -> list[Any]:
    """``work`` of every task, in order; forked processes share the bank."""
    if workers == 1:
        return [work(task) for task in tasks]
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        return list(pool.map(work, tasks))


def curves(
    seeds: int, weak_share: float, sizes: tuple[int, ...], workers: int
) -> tuple[dict[str, Curve], list[float]]:
    """Learning curves of every arm over the seeds, and mean facts of the worlds."""
    all_seeds = [FIRST_SEED + n for n in range(seeds)]
    usable = min(len(make_world(_BANK[0], seed, weak_share).pool) for seed in all_seeds)
    steps = tuple(size for size in sizes if size <= 0.8 * usable)
    found = in_processes(one_seed, [(seed, weak_share, steps) for seed in all_seeds], workers)
    means = np.mean([facts for _, facts in found], axis=0).tolist()
    return {n: learning_curve(steps, [scores[n] for scores, _ in found]) for n in ARMS}, means


def row(work: str, ours: float | None, peer: str, theirs: float | None, unit: str,
        ratio: float | None, note: str) -> dict[str, Any]:  # fmt: skip
    """A row of the report; the ratio is theirs / ours: labels saved."""

    def finite(value: float | None) -> float | None:
        return None if value is None or not np.isfinite(value) else round(value, 4)

    return {
        "work": work,
        "ours": finite(ours),
        "peer": peer,
        "peer_version": "osler.improve",
        "peer_value": finite(theirs),
        "unit": unit,
        "ratio": finite(ratio),
        "note": note,
    }


def compared(world: str, found: dict[str, Curve], level: float, name: str) -> list[dict[str, Any]]:
    """Labels that the engine and each rival need for ``level``."""
    rows = []
    for arm in ARMS:
        if arm == "engine":
            continue
        one: Efficiency = sample_efficiency(found[arm], found["engine"], level)
        ratio, note = None, one.note
        if np.isfinite([one.reference, one.engine]).all() and one.engine > 0:
            ratio = one.reference / one.engine
        if one.ratio is not None:
            low, high, n = one.ratio.low, one.ratio.high, one.ratio.n
            note = f"95 % interval {low:.1f} to {high:.1f} over {n} seeds"
        work = f"{world}: labels for {name}, {level:.3f}"
        rows.append(row(work, one.engine, arm, one.reference, "labels", ratio, note))
    return rows


def world_rows(
    seeds: int, world: str, sizes: tuple[int, ...], workers: int
) -> tuple[list[dict[str, Any]], dict[str, Curve]]:
    """All rows of one kind of world, and its curves."""
    found, (pool, weak, strata, leaks) = curves(seeds, WORLDS[world], sizes, workers)
    about = (
        f"{strata:.0f} strata, pool of {pool:.0f}, weak strata {100 * weak:.1f} % of it, "
        f"{leaks:.0f} kept out as leaks, {seeds} seeds"
    )
    rows = []
    for arm, one in found.items():
        means = one.scores.mean(axis=0)
        told = ", ".join(f"{int(n)}: {v:.3f}" for n, v in zip(one.sizes, means, strict=True))
        ours = float(found["engine"].scores.mean(axis=0)[-1])
        rows.append(row(f"{world}: accuracy at the last size", ours, arm, float(means[-1]),
                        "accuracy", None, f"{told} ({about})"))  # fmt: skip
    last = monotone(found["random"].scores.mean(axis=0))
    size = int(found["random"].sizes[-1])
    for share, name in LEVELS.items():
        level = float(last[0] + share * (last[-1] - last[0]))
        rows += compared(world, found, level, name.format(size))
    return rows, found


def one_routing(task: tuple[int, float]) -> dict[str, float]:
    """Routing in one world with an oracle that repeats a share of the student's errors."""
    seed, shared = task
    return routed(Setting(make_world(_BANK[0], seed, WORLDS[MAIN]), seed), 50, shared)


def silent_rows(seeds: int, workers: int) -> list[dict[str, Any]]:
    """Silent error after routing, for oracles that share more and more of the student's errors."""
    rows = []
    for shared in SHARED:
        tasks = [(FIRST_SEED + n, shared) for n in range(seeds)]
        runs = in_processes(one_routing, tasks, workers)
        mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
        held = sum(run["silent"] <= run["bound"] for run in runs)
        kept = sum(run["promised"] <= 0.05 for run in runs)
        note = (
            f"at or below the bound in {held} of {seeds} seeds; oracle wrong on "
            f"{100 * mean['oracle']:.1f} %, {100 * mean['kept']:.0f} % taken unseen, "
            f"{100 * mean['review']:.0f} % reviewed; with a promise of 5 %: "
            f"{100 * mean['promised']:.1f} % wrong, kept in {kept} of {seeds}, "
            f"{100 * mean['promised_review']:.0f} % not taken unseen"
        )
        work = f"silent label error, {100 * shared:.0f} % of the student's errors shared"
        rows.append(row(work, mean["silent"], "bound of the audit", mean["bound"],
                        "share of labels", None, note))  # fmt: skip
    return rows


def broken_limits(rows: list[dict[str, Any]], found: dict[str, Curve], quick: bool) -> list[str]:
    """What the engine promises and did not hold: see benchmarks/README.md."""
    broken = [
        f"{one['work']}: {one['ours']} above the bound {one['peer_value']}"
        for one in rows
        if one["work"].startswith("silent") and one["ours"] > one["peer_value"]
    ]
    goal = f"{MAIN}: labels for random's accuracy at"
    main = next(r for r in rows if r["work"].startswith(goal) and r["peer"] == "random")
    if not quick and (main["ratio"] is None or main["ratio"] < 4):
        broken.append(f"ratio {main['ratio']} to random on the planted weakness (limit 4)")
    if not quick and (main["ours"] is None or main["ours"] > found["random"].sizes[-1] / 3):
        broken.append(f"{main['ours']} labels for random's last accuracy (limit a third)")
    return broken


def main() -> None:
    """Measure, print a table, write the rows; exit 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few images, 3 seeds, under a minute")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--seeds", type=int, default=0, help="worlds of each kind (5; quick: 3)")
    parser.add_argument("--workers", type=int, default=1, help="processes, a world each")
    parser.add_argument("--bank", type=Path, help="keep the features of the images in this file")
    asked = parser.parse_args()
    seeds = asked.seeds or (3 if asked.quick else 5)
    started = time.monotonic()
    bank = get_bank(asked.bank, asked.quick)
    _BANK[:] = [bank]
    persons = len(set(bank.patient.tolist()))
    print(f"{len(bank.key)} images of {persons} persons from {' and '.join(bank.sources)}")
    sizes = QUICK_SIZES if asked.quick else SIZES
    rows, found = [], {}
    for world in WORLDS:
        made, found[world] = world_rows(seeds, world, sizes, asked.workers)
        rows += made
    rows += silent_rows(seeds, asked.workers)
    for one in rows:
        ours, theirs = ("-" if one[k] is None else f"{one[k]:g}" for k in ("ours", "peer_value"))
        ratio = "-" if one["ratio"] is None else f"{one['ratio']:g}"
        print(f"{one['work']:<66} {one['unit']:<15} osler {ours:>8}  {one['peer']:<22}"
              f" {theirs:>8}  ratio {ratio:>7}  {one['note']}")  # fmt: skip
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2) + "\n")
    broken = broken_limits(rows, found[MAIN], asked.quick)
    print(f"{time.monotonic() - started:.0f} s")
    print("all limits hold" if not broken else "NOT HELD: " + "; ".join(broken))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
