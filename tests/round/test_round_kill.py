"""A round that is killed ten times, in every stage, ends as one that was left alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from drawn_world import World

from osler.core import InputError, derive_rng, plain, write_json
from osler.improve.round import RoundResult, run, run_round

STAGES = ("evaluate", "evaluate", "find", "retrieve", "ask", "route", "label", "check", "train",
          "gate")  # fmt: skip
SAME = (
    "find/items.jsonl",
    "find/prototypes.json",
    "retrieve/selection.jsonl",
    "ask/answers.jsonl",
    "route/routes.jsonl",
    "label/labels.jsonl",
    "check/findings.jsonl",
    "gate/decision.json",
)
CODE = """
import json, sys
from osler.improve.round import run_round
from osler.improve.round.plan import plan_of

run_round(plan_of(json.load(open(sys.argv[1])), "plan"), sys.argv[2])
"""


def start(plan: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(plan), str(out)],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )


def session(leader: int) -> list[int]:
    """Processes, not zombies, of the session that ``leader`` began."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def read_all(out: Path) -> None:
    """Every JSON file of the round can be read: none is half written.

    Files on their way (hidden, with a random name) may be left; nobody reads them.
    """
    for path in out.rglob("[!.]*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    for path in out.rglob("[!.]*.jsonl"):
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line:
                json.loads(line)


def test_killed_at_its_first_write_it_starts_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left is a file on its way: the folder is still that of the round."""
    out = tmp_path / "round"
    out.mkdir()
    (out / ".round.json.abcd1234.json").write_text('{"format"')
    monkeypatch.setattr(run, "_go_on", lambda round_: round_.path)
    assert run_round(world.plan, out) == out.resolve()  # not refused
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no round"):
        run_round(world.plan, tmp_path / "other")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="sees processes in /proc")
def test_ten_kills_change_nothing(world: World, done: RoundResult, tmp_path: Path) -> None:
    out, plan = tmp_path / "round", tmp_path / "plan.json"
    write_json(plan, plain(world.plan))
    rng = derive_rng("kills of a round", 1)
    finished: dict[Path, int] = {}
    for stage in STAGES:
        folder, process = out / stage, start(plan, out)
        while not ((folder / "begun.json").exists() or (folder / "stage.json").exists()):
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not session(process.pid)
        read_all(out)
        now = {path: path.stat().st_mtime_ns for path in out.glob("*/stage.json")}
        assert {path: now.get(path) for path in finished} == finished  # nothing is done again
        finished = now
    last = start(plan, out)
    told = last.communicate(timeout=120)[1]
    assert last.returncode == 0, told
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert json.loads((out / "round.json").read_text())["outcome"] == done.outcome
    for name in SAME:
        assert (out / name).read_bytes() == (done.path / name).read_bytes(), name
    mine, theirs = (np.load(path / "train/student/heads.npz") for path in (out, done.path))
    weights = [name for name in mine.files if mine[name].dtype.kind == "f"]
    assert weights
    assert all(np.array_equal(mine[name], theirs[name]) for name in weights)
    left = [p for p in out.rglob("*") if p.name == "begun.json" or p.suffix in (".tmp", ".part")]
    assert not left
