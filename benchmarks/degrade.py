"""Osler's degradations against imagecorruptions, medmnistc, albumentations and TorchIO.

``python benchmarks/degrade.py [--quick] [--json FILE] [--peer-python PATH]``

Images per CPU-second of one thread, at 256 and 512 px, best of several runs, all in one process on
the same images: a crop of scikit-image's retina (uint8 RGB), and its green channel as float32 for
the peers that work on one grey slice. Freed memory is kept inside the process, for ours and theirs
alike. Ours is the registered function with a fresh seed each time; the column ``degrade()`` is the
whole call with checks and record, without and with the two hashes. ``--peer-python`` is an
interpreter with older libraries (imagecorruptions needs NumPy 1), in which the script runs again
with its own peers, so that every row compares within one process. A peer that is not installed, or
fails, is a row that says so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import cv2  # noqa: E402
import numpy as np  # noqa: E402

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src")]

from degrade_peers import PEERS, Duel, Peer  # noqa: E402
from osler.degrade import Draw, Frame, degradation_named, degrade  # noqa: E402
from osler.physics.memory import keep_freed_memory  # noqa: E402

SIDES = (256, 512)
UNIT = "images per CPU-second"

TARGETS = (
    ("point operation", "adjust_brightness", {}, "rgb", 512, 1000.0),
    ("point operation", "exposure", {}, "rgb", 512, 1000.0),
    ("point operation", "reduce_contrast", {}, "rgb", 512, 1000.0),
    ("separable blur", "gaussian_blur", {}, "rgb", 512, 1000.0),
    ("k-space operation", "undersampling", {}, "grey", 512, 400.0),
    ("k-space operation", "ghosting", {}, "grey", 512, 400.0),
    ("k-space operation", "random_motion", {}, "grey", 512, 400.0),
    ("k-space operation", "gibbs", {}, "grey", 512, 400.0),
    ("k-space operation", "spike", {}, "grey", 512, 400.0),
    ("k-space operation", "partial_fourier", {}, "grey", 512, 400.0),
    ("180-view CT", "sparse_view", {"views": 180}, "grey", 256, 20.0),
)
"""Speeds the project asks of itself at level 2."""


def pictures() -> dict[tuple[str, int], Any]:
    """Test images by kind and side."""
    try:
        from skimage.data import retina

        whole = retina()[200:1224, 200:1224]
    except ImportError:
        rng = np.random.default_rng(0)
        whole = cv2.GaussianBlur(rng.integers(0, 255, (1024, 1024, 3), dtype=np.uint8), (0, 0), 3)
    found: dict[tuple[str, int], Any] = {}
    for side in SIDES:
        colour = cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA)
        found["rgb", side] = np.ascontiguousarray(colour)
        found["grey", side] = np.ascontiguousarray(colour[..., 1]).astype(np.float32)
    return found


def speed(run: Callable[[], Any], seconds: float, repeats: int = 4) -> float:
    """Best runs per CPU-second over ``repeats`` stretches of about ``seconds``."""
    run()
    start = time.process_time()
    run()
    once = max(time.process_time() - start, 1e-6)
    count = max(1, int(seconds / once))
    best = 0.0
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(count):
            run()
        best = max(best, count / max(time.process_time() - start, 1e-9))
    return best


def ours(key: str, params: dict[str, Any], x: Any, seconds: float) -> tuple[float, float, float]:
    """Speed of the plain function, of ``degrade()`` without hashes, and with."""
    entry = degradation_named(key)
    modality = entry.modalities[0]
    row = {**entry.params(2, modality), **params}
    frame = Frame(0.0, 255.0, modality, "8-bit" if x.dtype == np.uint8 else "a.u.")
    seeds = iter(range(10**9))
    plain = speed(lambda: entry.apply(x, Draw(next(seeds)), frame, **row), seconds)
    whole = [
        speed(
            lambda hashes=hashes: degrade(
                x, key, 2, seed=next(seeds), params=params, modality=modality, hashes=hashes
            ),
            seconds / 2,
            2,
        )
        for hashes in (False, True)
    ]
    return plain, whole[0], whole[1]


def duel_rows(peer: Peer, images: dict[Any, Any], seconds: float) -> list[dict[str, Any]]:
    """Rows of one peer; ours is measured again beside each."""
    if peer.missing:
        return [_row("all", None, peer, None, f"not run: {peer.missing}")]
    rows = []
    for duel in peer.duels:
        for side in SIDES:
            x = images[duel.plane, side]
            rows.append(_duel(duel, peer, x, side, seconds))
            _print(rows[-1])
    return rows


def _duel(duel: Duel, peer: Peer, x: Any, side: int, seconds: float) -> dict[str, Any]:
    work = f"{duel.work}, {side} px"
    mine, plain, hashed = ours(duel.key, duel.params, x, seconds)
    note = f"degrade() {plain:.0f}, with hashes {hashed:.0f}"
    note += f"; {duel.note}" if duel.note else ""
    try:
        theirs = speed(lambda: duel.run(x), seconds)
        # Machines change pace: measure ours once more and keep the better of both.
        mine = max(mine, ours(duel.key, duel.params, x, seconds / 4)[0])
    except Exception as error:  # noqa: BLE001  whatever a peer raises is a row
        return _row(work, mine, peer, None, f"theirs fails: {type(error).__name__}: {error}"[:160])
    return _row(work, mine, peer, theirs, note)


def _row(
    work: str, mine: float | None, peer: Peer, theirs: float | None, note: str
) -> dict[str, Any]:
    return {
        "work": work,
        "ours": None if mine is None else round(mine, 1),
        "peer": peer.name,
        "peer_version": peer.version,
        "peer_value": None if theirs is None else round(theirs, 1),
        "unit": UNIT,
        "ratio": round(mine / theirs, 2) if mine and theirs else None,
        "note": note,
    }


def target_rows(images: dict[Any, Any], seconds: float) -> list[dict[str, Any]]:
    """Our speeds against the floors of :data:`TARGETS`."""
    rows = []
    for kind, key, params, plane, side, floor in TARGETS:
        # As in the duels: the better of two tries, since machines change pace.
        tries = [ours(key, params, images[plane, side], seconds) for _ in range(2)]
        mine, plain, hashed = (max(found) for found in zip(*tries, strict=True))
        note = f"degrade() {plain:.0f}, with hashes {hashed:.0f}"
        rows.append(_row(f"{kind}: {key}, {side} px", mine, Peer("our floor", ""), floor, note))
        _print(rows[-1])
    return rows


def _print(row: dict[str, Any]) -> None:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:,.0f}"

    ratio = "-" if row["ratio"] is None else f"{row['ratio']:.2f}x"
    print(
        f"{row['work']:38} {number(row['ours']):>8} {row['peer'] + ' ' + row['peer_version']:24}"
        f"{number(row['peer_value']):>8} {ratio:>8}  {row['note']}",
        flush=True,
    )


def elsewhere(python: str, quick: bool) -> list[dict[str, Any]]:
    """Rows of this script under another interpreter: peers that need other libraries."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [python, str(HERE / "degrade.py"), "--json", str(out), "--no-targets"]
        command += ["--peers", "imagecorruptions,medmnistc"] + (["--quick"] if quick else [])
        done = subprocess.run(command, check=False)
        if done.returncode or not out.exists():
            peer = Peer("imagecorruptions, medmnistc", "")
            return [_row("all", None, peer, None, f"{python} ended with {done.returncode}")]
        rows: list[dict[str, Any]] = json.loads(out.read_text())
        return rows


def main() -> None:
    """Measure, print, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="under a minute, noisier")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated")
    parser.add_argument("--peer-python", help="interpreter with imagecorruptions and medmnistc")
    parser.add_argument("--no-targets", action="store_true", help="only duels")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    keep_freed_memory()
    seconds = 0.02 if options.quick else 0.15
    images = pictures()
    rows: list[dict[str, Any]] = [] if options.no_targets else target_rows(images, seconds)
    wanted = [name for name in options.peers.split(",") if name]
    if options.peer_python:
        wanted = [name for name in wanted if name not in ("imagecorruptions", "medmnistc")]
    for name in wanted:
        peer = PEERS[name]()
        rows += duel_rows(peer, images, seconds)
        if peer.missing:
            _print(rows[-1])
    if options.peer_python:
        rows += elsewhere(options.peer_python, options.quick)
    slower = [row for row in rows if row["ratio"] is not None and row["ratio"] < 0.9]
    duels = [row for row in rows if row["ratio"] is not None]
    print(f"{len(duels) - len(slower)} of {len(duels)} rows first or within 10 %")
    for row in slower:
        print("  slower:", row["work"], row["peer"], f"{row['ratio']:.2f}x")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
