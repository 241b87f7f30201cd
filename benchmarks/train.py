"""Osler's fine-tuning loop against transformers.Trainer with PEFT: same student, same examples.

``python benchmarks/train.py [--quick] [--json FILE] [--model FOLDER|ORG/NAME]``

LoRA of rank 16 on all projections of the language part, AdamW, 16 examples a step in two parts, 64
noisy images of 128 x 128 with a question of 200 letters. Without ``--model`` the student is a
Qwen3-VL of five million random weights, whose output table takes the share of the work that it
takes in a model of eight billion. Each trainer runs in a process of its own on one thread; the
first two steps are left out. Peak memory is of the whole process, or of the GPU where there is one.
Both report the loss before training, which must agree: they do the same work.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PLAYERS = Path(__file__).parent / "train_players.py"
BATCH = 16
SAME_LOSS = 0.02
"""Largest relative difference of the losses before training (bfloat16 rounds by 0.004)."""


def play(player: str, work: Path, model: str, steps: int) -> dict[str, Any]:
    """The measurements of one process, or ``{"error": why}``."""
    command = [sys.executable, str(PLAYERS), player, "--work", str(work)]
    command += ["--steps", str(steps), "--batch", str(BATCH)]
    command += ["--model", model] if model else []
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"error": lines[-1][:200]}
    measured: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


def all_rows(quick: bool, model: str) -> list[dict[str, Any]]:
    """Steps, tokens, CPU and memory of both, in that order; best of two runs each."""
    steps = 14 if quick else 102
    with tempfile.TemporaryDirectory(prefix="osler-train-") as name:
        work = Path(name)
        ready = play("prepare", work, model, steps)
        if "error" in ready:
            sys.exit(f"the work cannot be prepared: {ready['error']}")
        found: dict[str, list[dict[str, Any]]] = {"osler": [], "transformers": []}
        for turn in range(1 if quick else 2):
            for player in found:
                place = work / f"{player}{turn}"
                place.mkdir()
                (place / "set").symlink_to(work / "set")
                found[player].append(play(player, place, ready["model"], steps))
    for one in found["osler"]:
        if "error" in one:
            sys.exit(f"Osler's own trainer failed: {one['error']}")
    ours = min(found["osler"], key=lambda one: one["cpu_s"])
    whole = [one for one in found["transformers"] if "error" not in one]
    theirs = min(whole, key=lambda one: one["cpu_s"]) if whole else found["transformers"][0]
    return compared(ours, theirs, int(ready["tokens"]), model or "tiny Qwen3-VL")


def compared(
    ours: dict[str, Any], theirs: dict[str, Any], tokens: int, model: str
) -> list[dict[str, Any]]:
    """A row for each figure; a peer that did not run is a row that says so."""
    note = f"{model} on {ours['device']}, {tokens} tokens a step"
    if "error" in theirs:
        note = f"{note}; no figure: {theirs['error']}"
    else:
        losses = f"{ours['loss_before']:.4f} and {theirs['loss_before']:.4f}"
        note = f"{note}; loss before: {losses}"
    rows = []
    for unit, value in (
        ("steps/s", lambda m: 1 / m["wall_s"]),
        ("tokens/s", lambda m: tokens / m["wall_s"]),
        ("CPU-ms a step", lambda m: 1000 * m["cpu_s"]),
        ("peak MB", lambda m: m["peak_mb"]),
    ):
        mine = value(ours)
        other = None if "error" in theirs else value(theirs)
        ratio = None
        if other:
            ratio = mine / other if unit.endswith("/s") else other / mine
        rows.append(
            {
                "work": f"LoRA fine-tuning, {BATCH} images a step",
                "ours": round(mine, 3),
                "peer": "transformers.Trainer + PEFT",
                "peer_version": theirs.get("version", ""),
                "peer_value": None if other is None else round(other, 3),
                "unit": unit,
                "ratio": None if ratio is None else round(ratio, 2),
                "note": note,
            }
        )
    if "error" not in theirs:
        gap = abs(ours["loss_before"] / theirs["loss_before"] - 1)
        if gap > SAME_LOSS:
            sys.exit(f"the trainers do not see the same work: {note}")
    return rows


def main() -> None:
    """Measure, print a table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="14 steps, under a minute")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--model", default="", help="a checkpoint instead of the tiny one")
    asked = parser.parse_args()
    rows = all_rows(asked.quick, asked.model)
    for one in rows:
        print(
            f"{one['work']:<34} {one['unit']:<14} osler {one['ours']:>9g}  {one['peer']:<28}"
            f" {_shown(one['peer_value']):>9}  ratio {_shown(one['ratio']):>6}  {one['note']}"
        )
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2) + "\n")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


if __name__ == "__main__":
    main()
