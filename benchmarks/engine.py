"""Osler's engine against Inspect AI and lm-evaluation-harness: the same server, the same samples.

``python benchmarks/engine.py [--quick] [--json FILE] [--peer-python PATH]``

1,000 samples (200 with ``--quick``), each with a picture of its own: 512 x 512, 183 KB, noise, so
that nothing compresses. Every engine runs in a process of its own against a loopback server in
another one, 32 connections. CPU and wall seconds are of the engine's process less those of a run of
eight samples, so that imports and other fixed costs are taken off; CPU hardly depends on what else
the machine does, wall does. Peak memory is of the whole process. ``--peer-python`` is an
interpreter that has lm-evaluation-harness, which is compared on text only: its chat endpoint cannot
send pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

LIMITS = {"CPU-ms a sample": 6.0, "peak MB": 150.0, "run folder MB": 5.0}
"""What Osler's engine must hold on 1,000 samples with pictures."""

FEW = 8
"""Samples of the run that shows the fixed costs."""


@contextmanager
def server(**options: float) -> Iterator[str]:
    """The loopback server in its own process; gives its base URL."""
    flags = [str(part) for key, value in options.items() for part in (f"--{key}", value)]
    process = subprocess.Popen(
        [sys.executable, str(HERE / "engine_server.py"), *flags], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def stats(url: str) -> dict[str, int]:
    """What the server has counted."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats", timeout=10) as reply:
        found: dict[str, int] = json.load(reply)
    return found


def start(
    python: str, engine: str, url: str, out: Path, count: int, pictures: Path | None
) -> subprocess.Popen[str]:
    """One engine in its own process, in a session of its own so that it dies with its children."""
    command = [python, str(HERE / "engine_players.py"), engine, "--url", url, "--out", str(out)]
    command += ["--count", str(count)]
    if pictures is not None:
        command += ["--pictures", str(pictures)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OSLER_OFFLINE": "1"},
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The measurements of a player that ended, or ``{"error": why}``."""
    out, err = process.communicate()
    if process.returncode != 0:
        lines = err.strip().splitlines() or [f"exit code {process.returncode}"]
        return {"error": lines[-1][:200]}
    measured: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return measured


def measure(
    python: str, engine: str, work: Path, count: int, pictures: Path | None, **how: float
) -> dict[str, Any]:
    """One engine on a fresh server; its measurements with the server's counts."""
    with server(**how) as url:
        out = Path(tempfile.mkdtemp(prefix=f"{engine}-", dir=work))
        found = finish(start(python, engine, url, out, count, pictures))
        return found | {"served": stats(url)}


def timed(
    python: str, engine: str, work: Path, count: int, pictures: Path | None
) -> dict[str, Any]:
    """As :func:`measure`, with the CPU and wall milliseconds of each further sample.

    None where fixed costs vary by more than all further samples cost.
    """
    few = measure(python, engine, work, FEW, pictures)
    if "error" in few:
        return few
    many = measure(python, engine, work, count, pictures)
    if "error" in many:
        return many
    each = {
        f"{kind}_ms": 1000 * (many[f"{kind}_s"] - few[f"{kind}_s"]) / (count - FEW)
        for kind in ("cpu", "wall")
    }
    each = {key: value if value > 0 else None for key, value in each.items()}
    return many | each | {"fixed_s": few["cpu_s"]}


def kill_and_resume(engine: str, work: Path, count: int, pictures: Path | None) -> dict[str, Any]:
    """Kill -9 when 40 % is answered, run again; ``repeated`` counts samples answered twice."""
    with server(delay=0.02) as url:
        out = Path(tempfile.mkdtemp(prefix=f"{engine}-killed-", dir=work))
        process = start(sys.executable, engine, url, out, count, pictures)
        until = time.monotonic() + 300
        while stats(url)["answered"] < 0.4 * count and time.monotonic() < until:
            if process.poll() is not None:
                return finish(process)
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        before = stats(url)
        again = start(sys.executable, engine, url, out, count, pictures)
        found = finish(again)
        return found | {"served": stats(url), "killed_at": before["answered"]}


def row(
    work: str, ours: float | None, peer: str, theirs: float | None, unit: str, **more: Any
) -> dict[str, Any]:
    """A row of the report; ``ratio`` is theirs / ours for costs, ours / theirs for speed."""
    ratio = None
    if ours and theirs:
        ratio = ours / theirs if unit.endswith("/s") else theirs / ours
    return {
        "work": work,
        "ours": None if ours is None else round(ours, 3),
        "peer": peer,
        "peer_version": more.pop("version", ""),
        "peer_value": None if theirs is None else round(theirs, 3),
        "unit": unit,
        "ratio": None if ratio is None else round(ratio, 2),
        "note": more.pop("note", ""),
    }


def compared(
    work: str, count: int, ours: dict[str, Any], peer: str, theirs: dict[str, Any], note: str = ""
) -> list[dict[str, Any]]:
    """Four rows: CPU, speed, memory, size on disk; a peer that did not run is a row saying so."""
    rows = []
    version = theirs.get("versions", {}).get(peer.split(" ")[0], "")
    failed = theirs.get("error")
    lost = count - theirs.get("scored", 0)
    if failed:
        note = f"no figure: {failed}"
    elif lost:
        note = f"{note}; {lost} of {count} samples lost".removeprefix("; ")
    if not failed:
        fixed = f"fixed costs: osler {ours['fixed_s']:.1f} CPU-s, peer {theirs['fixed_s']:.1f}"
        note = f"{note}; {fixed}".removeprefix("; ")
    for unit, value in (
        ("CPU-ms a sample", lambda m: m["cpu_ms"]),
        ("samples/s", lambda m: 1000 / m["wall_ms"] if m["wall_ms"] else None),
        ("peak MB", lambda m: m["peak_mb"]),
        ("run folder MB", lambda m: m["folder_mb"]),
    ):
        other = None if failed else value(theirs)
        rows.append(row(work, value(ours), peer, other, unit, version=version, note=note))
    return rows


def all_rows(quick: bool, peer_python: str) -> list[dict[str, Any]]:
    """Every measurement, in the order of the report."""
    count = 200 if quick else 1000
    with tempfile.TemporaryDirectory(prefix="osler-engine-") as name:
        work = Path(name)
        pictures = work / "pictures"
        made = [sys.executable, str(HERE / "engine_pictures.py"), str(pictures), str(count)]
        subprocess.run(made, check=True)
        here = sys.executable
        with_pictures = timed(here, "osler", work, count, pictures)
        _must_run(with_pictures)
        rows = compared(
            "one 183 KB picture a sample",
            count,
            with_pictures,
            "inspect-ai",
            timed(here, "inspect", work, count, pictures),
            "images kept out of its log",
        )
        if not quick:
            rows += compared(
                "one 183 KB picture a sample",
                count,
                with_pictures,
                "inspect-ai (images in the log)",
                timed(here, "inspect-images", work, count, pictures),
                "its default",
            )
        text = timed(here, "osler", work, count, None)
        _must_run(text)
        for peer, python, engine in (
            ("inspect-ai", here, "inspect"),
            ("lm-eval", peer_python, "lm-eval"),
        ):
            note = "keeps nothing before the end" if engine == "lm-eval" else ""
            found = timed(python, engine, work, count, None)
            rows += compared("text only", count, text, peer, found, note)
        rows += trouble(work, count, pictures, quick)
    return rows


def trouble(work: Path, count: int, pictures: Path, quick: bool) -> list[dict[str, Any]]:
    """Kill -9 with resume, and a server that answers 429 to a fifth of the samples."""
    rows = []
    ours = kill_and_resume("osler", work, count, pictures)
    _must_run(ours)
    theirs = {"error": "left out by --quick"} if quick else None
    theirs = theirs or kill_and_resume("inspect", work, count, pictures)
    at = f"killed after {ours['killed_at']} answers, 32 in flight"
    rows.append(_counted("kill -9 and resume", "repeated calls", count, ours, theirs, at))
    ours = measure(sys.executable, "osler", work, count, pictures, busy=0.2)
    _must_run(ours)
    theirs = {"error": "left out by --quick"} if quick else None
    theirs = theirs or measure(sys.executable, "inspect", work, count, pictures, busy=0.2)
    asked = f"{ours['served']['requests'] - count} calls were told 429 and asked again"
    rows.append(_counted("20 % of first attempts 429", "lost samples", count, ours, theirs, asked))
    return rows


def _counted(
    work: str, unit: str, count: int, ours: dict[str, Any], theirs: dict[str, Any], note: str
) -> dict[str, Any]:
    def value(found: dict[str, Any]) -> float | None:
        if "error" in found:
            return None
        return found["served"]["repeated"] if unit == "repeated calls" else count - found["scored"]

    lost = count - ours["scored"]
    note = f"{note}; {lost} samples lost" if lost and unit != "lost samples" else note
    if "error" in theirs:
        note = f"{note}; peer: {theirs['error']}"
    version = theirs.get("versions", {}).get("inspect-ai", "")
    return row(work, value(ours), "inspect-ai", value(theirs), unit, version=version, note=note)


def _must_run(ours: dict[str, Any]) -> None:
    if "error" in ours:
        sys.exit(f"Osler's own engine failed: {ours['error']}")


def broken_limits(rows: list[dict[str, Any]]) -> list[str]:
    """What Osler's engine promises and did not hold in these rows."""
    broken = []
    for one in rows:
        limit = LIMITS.get(one["unit"])
        if one["work"].startswith("one 183 KB") and limit is not None and one["ours"] > limit:
            broken.append(f"{one['ours']} {one['unit']} (limit {limit:g})")
        if one["unit"] == "lost samples" and one["ours"]:
            broken.append(f"{one['ours']:g} samples lost to 429")
        if one["unit"] == "repeated calls" and (one["ours"] > 32 or "lost" in one["note"]):
            broken.append(f"{one['ours']:g} repeated calls ({one['note']})")
    return sorted(set(broken))


def main() -> None:
    """Measure, print a table, write the rows; exit 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="200 samples, under a minute")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--peer-python", default=sys.executable, help="has lm-eval installed")
    asked = parser.parse_args()
    rows = all_rows(asked.quick, asked.peer_python)
    for one in rows:
        ours, theirs = one["ours"], one["peer_value"]
        print(
            f"{one['work']:<28} {one['unit']:<16} osler {_shown(ours):>9}  {one['peer']:<31}"
            f" {_shown(theirs):>9}  ratio {_shown(one['ratio']):>7}  {one['note']}"
        )
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2) + "\n")
    broken = broken_limits(rows)
    print("all limits hold" if not broken else "NOT HELD: " + "; ".join(broken))
    sys.exit(1 if broken else 0)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


if __name__ == "__main__":
    main()
