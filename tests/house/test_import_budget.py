"""Must hold: importing Osler and listing its verbs is quick and pulls in nothing heavy."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

import pytest

HEAVY = {"torch", "pandas", "transformers", "onnxruntime", "inspect_ai", "duckdb", "cv2", "scipy"}


def _modules_after(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return {name.split(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}


def _seconds(arguments: list[str], runs: int = 5) -> float:
    """Best wall time of several runs: the machine may be busy, the code cannot be faster."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(arguments, capture_output=True, check=True, timeout=60)
        taken.append(time.perf_counter() - start)
    return min(taken[1:] or taken)


@pytest.mark.parametrize(
    "code",
    [
        "import osler",
        "import osler.core",
        "import osler.images",
        "import osler.degrade",
        "import osler.models",
        "import osler.evaluate.benchmarks",
        "import osler.cli.main",
    ],
)
def test_light_imports_load_nothing_heavy(code: str) -> None:
    assert not _modules_after(code) & HEAVY


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom osler.cli.main import app\nsys.argv=['osler','--help']\n"
        "try:\n    app(standalone_mode=False)\nexcept SystemExit:\n    pass"
    )
    assert not _modules_after(code) & (HEAVY | {"numpy", "pydicom", "PIL"})


def test_import_takes_less_than_0_3_s() -> None:
    empty = _seconds([sys.executable, "-c", "pass"])
    assert _seconds([sys.executable, "-c", "import osler"]) - empty < 0.3


def test_help_takes_less_than_0_6_s() -> None:
    assert _seconds([sys.executable, "-m", "osler.cli.main", "--help"], 10) < 0.6


def test_median_is_a_sane_clock() -> None:
    """The clock the limits above rest on really measures: a sleep of 50 ms is seen as one."""
    sleeping = [sys.executable, "-c", "import time; time.sleep(0.05)"]
    gaps = [_seconds(sleeping, 2) - _seconds([sys.executable, "-c", "pass"], 2) for _ in range(3)]
    assert 0.02 < statistics.median(gaps) < 0.5
