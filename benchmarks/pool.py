"""Osler's pool against faiss and LanceDB: the same vectors and anchors, one thread each.

``python benchmarks/pool.py [--quick] [--json FILE] [--peer-python PATH]``

1,000,000 unit vectors of 384 dims (50,000 with ``--quick``) around 3,000 centres. Asked are all
rows with a cosine above 0.75 of 64 anchors, and the 10 nearest of 200 queries; truth is a plain
product in blocks. Each engine runs in a process of its own with one thread; memory is the peak of
that process above what it had before it opened anything, and CPU seconds are of the process.
``--peer-python`` has faiss-cpu or lancedb. Then 200,000 perceptual hashes with planted neighbours
are searched for all pairs within 6 bits, and JPEGs of 224 px are added to a new pool.
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

HERE = Path(__file__).parent


def play(python: str, engine: str, work: Path) -> dict[str, Any]:
    """What ``pool_players.py`` measured, or ``{"error": why}``."""
    command = [python, str(HERE / "pool_players.py"), engine, str(work)]
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "LANCE_CPU_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, "1")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=1500, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": "stopped after 1500 s"}
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1][:160]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def row(
    work: str, ours: float | None, peer: str, theirs: float | None, unit: str, **more: str
) -> dict[str, Any]:
    """A row of the report; the ratio is theirs / ours for costs, ours / theirs for rates."""
    ratio = None
    if ours and theirs:
        costs = not unit.startswith(("queries", "recall", "images"))
        ratio = round(theirs / ours if costs else ours / theirs, 3)
    return {
        "work": work,
        "ours": None if ours is None else round(ours, 4),
        "peer": peer,
        "peer_version": more.get("version", ""),
        "peer_value": None if theirs is None else round(theirs, 4),
        "unit": unit,
        "ratio": ratio,
        "note": more.get("note", ""),
    }


MEASURES = (
    ("build after writing", "build_s", "CPU-s"),
    ("range query, 64 anchors", "range_s", "CPU-s"),
    ("range query, 64 anchors", "range_recall", "recall"),
    ("top 10", "top_rate", "queries per CPU-s"),
    ("top 10", "top_recall", "recall"),
    ("memory", "peak_mb", "MB above start"),
)


def compared(ours: dict[str, Any], peer: str, theirs: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each measure; a peer that did not run is one row that says so."""
    if "error" in theirs:
        return [row("vector search", None, peer, None, "", note=f"no figure: {theirs['error']}")]
    version, note = theirs["version"], theirs.get("note", "")
    return [
        row(work, ours[key], peer, theirs.get(key), unit, version=version, note=note)
        for work, key, unit in MEASURES
    ]


def all_rows(quick: bool, peer_python: str) -> list[dict[str, Any]]:
    """Every measurement, in the order of the report."""
    with tempfile.TemporaryDirectory(prefix="osler-pool-") as name:
        work = Path(name)
        settings = {
            "rows": 50_000 if quick else 1_000_000,
            "dim": 384,
            "hashes": 200_000,
            "images": 200 if quick else 400,
            "quick": quick,
        }
        (work / "settings.json").write_text(json.dumps(settings))
        made = play(sys.executable, "vectors", work)
        if "error" in made:
            sys.exit(f"the vectors could not be made: {made['error']}")
        written = play(sys.executable, "osler-write", work)
        ours = written if "error" in written else play(sys.executable, "osler", work)
        if "error" in ours:
            sys.exit(f"Osler's own search failed: {ours['error']}")
        rows = []
        for peer in ("faiss-hnsw", "faiss-ivfpq", "lancedb"):
            left_out = quick and peer == "lancedb"
            theirs = {"error": "left out by --quick (its index takes minutes)"}
            theirs = theirs if left_out else play(peer_python, peer, work)
            rows += compared(ours, peer, theirs)
        hashes = play(sys.executable, "hashes", work)
        rows.append(
            row(
                "all pairs of 200,000 hashes within 6 bits",
                hashes.get("cpu_s"),
                "every pair (NumPy)",
                hashes.get("every_s"),
                "CPU-s",
                note=hashes.get("error", hashes.get("note", "")),
            )
        )
        images = play(sys.executable, "images", work)
        rows.append(
            row(
                "adding images of 224 px, decode to shard",
                images.get("rate"),
                "the encoder alone",
                images.get("encoder_rate"),
                "images per CPU-s",
                note=images.get("error", images.get("note", "")),
            )
        )
    return rows


def broken_limits(rows: list[dict[str, Any]], quick: bool) -> list[str]:
    """What the pool promises and did not hold; times are judged at full size only."""
    broken = []
    for one in rows:
        ours, work, unit = one["ours"], one["work"], one["unit"]
        if ours is None:
            continue
        if unit == "recall" and ours < 1:
            broken.append(f"recall {ours} in {work}")
        if work.startswith("range") and unit == "CPU-s" and ours > 1.0 and not quick:
            broken.append(f"{ours} CPU-s a range query (limit 1)")
        if work == "memory" and ours > 1000:
            broken.append(f"{ours} MB (limit 1000)")
        if work.startswith("all pairs") and ours > 60:
            broken.append(f"{ours} CPU-s for the hashes (limit 60)")
        if work.startswith("adding") and ours < 80 and not quick:
            broken.append(f"{ours} images per CPU-s (limit 80)")
    return sorted(set(broken))


def main() -> None:
    """Measure, print a table, write the rows; exit 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="50,000 vectors, under a minute")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--peer-python", default=sys.executable, help="has faiss or lancedb")
    asked = parser.parse_args()
    rows = all_rows(asked.quick, asked.peer_python)
    for one in rows:
        shown = ["-" if one[key] is None else f"{one[key]:g}" for key in ("ours", "peer_value")]
        ratio = "-" if one["ratio"] is None else f"{one['ratio']:g}"
        print(
            f"{one['work']:<42} {one['unit']:<18} osler {shown[0]:>9}  {one['peer']:<18}"
            f" {shown[1]:>9}  ratio {ratio:>7}  {one['note']}"
        )
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2) + "\n")
    broken = broken_limits(rows, asked.quick)
    print("all limits hold" if not broken else "NOT HELD: " + "; ".join(broken))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
